"""The clock goes round what is measured, and round nothing else."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters.base import DecodeSettings
from whisper_speedtest.measure import clock
from whisper_speedtest.measure.clock import (
    EMPTY_CALLS,
    seconds_of,
    time_calls,
    time_load,
    time_start,
)

if TYPE_CHECKING:
    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.speech.clip import Clip

AUDIO = np.zeros(16_000, np.float32)
SETTINGS = DecodeSettings()


def test_cold_engine_transcribes_once_before_the_clock(engine: FakeEngine, clip: Clip) -> None:
    """The first call of an engine is no sample, and what it hears is not among the transcripts."""
    engine.calls = [50.0, 2.0, 3.0]
    engine.texts = ["first", "second", "third"]

    calls = time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 2)

    assert [sample.seconds for sample in calls.samples] == [2.0, 3.0]
    assert [transcript.text for transcript in calls.transcripts] == ["second", "third"]
    assert engine.log[:4] == ["hear short", *["transcribe short"] * 3]


def test_warm_engine_is_timed_at_once(engine: FakeEngine, clip: Clip) -> None:
    """An engine that has transcribed before makes exactly the calls that are asked for."""
    engine.warm = True
    engine.calls = [2.0, 3.0, 4.0]

    calls = time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 3)

    assert [sample.seconds for sample in calls.samples] == [2.0, 3.0, 4.0]
    assert engine.log.count("transcribe short") == 3


def test_samples_say_their_process_and_order(engine: FakeEngine, clip: Clip) -> None:
    """Calls of one engine are of process 0, and numbered from 0."""
    engine.calls = [2.0]

    calls = time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 3)

    assert [(sample.process, sample.order) for sample in calls.samples] == [(0, 0), (0, 1), (0, 2)]


def test_audio_is_handed_over_before_the_clock(engine: FakeEngine, clip: Clip) -> None:
    """Handing it over takes half a second here, of which nothing is in the sample."""
    engine.calls = [2.0]

    calls = time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 1)

    assert engine.log[0] == "hear short"
    assert calls.samples[0].seconds == 2.0


def test_empty_call_is_the_median_of_some_after_an_untimed_one(
    engine: FakeEngine, clip: Clip
) -> None:
    """One slow empty call, and the first, which is not counted, do not move the figure."""
    engine.calls = [2.0]
    few = EMPTY_CALLS // 2
    engine.empty_calls = [500.0, *[0.001] * few, 0.002, *[9.0] * few]

    calls = time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 1)

    assert calls.empty_call == pytest.approx(0.002)
    assert engine.log.count("echo short") == 1 + EMPTY_CALLS
    assert EMPTY_CALLS % 2 == 1


def test_load_is_timed_alone_and_verified_after_its_memory_was_read(engine: FakeEngine) -> None:
    """Start, import, layout and verification stand outside the clock, in their order."""
    loaded = time_load(engine.as_engine, 7)

    assert loaded.sample.seconds == 4.0
    assert (loaded.sample.process, loaded.sample.order) == (7, 7)
    assert engine.log == ["lay_out", "launch", "import_library", "load", "memory", "verify_load"]
    assert loaded.memory.footprint == 100


def test_start_is_timed_by_phase(engine: FakeEngine, clip: Clip) -> None:
    """Each phase is its own step's time; the first call includes handing over the audio."""
    engine.calls = [8.0]

    started = time_start(engine.as_engine, 2, clip, AUDIO, SETTINGS)

    assert started.phases.process == 2
    assert started.phases.launch == 1.0
    assert started.phases.import_library == 2.0
    assert started.phases.load == 4.0
    assert started.phases.first_call == 8.5
    assert started.phases.total == 15.5
    assert started.transcript.text == "the ship"


def test_start_is_verified_after_its_memory_was_read(engine: FakeEngine, clip: Clip) -> None:
    """Verifying reads the weights once more, which is no part of the peak of a start."""
    engine.calls = [8.0]

    started = time_start(engine.as_engine, 0, clip, AUDIO, SETTINGS)

    phases = ["launch", "import_library", "load", "hear short", "transcribe short"]
    assert engine.log == ["lay_out", *phases, "memory", "verify_load"]
    assert started.memory.footprint == 100


def test_nothing_else_runs_while_the_clock_does() -> None:
    """The garbage collector, the tracer and the profiler pause, and come back afterwards."""
    seen: list[object] = []

    def look() -> None:
        seen.extend([gc.isenabled(), sys.gettrace(), sys.getprofile()])

    def trace(*_: object) -> None:
        return None

    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(trace)
    try:
        seconds_of(look)
        after = [gc.isenabled(), sys.gettrace(), sys.getprofile()]
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)

    assert seen == [False, None, None]
    assert after == [True, trace, trace]


def test_collector_that_was_off_stays_off() -> None:
    """Whoever turned it off finds it off, also when a step fails."""

    def fail() -> None:
        raise ZeroDivisionError

    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            seconds_of(fail)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_clock_is_the_monotonic_one() -> None:
    """A real wait takes at least as long as it says: no CPU time, no clock that may be set back."""
    import time

    assert vars(clock)["time"].perf_counter is time.perf_counter
    assert seconds_of(lambda: time.sleep(0.05)) >= 0.05
