"""The child process: holds one loaded model and answers its engine's calls, one at a time.

Started as `python -P -m engine ADAPTER FD` in the engine's folder. FD is a socket on which
pickled requests `(method, arguments)` come in and `Answer`s go out; only the parent, which runs the
same code, writes to it. Standard input is a pipe that the parent never writes to: its end means
that the parent is gone.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from adapters import load_adapter
from whisper_speedtest.engine.memory import Memory, peak_footprint
from whisper_speedtest.engine.seal import forbid_network

if TYPE_CHECKING:
    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, or the exception that it raised."""

    value: Any = None
    error: str | None = None


class Worker:
    """The calls that an engine can make."""

    def __init__(self, adapter: str) -> None:
        self._adapter = load_adapter(adapter)()
        self._audio: dict[str, Audio] = {}

    def ping(self) -> None:
        """Do nothing: the cost of a call."""

    def import_library(self, device: Device, threads: int) -> None:
        """Import the library and make it compute on `device`."""
        self._adapter.import_library()
        self._adapter.select_device(device, threads)

    def mend(self, case: Case) -> tuple[str, ...]:
        """Do what the library needs to load; return a line for each thing done."""
        return self._adapter.mend(case)

    def load(self, case: Case) -> None:
        """Load the model."""
        self._adapter.load(case)

    def verify_load(self, case: Case) -> str:
        """Compare the weights in memory with those of the files; return what they compute in."""
        return self._adapter.verify_load(case)

    def hear(self, key: str, audio: Audio) -> None:
        """Keep the audio that `transcribe` will be asked for under `key`."""
        self._audio[key] = audio

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Transcribe audio that was handed over before: the timed call."""
        return self._adapter.transcribe(self._audio[key], settings)

    def memory(self) -> Memory:
        """Return the peaks since the process began."""
        return Memory(peak_footprint(), self._adapter.accelerator_memory())


def _end_with_parent() -> None:
    """Wait for the parent's end of standard input to close, then end at once, even in mid-call."""
    os.read(0, 1)
    os._exit(0)


def serve(adapter: str, connection: Connection) -> None:
    """Answer calls until the parent hangs up."""
    worker = Worker(adapter)
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = Answer(getattr(worker, method)(*arguments))
        except Exception as error:  # noqa: BLE001 - whatever a library raises is the answer
            traceback.print_exc()
            answer = Answer(error=f"{type(error).__name__}: {error}")
        connection.send(answer)


def main() -> None:
    """Serve the parent on the socket that the command line names."""
    adapter, descriptor = sys.argv[1:]
    os.set_inheritable(int(descriptor), False)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    forbid_network()
    serve(adapter, Connection(int(descriptor)))
    # No interpreter shutdown: a library's destructors may hang or abort, and nothing is left to do.
    os._exit(0)
