"""What a report compares in words: its small tables. A page has all of them, and Markdown some."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
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

    from whisper_speedtest.measure.result import Comparison, Result
    from whisper_speedtest.results.report.merged import Merged, OnMachine

MOST_CLIPS = 20
"""Clips of a corpus that are shown, each in a row; the rest is in results.jsonl."""

NAMES = ("library", "clip", "corpus")
"""Headings of names: what stands behind the last of them in a table is numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """A small table, and what is to be known of it."""

    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    """Headings of the columns whose cells stand at the right."""

    caption: str = ""
    """Its name and the heading above it, where its section begins with another one."""


def quantised(on: OnMachine) -> Table | None:
    """Return how each quantised variant compares to the unquantised one of its library and size."""
    name = namer(on.comparable)
    calls = {_of_call(each): each for each in passed(on, Measure.WARM)}
    peaks = {(_of_call(each)[:4]): each for each in passed(on, Measure.COLD)}
    found = []
    for (adapter, size, variant, device, clip), each in calls.items():
        base = calls.get((adapter, size, UNQUANTISED, device, clip))
        if variant in NOT_QUANTISED or base is None or each.clip is None:
            continue
        times = ratio(base.estimate, each.estimate)
        speed = f"×{times.value:.2f} ({times.low:.2f}–{times.high:.2f})" if times.decided else ""
        found.append(
            (
                size,
                name(each),
                each.clip.name,
                speed or "not decided",
                _memories(
                    peaks.get((adapter, size, variant, device)),
                    peaks.get((adapter, size, UNQUANTISED, device)),
                ),
                error_rate(each),
                error_rate(base),
            )
        )
    found.sort(key=lambda row: place_of_size(row[0]))
    return _table(
        "Quantised variants beside the unquantised one (fp16) of the same library and size. Speed: "
        "how many times as fast; not decided where the intervals leave both possible.",
        ("size", "library", "clip", "speed", "peak memory", "WER", "WER unquantised"),
        found,
    )


def _of_call(result: Result) -> tuple[str, str, str, str, str]:
    clip = result.clip.sha256 if result.clip else ""
    return result.case.adapter, result.case.size, result.case.variant, device_of(result), clip


def _memories(one: Result | None, base: Result | None) -> str:
    if not (one and base and one.memory and base.memory):
        return ""
    change = one.memory.footprint / base.memory.footprint - 1
    return f"{megabytes(one.memory.footprint)} ({change:+.0%})"


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

    Unless some are named, numbers are what stands behind the names, which are the first columns up
    to `library`, `clip` or `corpus`.
    """
    if not rows:
        return None
    names = 1 + max(headings.index(each) for each in NAMES if each in headings)
    used = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    return Table(
        about,
        tuple(headings[place] for place in used),
        tuple(tuple(row[place] for place in used) for row in rows),
        frozenset(numbers or headings[names:]),
        caption,
    )


def in_turns(on: OnMachine) -> Table | None:
    """Return what was measured in turns with another side, with the verdict."""
    found = [_of_ratio(each) for each in on.comparable if each.comparison]
    return _table(
        "What a call takes as a share of what a call of the other side takes, measured in turns on "
        f"fresh engines; more than 1 is slower. {Verdict.UNDECIDED}: the interval holds the limit, "
        "so that nobody can tell.",
        ("library", "size", "variant", "clip", "against", "ratio", "interval", "verdict"),
        found,
        numbers=("ratio", "interval"),
    )


def _of_ratio(result: Result) -> tuple[str, ...]:
    """Return the cells of a comparison with another side."""
    case, made = result.case, result.comparison
    assert made is not None, f"{result.test}: it was compared with nothing"
    interval = f"{made.low:.3f} to {made.high:.3f}"
    names = (case.adapter, case.size, case.variant, clip_name(result), made.baseline.name)
    return *names, f"{made.ratio:.3f}", interval, _verdict(result, made)


def _verdict(result: Result, made: Comparison) -> str:
    """Return what a comparison says, with the limit that it was held to."""
    told = verdict_of(result)
    if made.limit is None or told != made.verdict:
        return told
    return f"{told} (limit {percent(made.limit, 1)})"


def coverage(on: OnMachine) -> Table | None:
    """Return what of long audio was heard, and how far segments are off where that is known.

    Words that were heard while nobody speaks are told of any audio.
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
        cells = (each.case.size, name(each), clip_name(each))
        numbers = (percent(score.coverage, 1), time_error(each), silence, error_rate(each))
        found.append((*cells, *numbers))
    return _table(
        "Audio of more than 30 s, which a library has to cut. Coverage: how many of the words that "
        "were said are in the transcript. Time error: how far the begins and ends of segments are "
        "off, the median over as many of them as stand in brackets. Words in silence: words heard "
        "while nobody speaks.",
        ("size", "library", "clip", "coverage", "time error", "words in silence", "WER"),
        found,
    )


