"""What the tests of measure/ share: a clock that only moves when it is told, an engine on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.speech.clip import Clip


@pytest.fixture(name="engine")
def _engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    """An engine that has no process, and whose steps take whole seconds on a clock of its own."""
    from tests.helpers.fake_engine import Clock, FakeEngine

    clock = Clock()
    monkeypatch.setattr("whisper_speedtest.measure.clock.time.perf_counter", clock)
    return FakeEngine(clock, tmp_path / "weights.npz")


@pytest.fixture(name="clip")
def _clip() -> Clip:
    """A clip of one sentence, 3.73 s long."""
    return clips()["short"]
