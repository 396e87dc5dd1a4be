"""The child process: holds one loaded model and answers its engine's calls, one at a time.

Started as `python -P …/engine/__main__.py ADAPTER VERSION FD` in the engine's folder, as the leader
of a process group of its own. ADAPTER is `module:class`, VERSION that of the parent's wire, and FD
a socket on which requests come in and answers go out, as wire.py describes. Standard input is a
pipe that the parent never writes to: its end means that the parent is gone.

The parent may be of another checkout of this suite and another interpreter. So what a child runs,
and the adapters with it, imports the standard library, numpy and the library, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from adapters import load_adapter
from adapters.base import WeightsError
from adapters.errors import describe, with_next_step
from adapters.sizes import difference
from whisper_speedtest.engine.catalogue import Catalogue
from whisper_speedtest.engine.environment import COMPILED_BY_MLX, recorded
from whisper_speedtest.engine.errors import LOG
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.memory import Memory, peak_footprint
from whisper_speedtest.engine.seal import forbid_network, step_behind
from whisper_speedtest.engine.wire import VERSION, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript

COMPILER = "g++"
"""The program that mlx looks for on the CPU. Source: mlx/backend/cpu/jit_compiler.cpp."""


class Worker:
    """The calls that an engine can make."""

    def __init__(self, adapter: str) -> None:
        self._adapter = load_adapter(adapter)()
        self._mends: tuple[str, ...] = ()
        self._audio: dict[str, Audio] = {}
        self._transcripts: dict[str, Transcript] = {}

    def import_library(self, device: Device, threads: int) -> None:
        """Import the library and make it compute on `device`."""
        self._adapter.import_library()
        self._adapter.select_device(device, threads)

    def mend(self, case: Case) -> None:
        """Change what must be changed for the library to load at all."""
        self._mends = tuple(self._adapter.mend(case))

    def load(self, case: Case) -> None:
        """Load the model."""
        self._adapter.load(case)

    def verify_load(self, case: Case) -> EngineFacts:
        """Compare the model in memory with its files and its size; return what is known then."""
        dtype = self._adapter.verify_load(case)
        dimensions = self._adapter.dimensions(case)
        if dimensions is not None and (problem := difference(case.size, dimensions)):
            raise WeightsError(f"{problem}; fix this entry of the check map of {case.adapter}")
        return EngineFacts(
            versions={package: version(package) for package in self._adapter.packages},
            threads=self._adapter.threads(),
            dtype=dtype,
            mends=self._mends,
            device=self._adapter.device_in_use(Path(LOG).read_text("utf-8", errors="replace")),
            compiler=_compiler(),
            environment=recorded(os.environ),
        )

    def hear(self, key: str, audio: Audio) -> None:
        """Keep the audio that `transcribe` will be asked for under `key`."""
        self._audio[key] = audio

    def forget(self, key: str) -> None:
        """Keep audio, and what was heard in it, no longer."""
        self._audio.pop(key, None)
        self._transcripts.pop(key, None)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over before: the timed call."""
        transcript = self._adapter.transcribe(self._audio[key], settings)
        self._transcripts[key] = transcript
        return transcript

    def echo(self, key: str, settings: DecodeSettings) -> Transcript:  # noqa: ARG002
        """Return the last transcript of that audio once more, without transcribing."""
        if key not in self._transcripts:
            raise LookupError(f"nothing was transcribed as {key!r} yet; transcribe it first")
        return self._transcripts[key]

    def memory(self) -> Memory:
        """Return the peaks since the process began."""
        return Memory(peak_footprint(), self._adapter.accelerator_memory())

    def told(self, error: BaseException) -> str:
        """Return how an error that a call has raised is reported, with what helps."""
        said = describe(error)
        return with_next_step(said, self._adapter.advice(said) or step_behind(error))

    def reference(self, products: int) -> float | None:
        """Compute the reference on the device, for which nothing has to be loaded."""
        return self._adapter.reference(products)


def _compiler() -> str | None:
    """Return the name of the compiler that mlx has used, with links followed; None if it used none.

    An installed compiler is no evidence: mlx silently goes without one that does not run, and needs
    none on a GPU. Only what it has compiled, which lies in its cache, shows that it used one.
    """
    compiled = next(Path(COMPILED_BY_MLX).rglob("*.so"), None)
    found = shutil.which(COMPILER) if compiled else None
    return Path(found).resolve().name if found else None


def _end_with_parent() -> None:
    """Arrange that this process and all that it starts are killed when the parent is gone."""
    if sys.platform == "linux":
        # The system itself kills the group when standard input ends, also while native code holds
        # the interpreter's lock, so that no thread of Python's can run.
        import fcntl

        fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    """Wait until standard input ends, and then kill this process's group."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def serve(worker: object, wire: Wire, tell: Callable[[BaseException], str] = describe) -> None:
    """Answer calls until the parent hangs up; `tell` says what a call has raised."""
    while True:
        try:
            method, arguments, audio = wire.receive()
        except EOFError:
            return
        try:
            if audio:
                arguments.append(wire.receive_audio(audio))
            wire.send({"value": getattr(worker, method)(*arguments)})
        except BaseException as error:  # noqa: BLE001 - whatever a library raises is the answer
            with suppress(OSError):  # the disk of the log may be full
                traceback.print_exc()
            wire.send({"error": tell(error)})


def main() -> None:
    """Serve the parent on the socket that the command line names."""
    adapter, parents_version, descriptor = sys.argv[1:]
    os.set_inheritable(int(descriptor), False)
    _end_with_parent()
    forbid_network()
    wire = Wire(socket.socket(fileno=int(descriptor)))
    if parents_version != str(VERSION):
        wire.greet()  # The parent sees the other version, and raises the error.
    elif adapter:
        worker = Worker(adapter)
        wire.greet()
        serve(worker, wire, worker.told)
    else:
        wire.greet()
        serve(Catalogue(), wire)
    # No interpreter shutdown: a library's destructors may hang or abort, and nothing is left to do.
    os._exit(0)
