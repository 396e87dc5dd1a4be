"""Warm transcription: the model is loaded and has transcribed once before the clock starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.clock import measure_clip

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, DecodeSettings
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over("short", "paragraph", "window", "noisy", "human", own=True)
def test_transcribe(
    benchmark: BenchmarkFixture,
    engine: Engine,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Seconds from a clip's samples to its transcript."""
    measure_clip(benchmark, "warm", engine, clip, audio, settings)


@pytest.mark.tuned
@pytest.mark.over("long", own=True)
def test_tuned(
    benchmark: BenchmarkFixture,
    engine: Engine,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """The same with what each library's own documentation recommends, so on unequal terms."""
    measure_clip(benchmark, "tuned", engine, clip, audio, settings)
