"""The small tables of a report, each of which answers one question.

The page has all of them; Markdown has `in_turns` and `across`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.protocol import WINDOW_SECONDS
from whisper_speedtest.results.failures import by_reason
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.names import clip_name, measured_name, namer
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.quality import NOT_QUANTISED, UNQUANTISED, qualities, rates
from whisper_speedtest.results.report.panels import passed
from whisper_speedtest.results.table import error_rate, time_error
from whisper_speedtest.results.units import (
    MOST_MARGIN,
    counted,
    margin,
    megabytes,
    percent,
    rtfx,
    seconds,
)
from whisper_speedtest.results.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whisper_speedtest.measure.result import ClipScore, Comparison, Result
    from whisper_speedtest.results.report.merged import Merged, OnMachine

MOST_CLIPS = 20
"""How many clips of a corpus have a row; all are in results.jsonl."""

NAMES = ("library", "clip", "corpus")
"""Headings of columns with names; in most tables, all columns behind the last one are numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """A small table, and how it is read."""

    about: str
    """What it shows, in sentences."""

    columns: tuple[str, ...]
    """The headings."""

    rows: tuple[tuple[str, ...], ...]
    """A cell for each column."""

    numbers: frozenset[str] = frozenset()
    """Headings of the columns whose cells are aligned to the right."""

    caption: str = ""
    """Its name, as a heading above it, where it is not the first table of its section."""


def quantised(on: OnMachine) -> Table | None:
    """Return how each quantised variant compares with the unquantised one of its library."""
    name = namer(on.comparable)
    calls = {
        (each.case, device_of(each), each.clip.sha256): each
        for each in passed(on, Measure.WARM)
        if each.clip
    }
    starts = {(each.case, device_of(each)): each for each in passed(on, Measure.COLD)}
    found = []
    for (case, device, sound), each in calls.items():
        unquantised = replace(case, variant=UNQUANTISED)
        base = calls.get((unquantised, device, sound))
        if case.variant in NOT_QUANTISED or base is None:
            continue
        times = ratio(base.estimate, each.estimate)
        if times.decided:
            speed = f"×{times.value:.2f} ({times.low:.2f}–{times.high:.2f})"
        else:
            speed = "not decided"
        memory = _memory(starts.get((case, device)), starts.get((unquantised, device)))
        names = (case.size, name(each), clip_name(each))
        found.append((*names, speed, memory, error_rate(each), error_rate(base)))
    found.sort(key=lambda row: place_of_size(row[0]))
    return _table(
        "Quantised variants beside the unquantised one (fp16) of the same library and size. Speed: "
        "how many times as fast; not decided where the intervals leave both possible.",
        ("size", "library", "clip", "speed", "peak memory", "WER", "WER unquantised"),
        found,
    )


def _memory(start: Result | None, base: Result | None) -> str:
    """Return the peak of a start, and how much more that is than another's: `500 MB (-40%)`."""
    if not (start and base and start.memory and base.memory):
        return ""
    change = start.memory.footprint / base.memory.footprint - 1
    return f"{megabytes(start.memory.footprint)} ({change:+.0%})"


def no_worse(on: OnMachine) -> Table | None:
    """Return on how many clips each quantised variant is no worse than the unquantised one."""
    found = [
        (each.case.size, f"{each.case.adapter} {each.case.variant}", each.said)
        for each in qualities(on.comparable)
        if each.telling
    ]
    found.sort(key=lambda row: place_of_size(row[0]))
    return _table(
        "On how many clips a quantised variant makes no more word errors than the unquantised one "
        "of the same library and size. Clips count on which the unquantised one was right.",
        ("size", "library", "no worse"),
        found,
        "Clip by clip",
    )


def _table(
    about: str,
    headings: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    caption: str = "",
    numbers: Iterable[str] = (),
) -> Table | None:
    """Return a table without its empty columns; None where it has no rows.

    `numbers` are the headings of the columns with numbers. Unless some are given, these are all
    columns behind the last one that is in NAMES.
    """
    if not rows:
        return None
    after_names = 1 + max(headings.index(each) for each in NAMES if each in headings)
    used = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    return Table(
        about,
        tuple(headings[place] for place in used),
        tuple(tuple(row[place] for place in used) for row in rows),
        frozenset(numbers or headings[after_names:]),
        caption,
    )


