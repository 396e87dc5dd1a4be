"""The notes on what was timed: what a time includes, and beside which other it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.names import names_of_tests
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import MOST_MARGIN, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whisper_speedtest.measure.result import Result


def timing_notes(passed: Sequence[Result]) -> Iterator[Note]:
    """Yield the notes on the times of results that passed."""
    yield from _cost(passed)
    yield from _after_pauses(passed)
    yield from _from_disk(passed)
    yield from _timed_out(passed)
    yield from _vague(passed)
    yield from _mends(passed)


def _cost(passed: Sequence[Result]) -> Iterator[Note]:
    """Say how much longer a call through an engine takes than the library's own, at most."""
    costs = [each.provenance.empty_call for each in passed if each.provenance]
    known = [cost for cost in costs if cost is not None]
    if known:
        cost = seconds(max(known))
        yield Note("harness", f"a call through an engine takes {cost} more than the library's own")


def _after_pauses(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what a call takes after a pause, and how much longer that is than right after another."""
    warm = {
        (each.case, device_of(each), each.clip): each
        for each in passed
        if each.measure is Measure.WARM
    }
    for each in passed:
        if each.measure is Measure.AFTER_PAUSE and each.clip and each.repeats:
            usual = warm.get((each.case, device_of(each), each.clip))
            when = f"after {each.repeats.pause:g} s of idleness"
            taken = _beside_usual(each, when, usual, "right after another call")
            yield Note("pause", f"{each.case.label}: {each.clip.name} takes {taken}")


def _from_disk(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what a start takes whose model files are not in memory, and how much longer that is."""
    cold = {(each.case, device_of(each)): each for each in passed if each.measure is Measure.COLD}
    for each in passed:
        if each.measure is Measure.COLD_FILES:
            usual = cold.get((each.case, device_of(each)))
            when = "with its files on the disk alone"
            taken = _beside_usual(each, when, usual, "with them in memory")
            yield Note("disk", f"{each.case.label}: a cold start takes {taken}")


def _beside_usual(result: Result, when: str, usual: Result | None, when_usual: str) -> str:
    """Return the time of a result, and where the usual one is known how many times as long it is.

    `when` and `when_usual` say in words under which conditions the two were measured.
    """
    taken = result.estimate.seconds
    if usual is None:
        return f"{seconds(taken)} {when}"
    usually = usual.estimate.seconds
    return (
        f"{taken / usually:.1f} times as long {when} "
        f"({seconds(taken)}, and {seconds(usually)} {when_usual})"
    )


def _timed_out(passed: Sequence[Result]) -> Iterator[Note]:
    """Say of which cases fewer processes were measured, as some took too long to start."""
    for each in passed:
        if each.repeats and each.repeats.timed_out:
            yield Note(
                "fewer",
                f"{each.case.label}: {each.repeats.timed_out} of its starts took longer than the "
                "limit, so fewer processes were measured",
            )


def _vague(passed: Sequence[Result]) -> Iterator[Note]:
    """Say which calls have an interval that says nothing, as their processes differ too much."""
    calls = [each for each in passed if each.counted and not each.measure.of_a_start]
    vague = [each for each in calls if (each.estimate.margin or 0.0) > MOST_MARGIN]
    if vague:
        yield Note(
            "vague",
            "processes differ so much that nobody can tell how long the next one takes "
            f"(over ±{percent(MOST_MARGIN)}): {names_of_tests(vague)}; run these again on a "
            "quieter machine, or with more --processes",
        )


def _mends(passed: Sequence[Result]) -> Iterator[Note]:
    """Say what the suite changed in a library so that it loads at all."""
    for each in passed:
        for mend in each.provenance.mends if each.provenance else ():
            yield Note(
                "mended",
                f"{each.case.label}: as released it does not load this model, so the suite "
                f"changed it: {mend}",
            )
