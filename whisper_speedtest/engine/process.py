"""The parent's side: starts an engine, makes its calls, and gives its failures names."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.base import Transcript
from adapters.cores import usual_threads
from adapters.errors import said_of
from whisper_speedtest.engine.checkout import OWN, end
from whisper_speedtest.engine.environment import sealed_environment
from whisper_speedtest.engine.errors import (
    LAST_LINES,
    LOG,
    EngineError,
    EngineTimeoutError,
    how_it_ended,
    last_lines,
    meanwhile,
)
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.interrupts import signals_held
from whisper_speedtest.engine.links import Link, begin_cache
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.engine.wire import WireError, size_of
from whisper_speedtest.hub.model import ModelError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from adapters.base import Audio, Case, DecodeSettings, Device
    from whisper_speedtest.engine.checkout import Checkout
    from whisper_speedtest.engine.wire import Wire
    from whisper_speedtest.hub.model import VerifiedModel

T = TypeVar("T")

SECONDS_TO_END = 10.0
"""How long a child that has closed its connection may take to end, as for writing a core dump."""


class Engine:
    """A child process that holds one model, in a folder with that model's verified files only.

    The child is started by the first call that needs it. When the child fails, or when a time limit
    or Ctrl-C interrupts a call, the child is ended, and every further call raises the same failure:
    nothing that comes after a crash can be trusted. A model file that has changed before the child
    is started is a ModelError, and no failure of the engine.
    """

    def __init__(
        self,
        case: Case,
        model: VerifiedModel,
        folder: Path,
        device: Device,
        threads: int | None = None,
        compiled: Path | None = None,
        checkout: Checkout = OWN,
    ) -> None:
        """Describe the engine, and start nothing.

        `folder` is empty or new, and becomes the child's working directory. `threads` is how many
        the library is given on the CPU; None stands for the number that all libraries are compared
        with. `compiled` is where libraries find what they compiled while they ran, and add to it;
        None: in the folder, so that nothing is there yet. `checkout` is what the child runs, which
        has to have the case.
        """
        self.checkout = checkout
        self.case = case
        self.model = model
        self.device = device
        self.threads = usual_threads() if threads is None else threads
        self._folder = folder
        self._compiled = compiled
        self._log = folder / LOG
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None
        self._unanswered: str | None = None
        self._failure: EngineError | None = None
        self._facts: EngineFacts | None = None
        self._limit: float | None = None
        self._deadline = 0.0
        self._closed = False
        self._loaded = False
        self._calls = 0  # transcriptions that have returned
        self._heard: set[str] = set()
        self._links: list[Link] = []

    @property
    def label(self) -> str:
        """The subject of an error message: `lightning-whisper-mlx[medium-fp16]`."""
        of = f" of {self.checkout.name}" if self.checkout.name else ""
        return f"{self.case.label}{of}"

    @property
    def failure(self) -> EngineError | None:
        """What ended the engine, which each further call raises; None while it works."""
        return self._failure

    @property
    def closed(self) -> bool:
        """Whether the engine was closed, by its owner or by a failure; it cannot start again."""
        return self._closed

    @property
    def loaded(self) -> bool:
        """Whether the model was loaded, and no verification of the load has failed."""
        return self._loaded

    @property
    def pid(self) -> int:
        """The process id of the child.

        Raises:
            EngineError: It is not running.
        """
        self._require("pid")
        if self._process is None:
            raise EngineError(f"{self.label}: expected a running engine, got none; launch it")
        return self._process.pid

    @property
    def facts(self) -> EngineFacts:
        """What the child knows of itself and its model.

        Raises:
            EngineError: The load has not been verified.
        """
        if self._facts is None:
            raise EngineError(
                f"{self.label}: expected a verified load before its facts are asked for, got "
                "none; call verify_load or ready first"
            )
        return self._facts

    def __enter__(self) -> Self:
        """Return the engine; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child process."""
        self.close()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let the calls in the block take so many seconds together; end the engine after that."""
        self._limit = seconds
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._limit = None

    def lay_out(self) -> None:
        """Hash the files once more, and link them to where the library looks for them.

        Raises:
            VerificationError: A file is no longer the one that was verified.
        """
        self._require("lay_out")
        checked = self.model.resolved()
        checked.recheck()
        with self._failing_in("lay_out"):
            places = self.checkout.places(self.case)
            if places is None:
                places = begin_cache(self._folder, self.model)
            for file, place in places.items():
                path, _ = checked.files[file]  # the child's home is its folder
                self._links.append(Link(self._folder, place.removeprefix("~/"), path))

    def launch(self) -> None:
        """Start the child process, an interpreter without the library, and wait until it is up."""
        self._require("launch")
        with self._failing_in("launch"):
            with signals_held(), self._log.open("wb") as log:
                self._process, self._wire = self.checkout.start(
                    self.checkout.adapter(self.case),
                    self._folder,
                    sealed_environment(self._folder, self._compiled),
                    log,
                )
            self._unanswered = "launch"
            with self._reading("launch"):
                self._await_answer("launch")
                self._wire.await_greeting()
            self._unanswered = None

    def import_library(self) -> None:
        """Import the library in the child, select the device, and mend what must be mended."""
        self._do("import_library", self.device, self.threads)
        self._do("mend", self.case)

    def load(self) -> None:
        """Load the model in the child."""
        self._do("load", self.case)
        self._loaded = True

    def verify_load(self) -> None:
        """Check that the model in memory is that of the files, and computes on the device.

        The child compares the weights. The files are hashed again, since they may have been
        exchanged between the last hashing and the load; and they and their links must not have been
        touched meanwhile, since a file that was exchanged may have been put back. This is no part
        of a load, so it is never timed.

        Raises:
            EngineError: One of these differs. The message says what was expected and what was got.
        """
        self._require("verify_load")
        try:
            facts = self._ask(EngineFacts, "verify_load", self.case)
            with self._failing_in("verify_load"):
                self._check_load(facts)
        except BaseException:
            self._loaded = False
            raise
        self._facts = facts

    def _check_load(self, facts: EngineFacts) -> None:
        """Raise the engine's failure unless files, links and device are what they should be."""
        try:
            self.model.recheck()
        except ModelError as error:
            raise self._fail(f"a file changed during the load: {error}") from error
        for link in self._links:
            if changed := link.change():
                raise self._fail(f"{changed}; run it again")
        if facts.device not in {self.device, None}:
            raise self._fail(
                f"expected a model that computes on the {self.device}, got one that computes on "
                f"the {facts.device}, as the library says; see which devices its build is for, or "
                f"choose --device={facts.device}"
            )

    def ready(self) -> None:
        """Start the child, load the model and verify the load, as far as that is not done yet."""
        self._require("ready")
        if not self._loaded:
            self.lay_out()
            self.launch()
            self.import_library()
            self.load()
        if self._facts is None:
            self.verify_load()

    def hear(self, key: str, audio: Audio) -> None:
        """Hand audio over under the name `key`, so that the timed call sends the name only.

        The model is loaded first. Audio is sent once: its name stands for it until it is forgotten.
        """
        self._require("hear")
        if not self._loaded:
            self.ready()
        if key not in self._heard:
            self._do("hear", key, audio=audio)
            self._heard.add(key)

    def forget(self, key: str) -> None:
        """Free the memory of audio that was handed over."""
        self._do("forget", key)
        self._heard.discard(key)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over. This is the call that is timed."""
        transcript = self._ask(Transcript, "transcribe", key, settings)
        self._calls += 1
        return transcript

    def echo(self, key: str, settings: DecodeSettings) -> Transcript:
        """Answer as `transcribe` last did for that audio: what a call costs without its work."""
        return self._ask(Transcript, "echo", key, settings)

    def reference(self, products: int) -> float:
        """Compute the reference on the device, with so many products; return 1 if that is right.

        The library has to be imported, and no model loaded. It is an error where the adapter has no
        reference.
        """
        return self._ask(float, "reference", products)

    def memory(self) -> Memory:
        """Return the child's peak memory so far."""
        return self._ask(Memory, "memory")

    def close(self) -> None:
        """End the child process and whatever it started; safe to call at any time, and again."""
        try:
            self._end()
        except BaseException:  # An interrupt. Nothing may be left running when it goes on.
            self._end()
            raise

    def _end(self) -> None:
        self._closed = True
        if self._process is not None:
            end(self._process)
        if self._wire is not None:
            self._wire.close()
        self._process = self._wire = None

    def _require(self, method: str) -> None:
        """Raise the engine's failure if it has one, and an error if it was closed."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise EngineError(
                f"{self.label}: expected an open engine for {method}, got one that was "
                "closed; make a new one"
            )

    def _ask(self, kind: type[T], method: str, *arguments: Any) -> T:
        """Make a call that is answered by something of a kind."""
        value = self._do(method, *arguments)
        if not isinstance(value, kind):
            raise self._fail(f"expected a {kind.__name__} from {method}, got {value!r:.80}")
        return value

    def _do(self, method: str, *arguments: Any, audio: Audio | None = None) -> Any:
        """Make a call, and return what the child answers."""
        self._require(method)
        if self._wire is None:
            raise EngineError(
                f"{self.label}: expected a running engine for {method}, got one that was not "
                "started; call launch or ready first"
            )
        with self._failing_in(method):
            if self._unanswered is not None:
                # A second interrupt came while the first was being dealt with.
                raise self._fail(f"stopped during {self._unanswered}, which had not returned")
            self._unanswered = method
            with self._reading(method):
                self._wire.send([method, arguments, size_of(audio)], audio)
                self._await_answer(method)
                answer = self._wire.receive()
            self._unanswered = None
        match answer:
            case {"error": str(error)}:
                failure = self._fail(f"{method} raised {error}")
                failure.raised_in = method
                raise failure
            case {"value": value}:
                return value
        raise self._fail(f"expected an answer to {method}, got {answer!r:.80}")

    @contextmanager
    def _reading(self, method: str) -> Iterator[None]:
        """Say how the child ended, or what it said, where it does not answer as it should."""
        try:
            yield
        except (EOFError, OSError) as error:
            assert self._process is not None
            before = f", after {self._calls} that returned" if self._calls else ""
            when = f"{method}{before}" if method == "transcribe" else method
            ended = how_it_ended(self._process, SECONDS_TO_END, when, self._log)
            raise self._fail(ended) from error
        except WireError as error:
            raise self._fail(f"its answer to {method} could not be read: {error}") from error

    def _await_answer(self, method: str) -> None:
        """Wait for the answer to `method`; raise the engine's failure where it is late."""
        assert self._wire is not None
        if self._limit is not None:
            left = max(0.0, self._deadline - time.monotonic())
            if not self._wire.has_come(left) or time.monotonic() > self._deadline:
                late = f"{method} did not end within {self._limit:g} s{meanwhile(self._process)}"
                raise self._fail(late, EngineTimeoutError)

    @contextmanager
    def _failing_in(self, method: str) -> Iterator[None]:
        """Make what goes wrong in the block the engine's failure, and end the engine."""
        try:
            yield
        except EngineError:
            raise
        except Exception as error:
            raise self._fail(f"{method} raised {said_of(error)}") from error
        except BaseException as error:
            # A time limit or Ctrl-C came while the child was at work. Its answer may still come,
            # and would be taken for that of the next call, so there must be none.
            started = meanwhile(self._process)
            note = str(self._fail(f"stopped during {method}, which had not returned{started}"))
            if isinstance(error, KeyboardInterrupt):
                note = note.partition(LAST_LINES)[0]  # which has nothing to do with Ctrl-C
            error.add_note(note)
            raise

    def _fail(self, what: str, kind: type[EngineError] = EngineError) -> EngineError:
        """End the child, and return the error that this and every further call raises."""
        message = f"{self.label}: {what}"
        # Set at once, so that the engine counts as failed if the rest is interrupted.
        self._failure = kind(message)
        self.close()
        self._failure = kind(f"{message}{LAST_LINES}\n{last_lines(self._log)}")
        return self._failure
