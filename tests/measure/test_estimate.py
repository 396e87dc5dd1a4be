"""What a call takes: the mean over processes, and an interval from how they differ."""

from __future__ import annotations

from math import exp, hypot, log
from random import Random

import pytest

from whisper_speedtest.measure.estimate import Estimate, UnpairedRatio, estimate, ratio
from whisper_speedtest.measure.samples import Sample


def samples(*processes: list[float]) -> list[Sample]:
    """Return the samples of some processes, each given by the seconds of its calls."""
    return [
        Sample(process=number, order=order, seconds=seconds)
        for number, calls in enumerate(processes)
        for order, seconds in enumerate(calls)
    ]


def test_process_counts_with_the_median_of_its_calls() -> None:
    """A process counts with the median of its calls, which one slow call does not move."""
    assert estimate(samples([1.0, 99.0, 2.0])).seconds == pytest.approx(2.0)


def test_estimate_is_the_geometric_mean_of_the_processes() -> None:
    """The estimate is the geometric mean of the processes, however many calls each has made."""
    assert estimate(samples([1.0], [4.0])).seconds == pytest.approx(2.0)
    assert estimate(samples([1.0, 1.0, 1.0], [4.0])).seconds == pytest.approx(2.0)


def test_interval_is_students_for_the_logarithms() -> None:
    """The interval is Student's for the mean of the logarithms of the processes' times."""
    e = 2.718281828459045
    made = estimate(samples([1.0], [e], [e * e]))

    assert made.seconds == pytest.approx(e)
    width = 4.302652729749464 / 3**0.5
    assert made.low == pytest.approx(e ** (1 - width))
    assert made.high == pytest.approx(e ** (1 + width))
    assert made.margin == pytest.approx(e**width - 1)


def test_interval_narrows_with_the_number_of_processes() -> None:
    """The interval of four processes is much narrower than that of two that differ as much."""
    two, four = estimate(samples([1.0], [1.1])), estimate(samples([1.0], [1.1], [1.0], [1.1]))

    assert two.margin is not None
    assert four.margin is not None
    assert two.margin > 5 * four.margin


def test_interval_allows_for_what_sessions_differ_by() -> None:
    """The interval adds, as squares, the deviation between sessions and that between processes."""
    alike, apart = samples([1.0], [1.0], [1.0]), samples([1.0], [1.1], [1.2])

    made = estimate(alike, 0.03)
    assert made.seconds == pytest.approx(1.0)
    assert made.low == pytest.approx(exp(-0.0587989))
    assert made.high == pytest.approx(exp(0.0587989))

    bare, wide = estimate(apart).margin, estimate(apart, 0.03).margin
    assert bare is not None
    assert wide is not None
    assert log(1 + wide) == pytest.approx(hypot(log(1 + bare), 0.0587989))


def test_one_process_has_no_interval() -> None:
    """One process has no interval, however many calls it has made."""
    made = estimate(samples([1.0, 1.1, 1.2, 1.3]))

    assert (made.low, made.high, made.margin) == (None, None, None)
    assert made.calls == (4,)


def test_calls_are_counted_by_process() -> None:
    """Calls are counted by process, in the order of the processes and not of the samples."""
    assert estimate(reversed(samples([1.0, 1.0], [1.0], [1.0, 1.0, 1.0]))).calls == (2, 1, 3)


@pytest.mark.parametrize("processes", [[], [[0.0]], [[1.0, 0.0]]], ids=["none", "zero", "some"])
def test_samples_that_tell_nothing_are_refused(processes: list[list[float]]) -> None:
    """An estimate is refused if there is no sample, or one of no time."""
    with pytest.raises(ValueError, match="expected samples of more than 0 s, got"):
        estimate(samples(*processes))


@pytest.mark.property
def test_estimate_lies_in_its_interval_and_among_the_samples() -> None:
    """An estimate lies among its samples and in its interval.

    Twice the times give twice the estimate, and the order of the processes changes nothing.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st

    times = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5)

    @settings(deadline=None)
    @given(st.lists(times, min_size=1, max_size=6))
    def hold(processes: list[list[float]]) -> None:
        made = estimate(samples(*processes))
        twice = estimate(samples(*([2 * each for each in calls] for calls in processes)))
        reverse = estimate(samples(*reversed(processes)))
        flat = [each for calls in processes for each in calls]
        assert min(flat) * (1 - 1e-9) <= made.seconds <= max(flat) * (1 + 1e-9)
        assert twice.seconds == pytest.approx(2 * made.seconds)
        assert reverse.seconds == pytest.approx(made.seconds)
        if len(processes) == 1:
            assert made.margin is None
            return
        assert made.low is not None
        assert made.high is not None
        assert made.low <= made.seconds * (1 + 1e-9)
        assert made.seconds <= made.high * (1 + 1e-9)
        assert reverse.margin == pytest.approx(made.margin, abs=1e-9)

    hold()


def test_half_widths_of_both_add_as_squares_in_a_ratio() -> None:
    """In a ratio, the half-widths of both intervals add as squares on the logarithms."""
    slow = Estimate(6.0, 6.0 / exp(0.3), 6.0 * exp(0.3), (1, 1))
    fast = Estimate(2.0, 2.0 / exp(0.4), 2.0 * exp(0.4), (1, 1))

    made = ratio(slow, fast)

    assert made.value == pytest.approx(3.0), "the ratio is the first over the second"
    assert made.low == pytest.approx(3.0 / exp(0.5))
    assert made.high == pytest.approx(3.0 * exp(0.5))
    assert made.decided, "an interval from 1.8 to 4.9 leaves 1 out"


def test_ratio_is_decided_either_way_where_its_interval_leaves_1_out() -> None:
    """A ratio is decided, either way, only if its interval leaves 1 out and does not end at 1."""
    assert UnpairedRatio(1.5, 1.01, 2.0).decided
    assert UnpairedRatio(0.5, 0.2, 0.99).decided
    assert not UnpairedRatio(1.5, 1.0, 2.0).decided
    assert not UnpairedRatio(0.5, 0.2, 1.0).decided
    assert not UnpairedRatio(1.0, 0.9, 1.1).decided


def test_ratio_with_one_process_has_no_interval_and_decides_nothing() -> None:
    """A ratio with a single process on either side has no interval and is undecided."""
    one, many = Estimate(1.0, None, None, (1,)), Estimate(9.0, 8.9, 9.1, (1, 1))

    assert ratio(one, many) == UnpairedRatio(1 / 9, None, None)
    assert ratio(many, one) == UnpairedRatio(9.0, None, None)
    assert not ratio(many, one).decided


def test_interval_of_a_ratio_holds_the_true_one_as_often_as_it_says() -> None:
    """The interval of a ratio holds the true one in 93.5 % of simulated pairs at least.

    A 95 % interval is meant.
    """
    random = Random(7)

    def measured(true: float, spread: float, count: int) -> Estimate:
        return estimate(samples(*([true * exp(random.gauss(0, spread))] for _ in range(count))))

    for counts, spreads in (((3, 3), (0.02, 0.02)), ((3, 3), (0.01, 0.1)), ((3, 5), (0.05, 0.02))):
        held = 0
        for _ in range(1000):
            sides = [measured(*each) for each in zip((2.0, 1.0), spreads, counts, strict=True)]
            made = ratio(*sides)
            assert made.low is not None
            assert made.high is not None
            held += made.low <= 2.0 <= made.high
        assert held >= 935, f"{counts} processes, spreads {spreads}: {held} of 1000 hold the ratio"
