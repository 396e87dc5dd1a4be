"""Comparisons with another side, in words: the ratio, its interval, and what they mean.

The other side is another case, or another checkout of the suite, measured in turns with this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome, Verdict
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import MOST_MARGIN, counted, margin, percent, times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whisper_speedtest.measure.result import Comparison, Result, Side


def verdict_notes(results: Iterable[Result]) -> Iterator[Note]:
    """Yield a note for each comparison: both sides, and how much slower this one is.

    Where no block counts, the ratio says nothing and is left out.
    """
    for result in results:
        found = result.comparison
        if found is None:
            continue
        parts = [blocks_told(found)]
        if _blocks(found):
            parts.insert(0, slower_by(found.ratio, found.low, found.high))
        is_busy = result.outcome is Outcome.BUSY
        meaning = "busy, so that nobody can tell" if is_busy else meaning_of(found)
        sides = (
            f"{result.case.label} on {clip_name(result)}, against {_side(found.baseline, result)}"
        )
        yield Note("compared", f"{sides}: {', '.join(parts)}; {meaning}")


def verdict_of(result: Result) -> str:
    """Return the verdict of a result with a comparison in a word or two.

    It is the outcome where the test did not pass, unless it failed because it was too slow. Without
    a limit, `not slower` means that it is faster.
    """
    found = result.comparison
    assert found is not None, f"{result.test}: it was compared with nothing"
    is_too_slow = result.outcome is Outcome.FAILED and found.verdict is Verdict.SLOWER
    if result.outcome is not Outcome.PASSED and not is_too_slow:
        return str(result.outcome)
    is_faster = found.limit is None and found.verdict is Verdict.NOT_SLOWER
    return "faster" if is_faster else str(found.verdict)


def slower_by(ratio: float, low: float, high: float) -> str:
    """Return a ratio and its interval: `1.3% slower (0.2% faster to 2.8% slower)`."""
    return f"{change(ratio)} ({change(low)} to {change(high)})"


def change(ratio: float) -> str:
    """Return a ratio in words: 1.05 is `5.0% slower`, 0.95 `5.0% faster`, 3 `3.0 times as long`."""
    if ratio >= 2:
        return f"{times(ratio)} times as long"
    return f"{percent(abs(ratio - 1), 1)} {'faster' if ratio < 1 else 'slower'}"


def blocks_told(found: Comparison) -> str:
    """Return how many blocks of how many turns count, and how many turns do not, and why."""
    blocks = _blocks(found)
    text = f"{counted(blocks, 'block')} of {found.planned} turns" if blocks else "no block counts"
    contaminated = sum(turn.contaminated for turn in found.turns)
    if not contaminated:
        return text
    turns = counted(contaminated, "more turn" if blocks else "turn")
    was, do = ("was", "does") if contaminated == 1 else ("were", "do")
    return f"{text}; {turns} {was} taken beside other work and {do} not count"


def _blocks(found: Comparison) -> int:
    """Return how many blocks of a comparison count."""
    from whisper_speedtest.measure.comparing import blocks_of

    return len(blocks_of(found.turns, found.planned))


def meaning_of(found: Comparison) -> str:
    """Return what the verdict means; if undecided, also how narrow the interval had to be."""
    from whisper_speedtest.measure.comparing import PairedRatio

    limit = found.limit
    if found.verdict is Verdict.SLOWER:
        return "slower" if limit is None else f"slower than the {percent(limit, 1)} allowed"
    if found.verdict is Verdict.NOT_SLOWER:
        return "faster" if limit is None else f"not slower than the {percent(limit, 1)} allowed"
    ratio = PairedRatio(found.ratio, found.low, found.high)
    needed = min(ratio.margin_needed(limit or 0.0), MOST_MARGIN)
    goal = "either side slower" if limit is None else f"it over {percent(limit, 1)}, or under"
    return (
        f"undecided: {margin(ratio.margin)}, and to find {goal}, it would have needed "
        f"{margin(needed)}; run it on a quieter machine, or raise --minutes"
    )


def _side(side: Side, result: Result) -> str:
    """Return the name of the other side; if it is the same case, with the versions that differ."""
    if side.case != result.case:
        return side.name
    ours = result.provenance.versions if result.provenance else {}
    theirs = side.provenance.versions
    differing = [
        f"{name} {theirs.get(name, 'absent')} → {ours.get(name, 'absent')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    return f"{side.name} ({', '.join(differing) or 'same versions'})"
