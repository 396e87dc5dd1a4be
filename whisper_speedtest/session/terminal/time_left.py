"""Estimates how much longer a session takes, from the tests that have ended so far."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.measure.protocol import CALLS_ON_CPU, OVERRUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.base import Case

FEWEST_CALLS = 3
"""How many tests of calls a case must have measured before its other tests are estimated."""

FEWEST_VARIANTS = 2
"""How many variants of a library must have been measured before its others are estimated.

The second one shows how much variants differ."""

MOST_GUESSED = 0.25
"""How long the tests that are only guessed may take, as a share of those that are estimated.

A library that was not measured yet may be five times as fast as the libraries before it."""

MOST_BUDGETS = 1 + 1 / CALLS_ON_CPU
"""How many budgets a test takes at most, if its budget has room for CALLS_ON_CPU calls per process:
one for the timed calls, and a part for the untimed call of each process."""

LIMITED_BUDGETS = 2 * OVERRUN
"""How many budgets a test can take whose number of calls the budget limits.

A longer test made a single long call, untimed and timed, and another library may take much longer
for such a call."""


def duration(seconds: float) -> str:
    """Return a time in the largest suitable unit: `63 s`, `12 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Kind(NamedTuple):
    """What a test measures, and for which case."""

    case: Case
    what: str
    """Measure, clip and batch size."""

    of_a_start: bool = False
    """Whether it times starts and no calls."""

    skipped: bool = False
    """Whether it is known beforehand that it will be skipped."""

    budget: float | None = None
    """Seconds that its timed calls may take together; None if there is no such limit."""


class _Expected(NamedTuple):
    """The estimate for a test that has not ended."""

    seconds: float
    guessed: bool
    """Whether it is only known from other libraries, or from one variant, which may differ much."""


class TimeLeft:
    """Estimates the seconds of the remaining tests from the tests that have ended.

    The estimate of a test is the time of the same test of another variant of its library and size,
    scaled by how the tests of both cases compare so far. If there is none, it is the usual time of
    the case's other tests. Without either, the time that other libraries took is a guess: libraries
    come one after another, and the first ones say little about the next.

    If too much is guessed, the text gives the most that the guessed tests can take by their
    budgets. If that is not known, it gives no time.
    """

    def __init__(self, tests: Mapping[str, Kind]) -> None:
        """Take the tests of the session that measure something, by id, in any order."""
        self._tests = dict(tests)
        self._to_come = dict(tests)
        self._took: dict[Case, dict[str, float]] = {}
        """Case → what a test measures → seconds; 0 if it was skipped."""

        self._starts = frozenset(kind.what for kind in tests.values() if kind.of_a_start)
        self._own = 0.0
        """Seconds that the present test takes in all."""

        self._rest = 0.0
        """Seconds that the tests after it take."""

        self._said = ""
        """How the sum of both is introduced: `about`, `at most about`, or "" if it is not known."""

    def begin(self, test: str) -> None:
        """Take note that a test begins."""
        self._to_come.pop(test, None)
        kinds = (self._tests[test], *self._to_come.values())
        expected = list(map(self._expect, kinds))
        guessed = sum(each.seconds for each in expected if each and each.guessed)
        known = sum(each.seconds for each in expected if each and not each.guessed)
        if None not in expected and guessed <= MOST_GUESSED * known:
            self._said = "about"
            seconds = [each.seconds for each in expected if each]
        else:
            most = list(map(self._most, kinds, expected))
            seconds = [each for each in most if each is not None]
            self._said = "at most about" if None not in most else ""
        if self._said:
            self._own, *rest = seconds
            self._rest = sum(rest)

    def end(self, test: str, seconds: float) -> None:
        """Take note that a test ended after so many seconds."""
        kind = self._tests[test]
        self._took.setdefault(kind.case, {})[kind.what] = seconds

    def skip(self, test: str) -> None:
        """Take note that a test was skipped.

        If no other test of its case was measured, its model may simply be missing. Then the skip
        says nothing about other cases, and is ignored.
        """
        kind = self._tests[test]
        if kind.case in self._took:
            self._took[kind.case][kind.what] = 0.0

    def left(self, elapsed: float) -> str:
        """Return the text on the time left, given the seconds that the present test has taken.

        If it is not known, or the test takes longer than expected, the text is the number of the
        test.
        """
        if self._said and elapsed < self._own:
            return f"{self._said} {duration(self._own - elapsed + self._rest)} left"
        number = len(self._tests) - len(self._to_come)
        return f"test {number} of {len(self._tests)}"

    def _expect(self, kind: Kind) -> _Expected | None:
        """Return the estimate for a test of a kind; None if there is none."""
        if kind.skipped:
            return _Expected(0.0, guessed=False)
        case = kind.case
        family = [other for other in self._took if _library(other) == _library(case)]
        guessed = case not in self._took and len(family) < FEWEST_VARIANTS
        if alike := list(self._of_variants(kind, family)):
            return _Expected(median(alike), guessed)
        for other in (case, *reversed(family)):
            calls = self._calls(other)
            if not kind.of_a_start and len(calls) >= FEWEST_CALLS:
                return _Expected(median(calls.values()), guessed)
        others = [took for other, took in self._took.items() if other.size == case.size]
        guesses = [took[kind.what] for took in others if kind.what in took]
        return _Expected(fmean(guesses), guessed=True) if guesses else None

    def _most(self, kind: Kind, expected: _Expected | None) -> float | None:
        """Return the most seconds that a test of a kind takes; None if that is not known.

        It is known only if another library has measured the same at the same size. Otherwise it is
        not known whether the budget limits the number of calls.
        """
        if expected and not expected.guessed:
            return expected.seconds
        others = [took for other, took in self._took.items() if other.size == kind.case.size]
        longest = max((took[kind.what] for took in others if kind.what in took), default=None)
        if longest is None or kind.of_a_start:
            return longest
        if kind.budget is None or longest > LIMITED_BUDGETS * kind.budget:
            return None
        return max(longest, MOST_BUDGETS * kind.budget)

    def _of_variants(self, kind: Kind, family: list[Case]) -> Iterator[float]:
        """Yield the time of the same test of each other variant, scaled to the case's own speed."""
        own = self._calls(kind.case)
        for other in family:
            took = self._took[other]
            if other != kind.case and kind.what in took:
                ratios = [own[what] / took[what] for what in own if took.get(what)]
                scale = median(ratios) if ratios and not kind.of_a_start else 1.0
                yield scale * took[kind.what]

    def _calls(self, case: Case) -> dict[str, float]:
        """Return the seconds of the tests of a case that timed calls and were not skipped."""
        return {
            what: seconds
            for what, seconds in self._took.get(case, {}).items()
            if seconds and what not in self._starts
        }


def _library(case: Case) -> tuple[str, str]:
    """Return the adapter and size, which variants have in common."""
    return case.adapter, case.size
