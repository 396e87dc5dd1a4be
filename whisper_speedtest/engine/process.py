"""The parent's side: starts an engine, makes its calls, and gives its failures names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapters import REGISTRY, adapter_class
from adapters.cores import usual_threads
from whisper_speedtest.engine.worker import Answer
from whisper_speedtest.hub.cache import folder_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript
    from whisper_speedtest.engine.memory import Memory
    from whisper_speedtest.hub.model import VerifiedModel

ENTRY = Path(__file__).with_name("__main__.py").resolve()
HF_HOME = "huggingface"
"""In an engine's folder."""

LOG_LINES = 20
"""How much of an engine's stderr an error shows."""

# What would let a library look beyond its engine's folder, or hand it a secret.
_LEFT_OUT = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_", "PYTEST_", "PYTHONPATH")


class EngineError(Exception):
    """An engine that crashed, hung, ran out of memory or could not do what it was asked."""


class Engine:
    """A child process that holds one model, in a folder with that model's verified files only.

    The child is started by the first call that needs it. After a failure every further call raises
    the same failure again: nothing that comes after a crash can be trusted. One that had
    loaded its model before is no longer `usable`: another may fare better on other audio.
    """

    def __init__(
        self,
        case: Case,
        model: VerifiedModel,
        folder: Path,
        device: Device,
        threads: int | None = None,
    ) -> None:
        """Describe the engine; `folder` must not exist yet and becomes its working directory.

        `threads` are those that the library is given on the CPU; None: as on equal terms.
        """
        self.case = case
        self.model = model
        self.device = device
        self.threads = usual_threads() if threads is None else threads
        self.dtype = ""
        """What the model computes in, once its load was verified."""
        self.compat: tuple[str, ...] = ()
        self._folder = folder
        self._log = folder / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded = False
        self._verified = False
        self._transcribed = False
        self._failure: EngineError | None = None
        self._heard: set[str] = set()

    @property
    def warm(self) -> bool:
        """Whether the engine has transcribed anything yet."""
        return self._transcribed

    @property
    def usable(self) -> bool:
        """Whether a new engine would fare no better: it works, or it failed to load."""
        return self._failure is None or not self._verified

    def __enter__(self) -> Self:
        """Return the engine; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child process."""
        self.close()

    def lay_out(self) -> None:
        """Check the files once more, and put them where the library looks for them."""
        self.model.recheck()
        adapter = adapter_class(self.case.adapter)
        places = adapter.place(self.case)
        if places is None:
            places = self._hub_cache()
        for file, place in places.items():
            path, _ = self.model.files[file]
            target = self._folder / place.removeprefix("~/")  # which is its home
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)

    def _hub_cache(self) -> dict[str, str]:
        """Begin a hub cache for this model alone; return where its files belong."""
        repo = f"{HF_HOME}/hub/{folder_name(self.model.repo)}"
        reference = self._folder / repo / "refs" / self.model.revision
        reference.parent.mkdir(parents=True)
        reference.write_text(self.model.commit, encoding="utf-8")
        return {file: f"{repo}/snapshots/{self.model.commit}/{file}" for file in self.model.files}

    def launch(self) -> None:
        """Start the child process, an interpreter without the library, and wait until it is up."""
        self._connection, theirs = Pipe()
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", str(ENTRY)),
                    *(REGISTRY[self.case.adapter], str(theirs.fileno())),
                ],
                cwd=self._folder,
                env=sealed_environment(self._folder),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                # A Ctrl-C is for pytest, which then ends the engines; and all that a library
                # starts can be ended with it.
                start_new_session=True,
            )
        self.ping()

    def import_library(self) -> None:
        """Import the library in the child, select the device, and mend what must be."""
        self._call("import_library", self.device, self.threads)
        self.compat = self._call("mend", self.case)

    def load(self) -> None:
        """Load the model in the child."""
        self._call("load", self.case)
        self._loaded = True

    def verify_load(self) -> None:
        """Compare the weights in memory with the files': no part of a load, so not in its clock."""
        self.dtype = self._call("verify_load", self.case)
        self._verified = True

    def ready(self) -> None:
        """Start the child and load the model, unless that is done."""
        if self._failure:
            raise self._failure
        if not self._loaded:
            self.lay_out()
            self.launch()
            self.import_library()
            self.load()
            self.verify_load()

    def hear(self, key: str, audio: Audio) -> None:
        """Hand audio over, so that the timed call need not; get ready first."""
        self.ready()
        if key not in self._heard:
            self._call("hear", key, audio)
            self._heard.add(key)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over. This is what a clock goes round."""
        transcript = self._call("transcribe", key, settings)
        self._transcribed = True
        return cast("Transcript", transcript)

    def ping(self) -> None:
        """Make an empty call."""
        self._call("ping")

    def memory(self) -> Memory:
        """Return the child's peak memory so far."""
        return cast("Memory", self._call("memory"))

    def close(self) -> None:
        """End the child process and whatever it started; safe to call at any time."""
        if self._process is None:
            return
        # The child leads a group of its own, which may outlive it. Where nothing is left of the
        # group, Linux says "no such process" and macOS "not permitted".
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._connection.close()
        self._process = None

    def _call(self, method: str, *arguments: Any) -> Any:
        if self._failure:
            raise self._failure
        try:
            self._connection.send((method, arguments))
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._fail(f"{self._how_it_ended()} during {method}") from error
        except Exception as error:
            what = f"its answer to {method} could not be read: {type(error).__name__}: {error}"
            raise self._fail(what) from error
        except BaseException as error:
            # A time limit or a Ctrl-C came down on the wait. The answer may still come, so no
            # further call can be made.
            error.add_note(str(self._fail(f"stopped during {method}, which had not returned")))
            raise
        if not isinstance(answer, Answer):
            raise self._fail(f"expected an answer to {method}, got {answer!r:.80}")
        if answer.error:
            raise self._fail(f"{method} raised {answer.error}")
        return answer.value

    def _how_it_ended(self) -> str:
        """Wait for the child, whose socket has closed, and say how it ended."""
        assert self._process is not None
        code = self._process.wait()
        if code >= 0:
            return f"the engine ended with exit status {code}"
        hint = " (the system's out-of-memory killer sends it)" if code == -signal.SIGKILL else ""
        return f"the engine was ended by {signal.Signals(-code).name}{hint}"

    def _fail(self, what: str) -> EngineError:
        """End the child, and return the error that this and every further call raises."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n".join(f"  | {line}" for line in lines[-LOG_LINES:]) or "  | (nothing)"
        self._failure = EngineError(f"{self.case.label}: {what}; its last lines on stderr:\n{tail}")
        self.close()
        return self._failure


def probe_gpu(case: Case, model: VerifiedModel, folder: Path) -> str | None:
    """Return why the case's library cannot compute on the GPU of this machine; None if it can.

    The library tries it in a process of its own: an unsupported GPU may abort.
    """
    with Engine(case, model, folder, "gpu") as engine:
        try:
            engine.lay_out()
            engine.launch()
            engine.import_library()
        except EngineError as error:
            return str(error)
    return None


def sealed_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which every cache that a library knows of lies inside `folder`."""
    inherited: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)
    }
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    return {
        **inherited,
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "HF_HOME": str(folder / HF_HOME),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
    }
