"""The parent's side: starts an engine, loads a model in it, and makes its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from adapters.base import Transcript
from adapters.cores import usual_threads
from whisper_speedtest.cache.model import ModelError
from whisper_speedtest.engine.checkout import OWN
from whisper_speedtest.engine.child import Child
from whisper_speedtest.engine.compiled import Compiled
from whisper_speedtest.engine.environment import sealed_environment
from whisper_speedtest.engine.errors import LOG, EngineError
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.links import Link, begin_cache
from whisper_speedtest.engine.memory import Memory

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO, Self

    from adapters.base import Audio, Case, DecodeSettings, Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.checkout import Checkout
    from whisper_speedtest.engine.wire import Wire

T = TypeVar("T")


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
        what a failed engine has added since its load was verified is removed. None: in the folder,
        so that nothing is there yet. `checkout` is what the child runs, which has to have the case.
        """
        self.checkout = checkout
        self.case = case
        self.model = model
        self.device = device
        self.threads = usual_threads() if threads is None else threads
        self._folder = folder
        self._compiled = Compiled(folder, compiled)
        self._facts: EngineFacts | None = None
        self._loaded = False
        self._heard: set[str] = set()
        self._links: list[Link] = []
        self._child = Child(self.label, folder / LOG, self._compiled.take_back)

    @property
    def label(self) -> str:
        """The subject of an error message: `lightning-whisper-mlx[medium-fp16]`."""
        of = f" of {self.checkout.name}" if self.checkout.name else ""
        return f"{self.case.label}{of}"

    @property
    def failure(self) -> EngineError | None:
        """What ended the engine, which each further call raises; None while it works."""
        return self._child.failure

    @property
    def closed(self) -> bool:
        """Whether the engine was closed, by its owner or by a failure; it cannot start again."""
        return self._child.closed

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
        return self._child.pid

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

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """Let the calls in the block take so many seconds together; end the engine after that."""
        return self._child.limited(seconds)

    def lay_out(self) -> None:
        """Hash the files once more, and link them to where the library looks for them.

        Raises:
            VerificationError: A file is no longer the one that was verified.
        """
        self._child.require("lay_out")
        checked = self.model.resolved()
        checked.recheck()
        with self._child.failing_in("lay_out"):
            places = self.checkout.places(self.case)
            if places is None:
                places = begin_cache(self._folder, self.model)
            for file, place in places.items():
                path, _ = checked.files[file]
                place_in_folder = place.removeprefix("~/")  # The child's home is its folder.
                self._links.append(Link(self._folder, place_in_folder, path))
            self._compiled.note_whole()

    def launch(self) -> None:
        """Start the child process, an interpreter without the library, and wait until it is up."""
        self._child.require("launch")
        with self._child.failing_in("launch"):
            self._child.start(self._start)

    def _start(self, log: BinaryIO) -> tuple[subprocess.Popen[bytes], Wire]:
        """Start the child's process in this engine's folder and environment."""
        return self.checkout.start(
            self.checkout.adapter(self.case),
            self._folder,
            sealed_environment(self._folder, self._compiled.shared),
            log,
        )

    def import_library(self) -> None:
        """Import the library in the child, select the device, and mend what must be mended."""
        self._child.ask("import_library", self.device, self.threads)
        self._child.ask("mend", self.case)

    def load(self) -> None:
        """Load the model in the child."""
        self._child.ask("load", self.case)
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
        self._child.require("verify_load")
        try:
            facts = self._ask(EngineFacts, "verify_load", self.case)
            with self._child.failing_in("verify_load"):
                self._check_load(facts)
                self._compiled.note_whole()
        except BaseException:
            self._loaded = False
            raise
        self._facts = facts

    def _check_load(self, facts: EngineFacts) -> None:
        """Raise the engine's failure unless files, links and device are what they should be."""
        try:
            self.model.recheck()
        except ModelError as error:
            raise self._child.fail(f"a file changed during the load: {error}") from error
        for link in self._links:
            if changed := link.change():
                raise self._child.fail(f"{changed}; run it again")
        if facts.device not in {self.device, None}:
            raise self._child.fail(
                f"expected a model that computes on the {self.device}, got one that computes on "
                f"the {facts.device}, as the library says; see which devices its build is for, or "
                f"choose --device={facts.device}"
            )

    def start(self) -> None:
        """Start the child and load the model, unless that is done; do not verify the load."""
        self._child.require("start")
        if not self._loaded:
            self.lay_out()
            self.launch()
            self.import_library()
            self.load()

    def ready(self) -> None:
        """Start the child, load the model and verify the load, as far as that is not done yet."""
        self._child.require("ready")
        self.start()
        if self._facts is None:
            self.verify_load()

    def hear(self, key: str, audio: Audio) -> None:
        """Hand audio over under the name `key`, so that the timed call sends the name only.

        The model is loaded first. Audio is sent once: its name stands for it until it is forgotten.
        """
        self._child.require("hear")
        if not self._loaded:
            self.ready()
        if key not in self._heard:
            self._child.ask("hear", key, audio=audio)
            self._heard.add(key)

    def forget(self, key: str) -> None:
        """Free the memory of audio that was handed over."""
        self._child.ask("forget", key)
        self._heard.discard(key)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over. This is the call that is timed."""
        return self._ask(Transcript, "transcribe", key, settings)

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
        self._child.close()

    def _ask(self, kind: type[T], method: str, *arguments: Any) -> T:
        """Make a call whose answer has to be a `kind`, and return the answer."""
        value = self._child.ask(method, *arguments)
        if not isinstance(value, kind):
            raise self._child.fail(f"expected a {kind.__name__} from {method}, got {value!r:.80}")
        return value
