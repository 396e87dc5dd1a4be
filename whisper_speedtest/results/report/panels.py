"""What the page of a report draws of one machine: a panel for each size, of what may be compared.

A result that is busy, failed or undecided is in none of them; what is left out is said below it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.names import clip_name, namer
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.ranking import has_place, rankings
from whisper_speedtest.results.report.charts import (
    WIDTH,
    Bar,
    Change,
    Chart,
    Point,
    Stack,
    bars,
    changes,
    history,
    plane,
    stacks,
)
from whisper_speedtest.results.summary import USUAL_CLIP
from whisper_speedtest.results.table import margin_and_counts
from whisper_speedtest.results.units import counted, megabytes, percent, rtfx, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.report.merged import OnMachine
    from whisper_speedtest.speech.scoring import Score

MOST_PANELS = 24
"""Panels of one sort on one machine. Of more clips than have room, the first ones are drawn."""

MOST_POINTS = 20
"""Points of one line of a history: the last ones."""

MOST_LINES = 6
"""Lines of one panel of a history: those of most points."""

FEW = 12
"""So many points of a plane can all have a label."""

WIDE = 700
"""Width of a drawing that has the whole page to itself."""

PHASES = {
    "launch": "new process",
    "import_library": "import",
    "load": "load",
    "first_call": "first call",
}
"""Phase of a start → what it is called in the drawing."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing under a heading, and what is to be known of it."""

    heading: str
    chart: Chart
    notes: tuple[str, ...] = ()


def speed(on: OnMachine) -> tuple[list[Panel], list[str]]:
    """Draw RTFx by library for each size and clip, fastest first.

    Named beside the panels is each size and clip of which no result can be drawn, with the reasons.
    """
    name = namer(on.comparable)
    found = []
    undrawn = []
    for each in rankings(on.comparable):
        rows = [*each.ranked, *each.unranked]
        title = f"{each.size}, {each.clip}"
        counts = ", ".join(f"{count} {why}" for why, count in each.left_out.items())
        if not rows:
            undrawn.append(f"{title} ({counts})")
            continue
        notes = []
        if each.unranked:
            notes.append("Hollow: no interval, or one over ±100%, so that its place is a guess.")
        if counts:
            notes.append(f"Left out: {counts}.")
        chart = bars(f"RTFx of {title}", [_rtfx(name(row), row) for row in rows])
        found.append((each.clip != USUAL_CLIP, Panel(title, chart, tuple(notes))))
    found.sort(key=lambda each: each[0])
    return [panel for _, panel in found[:MOST_PANELS]], undrawn


def _rtfx(label: str, result: Result) -> Bar:
    """Return the bar of a result that passed; a short time is a high RTFx, so its ends change."""
    estimate = result.estimate
    assert result.clip is not None
    audio, known = result.clip.seconds, has_place(estimate)
    shown = f"{rtfx(audio / estimate.seconds)} {margin_and_counts(estimate)}"
    low = audio / estimate.high if known and estimate.high else None
    high = audio / estimate.low if known and estimate.low else None
    return Bar(label, audio / estimate.seconds, shown, low, high, hollow=not known)


def accuracy(on: OnMachine) -> list[Panel]:
    """Draw the word error rate over RTFx, on the clip with the most words that has several rates.

    Where all rates are the same there is nothing to weigh, and so no drawing. Of many points, those
    that no other beats in both have a label.
    """
    clips: dict[str, list[tuple[Result, float, Score]]] = defaultdict(list)
    for each in passed(on, Measure.WARM):
        if each.clip and each.score and each.rtfx:
            clips[each.clip.name].append((each, each.rtfx, each.score))
    found = {
        clip: results
        for clip, results in clips.items()
        if len({score.wer for _, _, score in results}) > 1
    }
    if not found:
        return []
    words, clip = max((found[clip][0][2].reference_words, clip) for clip in found)
    letters = any(score.cer is not None for _, _, score in found[clip])
    unit, what = ("CER", "Letter") if letters else ("WER", "Word")
    name = namer(on.comparable)
    points = []
    for each, speed, score in found[clip]:
        size = each.case.size
        unbeaten = not any(
            (other >= speed and another.wer <= score.wer)
            and (other, another.wer) != (speed, score.wer)
            for _, other, another in found[clip]
        )
        label = (
            size if len(found[clip]) <= FEW else f"{size} {each.case.variant}" if unbeaten else ""
        )
        told = f"{name(each)}, {size}: RTFx {rtfx(speed)}, {unit} {percent(score.wer, 1)}"
        points.append(Point(each.case.adapter, speed, 100 * score.wer, told, label))
    notes = [
        f"On {clip}, which has {counted(words, what.lower())}; better is lower and further right."
    ]
    if len(points) > FEW:
        notes.append("A label has what no other was both faster and more accurate than.")
    title = f"{what} error rate over RTFx, {clip}"
    drawn = [
        plane(title, points, "RTFx, logarithmic", f"{unit} in %", width) for width in (WIDE, WIDTH)
    ]
    return [Panel(title, chart, tuple(notes)) for chart in drawn]


def starts(on: OnMachine, measure: Measure) -> list[Panel]:
    """Draw the phases of a start by library for each size, shortest first.

    Those of which the first ever start alone was measured stand apart: a library may compile in it
    what later starts find.
    """
    name = namer(on.comparable)
    panels = []
    for size, results in _by_size(each for each in passed(on, measure) if each.starts):
        fastest = sorted(results, key=lambda each: each.estimate.seconds)
        for first, heading in ((False, size), (True, f"{size}, first start ever")):
            rows = [
                Stack(name(each), seconds(each.estimate.seconds), tuple(_phases(each)))
                for each in fastest
                if _is_first(each) is first
            ]
            if rows:
                title = f"{measure} start of {heading} by phase".capitalize()
                panels.append(Panel(heading, stacks(title, rows)))
    return panels