def in_turns(on: OnMachine) -> Table | None:
    """Return the comparisons with another side, measured in turns, with their verdicts."""
    found = [_comparison_cells(each) for each in on.comparable if each.comparison]
    return _table(
        "What a call takes as a share of what a call of the other side takes, measured in turns on "
        f"fresh engines; more than 1 is slower. {Verdict.UNDECIDED}: the interval holds the limit, "
        "so that nobody can tell.",
        ("library", "size", "variant", "clip", "against", "ratio", "interval", "verdict"),
        found,
        numbers=("ratio", "interval"),
    )


def _comparison_cells(result: Result) -> tuple[str, ...]:
    """Return the cells of a comparison with another side."""
    case, comparison = result.case, result.comparison
    assert comparison is not None, f"{result.test}: it was compared with nothing"
    names = (case.adapter, case.size, case.variant, clip_name(result), comparison.baseline.name)
    interval = f"{comparison.low:.3f} to {comparison.high:.3f}"
    return *names, f"{comparison.ratio:.3f}", interval, _verdict(result, comparison)


def _verdict(result: Result, comparison: Comparison) -> str:
    """Return the verdict of a result, with the limit of its comparison if it depends on one."""
    verdict = verdict_of(result)
    if comparison.limit is None or verdict != comparison.verdict:
        return verdict
    return f"{verdict} (limit {percent(comparison.limit, 1)})"


def coverage(on: OnMachine) -> Table | None:
    """Return the coverage of long audio, and the time error of its segments where that is known.

    Shorter audio has a row only where words were heard while nobody speaks.
    """
    name = namer(on.comparable)
    found = []
    for each in on.comparable:
        score = each.score
        if each.outcome is not Outcome.PASSED or each.clip is None or score is None or each.clips:
            continue
        is_long = each.clip.seconds > WINDOW_SECONDS or each.measure is Measure.LONG_FORM
        if not is_long and not score.words_in_silence:
            continue
        silence = "" if score.words_in_silence is None else f"{score.words_in_silence:,}"
        names = (each.case.size, name(each), clip_name(each))
        numbers = (percent(score.coverage, 1), time_error(each), silence, error_rate(each))
        found.append((*names, *numbers))
    return _table(
        "Audio of more than 30 s, which a library has to cut. Coverage: how many of the words that "
        "were said are in the transcript. Time error: how far the begins and ends of segments are "
        "off, the median over as many of them as stand in brackets. Words in silence: words heard "
        "while nobody speaks.",
        ("size", "library", "clip", "coverage", "time error", "words in silence", "WER"),
        found,
    )


def corpora(on: OnMachine) -> list[Table]:
    """Return a table of whole corpora, one row for each model, then one of the clips of each."""
    name = namer(on.comparable)
    measured = [each for each in on.comparable if each.clips and each.is_measured]
    measured.sort(key=lambda each: (clip_name(each), place_of_size(each.case.size)))
    whole = _table(
        "WER, pooled: all errors of the clips over all their words, so that long clips weigh more "
        "than short ones. Beside it the clip in the middle, and the worst one. Each clip is "
        "transcribed once, so that RTFx says less than on a clip that is timed many times.",
        ("size", "library", "corpus", "clips", "words", "WER", "median clip", "worst clip", "RTFx"),
        [_corpus_cells(name(each), each) for each in measured],
    )
    by_corpus: dict[str, list[Result]] = defaultdict(list)
    for each in measured:
        if each.clip:
            by_corpus[each.clip.sha256].append(each)
    tables = [whole, *(_clips(on, alike) for alike in by_corpus.values())]
    return [each for each in tables if each]


def _corpus_cells(name: str, result: Result) -> tuple[str, ...]:
    """Return the cells of a corpus as a whole; `name` is that of the model."""
    score, clip_rates = result.score, rates(result)
    value = result.rtfx
    speed = rtfx(value) if value else ""
    if result.outcome is Outcome.BUSY:
        speed = "busy"
    return (
        result.case.size,
        name,
        clip_name(result),
        f"{len(result.clips):,}",
        f"{score.reference_words:,}" if score else "",
        error_rate(result),
        percent(median(clip_rates), 1) if clip_rates else "",
        percent(max(clip_rates), 1) if clip_rates else "",
        speed,
    )