def corpora(on: OnMachine) -> list[Table]:
    """Return how right each corpus was as a whole, and then of each corpus its clips."""
    name = namer(on.comparable)
    measured = [each for each in on.comparable if each.clips and each.is_measured]
    measured.sort(key=lambda each: (clip_name(each), place_of_size(each.case.size)))
    whole = _table(
        "WER, pooled: all errors of the clips over all their words, so that long clips weigh more "
        "than short ones. Beside it the clip in the middle, and the worst one. Each clip is "
        "transcribed once, so that RTFx says less than on a clip that is timed many times.",
        ("size", "library", "corpus", "clips", "words", "WER", "median clip", "worst clip", "RTFx"),
        [_of_corpus(name(each), each) for each in measured],
    )
    of_corpora: dict[str, list[Result]] = defaultdict(list)
    for each in measured:
        if each.clip:
            of_corpora[each.clip.sha256].append(each)
    return [each for each in (whole, *(_clips(on, of) for of in of_corpora.values())) if each]


def _of_corpus(name: str, result: Result) -> tuple[str, ...]:
    score, of_clips = result.score, rates(result)
    some = (
        [percent(each, 1) for each in (median(of_clips), max(of_clips))] if of_clips else ["", ""]
    )
    words = f"{score.reference_words:,}" if score else ""
    speed = "busy" if result.outcome is Outcome.BUSY else rtfx(result.rtfx) if result.rtfx else ""
    return (
        result.case.size,
        name,
        clip_name(result),
        f"{len(result.clips):,}",
        words,
        error_rate(result),
        *some,
        speed,
    )


def _clips(on: OnMachine, results: Sequence[Result]) -> Table | None:
    """Return the rate of each clip of a corpus, those with the highest ones first."""
    name = namer(on.comparable)
    cells: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    highest: dict[tuple[str, str], float] = defaultdict(float)
    lengths: dict[tuple[str, str], float] = {}
    for column, result in enumerate(results):
        for each in result.clips:
            key = each.name, each.sha256
            lengths[key] = each.seconds
            cells[key][column] = percent(each.score.wer, 1) if each.score else "unchecked"
            highest[key] = max(highest[key], each.score.wer if each.score else 0.0)
    worst_first = sorted(cells, key=lambda key: -highest[key])
    left_out = len(worst_first) - MOST_CLIPS
    more = (
        f" {counted(left_out, 'more clip')} of lower rates: see results.jsonl."
        if left_out > 0
        else ""
    )
    corpus = clip_name(results[0])
    letters = any(each.score and each.score.cer is not None for each in results)
    return _table(
        f"{'CER' if letters else 'WER'} of each clip of {corpus}, the highest first.{more}",
        ("clip", "length", *(f"{each.case.size} {name(each)}" for each in results)),
        [
            (
                key[0],
                seconds(lengths[key]),
                *(cells[key].get(each, "") for each in range(len(results))),
            )
            for key in worst_first[:MOST_CLIPS]
        ],
        f"Clips of {corpus}",
    )


def across(merged: Merged) -> Table | None:
    """Return what was measured on several machines: the same model bytes, clip and settings."""
    names = list(dict.fromkeys(name for each in merged.across for name, _ in each.results))
    found = []
    for each in merged.across:
        first, on = each.results[0][1], dict(each.results)
        computed_on = f", {each.device}" if each.device else ""
        variant = f"{first.case.adapter} {first.case.variant}{computed_on}"
        cells = (first.case.size, variant, measured_name(first))
        times = (_on(on[name]) if name in on else "" for name in names)
        found.append((*cells, *times, ", ".join(each.differs)))
    return _table(
        "The same model bytes, clip and settings on each machine. Where they differ in anything "
        "else, that stands behind the row.",
        ("size", "library", "measured", *names, "differs by"),
        found,
        numbers=names,
    )


def _on(result: Result) -> str:
    """Return what one of several machines takes, its RTFx if it has one, and if that is vague."""
    if result.outcome is Outcome.BUSY:
        return "busy"
    estimate = result.estimate
    told, speed, off = seconds(estimate.seconds), result.rtfx_of(estimate), estimate.margin
    told += f", RTFx {rtfx(speed)}" if speed is not None else ""
    return f"{told} ({margin(off)})" if off is not None and off > MOST_MARGIN else told


def unmeasured(on: OnMachine) -> Table | None:
    """Return each reason for which tests failed or timed out, then each cause of skips, once."""
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
    why = "What has no number here, and why."
    return Table(why, ("outcome", "test", "reason"), tuple(found)) if found else None