def _is_first(result: Result) -> bool:
    """Whether the only start is the first one, in which a library may compile."""
    return {each.process for each in result.counted} == {0}


def _phases(result: Result) -> Iterator[tuple[str, float, str]]:
    """Yield the phases, into which the estimate is split by their shares of the mean start."""
    processes = {each.process for each in result.counted}
    kept = [each for each in result.starts if each.process in processes]
    whole = fmean(each.total for each in kept)
    for phase, word in PHASES.items():
        share = fmean(getattr(each, phase) for each in kept) / whole
        value = share * result.estimate.seconds
        yield word, value, seconds(value)


def pauses(on: OnMachine) -> tuple[list[Panel], list[str]]:
    """Draw what a call takes right after another, and after a pause; name what is undecided."""
    name = namer(on.comparable)
    warm = {_of_call(each): each for each in passed(on, Measure.WARM)}
    undecided = []
    panels = []
    for size, results in _by_size(passed(on, Measure.AFTER_PAUSE)):
        rows = []
        for each in results:
            before = warm.get(_of_call(each))
            if before is None:
                continue
            times = ratio(each.estimate, before.estimate)
            if not times.decided:
                undecided.append(f"{name(each)}, {size}, {clip_name(before)}")
                continue
            first, second = before.estimate.seconds, each.estimate.seconds
            shown = f"{seconds(first)} → {seconds(second)}, ×{times.value:.2f}"
            rows.append(Change(f"{name(each)}, {clip_name(before)}", first, second, shown))
        if rows:
            rows.sort(key=lambda row: row.after)
            panels.append(
                Panel(size, changes(f"{size}: right after another call, and after a pause", rows))
            )
    return panels, undecided


def _of_call(result: Result) -> tuple[object, ...]:
    """Return what a call after a pause shares with the call that it is compared with."""
    model = result.model
    return result.case, result.clip, result.settings, model.repo, model.commit, device_of(result)


def memory(on: OnMachine) -> list[Panel]:
    """Draw the highest peak of a start by library for each size, smallest first."""
    name = namer(on.comparable)
    panels = []
    for size, results in _by_size(passed(on, Measure.COLD)):
        rows = []
        for each in results:
            if each.memory is None:
                continue
            shown = megabytes(each.memory.footprint)
            if each.memory.accelerator:
                shown += f", accelerator {megabytes(each.memory.accelerator)}"
            rows.append(Bar(name(each), each.memory.footprint, shown))
        if rows:
            rows.sort(key=lambda row: row.value)
            panels.append(Panel(size, bars(f"Peak memory of {size}", rows)))
    return panels


def histories(on: OnMachine) -> list[Panel]:
    """Draw RTFx over time for each size, of what was measured more than once.

    Of each size it is about one clip: `short`, or else the one with most such lines.
    """
    name = namer(on.comparable)
    sizes: dict[str, dict[str, dict[str, list[_Past]]]] = {}
    for number, series in enumerate(on.series):
        for each in (*series.earlier, series.latest):
            usable = each.outcome is Outcome.PASSED and each.measure is Measure.WARM and each.when
            if usable and each.clip and each.counted:
                clips = sizes.setdefault(each.case.size, {})
                past = clips.setdefault(each.clip.name, {}).setdefault(name(each), [])
                past.append(_Past(each.when, number, each, series.differs))
    panels = []
    for size, clips in sorted(sizes.items(), key=lambda each: place_of_size(each[0])):
        repeated = {
            clip: {label: sorted(past) for label, past in lines.items() if len(past) > 1}
            for clip, lines in clips.items()
        }
        clip = max(repeated, key=lambda clip: (clip == USUAL_CLIP, len(repeated[clip])))
        if not repeated[clip]:
            clip = max(repeated, key=lambda clip: len(repeated[clip]))
        lines = sorted(repeated[clip].items(), key=lambda line: len(line[1]), reverse=True)
        points = [
            _point(label, each)
            for label, past in lines[:MOST_LINES]
            for each in past[-MOST_POINTS:]
        ]
        if points:
            more = len(lines) - MOST_LINES
            notes = (f"{more} more are in results.csv.",) if more > 0 else ()
            chart = history(f"RTFx of {size}, {clip}, over time", points, "RTFx")
            panels.append(Panel(f"{size}, {clip}", chart, notes))
    return panels


@dataclass(frozen=True, slots=True, order=True)
class _Past:
    """A point of a history. Two of the same moment are of different series."""

    when: str
    series: int
    result: Result = field(compare=False)
    differs: str = field(compare=False)


def _point(label: str, past: _Past) -> Point:
    bar = _rtfx(label, past.result)
    what = f" ({past.differs})" if past.differs else ""
    told = f"{label}{what}, {past.when[:10]}: RTFx {rtfx(bar.value)}"
    return Point(
        label, past.when, bar.value, told, line=str(past.series), low=bar.low, high=bar.high
    )


def passed(on: OnMachine, measure: Measure) -> list[Result]:
    """Return what passed of a measure, and has samples that count."""
    return [
        each
        for each in on.comparable
        if each.measure is measure and each.outcome is Outcome.PASSED and each.counted
    ]


def _by_size(results: Iterable[Result]) -> list[tuple[str, Sequence[Result]]]:
    """Return results by size, the smallest first."""
    found: dict[str, list[Result]] = defaultdict(list)
    for each in results:
        found[each.case.size].append(each)
    return sorted(found.items(), key=lambda each: place_of_size(each[0]))
