"""How much longer a session takes, as far as what it has measured so far tells."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


def duration(seconds: float) -> str:
    """Return a time as people say it: `63 s`, `12 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Kind(NamedTuple):
    """What tests have in common that take about as long."""

    size: str
    what: str
    """Measure, clip and batch size."""

    first: bool
    """Whether it is the first of its case, which starts the processes."""


class TimeLeft:
    """Estimates what the tests to come will take by what those before them took.

    A test is expected to take as long as others of its kind did. Where there was none, it is those
    of its size, with which it starts processes or does not. Where no test of a size has ended yet,
    nothing is expected of these, and so nothing of the whole session.
    """

    def __init__(self, tests: Mapping[str, Kind]) -> None:
        """Take all tests of the session that measure something, by id, in any order."""
        self._tests = dict(tests)
        self._to_come = dict(tests)
        self._took: dict[Kind, list[float]] = {}
        self._own: float | None = None
        self._rest: float | None = None

    def begin(self, test: str) -> None:
        """Take note that a test begins."""
        self._to_come.pop(test, None)
        self._own = self._expect(self._tests[test])
        rest = [self._expect(kind) for kind in self._to_come.values()]
        known = [each for each in rest if each is not None]
        self._rest = sum(known) if len(known) == len(rest) else None

    def end(self, test: str, seconds: float) -> None:
        """Take note of what a test took."""
        self._took.setdefault(self._tests[test], []).append(seconds)

    def left(self, elapsed: float) -> str:
        """Return how much longer the session takes, where the test has taken so many seconds.

        Where that is not known, or the test takes longer than expected, it is the number of the
        test.
        """
        if self._own is not None and self._rest is not None and elapsed < self._own:
            return f"about {duration(self._own - elapsed + self._rest)} left"
        number = len(self._tests) - len(self._to_come)
        return f"test {number} of {len(self._tests)}"

    def _expect(self, kind: Kind) -> float | None:
        """Return the seconds that a test of a kind is expected to take, or None."""
        if alike := self._took.get(kind):
            return fmean(alike)
        near = [
            seconds
            for other, took in self._took.items()
            if (other.size, other.first) == (kind.size, kind.first)
            for seconds in took
        ]
        return fmean(near) if near else None
