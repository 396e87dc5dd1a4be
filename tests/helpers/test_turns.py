"""Comparisons in turns: what they compute, and how often they are wrong, by simulation."""

from __future__ import annotations

import random
from math import comb, exp
from typing import TYPE_CHECKING

import pytest

from tests.helpers.turns import FALSE_ALARMS, Comparison, take_turns, timed, turns_left_out

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARISONS = 4000


def fails(comparison: Comparison, limit: float) -> bool:
    """Return whether a comparison is found to be over its limit."""
    try:
        comparison.expect_at_most(limit, ours="ours", theirs="theirs")
    except AssertionError:
        return True
    return False


def simulate(ratio: float, noise: float, *, turns: int, limit: float) -> float:
    """Return the share of simulated comparisons that fail, in which ours takes `ratio` times.

    Each call has noise of its own (standard deviation of its logarithm: `noise`), one in ten takes
    up to five times as long, and the machine becomes slower, by a half from the first to the last.
    """
    chance = random.Random(20)

    def side(seconds: float, calls: list[float]) -> Callable[[], float]:
        def call() -> float:
            calls.append(0)
            spike = chance.uniform(1, 5) if chance.random() < 0.1 else 1
            drift = 1 + 0.5 * len(calls) / (turns + 1)
            return seconds * drift * spike * exp(chance.gauss(0, noise))

        return call

    failed = 0
    for number in range(COMPARISONS):
        ours, theirs = side(ratio, []), side(1.0, [])
        failed += fails(take_turns(ours, theirs, turns=turns, seed=number), limit)
    return failed / COMPARISONS


@pytest.mark.parametrize("noise", [0.02, 0.2])
@pytest.mark.parametrize("turns", [11, 25])
def test_equal_sides_pass(turns: int, noise: float) -> None:
    """Two equal things are found over a limit of 1 no more often than the stated rate."""
    alarms = simulate(1, noise, turns=turns, limit=1)

    # Over 4,000 comparisons, chance alone adds a half to a rate of 1 % in one run of 1,000.
    assert alarms <= 1.5 * FALSE_ALARMS, f"{alarms:.2%} false alarms; stated: {FALSE_ALARMS:.2%}"


@pytest.mark.parametrize(("turns", "least"), [(11, 0.5), (25, 0.95)])
def test_slower_side_is_found(turns: int, least: float) -> None:
    """What takes a fifth longer is found over a limit of 5 %, in nearly all longer comparisons."""
    found = simulate(1.2, 0.05, turns=turns, limit=1.05)

    assert found > least, f"only {found:.0%} of slow-downs of 20 % found in {turns} turns"


def test_ratio_is_ours_over_theirs() -> None:
    """What takes twice as long has the ratio 2, what takes half as long 0.5."""
    assert take_turns(lambda: 6.0, lambda: 3.0, turns=11).ratio == 2
    assert take_turns(lambda: 3.0, lambda: 6.0, turns=11).ratio == 0.5


def test_both_sides_are_judged_alike() -> None:
    """Ratios are taken turn by turn: our fastest call is never set against their usual one."""
    ours = (1.0, *[10.0] * 5, *[40.0] * 5)
    comparison = Comparison(ours, (2.0, *[10.0] * 5, *[20.0] * 5))

    assert comparison.ratios == [0.5, *[1.0] * 5, *[2.0] * 5]
    assert comparison.ratio == 1
    assert Comparison(comparison.theirs, ours).ratio == 1


def test_interval_leaves_out_as_many_at_either_end() -> None:
    """Of 15 ratios, the interval reaches from the third lowest to the third highest."""
    ours = tuple(float(number) for number in (9, 3, 15, 1, 7, 11, 5, 13, 2, 14, 4, 12, 6, 10, 8))

    assert Comparison(ours, (1.0,) * 15).interval == (3, 13)


@pytest.mark.parametrize("turns", range(7, 60))
def test_interval_is_the_narrowest_that_holds_its_rate(turns: int) -> None:
    """The interval leaves out as many ratios at an end as its rate allows, and no more."""

    def rate(left_out: int) -> float:
        return sum(comb(turns, k) for k in range(left_out + 1)) / float(2**turns)

    left_out = turns_left_out(turns)

    assert rate(left_out) <= FALSE_ALARMS < rate(left_out + 1)


def test_too_few_turns_are_refused_before_the_first() -> None:
    """Six turns are refused before the first, as they decide nothing."""
    with pytest.raises(ValueError, match="6 turns are too few"):
        take_turns(pytest.fail, pytest.fail, turns=6)


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_turns_are_fixed_beforehand(seconds: float) -> None:
    """As many turns are taken as were asked for, in one order, whatever is measured in them."""
    calls: list[str] = []

    def ours() -> float:
        calls.append("ours")
        return seconds

    def theirs() -> float:
        calls.append("theirs")
        return 1.0

    before: list[int] = []
    comparison = take_turns(ours, theirs, turns=12, before_each=lambda: before.append(len(calls)))

    assert comparison == Comparison((seconds,) * 12, (1.0,) * 12)
    assert before == list(range(26)), "expected one call of before_each before each of 26 calls"
    turns = [tuple(calls[start : start + 2]) for start in range(2, 26, 2)]
    assert {turn: turns.count(turn) for turn in turns} == {
        ("ours", "theirs"): 6,
        ("theirs", "ours"): 6,
    }
    assert "".join(turn[0][0] for turn in turns) == "ttotoottooto", (
        "expected the order that the seed decides"
    )


def test_first_turn_is_not_counted() -> None:
    """The first turn of a comparison is not counted."""
    ours = iter([100.0, *range(1, 12)])
    theirs = iter([0.001, *[1.0] * 11])

    comparison = take_turns(lambda: next(ours), lambda: next(theirs), turns=11)

    assert comparison == Comparison(tuple(range(1, 12)), (1.0,) * 11)


def test_limit_itself_is_kept() -> None:
    """A comparison fails where its lower bound is over the limit, and not where it is the limit."""
    comparison = Comparison((3.0,) * 11, (2.0,) * 11)

    assert not fails(comparison, 1.5)
    assert fails(comparison, 1.499)


def test_failure_says_what_was_found() -> None:
    """A failed comparison names both sides, the limit, the ratio, its interval and the turns."""
    comparison = Comparison(tuple(map(float, range(20, 31))), (10.0,) * 11)

    with pytest.raises(AssertionError) as failure:
        comparison.expect_at_most(1.1, ours="fetching", theirs="snapshot_download")

    assert str(failure.value).startswith(
        "fetching: expected at most 1.1 times as long as snapshot_download, "
        "got 2.50 times (2.10 to 2.90, 11 turns); of comparisons whose true ratio is 1.1, 1% fail"
    )


def test_timed_call_returns_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timed call returns the seconds from right before it to right after it."""
    clock = [10.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    assert timed(lambda: clock.__setitem__(0, 12.5))() == 2.5
