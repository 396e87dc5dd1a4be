"""The answer to what most people ask, in a sentence for each size: which library is the fastest.

A sentence calls one the fastest only where it is decided that it is faster than each other one: the
interval of the ratio of their times does not hold 1. A result that was busy, failed or timed out is
never ranked, nor is one without an interval or with one that says nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.results.machines import machine_key, machine_names
from whisper_speedtest.results.names import namer
from whisper_speedtest.results.ranking import rankings
from whisper_speedtest.results.units import MOST_MARGIN, percent, rtfx
from whisper_speedtest.results.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.ranking import Ranking

USUAL_CLIP = "short"
"""The clip that the sentences are about, where it was measured."""

MICRO = "micro"
"""The size of the embedded model."""

TOO_SMALL = (
    "micro is too small to rank libraries: it shows that they work; to choose, measure a larger "
    "size, as with -k small"
)

MOST_NAMES = 4
"""How many results a sentence names in one list; any others are counted."""


def sentences(results: Sequence[Result], others: Iterable[Outcome] = ()) -> list[str]:
    """Return the sentences of a session: that nothing was measured, or those of the rankings.

    `others` is how tests without a result ended.
    """
    nothing = nothing_measured(results, others)
    return [nothing] if nothing else ranking_sentences(results)


def ranking_sentences(results: Sequence[Result]) -> list[str]:
    """Return a sentence for each size and machine, smallest size first, then the comparisons.

    A sentence is about the clip `short` if it was measured, else about the clip that most cases
    share. It is never about long audio by batch size, which is another question. The size `micro`
    has no ranking; where it alone was measured, one sentence says why.
    """
    every_size = _of_one_clip(
        rankings(each for each in results if each.measure is not Measure.LONG_FORM)
    )
    found = [each for each in every_size if each.size != MICRO]
    if every_size and not found:
        return [TOO_SMALL, *_of_comparisons(results)]
    names = machine_names(each.machine for each in found if each.machine)
    lines = []
    for each in found:
        about = [each.size if each.clip == USUAL_CLIP else f"{each.size} on {each.clip}"]
        if len(names) > 1 and each.machine:
            about.append(names[machine_key(each.machine)])
        lines.append(_sentence(each, ", ".join(about)))
    return [*lines, *_of_comparisons(results)]


def _of_comparisons(results: Sequence[Result]) -> Iterator[str]:
    """Yield a sentence for each other side: how often which verdict was found, slower first."""
    verdicts_by_side: dict[str, Counter[str]] = {}
    for each in results:
        if each.comparison:
            side = each.comparison.baseline.name
            verdicts_by_side.setdefault(side, Counter())[verdict_of(each)] += 1
    for side, verdicts in verdicts_by_side.items():
        slower_first = sorted(verdicts, key=lambda verdict: (verdict != Verdict.SLOWER, verdict))
        counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in slower_first)
        yield f"in turns with {side}: {counts}"


def nothing_measured(results: Sequence[Result], others: Iterable[Outcome] = ()) -> str:
    """Return the sentence that nothing was measured; "" if something was, or no test has ended.

    It also holds for a session that was stopped, in which other tests were never begun.
    """
    outcomes = {*(each.outcome for each in results), *others}
    if not outcomes or any(each.is_measured or each.comparison for each in results):
        return ""
    ended = "was skipped" if outcomes == {Outcome.SKIPPED} else "failed or was skipped"
    return f"nothing was measured: every test that was begun {ended}"


def _of_one_clip(found: Sequence[Ranking]) -> list[Ranking]:
    """Return one of the rankings of each size and machine, in the same order."""
    chosen: dict[tuple[str, bytes], Ranking] = {}
    for each in found:
        key = (each.size, machine_key(each.machine))
        chosen[key] = max(chosen.get(key, each), each, key=_preference)
    return list(chosen.values())


def _preference(ranking: Ranking) -> tuple[bool, int, int]:
    """Return a sort key: the greatest ranking of a size and machine is the one to tell.

    That is the one of the usual clip if any result on it was right, else that of the most results.
    """
    right = len(ranking.ranked) + len(ranking.unranked)
    is_usual = right > 0 and ranking.clip == USUAL_CLIP
    return is_usual, right, sum(ranking.left_out.values())


def _sentence(ranking: Ranking, about: str) -> str:
    """Return a ranking as a sentence; `about` names its size, and clip and machine if need be."""
    right = [*ranking.ranked, *ranking.unranked]
    name = namer(right, " on the ")
    checked = all(each.score for each in right)
    of_those = "fastest of those that were right" if checked else "fastest, transcripts unchecked"
    parts = []
    if not right:
        parts.append(f"{about}: nothing can be ranked")
    elif len(right) == 1:
        alone = "the only one that was right" if checked else "the only one, transcript unchecked"
        parts.append(f"{alone}, {about}: {_listed(right, name)}")
    elif not ranking.ranked:
        parts.append(f"{about}: no order is certain")
    else:
        parts.append(f"{of_those}, {about}: {_order(ranking, name)}")
    if len(right) > 1:
        parts += _without_a_place(ranking.unranked, name)
    if ranking.left_out:
        counts = (f"{count} {why}" for why, count in ranking.left_out.items())
        parts.append(f"left out: {', '.join(counts)}")
    return "; ".join(parts)


def _without_a_place(unranked: Sequence[Result], name: Callable[[Result], str]) -> Iterator[str]:
    """Yield which results have no place, for each of the two reasons."""
    of_one_process = [each for each in unranked if each.estimate.margin is None]
    if of_one_process:
        names = _listed(of_one_process, name)
        yield f"without a place, as one process has no interval: {names}"
    too_wide = [each for each in unranked if each.estimate.margin is not None]
    if too_wide:
        names = _listed(too_wide, name)
        yield f"without a place, as the interval is over ±{percent(MOST_MARGIN)}: {names}"


def _order(ranking: Ranking, name: Callable[[Result], str]) -> str:
    """Say which of the ranked results is the fastest, or that this is not decided."""
    first = ranking.ranked[0]
    if near := ranking.near(first):
        return f"{_listed([first, *near], name)} cannot be told apart"
    fastest = f"{name(first)}, {_speed(first)}"
    if len(ranking.ranked) == 1:
        return fastest
    second = ranking.ranked[1]
    times = ratio(second.estimate, first.estimate)
    assert times.low is not None  # both are ranked
    assert times.high is not None
    next_one = name(second)
    if near := ranking.near(second):
        next_one += f", which cannot be told from {_joined([name(each) for each in near])}"
    value, low, high = _rounded(times.value, times.low, times.high)
    return f"{fastest}, {value} times as fast as the next ({next_one}), interval {low} to {high}"


def _rounded(*values: float) -> list[str]:
    """Return numbers over 1, with the fewest of 1 to 4 decimals that show that they are over 1."""
    decimals = 1
    while decimals < 4 and round(min(values), decimals) <= 1:
        decimals += 1
    return [f"{each:.{decimals}f}" for each in values]


def _listed(results: Sequence[Result], name: Callable[[Result], str]) -> str:
    """Return some results with their RTFx, as `a (RTFx 2.0) and b (RTFx 1.0)`."""
    return _joined([f"{name(each)} ({_speed(each)})" for each in results])


def _speed(result: Result) -> str:
    """Return the RTFx of a result that passed, as `RTFx 12.0`."""
    value = result.rtfx
    assert value is not None, f"{result.test}: it is ranked, and has no RTFx"
    return f"RTFx {rtfx(value)}"


def _joined(names: Sequence[str]) -> str:
    """Return some names as `a, b and c`; of many, the first MOST_NAMES and how many more."""
    shown = list(names[:MOST_NAMES])
    if more := len(names) - len(shown):
        shown.append(f"{more} more")
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
