"""The notes on what was not measured: skips, failures, and libraries that are not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.failures import failure_notes
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whisper_speedtest.measure.result import Result

MOST_SKIPPED = 4
"""How many lines may name the models that were skipped for one cause; if it takes more, the models
are counted by adapter."""

MOST_CAUSES = 4
"""How many causes of skips have a line; the others are counted."""


def absence_notes(
    results: Sequence[Result],
    left_out: Mapping[str, Outcome],
    missing: Mapping[str, str],
    install: str,
) -> Iterator[Note]:
    """Yield the notes on what was not measured; the arguments are those of `notes.notes`."""
    yield from _skips(results)
    yield from _left_out(left_out, missing)
    yield from failure_notes(results)
    if missing:
        yield Note("missing", f"{', '.join(missing)}: {install}", is_whole=True)


def _skips(results: Sequence[Result]) -> Iterator[Note]:
    """Say each cause of skips once, with the number of tests and the models that it is about."""
    causes: dict[str, list[Result]] = {}
    for result in results:
        if result.outcome is Outcome.SKIPPED:
            causes.setdefault(result.cause, []).append(result)
    for cause, skipped in list(causes.items())[:MOST_CAUSES]:
        yield Note("skipped", f"{cause} ({counted(len(skipped), 'test')})", _models(skipped))
    if others := list(causes.values())[MOST_CAUSES:]:
        tests = counted(sum(map(len, others)), "test")
        more_causes = counted(len(others), "more cause")
        yield Note("skipped", f"{tests} for {more_causes}; the journal has each")


def _models(skipped: Sequence[Result]) -> tuple[str, ...]:
    """Return a text for each adapter and repo; if they are many, one with counts by adapter."""
    models: dict[tuple[str, str], dict[str, None]] = {}
    for each in skipped:
        # A model with a commit was verified, so the cause of the skip is something else.
        repo = "" if each.model.commit else f": {each.model.repo}"
        variant = f"{each.case.size}-{each.case.variant}"
        models.setdefault((each.case.adapter, repo), {})[variant] = None
    if len(models) <= MOST_SKIPPED:
        return tuple(
            f"{adapter}[{', '.join(variants)}]{repo}"
            for (adapter, repo), variants in models.items()
        )
    counts: dict[str, int] = {}
    for (adapter, _), variants in models.items():
        counts[adapter] = counts.get(adapter, 0) + len(variants)
    numbers = ", ".join(f"{adapter} {count}" for adapter, count in counts.items())
    return (f"models: {numbers}; --check-models names each with its repo",)


def _left_out(left_out: Mapping[str, Outcome], missing: Mapping[str, str]) -> Iterator[Note]:
    """Yield why something was left out before any test began: skips first, then failures.

    A library that is not installed is no such skip, as it has a note of its own.
    """
    for reason, outcome in left_out.items():
        if outcome is Outcome.SKIPPED and reason not in missing.values():
            yield Note("skipped", reason)
    for reason, outcome in left_out.items():
        if outcome is Outcome.FAILED:
            yield Note("failed", reason)
