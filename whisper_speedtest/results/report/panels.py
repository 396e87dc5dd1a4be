"""Makes the panels of charts on the page of a report, from the results that count on one machine.

Most functions make a panel for each size. A result that is busy, failed or undecided is not drawn;
the notes of a panel say what is left out, or the page does below the panels.
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
"""How many panels of speed are drawn for one machine: the first ones, with the usual clip first."""

MOST_POINTS = 20
"""How many points of one model a history has: the last ones."""

MOST_LINES = 6
"""How many models one panel of a history shows: those with most points."""

MOST_LABELS = 12
"""How many points of a plane may all have a label; of more, only those that no other beats."""

WIDE = 700
"""Width of a drawing that has the whole page to itself, in the units of `charts.WIDTH`."""

PHASES = {
    "launch": "new process",
    "import_library": "import",
    "load": "load",
    "first_call": "first call",
}
"""Phase of a start → its name in the drawing, in the order of the phases."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing, with the heading above it and the notes below it."""

    heading: str
    chart: Chart
    notes: tuple[str, ...] = ()


def speed(on: OnMachine) -> tuple[list[Panel], list[str]]:
    """Draw RTFx by library for each size and clip, fastest first; the usual clip comes first.

    The second list names each size and clip of which no result can be drawn, with the reasons.
    """
    name = namer(on.comparable)
    found = []
    undrawn = []
    for each in rankings(on.comparable):
        rows = [*each.ranked, *each.unranked]
        title = f"{each.size}, {each.clip}"
        left_out = ", ".join(f"{count} {why}" for why, count in each.left_out.items())
        if not rows:
            undrawn.append(f"{title} ({left_out})")
            continue
        notes = []
        if each.unranked:
            notes.append("Hollow: no interval, or one over ±100%, so that its place is a guess.")
        if left_out:
            notes.append(f"Left out: {left_out}.")
        chart = bars(f"RTFx of {title}", [_rtfx_bar(name(row), row) for row in rows])
        is_usual = each.clip == USUAL_CLIP
        found.append((is_usual, Panel(title, chart, tuple(notes))))
    found.sort(key=lambda each: not each[0])
    return [panel for _, panel in found[:MOST_PANELS]], undrawn


def _rtfx_bar(label: str, result: Result) -> Bar:
    """Return the RTFx of a result that passed on a clip, with its interval.

    A short time is a high RTFx, so the lower end of one interval gives the upper end of the other.
    """
    estimate = result.estimate
    assert result.clip is not None
    audio, has_interval = result.clip.seconds, has_place(estimate)
    value = audio / estimate.seconds
    return Bar(
        label,
        value,
        shown=f"{rtfx(value)} {margin_and_counts(estimate)}",
        low=audio / estimate.high if has_interval and estimate.high else None,
        high=audio / estimate.low if has_interval and estimate.low else None,
        hollow=not has_interval,
    )


@dataclass(frozen=True, slots=True)
class _Rated:
    """A result with its RTFx and its score, both of which are known."""

    result: Result
    rtfx: float
    score: Score

    def is_beaten(self, by: _Rated) -> bool:
        """Whether another is at least as fast and as accurate, and better in one of the two."""
        is_as_good = by.rtfx >= self.rtfx and by.score.wer <= self.score.wer
        return is_as_good and (by.rtfx, by.score.wer) != (self.rtfx, self.score.wer)


def accuracy(on: OnMachine) -> list[Panel]:
    """Draw the word error rate over RTFx: the same panel twice, for a wide page and a narrow one.

    It is about the clip with the most words of those on which error rates differ; where there is
    none, there is nothing to weigh, and so no panel. If there are many points, only those that no
    other beats have a label.
    """
    clips = _rated_by_clip(on)
    telling = {
        clip: rated for clip, rated in clips.items() if len({each.score.wer for each in rated}) > 1
    }
    if not telling:
        return []
    words, clip = max((rated[0].score.reference_words, clip) for clip, rated in telling.items())
    rated = telling[clip]
    letters = any(each.score.cer is not None for each in rated)
    unit, what = ("CER", "Letter") if letters else ("WER", "Word")
    name = namer(on.comparable)
    points = []
    for each in rated:
        case = each.result.case
        label = ""
        if len(rated) <= MOST_LABELS:
            label = case.size
        elif not any(each.is_beaten(other) for other in rated):
            label = f"{case.size} {case.variant}"
        rates = f"RTFx {rtfx(each.rtfx)}, {unit} {percent(each.score.wer, 1)}"
        told = f"{name(each.result)}, {case.size}: {rates}"
        points.append(Point(case.adapter, each.rtfx, 100 * each.score.wer, told, label))
    notes = [
        f"On {clip}, which has {counted(words, what.lower())}; better is lower and further right."
    ]
    if len(points) > MOST_LABELS:
        notes.append("A label has what no other was both faster and more accurate than.")
    title = f"{what} error rate over RTFx, {clip}"
    charts = [
        plane(title, points, "RTFx, logarithmic", f"{unit} in %", width) for width in (WIDE, WIDTH)
    ]
    return [Panel(title, chart, tuple(notes)) for chart in charts]


def _rated_by_clip(on: OnMachine) -> dict[str, list[_Rated]]:
    """Return name of the clip → the warm results on it that have an RTFx and a score."""
    clips: dict[str, list[_Rated]] = defaultdict(list)
    for each in passed(on, Measure.WARM):
        speed = each.rtfx
        if each.clip and each.score and speed:
            clips[each.clip.name].append(_Rated(each, speed, each.score))
    return clips