def _clips(on: OnMachine, results: Sequence[Result]) -> Table | None:
    """Return the error rate of each clip of a corpus, the clips with the highest rates first.

    There is a column for each of the results, which are all of this corpus.
    """
    name = namer(on.comparable)
    clips: dict[tuple[str, str], dict[int, ClipScore]] = defaultdict(dict)
    for number, result in enumerate(results):
        for each in result.clips:
            clips[each.name, each.sha256][number] = each
    worst_first = sorted(clips.items(), key=lambda item: -_highest_rate(item[1].values()))
    rows = []
    for (clip, _), scored in worst_first[:MOST_CLIPS]:
        length = next(iter(scored.values())).seconds
        cells = [_clip_rate(scored.get(number)) for number in range(len(results))]
        rows.append((clip, seconds(length), *cells))
    corpus = clip_name(results[0])
    letters = any(each.score and each.score.cer is not None for each in results)
    about = f"{'CER' if letters else 'WER'} of each clip of {corpus}, the highest first."
    if left_out := len(worst_first) - len(rows):
        about += f" {counted(left_out, 'more clip')} of lower rates: see results.jsonl."
    return _table(
        about,
        ("clip", "length", *(f"{each.case.size} {name(each)}" for each in results)),
        rows,
        f"Clips of {corpus}",
    )


def _highest_rate(scored: Iterable[ClipScore]) -> float:
    """Return the highest error rate of some models on one clip; 0.0 if it has no reference."""
    return max((each.score.wer for each in scored if each.score), default=0.0)


def _clip_rate(scored: ClipScore | None) -> str:
    """Return the error rate of a model on a clip; "" where the model has not transcribed it."""
    if scored is None:
        return ""
    return percent(scored.score.wer, 1) if scored.score else "unchecked"


def across(merged: Merged) -> Table | None:
    """Return what was measured on several machines: the same model bytes, clip and settings."""
    machines = list(dict.fromkeys(name for each in merged.across for name, _ in each.results))
    found = []
    for each in merged.across:
        by_machine = dict(each.results)
        _, first = each.results[0]
        device = f", {each.device}" if each.device else ""
        model = f"{first.case.adapter} {first.case.variant}{device}"
        names = (first.case.size, model, measured_name(first))
        times = (_time(by_machine[name]) if name in by_machine else "" for name in machines)
        found.append((*names, *times, ", ".join(each.differs)))
    return _table(
        "The same model bytes, clip and settings on each machine. Where they differ in anything "
        "else, that stands behind the row.",
        ("size", "library", "measured", *machines, "differs by"),
        found,
        numbers=machines,
    )


def _time(result: Result) -> str:
    """Return the time on one of several machines, with its RTFx if it has one: `1.25 s, RTFx 8.8`.

    The margin stands behind it only if it is over MOST_MARGIN, where the time says little.
    """
    if result.outcome is Outcome.BUSY:
        return "busy"
    estimate = result.estimate
    text = seconds(estimate.seconds)
    if result.rtfx is not None:
        text += f", RTFx {rtfx(result.rtfx)}"
    if estimate.margin is not None and estimate.margin > MOST_MARGIN:
        text += f" ({margin(estimate.margin)})"
    return text


def unmeasured(on: OnMachine) -> Table | None:
    """Return each reason for which tests failed or timed out, then each cause of skips."""
    found = []
    causes: dict[str, list[Result]] = defaultdict(list)
    for each in on.unmeasured:
        if each.outcome is Outcome.SKIPPED:
            causes[each.cause or each.reason].append(each)
    for reason, alike in by_reason(on.unmeasured):
        count = f"{counted(len(alike), 'test')}: " if len(alike) > 1 else ""
        tests = ", ".join(each.test for each in alike)
        found.append((str(alike[0].outcome), f"{count}{tests}", reason))
    for cause, skipped in causes.items():
        models = dict.fromkeys(str(each.case) for each in skipped)
        about = f"{counted(len(skipped), 'test')}: {', '.join(models)}"
        found.append((str(Outcome.SKIPPED), about, cause))
    if not found:
        return None
    about = "What has no number here, and why."
    return Table(about, ("outcome", "test", "reason"), tuple(found))
