"""An engine without a process, on a clock that moves only when a step is said to take time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from adapters.base import Case, Segment, Transcript
from tests.helpers.results import COMMIT, SHA256
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.facts import EngineFacts
from whisper_speedtest.engine.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.base import Audio, DecodeSettings, Device
    from whisper_speedtest.engine.process import Engine

T = TypeVar("T")

CASE = Case("lightning-whisper-mlx", "micro", "fp16")


class Clock:
    """Stands for `time.perf_counter`: what `take` adds up, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the reading."""
        return self.now

    def take(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(eq=False)
class FakeEngine:
    """Takes as long for each step as it is told, and writes down what it is asked."""

    clock: Clock
    path: Path
    calls: list[float] = field(default_factory=list)
    """Seconds of each transcription, in turn; the last one stays."""

    texts: list[str] = field(default_factory=lambda: ["the ship"])
    """What it hears in each transcription, in turn; the last one stays."""

    segments: tuple[Segment, ...] = ()
    """What each transcript consists of, with its times."""

    fallbacks: list[bool] = field(default_factory=lambda: [False])
    empty_calls: list[float] = field(default_factory=lambda: [0.001])
    device: Device = "cpu"
    case: Case = CASE
    repo: str = "embedded/micro-mlx-fp16"
    log: list[str] = field(default_factory=list)
    """The steps, in the order in which they were asked for."""

    told_device: Device | None = "cpu"
    """Where the library says that it computes."""

    threads: int = 3
    peak: int = 100
    """Bytes. Verifying the load adds 900, as it reads the weights once more."""

    pid: int = 4242
    closed: bool = False
    sent: list[tuple[str, int]] = field(default_factory=list, init=False)
    """Name and number of samples of all audio that was handed over."""

    told: list[tuple[str, DecodeSettings]] = field(default_factory=list, init=False)
    """Name of the audio, and settings, of each transcription and of each empty call."""

    @property
    def label(self) -> str:
        """The subject of an error message."""
        return self.case.label

    @property
    def as_engine(self) -> Engine:
        """The same fake, for those who take an engine."""
        return cast("Engine", self)

    @property
    def model(self) -> VerifiedModel:
        """A model of one file."""
        files = {"weights.npz": (self.path, Proof(42, SHA256))}
        return VerifiedModel(self.repo, "main", COMMIT, files)

    @property
    def facts(self) -> EngineFacts:
        """What the process would say of itself."""
        return EngineFacts(
            versions={"mlx": "0.32.4"},
            threads=self.threads,
            dtype="float16",
            mends=("a mend",),
            device=self.told_device,
            compiler="g++-13",
            environment={"HF_HUB_OFFLINE": "1"},
        )

    def lay_out(self) -> None:
        """Take 100 s, which are no part of a start."""
        self._step("lay_out", 100.0)

    def launch(self) -> None:
        """Take 1 s."""
        self._step("launch", 1.0)

    def import_library(self) -> None:
        """Take 2 s."""
        self._step("import_library", 2.0)

    def load(self) -> None:
        """Take 4 s."""
        self._step("load", 4.0)

    def verify_load(self) -> None:
        """Take 1,000 s, which are no part of a start, and add to the peak of the memory."""
        self._step("verify_load", 1000.0)
        self.peak += 900

    def hear(self, key: str, audio: Audio) -> None:
        """Take half a second."""
        self.sent.append((key, len(audio)))
        self._step(f"hear {key}", 0.5)

    def forget(self, key: str) -> None:
        """Take a quarter of a second."""
        self._step(f"forget {key}", 0.25)

    def transcribe(self, key: str, settings: DecodeSettings) -> Transcript:
        """Take as long as the next call does."""
        self.told.append((key, settings))
        self._step(f"transcribe {key}", _next(self.calls))
        return Transcript(_next(self.texts), self.segments, fallback=_next(self.fallbacks))

    def echo(self, key: str, settings: DecodeSettings) -> Transcript:
        """Take as long as the next empty call does."""
        self.told.append((key, settings))
        self._step(f"echo {key}", _next(self.empty_calls))
        return Transcript("", (), fallback=False)

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Take note of the limit."""
        self.log.append(f"limited to {seconds:g} s")
        yield
        self.log.append("unlimited")

    def close(self) -> None:
        """Take note."""
        self.closed = True

    def memory(self) -> Memory:
        """Return the peak so far."""
        self._step("memory", 0.0)
        return Memory(self.peak, None)

    def _step(self, name: str, seconds: float) -> None:
        self.log.append(name)
        self.clock.take(seconds)


def _next(values: list[T]) -> T:
    return values.pop(0) if len(values) > 1 else values[0]
