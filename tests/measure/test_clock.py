"""Nothing else runs while the clock does."""

from __future__ import annotations

import gc
import sys

import pytest

from whisper_speedtest.measure import clock
from whisper_speedtest.measure.clock import seconds_of


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
