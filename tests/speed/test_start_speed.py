"""What the suite itself adds to a start: the parent's clock against the engine's own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, files_of
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.starts import time_start
from whisper_speedtest.speech.audio import read_audio

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case("toy", "micro", "good")


@pytest.mark.skipif(sys.platform != "linux", reason="the engine asks Linux for its own age")
def test_phases_by_the_engines_own_clock_add_up_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start's phases by the engine's own clock match the parent's within 2 % of the whole."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:ToyWithAClock")
    verified, clip = Store.from_environment().prepare(files_of(CASE)), clips()["short"]

    with Engine(CASE, verified, tmp_path, "cpu") as engine:
        audio = read_audio(clip.path)
        started = time_start(engine, 0, clip, audio, DecodeSettings(), Rules())

    own, whole = json.loads(started.transcript.text), started.phases.total
    assert whole > 5, "the phases were to take seconds"
    assert sum(own.values()) == pytest.approx(whole, rel=0.02), (
        f"expected {whole:.3f} s, the parent's whole, by the engine's clock, got "
        f"{sum(own.values()):.3f} s: {own} by the engine, {started.phases} by the parent"
    )
    for phase, seconds in own.items():
        assert getattr(started.phases, phase) == pytest.approx(seconds, abs=0.02 * whole), phase
