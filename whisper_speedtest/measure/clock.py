"""The clock: what is timed, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import adapter_class
from whisper_speedtest.measure.record import record_engine, record_transcripts

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip

BRIEF_SECONDS = 15
"""Longer clips get fewer rounds."""

ROUNDS = {"gpu": (10, 5), "cpu": (2, 1)}
"""How often a warm call is timed, by device: of a brief clip, of a longer one."""

STARTS = {"gpu": 3, "cpu": 2}
"""How often a start is timed."""


def is_slow(case: Case, device: Device) -> bool:
    """Tell whether a device runs a case's variant many times slower than others do."""
    return case.variant in adapter_class(case.adapter).slow_variants.get(device, ())


def warm_rounds(device: Device, clip: Clip) -> int:
    """Return how often a warm call is timed."""
    brief, longer = ROUNDS[device]
    return brief if clip.seconds <= BRIEF_SECONDS else longer


def start_rounds(case: Case, device: Device) -> int:
    """Return how often a start is timed."""
    return 1 if is_slow(case, device) else STARTS[device]


def measure_clip(
    benchmark: BenchmarkFixture,
    measure: str,
    engine: Engine,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Time the transcription of a clip by a warm engine; record and score each transcript.

    An engine is warm once it has transcribed something, which happens outside the clock.
    """
    engine.hear(clip.name, audio)
    transcripts: list[Transcript] = []

    def timed() -> None:
        transcripts.append(engine.transcribe(clip.name, settings))

    if not engine.warm:
        timed()
    benchmark.pedantic(timed, rounds=warm_rounds(engine.device, clip))

    record_engine(benchmark, measure, engine)
    record_transcripts(benchmark, engine, clip, settings, transcripts)
