"""Failures for which several tests have the same reason: it is told once, with all their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whisper_speedtest.measure.result import Result

MOST_TESTS = 4
"""How many tests of one failure are named; where there are more, the others are counted."""


def failure_lines(results: Iterable[Result]) -> list[str]:
    """Return a line for each failure; below that of several tests, a line for each name."""
    lines = []
    for reason, alike in by_reason(results):
        if len(alike) == 1:
            lines.append(f"failed:   {alike[0].test}: {reason}")
            continue
        lines.append(f"failed:   {reason} ({counted(len(alike), 'test')})")
        lines += [f"          {name}" for name in names([each.test for each in alike])]
    return lines


def by_reason(results: Iterable[Result]) -> list[tuple[str, list[Result]]]:
    """Return each reason of failures with the results of it, in the order in which they first come.

    Where these are of several cases, the reason names none of them.
    """
    found: dict[str, list[Result]] = {}
    for each in results:
        if each.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}:
            found.setdefault(for_any_case(each.reason, each.case.label), []).append(each)
    return [(_reason(alike), alike) for alike in found.values()]


def _reason(alike: Sequence[Result]) -> str:
    reason, label = alike[0].reason, alike[0].case.label
    if len({each.case for each in alike}) == 1:
        return reason
    return reason.removeprefix(label).removeprefix(":").lstrip().replace(label, "the case")


def for_any_case(text: str, label: str) -> str:
    """Return what is said of a failure, without its case: the same for the same failure."""
    return text.replace(label, "")


def names(tests: Sequence[str]) -> list[str]:
    """Return the names of tests; of many, the first ones and how many more there are."""
    more = len(tests) - MOST_TESTS
    return [*tests[:MOST_TESTS], *([f"and {counted(more, 'more test')}"] if more > 0 else [])]
