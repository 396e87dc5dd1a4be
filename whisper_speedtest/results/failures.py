"""Groups failed tests by their reason, so that each reason is printed once, with their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whisper_speedtest.measure.result import Result

MOST_TESTS = 4
"""How many tests with the same reason are named; any others are counted."""


def failure_notes(results: Iterable[Result]) -> Iterator[Note]:
    """Yield a note for each reason; below one that several tests share stand their names."""
    for reason, alike in by_reason(results):
        if len(alike) == 1:
            yield Note("failed", f"{alike[0].test}: {reason}")
        else:
            text = f"{reason} ({counted(len(alike), 'test')})"
            yield Note("failed", text, tuple(names([each.test for each in alike])))


def by_reason(results: Iterable[Result]) -> list[tuple[str, list[Result]]]:
    """Return each reason with the results that failed or timed out for it, in order of appearance.

    Where these are of several cases, the name of the case is taken out of the reason.
    """
    found: dict[str, list[Result]] = {}
    for each in results:
        if each.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}:
            found.setdefault(for_any_case(each.reason, each.case.label), []).append(each)
    return [(_reason(alike), alike) for alike in found.values()]


def _reason(alike: Sequence[Result]) -> str:
    """Return the reason that some results share, which may differ in the name of the case."""
    reason, label = alike[0].reason, alike[0].case.label
    if len({each.case for each in alike}) == 1:
        return reason
    return reason.removeprefix(label).removeprefix(":").lstrip().replace(label, "the case")


def for_any_case(text: str, label: str) -> str:
    """Return the text of a failure without the name of its case, for comparing it with others."""
    return text.replace(label, "")


def names(tests: Sequence[str]) -> list[str]:
    """Return the names of tests; of many, the first ones and how many more there are."""
    shown = list(tests[:MOST_TESTS])
    if more := len(tests) - len(shown):
        shown.append(f"and {counted(more, 'more test')}")
    return shown
