"""What the proof of twelve runs counts: clean rows, and intervals that hold the time or do not."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import pytest

from tests.helpers.results import warm
from tests.proofs.twelve_runs import Count, apart, astray, clean, covered, figures, lines, pooled
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.samples import Sample

if TYPE_CHECKING:
    from tests.proofs.twelve_runs import Run


def row(*processes: float, test: str = "t", outcome: Outcome = Outcome.PASSED) -> Run:
    """Return a run of one row, whose processes made a call of so many seconds each."""
    samples = tuple(
        Sample(process=number, order=number, seconds=seconds)
        for number, seconds in enumerate(processes)
    )
    return (warm(test=test, samples=samples, outcome=outcome),)


BUSY = row(9.0, 9.0, outcome=Outcome.BUSY)


def test_pooled_time_is_that_of_all_processes_of_quiet_runs() -> None:
    """The pooled time of a test is that of all its processes in all quiet runs."""
    found = pooled([row(1.0, 2.0), row(4.0, 8.0), BUSY, row(3.0, test="u")])

    assert {test: made.seconds for test, made in found.items()} == {
        "t": pytest.approx(64 ** (1 / 4)),
        "u": 3.0,
    }
    assert found["t"].calls == (1, 1, 1, 1)


def test_rows_are_counted() -> None:
    """Busy rows do not count as clean, and rows without an interval do not count as covered."""
    true = pooled([row(1.0)])
    runs = [row(0.9, 1.1), row(1.1, 1.2), row(5.0), BUSY]

    assert clean(runs) == Count(3, 4)
    assert covered(runs, true) == Count(2, 2)
    assert clean([]).share == 0.0


def test_row_is_astray_where_the_time_lies_farther_off_than_its_interval_is_wide() -> None:
    """A row is astray if the pooled time is farther from its interval than the interval is wide."""
    (made,) = row(1.0, 1.001)
    low, high = made.estimate.low, made.estimate.high
    assert low is not None
    assert high is not None
    width = high - low
    runs = [row(1.0, 1.001)]

    for true, outside, far in (
        (low, 0, 0),
        (high, 0, 0),
        (low - 0.99 * width, 1, 0),
        (low - 1.01 * width, 1, 1),
        (high + 0.99 * width, 1, 0),
        (high + 1.01 * width, 1, 1),
    ):
        known = pooled([row(true)])
        assert covered(runs, known) == Count(1 - outside, 1), f"{true} in {low} to {high}"
        assert astray(runs, known) == Count(far, 1), f"{true} by {low} to {high}"


def test_sessions_lie_apart_by_what_their_processes_do_not_explain() -> None:
    """Sessions lie apart by what the differences of their processes do not explain.

    Sessions of 1 s and e² s, with processes that agree, have a deviation of the root of 2. Where
    processes differ as much as that, or there is one session, nothing is left.
    """
    first, second = row(1.0, 1.0), row(exp(2), exp(2))

    assert apart([first, second, BUSY], "t") == pytest.approx(2**0.5)
    # Processes at 1 and e: a standard error of half a logarithm, and so a quarter to be taken off.
    assert apart([row(1.0, exp(1)), row(exp(2), exp(3))], "t") == pytest.approx((2 - 0.25) ** 0.5)
    assert apart([row(1.0, exp(2)), row(exp(0.1), exp(2.1))], "t") == 0.0
    assert apart([first, row(exp(2))], "t") == 0.0, "one process tells nothing of its session"
    assert apart([first, row(exp(2), exp(2), test="u")], "t") == 0.0


def test_figures_are_held_to_their_limits() -> None:
    """Figures are held to 7 % astray, 90 % clean and 90 % covered, with the limits included."""
    good, bad = row(1.0, 1.1), row(7.0, 7.001)
    quiet = [*[good] * 18, BUSY, BUSY]

    def held(quiet: list[Run], loaded: list[Run]) -> list[bool]:
        return [each for _, _, each in figures(quiet, loaded)]

    assert held(quiet, [*[good] * 93, *[bad] * 7, BUSY]) == [True, True, True]
    assert held([*quiet, BUSY], [*[good] * 92, *[bad] * 8]) == [False, False, True]
    # Half of the rows are elsewhere, so that the pooled time lies in none of them.
    assert held([*[row(1.0, 1.001)] * 5, *[bad] * 5], [good]) == [True, True, False]
    assert [found for _, found, _ in figures(quiet, [good])] == [
        "0 of 1 (0.0%)",
        "18 of 20 (90.0%)",
        "18 of 18 (100.0%)",
    ]


def test_lines_say_each_test_and_what_is_held() -> None:
    """The lines show each test with its figures, and say which figures are held."""
    quiet = [row(1.0, 1.1), BUSY, row(2.0, 2.2, test="u", outcome=Outcome.BUSY)]

    _, first, second, _, between, *held = lines(quiet, [row(1.0, 1.1), BUSY])

    assert first.split() == ["t", "1.05", "s", "0.0%", "1/2", "1/1", "1/2", "0/1"]
    assert second.split() == ["u", "none", "0.0%", "0/1", "0/0", "0/0", "0/0"]
    assert between == (
        "sessions lie apart by 0.0%, by the mean of squares over the tests; "
        "on a virtual machine an interval allows for 4.0%"
    )
    assert [line.split("  ")[0] for line in held] == ["held", "NOT HELD", "held"]


def test_nothing_is_held_where_nothing_was_counted() -> None:
    """No figure is held where nothing was counted."""
    assert [held for _, _, held in figures([BUSY], [BUSY])] == [False, False, False]
