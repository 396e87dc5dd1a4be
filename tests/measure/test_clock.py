"""Nothing else runs while the clock does."""

from __future__ import annotations

import gc
import sys

import pytest

from whisper_speedtest.measure import clock
from whisper_speedtest.measure.clock import seconds_of


def test_nothing_else_runs_while_the_clock_does() -> None:
    """While the clock runs, garbage collector, tracer and profiler are off, and then on again."""
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
    """A garbage collector that was off before a failing step is still off after it."""

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
    """The clock is the monotonic one, and a wait of 0.05 s takes at least as long by it."""
    import time

    assert vars(clock)["time"].perf_counter is time.perf_counter
    assert seconds_of(lambda: time.sleep(0.05)) >= 0.05
