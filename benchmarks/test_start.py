"""What comes before the first warm call: the load, and the cold start with its memory."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.clock import start_rounds
from whisper_speedtest.measure.record import record_engine, record_transcripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript
    from fixtures.audio import Clip
    from whisper_speedtest.engine.process import Engine

PHASES = ("start", "import", "load", "first_call")


@pytest.mark.over
def test_load(
    benchmark: BenchmarkFixture, new_engine: Callable[[], Engine], case: Case, device: Device
) -> None:
    """Seconds to load the model, each time in a process that has just imported the library."""
    engines: list[Engine] = []

    def imported() -> tuple[tuple[Engine], dict[str, object]]:
        engines.append(engine := new_engine())
        engine.lay_out()
        engine.launch()
        engine.import_library()
        return (engine,), {}

    benchmark.pedantic(
        lambda engine: engine.load(),
        setup=imported,
        teardown=lambda engine: engine.verify_load(),
        rounds=start_rounds(case, device),
    )

    record_engine(benchmark, "load", engines[-1])


@pytest.mark.over("short")
def test_cold_start_and_memory(
    benchmark: BenchmarkFixture,
    new_engine: Callable[[], Engine],
    case: Case,
    device: Device,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Seconds from starting a process to its first transcript, by phase, and the memory it took.

    The files have just been hashed, so the system has them in memory. The first round stands apart
    in `cold_start`: on macOS the system keeps compiled GPU code between processes. The peak memory
    is that of the last process, which has loaded the model and transcribed once.
    """
    engines: list[Engine] = []
    transcripts: list[Transcript] = []
    phases: list[dict[str, float]] = []

    def laid_out() -> tuple[tuple[Engine], dict[str, object]]:
        for done in engines[-1:]:
            done.verify_load()
        engines.append(engine := new_engine())
        engine.lay_out()
        return (engine,), {}

    def start(engine: Engine) -> None:
        times = [time.perf_counter()]
        for step in (engine.launch, engine.import_library, engine.load):
            step()
            times.append(time.perf_counter())
        engine.hear(clip.name, audio)
        transcripts.append(engine.transcribe(clip.name, settings))
        times.append(time.perf_counter())
        lengths = (end - begin for begin, end in pairwise(times))
        phases.append(dict(zip(PHASES, lengths, strict=True)))

    benchmark.pedantic(start, setup=laid_out, rounds=start_rounds(case, device))

    memory = engines[-1].memory()
    engines[-1].verify_load()  # only now, as it reads the weights once more: no part of the peak
    record_engine(benchmark, "cold", engines[-1], memory)
    benchmark.extra_info["cold_start"] = {"first": phases[0], "later": phases[1:]}
    record_transcripts(benchmark, engines[-1], clip, settings, transcripts)
