"""Two things timed in turns, to see whether one takes more than so many times as long.

The number of turns and their order are fixed before the first one, and nothing that is measured
changes them: who stops when the answer pleases finds what they hoped for. In each turn both are
timed, one right after the other, so that a slow drift of the machine is in both and cancels in
their ratio. What counts is the median of the ratios, with an interval from their order, which holds
whatever the distribution of the noise.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FALSE_ALARMS = 0.01
"""How often a comparison may fail though the true ratio is the limit itself."""


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """Return a function that makes a call and returns the seconds that it took."""

    def seconds() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return seconds


@dataclass(frozen=True, slots=True)
class Comparison:
    """The seconds that two things took, turn by turn; see `take_turns`."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times as long ours took, in each turn; the shortest first."""
        return sorted(our / their for our, their in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """The lowest and the highest that the true ratio may be.

        At either end it leaves the true median out in at most FALSE_ALARMS of all comparisons.
        """
        left_out = turns_left_out(len(self.ours))
        return self.ratios[left_out], self.ratios[-1 - left_out]

    def __str__(self) -> str:
        """The ratio, its interval, and the number of turns."""
        low, high = self.interval
        return f"{self.ratio:#.3g} times ({low:#.3g} to {high:#.3g}, {len(self.ours)} turns)"

    def expect_at_most(self, limit: float, *, ours: str, theirs: str) -> None:
        """Fail where ours surely takes more than `limit` times as long as theirs."""
        low, _ = self.interval
        assert low <= limit, (
            f"{ours}: expected at most {limit:g} times as long as {theirs}, got {self}; "
            f"of comparisons whose true ratio is {limit:g}, {FALSE_ALARMS:.0%} fail as this one did"
        )


def turns_left_out(turns: int) -> int:
    """Return how many of the lowest ratios, and of the highest, lie outside the interval.

    Each ratio lies below the true median with a probability of one half. So the (k+1)-th lowest
    lies above it when at most k do lie below: as often as at most k of so many coins show heads.
    """
    below = 0
    for k in range(turns):
        below += comb(turns, k)
        if below / 2**turns > FALSE_ALARMS:
            if k == 0:
                break
            return k - 1
    raise ValueError(f"{turns} turns are too few for false alarms in {FALSE_ALARMS:.0%}: take more")


def take_turns(
    ours: Callable[[], float],
    theirs: Callable[[], float],
    *,
    turns: int,
    before_each: Callable[[], object] = lambda: None,
    seed: int = 0,
) -> Comparison:
    """Call two functions that return seconds, once each a turn, in an order that `seed` decides.

    A first turn is not counted: it opens connections and fills caches. In half of the turns ours
    comes first. `before_each` is called before each call, outside of what it times.
    """
    turns_left_out(turns)
    our_turn_first = [turn % 2 == 0 for turn in range(turns)]
    random.Random(seed).shuffle(our_turn_first)
    seconds: dict[Callable[[], float], list[float]] = {ours: [], theirs: []}
    for ours_first in [True, *our_turn_first]:
        for call in (ours, theirs) if ours_first else (theirs, ours):
            before_each()
            seconds[call].append(call())
    return Comparison(tuple(seconds[ours][1:]), tuple(seconds[theirs][1:]))
