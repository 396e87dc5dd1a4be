"""What others take of the machine during a call, and when that is too much."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.helpers.loads import BUSY, IDLE, cpu_seconds, running, wait_until
from whisper_speedtest.measure import contention as contention_module
from whisper_speedtest.measure.contention import (
    TICKS_OF_NOBODY,
    Contention,
    ContentionMeter,
    averaged,
    contention_between,
    free_processors,
    is_contaminated,
    most_of_others,
)
from whisper_speedtest.measure.reading import TICK, Reading

FIRST = Reading(
    when=1000.0,
    busy=5000.0,
    own=30.0,
    engine=7.0,
    waits={1: 0.5, 2: 0.25, 3: 9.0},
    steal=40.0,
    pressure=60.0,
)
LAST = Reading(
    when=1004.0,
    busy=5010.0,
    own=30.4,
    engine=13.0,
    waits={1: 1.5, 2: 0.75, 4: 0.5},
    steal=40.2,
    pressure=60.8,
)
"""4 s later, in which the system was busy for 10 s, pytest for 0.4 s and the engine for 6 s."""


def changed(reading: Reading, **changes: Any) -> Reading:
    """Return a reading with other values."""
    return replace(reading, **changes)


def contention(others: float | None) -> Contention:
    """Return a contention of which only the others are known."""
    return Contention(others=others, cpu=0.0, waited=None, steal=None, pressure=None)


def test_others_have_what_the_system_spent_without_the_engine_and_pytest() -> None:
    """Other processes have the system's CPU time without that of the engine and of pytest."""
    found = contention_between(FIRST, LAST)

    assert found.others == pytest.approx((10 - 6 - 0.4) / 4)
    assert found.cpu == pytest.approx(6 / 4)


def test_shares_are_seconds_a_second() -> None:
    """Stolen time and time under CPU pressure are given as shares of the wall time."""
    found = contention_between(FIRST, LAST)

    assert found.steal == pytest.approx(0.2 / 4)
    assert found.pressure == pytest.approx(0.8 / 4)


def test_threads_that_came_count_and_those_that_went_do_not() -> None:
    """Waiting time counts the threads that began meanwhile, and not those that have ended."""
    assert contention_between(FIRST, LAST).waited == pytest.approx(2 / 4)


def test_rounding_takes_nothing_from_others() -> None:
    """A share of contention is 0, and never negative, where readings are rounded."""
    less = changed(LAST, busy=5006.39, steal=39.99, pressure=59.0, waits={1: 0.4})

    found = contention_between(FIRST, less)

    assert (found.others, found.steal, found.pressure, found.waited) == (0, 0, 0, 0)


def test_engine_that_has_ended_spent_nothing() -> None:
    """An engine that has ended spent nothing, so that all but pytest's time is that of others."""
    found = contention_between(FIRST, changed(LAST, engine=0.0, waits=None))

    assert found.cpu == 0
    assert found.others == pytest.approx(9.6 / 4)
    assert found.waited is None


@pytest.mark.parametrize(
    ("field", "share"),
    [("busy", "others"), ("waits", "waited"), ("steal", "steal"), ("pressure", "pressure")],
)
def test_what_the_system_does_not_tell_is_unknown(field: str, share: str) -> None:
    """A share of contention is unknown, and not 0, if one of the readings lacks its value."""
    for first, last in (
        (changed(FIRST, **{field: None}), LAST),
        (FIRST, changed(LAST, **{field: None})),
    ):
        assert getattr(contention_between(first, last), share) is None, f"{share} without {field}"


@pytest.mark.parametrize(
    ("others", "seconds", "contaminated"),
    [
        (0.25, 1.0, False),
        (0.26, 1.0, True),
        (0.0, 1.0, False),
        (0.25, 100.0, False),
        (0.26, 100.0, True),
        (0.375, 0.08, False),
        (0.38, 0.08, True),
        (2.0, 0.01, False),
        (2.9, 0.01, False),
        (None, 1.0, False),
    ],
)
def test_call_is_contaminated_beside_more_than_the_limit(
    others: float | None, seconds: float, contaminated: bool
) -> None:
    """A call is contaminated if others take over 0.25 processors, the limit, and over 3 ticks."""
    assert (TICK, TICKS_OF_NOBODY) == (0.01, 3)
    assert is_contaminated(contention(others), seconds, 0.25) is contaminated, (
        f"{others} processors of others beside a call of {seconds} s"
    )


def test_limit_can_be_chosen() -> None:
    """The limit on what others may take can be chosen, and an infinite one marks no call."""
    assert is_contaminated(contention(0.5), 1.0, 0.4)
    assert not is_contaminated(contention(0.5), 1.0, 0.6)
    assert not is_contaminated(contention(64.0), 1.0, float("inf"))
    assert not is_contaminated(contention(0.03), 1.0, 0.0)
    assert is_contaminated(contention(0.04), 1.0, 0.0)


@pytest.mark.parametrize(
    ("others", "free", "contaminated"),
    [(0.1, 0, False), (0.11, 0, True), (0.6, 1, False), (0.61, 1, True), (6.1, 12, False)],
)
def test_half_of_what_a_library_leaves_free_is_for_others(
    monkeypatch: pytest.MonkeyPatch, others: float, free: int, contaminated: bool
) -> None:
    """Each processor that the library leaves free raises the limit by half a processor."""
    monkeypatch.setattr(contention_module, "free_processors", lambda threads: free - threads + 3)

    most = most_of_others(0.1, threads=3)

    assert is_contaminated(contention(others), 10.0, most) is contaminated, (
        f"{others} processors of others beside a library that leaves {free} free"
    )
    assert most_of_others(None, threads=3) is None