def starts(on: OnMachine, measure: Measure) -> list[Panel]:
    """Draw the phases of a start by library for each size, shortest first.

    Results of which only the first start ever was measured have a panel of their own, as a library
    may compile in it what later starts find.
    """
    name = namer(on.comparable)
    panels = []
    for size, results in _by_size(each for each in passed(on, measure) if each.starts):
        shortest_first = sorted(results, key=lambda each: each.estimate.seconds)
        for is_first, heading in ((False, size), (True, f"{size}, first start ever")):
            rows = [
                Stack(name(each), seconds(each.estimate.seconds), tuple(_phases(each)))
                for each in shortest_first
                if _is_first(each) is is_first
            ]
            if rows:
                title = f"{measure} start of {heading} by phase".capitalize()
                panels.append(Panel(heading, stacks(title, rows)))
    return panels


def _is_first(result: Result) -> bool:
    """Tell whether the only start that counts is the first one ever."""
    return {each.process for each in result.counted} == {0}


def _phases(result: Result) -> Iterator[tuple[str, float, str]]:
    """Yield the name, the seconds and these in words of each phase of a start.

    The estimate is split among the phases by their shares of the mean start.
    """
    processes = {each.process for each in result.counted}
    counted_starts = [each for each in result.starts if each.process in processes]
    total = fmean(each.total for each in counted_starts)
    estimate = result.estimate.seconds
    for phase, name in PHASES.items():
        share = fmean(getattr(each, phase) for each in counted_starts) / total
        yield name, share * estimate, seconds(share * estimate)


def pauses(on: OnMachine) -> tuple[list[Panel], list[str]]:
    """Draw what a call takes right after another, and after a pause, for each size.

    The second list names the measurements of which it is not decided whether the two differ.
    """
    name = namer(on.comparable)
    warm = {_of_call(each): each for each in passed(on, Measure.WARM)}
    undecided = []
    panels = []
    for size, results in _by_size(passed(on, Measure.AFTER_PAUSE)):
        rows = []
        for each in results:
            usual = warm.get(_of_call(each))
            if usual is None:
                continue
            times = ratio(each.estimate, usual.estimate)
            if not times.decided:
                undecided.append(f"{name(each)}, {size}, {clip_name(usual)}")
                continue
            before, after = usual.estimate.seconds, each.estimate.seconds
            shown = f"{seconds(before)} → {seconds(after)}, ×{times.value:.2f}"
            rows.append(Change(f"{name(each)}, {clip_name(usual)}", before, after, shown))
        if rows:
            rows.sort(key=lambda row: row.after)
            panels.append(
                Panel(size, changes(f"{size}: right after another call, and after a pause", rows))
            )
    return panels, undecided


def _of_call(result: Result) -> tuple[object, ...]:
    """Return a key that a call after a pause shares with the usual one it is compared with."""
    model = result.model
    return result.case, result.clip, result.settings, model.repo, model.commit, device_of(result)


def memory(on: OnMachine) -> list[Panel]:
    """Draw the peak memory of a cold start by library for each size, smallest first."""
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
    """Draw RTFx over time for each size, of the models that were measured more than once.

    A panel is about one clip: `short` if any model has a history there, else the clip on which most
    models have one.
    """
    panels = []
    for size, clips in sorted(_past_by_size(on).items(), key=lambda item: place_of_size(item[0])):
        repeated = {
            clip: {model: sorted(past) for model, past in models.items() if len(past) > 1}
            for clip, models in clips.items()
        }
        clip = max(
            repeated,
            key=lambda clip: (bool(repeated[clip]) and clip == USUAL_CLIP, len(repeated[clip])),
        )
        models = sorted(repeated[clip].items(), key=lambda item: len(item[1]), reverse=True)
        points = [
            _point(model, each)
            for model, past in models[:MOST_LINES]
            for each in past[-MOST_POINTS:]
        ]
        if points:
            more = len(models) - MOST_LINES
            notes = (f"{more} more are in results.csv.",) if more > 0 else ()
            chart = history(f"RTFx of {size}, {clip}, over time", points, "RTFx")
            panels.append(Panel(f"{size}, {clip}", chart, notes))
    return panels


@dataclass(frozen=True, slots=True, order=True)
class _Past:
    """A result in a history, sorted by time. Two of the same moment are of different series."""

    when: str
    series: int
    """The number of its series. Points of one series are joined by a line."""

    result: Result = field(compare=False)
    differs: str = field(compare=False)
    """As that of its series."""


def _past_by_size(on: OnMachine) -> dict[str, dict[str, dict[str, list[_Past]]]]:
    """Return size → name of the clip → name of the model → its warm results that passed."""
    name = namer(on.comparable)
    sizes: dict[str, dict[str, dict[str, list[_Past]]]] = {}
    for number, series in enumerate(on.series):
        for each in (*series.earlier, series.latest):
            is_usable = each.outcome is Outcome.PASSED and each.measure is Measure.WARM
            if is_usable and each.when and each.clip and each.counted:
                models = sizes.setdefault(each.case.size, {}).setdefault(each.clip.name, {})
                past = _Past(each.when, number, each, series.differs)
                models.setdefault(name(each), []).append(past)
    return sizes


def _point(model: str, past: _Past) -> Point:
    """Return the point of a result in a history, where `model` is the name of its line."""
    bar = _rtfx_bar(model, past.result)
    differs = f" ({past.differs})" if past.differs else ""
    told = f"{model}{differs}, {past.when[:10]}: RTFx {rtfx(bar.value)}"
    return Point(
        model, past.when, bar.value, told, line=str(past.series), low=bar.low, high=bar.high
    )


def passed(on: OnMachine, measure: Measure) -> list[Result]:
    """Return the results of a measure that passed, and have samples that count."""
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
