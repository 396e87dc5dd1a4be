"""The parent's side: starts an engine, makes its calls, and gives its failures names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapters import REGISTRY, adapter_class
from adapters.cores import usual_threads
from whisper_speedtest.engine.environment import HF_HOME, sealed_environment
from whisper_speedtest.engine.errors import EngineError, EngineTimeoutError
from whisper_speedtest.engine.interrupts import signals_held
from whisper_speedtest.engine.links import Link
from whisper_speedtest.engine.worker import LOG, Answer
from whisper_speedtest.hub.cache import folder_name
from whisper_speedtest.hub.model import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from typing import Self

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript
    from whisper_speedtest.engine.facts import EngineFacts
    from whisper_speedtest.engine.memory import Memory
    from whisper_speedtest.hub.model import VerifiedModel

ENTRY = Path(__file__).with_name("__main__.py").resolve()
LAST_LINES = "; its last lines on stderr:"
"""Stands in an error before the end of an engine's log."""

LOG_LINES = 20
"""How many of the last lines of an engine's log an error shows."""

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
    ) -> None:
        """Describe the engine, and start nothing.

        `folder` is empty or new, and becomes the child's working directory. `threads` is how many
        the library is given on the CPU; None stands for the number that all libraries are compared
        with. `compiled` is where libraries find what they compiled while they ran, and add to it;
        None: in the folder, so that nothing is there yet.
        """
        self.case = case
        self.model = model
        self.device = device
        self.threads = usual_threads() if threads is None else threads
        self._folder = folder
        self._compiled = compiled
        self._log = folder / LOG
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._unanswered: str | None = None
        self._failure: EngineError | None = None
        self._facts: EngineFacts | None = None
        self._limit: float | None = None
        self._deadline = 0.0
        self._closed = False
        self._loaded = False
        self._heard: set[str] = set()
        self._links: list[Link] = []

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
            raise EngineError(f"{self.case.label}: expected a running engine, got none; launch it")
        return self._process.pid

    @property
    def facts(self) -> EngineFacts:
        """What the child knows of itself and its model.

        Raises:
            EngineError: The load has not been verified.
        """
        if self._facts is None:
            raise EngineError(
                f"{self.case.label}: expected a verified load before its facts are asked for, got "
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
            adapter = adapter_class(self.case.adapter)
            places = adapter.place(self.case)
            if places is None:
                places = self._hub_cache()
            for file, place in places.items():
                path, _ = checked.files[file]
                # The child's home is its folder.
                self._links.append(Link(self._folder, place.removeprefix("~/"), path))

    def _hub_cache(self) -> dict[str, str]:
        """Begin a hub cache for this model alone; return where its files belong."""
        repo = f"{HF_HOME}/hub/{folder_name(self.model.repo)}"
        reference = self._folder / repo / "refs" / self.model.revision
        reference.parent.mkdir(parents=True)
        reference.write_text(self.model.commit, encoding="utf-8")
        return {file: f"{repo}/snapshots/{self.model.commit}/{file}" for file in self.model.files}

    def launch(self) -> None:
        """Start the child process, an interpreter without the library, and wait until it is up."""
        self._require("launch")
        with self._failing_in("launch"), signals_held():
            self._connection, theirs = Pipe()
            with theirs, self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", str(ENTRY)),
                        *(REGISTRY[self.case.adapter], str(theirs.fileno())),
                    ],
                    cwd=self._folder,
                    env=sealed_environment(self._folder, self._compiled),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    # In a process group of its own, a child gets no Ctrl-C, which is for pytest
                    # alone; and it can be ended together with all that its library has started.
                    start_new_session=True,
                )
        self.ping()

    def import_library(self) -> None:
        """Import the library in the child, select the device, and mend what must be mended."""
        self._call("import_library", self.device, self.threads)
        self._call("mend", self.case)

    def load(self) -> None:
        """Load the model in the child."""
        self._call("load", self.case)
        self._loaded = True

    def verify_load(self) -> None:
        """Check that the model in memory is that of the files, and computes on the device.

        The child compares the weights. The files are hashed again, since they may have been
        exchanged between the last hashing and the load, and nobody may have touched them meanwhile,
        who may have put them back. This is no part of a load, so no clock goes round it.

        Raises:
            EngineError: One of these differs. The message says what was expected and what was got.
        """
        self._require("verify_load")
        try:
            facts = cast("EngineFacts", self._call("verify_load", self.case))
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

        The model is loaded first. Audio is sent once: a name stands for the same audio until
        it is forgotten.
        """
        self._require("hear")
        if not self._loaded:
            self.ready()
        if key not in self._heard:
            self._call("hear", key, audio)
            self._heard.add(key)

    def forget(self, key: str) -> None:
        """Free the memory of audio that was handed over."""
        self._call("forget", key)
        self._heard.discard(key)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over. This is the call that is timed."""
        return cast("Transcript", self._call("transcribe", key, settings))

    def echo(self, key: str, settings: DecodeSettings) -> Transcript:
        """Answer as `transcribe` last did for that audio: what a call costs without its work."""
        return cast("Transcript", self._call("echo", key, settings))

    def ping(self) -> None:
        """Make an empty call."""
        self._call("ping")

    def memory(self) -> Memory:
        """Return the child's peak memory so far."""
        return cast("Memory", self._call("memory"))

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
            # The child leads a group of its own, which may outlive it. Where nothing is left of
            # the group, Linux says "no such process" and macOS "not permitted".
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _require(self, method: str) -> None:
        """Raise the engine's failure if it has one, and an error if it was closed."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise EngineError(
                f"{self.case.label}: expected an open engine for {method}, got one that was "
                "closed; make a new one"
            )

    def _call(self, method: str, *arguments: Any) -> Any:
        self._require(method)
        if self._connection is None:
            raise EngineError(
                f"{self.case.label}: expected a running engine for {method}, got one that was not "
                "started; call launch or ready first"
            )
        with self._failing_in(method):
            if self._unanswered is not None:
                # A second interrupt came while the first was being dealt with.
                raise self._fail(f"stopped during {self._unanswered}, which had not returned")
            self._unanswered = method
            try:
                self._connection.send((method, arguments))
                if self._limit is not None:
                    self._await_answer(method, self._limit)
                answer = self._connection.recv()
            except EngineError:
                raise
            except (EOFError, OSError) as error:
                raise self._fail(f"{self._how_it_ended()} during {method}") from error
            except Exception as error:
                what = f"its answer to {method} could not be read: {type(error).__name__}: {error}"
                raise self._fail(what) from error
            self._unanswered = None
        if not isinstance(answer, Answer):
            raise self._fail(f"expected an answer to {method}, got {answer!r:.80}")
        if answer.error is not None:
            raise self._fail(f"{method} raised {answer.error}")
        return answer.value

    def _await_answer(self, method: str, limit: float) -> None:
        """Wait for the answer to `method`; raise the engine's failure where it is late."""
        assert self._connection is not None
        if not self._connection.poll(max(0.0, self._deadline - time.monotonic())):
            raise self._fail(f"{method} did not end within {limit:g} s", EngineTimeoutError)

    @contextmanager
    def _failing_in(self, method: str) -> Iterator[None]:
        """Make what goes wrong in the block the engine's failure, and end the engine."""
        try:
            yield
        except EngineError:
            raise
        except Exception as error:
            raise self._fail(f"{method} raised {type(error).__name__}: {error}") from error
        except BaseException as error:
            # A time limit or Ctrl-C came while the child was at work. Its answer may still come,
            # and would be taken for that of the next call, so there must be none.
            note = str(self._fail(f"stopped during {method}, which had not returned"))
            # What it last said may tell why it was slow, and has nothing to do with Ctrl-C.
            by_hand = isinstance(error, KeyboardInterrupt)
            error.add_note(note.partition(LAST_LINES)[0] if by_hand else note)
            raise

    def _how_it_ended(self) -> str:
        """Wait for the child, whose end of the connection is closed, and say how it ended."""
        assert self._process is not None
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return f"the engine hung up and did not end within {SECONDS_TO_END:g} s"
        if code >= 0:
            return f"the engine ended with exit status {code}"
        hint = " (the system's out-of-memory killer sends it)" if code == -signal.SIGKILL else ""
        return f"the engine was ended by {signal.Signals(-code).name}{hint}"

    def _fail(self, what: str, kind: type[EngineError] = EngineError) -> EngineError:
        """End the child, and return the error that this and every further call raises."""
        message = f"{self.case.label}: {what}"
        # Set at once, so that the engine counts as failed if the rest is interrupted.
        self._failure = kind(message)
        self.close()
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        tail = "\n".join(f"  | {line}" for line in text.splitlines()[-LOG_LINES:])
        self._failure = kind(f"{message}{LAST_LINES}\n{tail or '  | (nothing)'}")
        return self._failure