@pytest.mark.parametrize(
    ("physical", "logical", "usable", "threads", "free"),
    [
        (8, 16, 16, 4, 4),
        (8, 16, 6, 4, 2),
        (2, 2, 2, 2, 0),
        (2, 2, 2, 4, 0),
        (None, 4, 4, 1, 3),
        (None, None, 4, 1, 0),
    ],
)
def test_free_processors_are_whole_cores_without_a_thread(
    monkeypatch: pytest.MonkeyPatch,
    physical: int | None,
    logical: int | None,
    usable: int,
    threads: int,
    free: int,
) -> None:
    """Free processors are usable whole cores without a thread of the library, never below zero."""
    counts = {True: logical, False: physical}
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: counts[logical])
    monkeypatch.setattr(contention_module, "fast_cores", lambda: usable)
    monkeypatch.setattr("sys.platform", "linux")

    assert free_processors(threads) == free


def test_slower_cores_of_apple_silicon_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Apple silicon the slower cores count as free: with 8 cores and 4 threads, 4 are free."""
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 8)  # noqa: ARG005
    monkeypatch.setattr(contention_module, "fast_cores", lambda: 4)
    monkeypatch.setattr("sys.platform", "darwin")

    assert free_processors(4) == 4


@pytest.mark.property
def test_more_of_others_never_clears_a_call() -> None:
    """A marked call stays marked beside more work, and a clean one stays clean at a higher limit.

    Only the share of others marks a call: the other signals change nothing.
    """
    from hypothesis import given
    from hypothesis import strategies as st

    share = st.floats(0, 64)

    @given(share, share, st.floats(0.001, 3600), share, share)
    def hold(others: float, more: float, seconds: float, limit: float, beside: float) -> None:
        marked = is_contaminated(contention(others), seconds, limit)
        assert not marked or is_contaminated(contention(others + more), seconds, limit)
        assert marked or not is_contaminated(contention(others), seconds, limit + more)
        full = Contention(others=others, cpu=beside, waited=beside, steal=beside, pressure=beside)
        assert is_contaminated(full, seconds, limit) == marked

    hold()


@pytest.mark.property
def test_shares_of_any_readings_are_never_negative() -> None:
    """No share of contention is negative, and all together cover the busy time at least."""
    from hypothesis import given
    from hypothesis import strategies as st

    spent = st.floats(0, 100)

    @given(st.floats(0.001, 100), spent, spent, spent)
    def hold(wall: float, busy: float, own: float, engine: float) -> None:
        last = changed(
            FIRST,
            when=FIRST.when + wall,
            busy=5000.0 + busy,
            own=FIRST.own + own,
            engine=FIRST.engine + engine,
        )
        found = contention_between(FIRST, last)
        assert found.others is not None
        assert found.others >= 0
        assert found.cpu >= 0
        assert (found.others + found.cpu) * wall + own >= busy - 1e-6

    hold()


def in_seconds(found: Contention, seconds: float) -> tuple[float, float]:
    """Return the CPU seconds of others and of the engine, of a contention over so many seconds."""
    assert found.others is not None, "this system does not count what it does"
    return found.others * seconds, found.cpu * seconds


def test_busy_process_is_one_of_others_unless_it_is_the_engine() -> None:
    """A busy process counts as the engine where it is watched, and among others where it is not.

    Both watches see the same machine, whatever else it does: the wider one sees no less.
    """
    rounding = TICKS_OF_NOBODY * TICK
    with running(IDLE) as idle, running(BUSY) as busy:
        begin = time.perf_counter()
        wider, narrower = ContentionMeter(idle), ContentionMeter(busy)
        inner = time.perf_counter()
        started = cpu_seconds(busy)
        wait_until(lambda: cpu_seconds(busy) > started + 0.5)
        own, own_seconds = narrower.end(), time.perf_counter() - inner
        beside, beside_seconds = wider.end(), time.perf_counter() - begin
    others, engine = in_seconds(own, own_seconds)
    others_beside, idle_engine = in_seconds(beside, beside_seconds)

    assert engine >= 0.5 - 2 * TICK, f"a loop of 0.5 CPU s shows as {engine:.3f} s of its engine"
    assert idle_engine < 0.1, f"an engine that sleeps shows {idle_engine:.3f} CPU s"
    assert others_beside >= others + engine - rounding, (
        f"beside an idle engine, others took {others_beside:.3f} CPU s; expected at least the "
        f"loop's {engine:.3f} s and the {others:.3f} s of the rest"
    )


def test_contention_of_some_calls_is_averaged_over_their_time() -> None:
    """The contention of several calls is their average, weighted by their seconds."""
    quiet = Contention(others=0.0, cpu=2.0, waited=0.5, steal=0.0, pressure=0.0)
    busy = Contention(others=1.0, cpu=1.0, waited=1.5, steal=0.4, pressure=0.8)

    found = averaged([3.0, 1.0], [quiet, busy])

    assert found == Contention(others=0.25, cpu=1.75, waited=0.75, steal=0.1, pressure=0.2)


def test_signal_that_one_call_lacks_is_unknown_of_all() -> None:
    """A signal that one call lacks is unknown for all calls together."""
    known = Contention(others=1.0, cpu=1.0, waited=1.0, steal=1.0, pressure=1.0)
    unknown = Contention(others=None, cpu=1.0, waited=None, steal=None, pressure=None)

    assert averaged([3.0, 1.0], [known, unknown]) == unknown
    assert averaged([0.0], [known]) == Contention(
        others=None, cpu=0.0, waited=None, steal=None, pressure=None
    )
