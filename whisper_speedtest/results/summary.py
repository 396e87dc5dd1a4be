"""The answer to what most people ask, in a sentence for each size: which library is the fastest.

A sentence names the fastest only where its interval of the ratio to each other leaves 1 out. It
never ranks what was busy, failed or timed out, nor what has no interval or one that says nothing.
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
TOO_SMALL = (
    "micro is too small to rank libraries: it shows that they work; to choose, measure a larger "
    "size, as with -k small"
)

MOST_NAMES = 4
"""How many rows a sentence names in one list."""


def sentences(results: Sequence[Result], others: Iterable[Outcome] = ()) -> list[str]:
    """Return what a session answers: that it measured nothing, or else what ranks.

    `others` is how tests without a result ended.
    """
    nothing = nothing_measured(results, others)
    return [nothing] if nothing else ranking_sentences(results)


def ranking_sentences(results: Sequence[Result]) -> list[str]:
    """Return a sentence for each size and machine, smallest size first.

    They are about the clip `short` where it was measured, else about the one that most cases share,
    and never about long audio by batch size, which is another question.
    Of `micro` one is said only where there is no other size, and that it ranks nothing.
    """
    found = _of_one_clip(
        rankings(each for each in results if each.measure is not Measure.LONG_FORM)
    )
    told = [each for each in found if each.size != MICRO]
    if found and not told:
        return [TOO_SMALL, *_of_comparisons(results)]
    names = machine_names(each.machine for each in told if each.machine)
    lines = []
    for each in told:
        on = each.clip
        about = [each.size if on == USUAL_CLIP else f"{each.size} on {on}"]
        if len(names) > 1 and each.machine:
            about.append(names[machine_key(each.machine)])
        lines.append(_sentence(each, ", ".join(about)))
    return [*lines, *_of_comparisons(results)]


def _of_comparisons(results: Sequence[Result]) -> Iterator[str]:
    """Yield what comparisons with another side have found, those that are slower first."""
    found: dict[str, Counter[str]] = {}
    for each in results:
        if each.comparison:
            found.setdefault(each.comparison.baseline.name, Counter())[verdict_of(each)] += 1
    for side, verdicts in found.items():
        told = sorted(verdicts.items(), key=lambda each: (each[0] != Verdict.SLOWER, each[0]))
        yield f"in turns with {side}: {', '.join(f'{count} {what}' for what, count in told)}"


def nothing_measured(results: Sequence[Result], others: Iterable[Outcome] = ()) -> str:
    """Say that tests have ended and nothing was measured; "" where that is not so.

    It is true of a session that was stopped, too, in which other tests were never begun.
    """
    outcomes = {*(each.outcome for each in results), *others}
    if not outcomes or any(each.is_measured or each.comparison for each in results):
        return ""
    ended = "was skipped" if outcomes == {Outcome.SKIPPED} else "failed or was skipped"
    return f"nothing was measured: every test that was begun {ended}"


def _of_one_clip(found: Sequence[Ranking]) -> list[Ranking]:
    """Return one ranking of each size and machine, in the same order."""
    chosen: dict[tuple[str, bytes], Ranking] = {}
    for each in found:
        key = (each.size, machine_key(each.machine))
        chosen[key] = max(chosen.get(key, each), each, key=_preference)
    return list(chosen.values())


def _preference(ranking: Ranking) -> tuple[bool, int, int]:
    """Return what is greatest of the ranking to tell of."""
    right = len(ranking.ranked) + len(ranking.unranked)
    usual = ranking.clip == USUAL_CLIP
    return bool(right) and usual, right, sum(ranking.left_out.values())


def _sentence(ranking: Ranking, about: str) -> str:
    """Return what a ranking answers."""
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
    """Yield which rows have no place, by the reason."""
    for has_interval, why in (
        (False, "one process has no interval"),
        (True, f"the interval is over ±{percent(MOST_MARGIN)}"),
    ):
        if alike := [
            each for each in unranked if (each.estimate.margin is not None) is has_interval
        ]:
            yield f"without a place, as {why}: {_listed(alike, name)}"


def _order(ranking: Ranking, name: Callable[[Result], str]) -> str:
    """Say which of the ranked is the fastest, or that this is not decided."""
    first, *behind = ranking.ranked
    if near := ranking.near(first):
        return f"{_listed([first, *near], name)} cannot be told apart"
    told = f"{name(first)}, {_speed(first)}"
    if not behind:
        return told
    following = behind[0]
    times = ratio(following.estimate, first.estimate)
    assert times.low is not None  # both are ranked
    assert times.high is not None
    nearest = name(following)
    if beside := ranking.near(following):
        nearest += f", which cannot be told from {_joined([name(each) for each in beside])}"
    value, low, high = _rounded(times.value, times.low, times.high)
    return f"{told}, {value} times as fast as the next ({nearest}), interval {low} to {high}"


def _rounded(*values: float) -> list[str]:
    """Return numbers over 1 with one decimal each, or as many as show that they are over 1."""
    decimals = 1
    while decimals < 4 and round(min(values), decimals) <= 1:
        decimals += 1
    return [f"{each:.{decimals}f}" for each in values]


def _listed(results: Sequence[Result], name: Callable[[Result], str]) -> str:
    """Return the rows with their RTFx, as `a (RTFx 2.0) and b (RTFx 1.0)`."""
    return _joined([f"{name(each)} ({_speed(each)})" for each in results])


def _speed(result: Result) -> str:
    """Return the RTFx of what may be ranked, which has one."""
    value = result.rtfx
    assert value is not None, f"{result.test}: it is ranked, and has no RTFx"
    return f"RTFx {rtfx(value)}"


def _joined(names: Sequence[str]) -> str:
    """Return some names as a list in words; of many, the first ones and how many more there are."""
    shown = list(names[:MOST_NAMES])
    if more := len(names) - len(shown):
        shown.append(f"{more} more")
    *most, last = shown
    return f"{', '.join(most)} and {last}" if most else last
