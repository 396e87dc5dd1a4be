"""The clock: how a call is timed, and how often."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.record import record_engine, record_transcripts

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, DecodeSettings, Transcript
    from engine.process import Engine
    from fixtures.audio import Clip

BUDGET = 6.0
"""Seconds that the rounds of one warm benchmark should take together."""

MIN_ROUNDS, MAX_ROUNDS = 3, 10


def measure_clip(
    benchmark: BenchmarkFixture,
    measure: str,
    engine: Engine,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Time the transcription of a clip, after one discarded call; record and score every one.

    The discarded call also tells how many rounds fit the budget, so that a model of half a second
    gets ten and one of a minute gets three.
    """
    engine.hear(clip.name, audio)
    transcripts: list[Transcript] = []

    def timed() -> None:
        transcripts.append(engine.transcribe(clip.name, settings))

    start = time.perf_counter()
    timed()
    seconds = time.perf_counter() - start
    rounds = max(MIN_ROUNDS, min(MAX_ROUNDS, int(BUDGET / seconds)))
    benchmark.pedantic(timed, rounds=rounds)

    record_engine(benchmark, measure, engine)
    record_transcripts(benchmark, engine, clip, settings, transcripts)
