"""How much longer a session takes, as far as what it has measured so far tells."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.measure.protocol import CALLS_ON_CPU, OVERRUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.base import Case

FEWEST_CALLS = 3
"""How many tests of calls a case must have measured before they say what its others take."""

FEWEST_VARIANTS = 2
"""How many variants of a library must have been begun before they say what its others take: the
second one shows whether variants differ much."""

MOST_GUESSED = 0.25
"""How long what is only guessed may take, as a share of what is known. A library that was not met
yet may be five times as fast as those before it."""

MOST_BUDGETS = 1 + 1 / CALLS_ON_CPU
"""How many times the budget of its timed calls a test takes at most, with the untimed call of each
process, where the budget has room for CALLS_ON_CPU calls of each."""

LIMITED_BUDGETS = 2 * OVERRUN
"""How many times its budget a test may have taken whose calls the budget limits. One that took
longer made a single long call, untimed and timed, which another library may make much longer."""


def duration(seconds: float) -> str:
    """Return a time as people say it: `63 s`, `12 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Kind(NamedTuple):
    """What a test measures, and of which case."""

    case: Case
    what: str
    """Measure, clip and batch size."""

    of_a_start: bool = False
    """Whether it times starts and not calls."""

    skipped: bool = False
    """Whether it is known to be skipped, before it begins."""

    budget: float | None = None
    """Seconds that its timed calls may take together; None where nothing limits them so."""


class _Expected(NamedTuple):
    seconds: float
    guessed: bool
    """Whether it is only what other libraries took, or a variant that may differ much."""


class TimeLeft:
    """Estimates what the tests to come will take by what those before them took.

    A test is expected to take what the same test of another variant of its library and size took,
    as many times as long as the case's own tests so far; where there was none, what the case's
    other tests took. What other libraries took is a guess: libraries come one after another, and
    the first ones say little of the next. Where too much is guessed, what the budget of its calls
    leaves to each such test is said to be the most. Where that is not known either, nothing is.
    """

    def __init__(self, tests: Mapping[str, Kind]) -> None:
        """Take all tests of the session that measure something, by id, in any order."""
        self._tests = dict(tests)
        self._to_come = dict(tests)
        self._took: dict[Case, dict[str, float]] = {}
        """Case → what → seconds; 0 of what was skipped."""

        self._starts = frozenset(kind.what for kind in tests.values() if kind.of_a_start)
        self._own = 0.0
        self._rest = 0.0
        self._said = ""
        """What the sum of both is: `about`, `at most about`, or "" where it is not known."""

    def begin(self, test: str) -> None:
        """Take note that a test begins."""
        self._to_come.pop(test, None)
        kinds = (self._tests[test], *self._to_come.values())
        expected = list(map(self._expect, kinds))
        guessed = sum(each.seconds for each in expected if each and each.guessed)
        known = sum(each.seconds for each in expected if each and not each.guessed)
        if None not in expected and guessed <= MOST_GUESSED * known:
            self._said, seconds = "about", [each.seconds for each in expected if each]
        else:
            most = list(map(self._most, kinds, expected))
            seconds = [each for each in most if each is not None]
            self._said = "at most about" if None not in most else ""
        if self._said:
            self._own, *rest = seconds
            self._rest = sum(rest)

    def end(self, test: str, seconds: float) -> None:
        """Take note of what a test took."""
        kind = self._tests[test]
        self._took.setdefault(kind.case, {})[kind.what] = seconds

    def skip(self, test: str) -> None:
        """Take note that a test was skipped.

        That says something of other cases only where the case was measured: else its model may
        simply not be there.
        """
        kind = self._tests[test]
        if kind.case in self._took:
            self._took[kind.case][kind.what] = 0.0

    def left(self, elapsed: float) -> str:
        """Return how much longer the session takes, where the test has taken so many seconds.

        Where that is not known, or the test takes longer than expected, it is the number of the
        test.
        """
        if self._said and elapsed < self._own:
            return f"{self._said} {duration(self._own - elapsed + self._rest)} left"
        number = len(self._tests) - len(self._to_come)
        return f"test {number} of {len(self._tests)}"

    def _expect(self, kind: Kind) -> _Expected | None:
        """Return what a test of a kind is expected to take, or None."""
        if kind.skipped:
            return _Expected(0.0, guessed=False)
        case = kind.case
        family = [other for other in self._took if _library(other) == _library(case)]
        is_met = case in self._took or len(family) >= FEWEST_VARIANTS
        if alike := list(self._of_variants(kind, family)):
            return _Expected(median(alike), guessed=not is_met)
        for other in (case, *reversed(family)):
            calls = self._calls(other)
            if not kind.of_a_start and len(calls) >= FEWEST_CALLS:
                return _Expected(median(calls.values()), guessed=not is_met)
        others = [took for other, took in self._took.items() if other.size == case.size]
        guesses = [took[kind.what] for took in others if kind.what in took]
        return _Expected(fmean(guesses), guessed=True) if guesses else None

    def _most(self, kind: Kind, expected: _Expected | None) -> float | None:
        """Return what a test of a kind takes at most; None where that is not known.

        That takes another library that has measured the same of the same size: nobody knows whether
        the budget limits the calls of a size or of a clip that was not met yet.
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
        """Yield what a test took of each variant, as many times as long as the case's own calls."""
        own = self._calls(kind.case)
        for other in family:
            took = self._took[other]
            if other != kind.case and kind.what in took:
                ratios = [own[what] / took[what] for what in own if took.get(what)]
                yield took[kind.what] * (1.0 if kind.of_a_start or not ratios else median(ratios))

    def _calls(self, case: Case) -> dict[str, float]:
        """Return what the tests of a case took that time calls and were not skipped."""
        return {
            what: seconds
            for what, seconds in self._took.get(case, {}).items()
            if seconds and what not in self._starts
        }


def _library(case: Case) -> tuple[str, str]:
    """Return what variants of one size have in common."""
    return case.adapter, case.size
