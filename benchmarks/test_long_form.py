"""Throughput on audio of several windows, and what batching them does for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.clock import measure_clip
from whisper_speedtest.session.selection import BATCH_SIZES, WINDOW_SECONDS
from whisper_speedtest.session.skips import LeftOut

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, DecodeSettings
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over("long", batches=True)
def test_long_form(
    benchmark: BenchmarkFixture,
    engine: Engine,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    batch_size: int,
) -> None:
    """Seconds for long audio with so many 30 s windows decoded at once.

    The audio's length over that is the real-time factor, RTFx.
    """
    windows = math.ceil(clip.seconds / WINDOW_SECONDS)
    if engine.device == "cpu" and batch_size > max(windows, BATCH_SIZES[1]):
        raise LeftOut(engine.case, f"{clip.name} has {windows} windows: no more fit into a batch")
    settings = replace(settings, batch_size=batch_size)
    measure_clip(benchmark, "long-form", engine, clip, audio, settings)
