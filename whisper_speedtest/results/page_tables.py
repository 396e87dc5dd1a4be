"""What a report's page compares in words: its small tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.results.as_markdown import RATIO_COLUMNS, ratio_cells
from whisper_speedtest.results.merged import place_of_size
from whisper_speedtest.results.panels import namer
from whisper_speedtest.results.table import clip_name
from whisper_speedtest.results.units import counted, megabytes, percent, seconds

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.merged import Merged, OnMachine

LONG = 30.0
"""Seconds: Whisper takes as much at once."""

UNQUANTISED = "fp16"
"""The variant that others are compared with."""


@dataclass(frozen=True, slots=True)
class Table:
    """A small table, and what is to be known of it."""

    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    """Headings of the columns whose cells stand at the right."""


def quantised(on: OnMachine) -> Table | None:
    """Return how each quantised variant compares to the unquantised one of its library and size."""
    name = namer(on)
    passed = [each for each in on.comparable if each.outcome is Outcome.PASSED and each.counted]
    calls = {_of_call(each): each for each in passed if each.measure is Measure.WARM}
    peaks = {(_of_call(each)[:4]): each for each in passed if each.measure is Measure.COLD}
    found = []
    for (adapter, size, variant, device, clip), each in calls.items():
        base = calls.get((adapter, size, UNQUANTISED, device, clip))
        if variant == UNQUANTISED or base is None or each.clip is None:
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
                _rates(each),
                _rates(base),
            )
        )
    if not found:
        return None
    found.sort(key=lambda row: place_of_size(row[0]))
    headings = ("size", "variant", "clip", "speed", "peak memory", "WER", "WER unquantised")
    return Table(
        "Quantised variants beside the unquantised one (fp16) of the same library and size. Speed: "
        "how many times as fast; not decided where the intervals leave both possible.",
        headings,
        tuple(found),
        frozenset(headings[3:]),
    )


def _of_call(result: Result) -> tuple[str, str, str, str, str]:
    device = result.provenance.device if result.provenance else ""
    clip = result.clip.sha256 if result.clip else ""
    return result.case.adapter, result.case.size, result.case.variant, device, clip


def _memories(one: Result | None, base: Result | None) -> str:
    if not (one and base and one.memory and base.memory):
        return ""
    change = one.memory.footprint / base.memory.footprint - 1
    return f"{megabytes(one.memory.footprint)} ({change:+.0%})"


def _rates(result: Result) -> str:
    return percent(result.score.wer, 1) if result.score else "unchecked"


def in_turns(on: OnMachine) -> Table | None:
    """Return what was measured in turns with another side, with the verdict."""
    found = [tuple(ratio_cells(each)) for each in on.comparable if each.comparison]
    if not found:
        return None
    return Table(
        "What a call takes as a share of what a call of the other side takes, measured in turns on "
        f"fresh engines; more than 1 is slower. {Verdict.UNDECIDED}: the interval holds the limit, "
        "so that nobody can tell.",
        RATIO_COLUMNS,
        tuple(found),
        frozenset({"ratio", "interval"}),
    )


def long_audio(on: OnMachine) -> Table | None:
    """Return what of long audio was heard, and how far segments are off where that is known."""
    found = []
    for each in on.comparable:
        score = each.score
        if each.outcome is not Outcome.PASSED or each.clip is None or score is None:
            continue
        if each.clip.seconds <= LONG and each.measure is not Measure.LONG_FORM:
            continue
        cells = (each.case.size, f"{each.case.adapter} {each.case.variant}", clip_name(each))
        found.append((*cells, percent(score.coverage, 1), percent(score.wer, 1)))
    if not found:
        return None
    headings = ("size", "variant", "clip", "coverage", "WER")
    return Table(
        "Audio of more than 30 s, which a library has to cut. Coverage: how many of the words that "
        "were said are in the transcript.",
        headings,
        tuple(found),
        frozenset(headings[3:]),
    )


def across(merged: Merged) -> Table | None:
    """Return what was measured on several machines: the same model bytes, clip and settings."""
    if not merged.across:
        return None
    names = list(dict.fromkeys(name for each in merged.across for name, _ in each.results))
    found = []
    for each in merged.across:
        first, on = each.results[0][1], dict(each.results)
        what = str(first.measure) if first.measure.of_a_start else clip_name(first)
        cells = (first.case.size, f"{first.case.adapter} {first.case.variant}", what)
        times = (_on(on[name]) if name in on else "" for name in names)
        found.append((*cells, *times, ", ".join(each.differs)))
    headings = ("size", "variant", "measured", *names, "differs in")
    return Table(
        "The same model bytes, clip and settings on each machine. In what else they differ stands "
        "behind each row.",
        headings,
        tuple(found),
        frozenset(names),
    )


def _on(result: Result) -> str:
    """Return what one of several machines takes: RTFx where there is one."""
    if result.outcome is Outcome.BUSY:
        return "busy"
    time = seconds(result.estimate.seconds)
    return time if result.rtfx is None else f"{time}, RTFx {result.rtfx:.1f}"


def unmeasured(on: OnMachine) -> Table | None:
    """Return what failed or timed out, each with its reason, then each cause of skips once."""
    found = []
    causes: dict[str, list[Result]] = defaultdict(list)
    for each in on.unmeasured:
        if each.outcome is Outcome.SKIPPED:
            causes[each.cause or each.reason].append(each)
        else:
            found.append((str(each.outcome), each.test, each.reason))
    for cause, skipped in causes.items():
        models = dict.fromkeys(str(each.case) for each in skipped)
        about = f"{counted(len(skipped), 'test')}: {', '.join(models)}"
        found.append((str(Outcome.SKIPPED), about, cause))
    why = "What has no number here, and why."
    return Table(why, ("outcome", "test", "reason"), tuple(found)) if found else None
