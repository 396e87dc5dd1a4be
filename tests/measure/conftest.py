"""What the tests of measure/ share: a clock and a machine that do as they are told, an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from whisper_speedtest.measure.contention import Contention
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.speech.clip import Clip


@dataclass
class Machine:
    """Tells of each watched stretch of time how many processors others took, in turn."""

    others: list[float] = field(default_factory=lambda: [0.0])
    """What others take in each stretch, in processors; the last number stays."""

    free: int = 0
    """How many processors the library leaves free, of which others may take half."""

    watched: list[int] = field(default_factory=list)
    """The process ids that were watched, each noted as its stretch ends."""

    def watch(self, pid: int) -> _Watch:
        """Stand for `ContentionMeter`."""
        return _Watch(self, pid)


@dataclass
class _Watch:
    machine: Machine
    pid: int

    def end(self) -> Contention:
        self.machine.watched.append(self.pid)
        others = self.machine.others
        share = others.pop(0) if len(others) > 1 else others[0]
        return Contention(others=share, cpu=1.0, waited=None, steal=None, pressure=None)


@pytest.fixture(name="machine")
def _machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without a free core, of which others take nothing unless a test says so."""
    machine = Machine()
    monkeypatch.setattr(
        "whisper_speedtest.measure.contention.free_processors", lambda _: machine.free
    )
    for timing in ("calls", "starts"):
        monkeypatch.setattr(f"whisper_speedtest.measure.{timing}.ContentionMeter", machine.watch)
    return machine


@pytest.fixture(name="engine")
def _engine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    machine: Machine,  # noqa: ARG001 - so that nothing real is watched
) -> FakeEngine:
    """An engine that has no process, and whose steps take whole seconds on a clock of its own."""
    from tests.helpers.fake_engine import Clock, FakeEngine

    clock = Clock()
    monkeypatch.setattr("whisper_speedtest.measure.clock.time.perf_counter", clock)
    monkeypatch.setattr("whisper_speedtest.measure.calls.time.sleep", clock.take)
    return FakeEngine(clock, tmp_path / "weights.npz")


@pytest.fixture(name="corpus")
def _corpus() -> Corpus:
    """A corpus of three clips of the project, of 3.73 s, 12.37 s and 5 s, the last silent."""
    there = tuple(clips()[name] for name in ("short", "paragraph", "silence"))
    stamps = {clip.name: (clip.path.stat().st_size, clip.path.stat().st_mtime_ns) for clip in there}
    return Corpus(
        name="talks",
        folder=there[0].path.parent,
        language="en",
        clips=there,
        sha256="ef" * 32,
        stamps=stamps,
    )


@pytest.fixture(name="clip")
def _clip() -> Clip:
    """A clip of one sentence, 3.73 s long."""
    return clips()["short"]
