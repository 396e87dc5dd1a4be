"""The table of all that was measured, for the page of a report; its columns are data."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from adapters.base import DecodeSettings
from whisper_speedtest.common.text import human
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.aspects import HASH_SHOWN
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.order import place, place_of_size
from whisper_speedtest.results.report.again import command
from whisper_speedtest.results.table import (
    computed_on,
    error_rate,
    margin_and_counts,
    time_error,
    time_of,
)
from whisper_speedtest.results.units import counted, megabytes, percent, rtfx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whisper_speedtest.measure.result import ModelFacts, Result
    from whisper_speedtest.results.report.merged import Merged, OnMachine, Series

HUB = "https://huggingface.co/"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell, and the number that it is sorted by, if it is not the text."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A result of the table, and what it belongs to."""

    on: OnMachine
    series: Series

    @property
    def result(self) -> Result:
        """The result that counts."""
        return self.series.latest

    @property
    def busy(self) -> bool:
        """Whether its times are not to be trusted."""
        return self.result.outcome is Outcome.BUSY


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and what stands under it."""

    heading: str
    cell: Callable[[Shown], Cell]
    number: bool = False
    descending: bool = False
    """Whether the most is the best, and so comes first when it is first sorted by."""

    kept: bool = False
    """Whether it stays in view where the table is scrolled sideways."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of all results."""

    cells: tuple[Cell, ...]
    facts: tuple[tuple[str, str], ...]
    """What it takes to trace it: term and text."""

    link: str
    """Where the model is to be seen; "" where there is no such page."""

    busy: bool


def _time(shown: Shown) -> Cell:
    if shown.result.measure is Measure.RATIO or not shown.result.counted:
        return Cell("")
    return Cell(time_of(shown.result), shown.result.estimate.seconds)


def _margin(shown: Shown) -> Cell:
    if shown.busy or not shown.result.counted:
        return Cell("")
    estimate = shown.result.estimate
    return Cell(margin_and_counts(estimate), estimate.margin)


def _rtfx(shown: Shown) -> Cell:
    value = shown.result.rtfx
    return Cell("") if value is None else Cell(rtfx(value), value)


def _memory(shown: Shown) -> Cell:
    """Return the peak of a whole start, as that of an engine which has done more says less."""
    peak = shown.result.memory
    if peak is None or shown.result.measure is not Measure.COLD:
        return Cell("")
    return Cell(megabytes(peak.footprint), peak.footprint)


def _wer(shown: Shown) -> Cell:
    score = shown.result.score
    if score or shown.result.transcript is not None:
        return Cell(error_rate(shown.result), score.wer if score else None)
    return Cell("")


def _coverage(shown: Shown) -> Cell:
    score = shown.result.score
    return Cell(percent(score.coverage, 1), score.coverage) if score else Cell("")


def _time_error(shown: Shown) -> Cell:
    score = shown.result.score
    text = time_error(shown.result)
    return Cell(text, score.time_error if score and text else None)


COLUMNS = (
    Column("machine", lambda shown: Cell(shown.on.name)),
    Column("size", lambda shown: Cell(shown.result.case.size)),
    Column("library", lambda shown: Cell(shown.result.case.adapter), kept=True),
    Column("variant", lambda shown: Cell(shown.result.case.variant)),
    Column("measure", lambda shown: Cell(str(shown.result.measure))),
    Column("clip", lambda shown: Cell(clip_name(shown.result))),
    Column("time", _time, number=True),
    Column("95% interval", _margin, number=True),
    Column("RTFx", _rtfx, number=True, descending=True),
    Column("peak memory", _memory, number=True),
    Column("WER", _wer, number=True),
    Column("coverage", _coverage, number=True, descending=True),
    Column("time error", _time_error, number=True),
    Column("computed on", lambda shown: Cell(computed_on(shown.result))),
)


ORDER = (
    Measure.WARM,
    Measure.TUNED,
    Measure.LONG_FORM,
    Measure.AFTER_PAUSE,
    Measure.CORPUS,
    Measure.COLD,
    Measure.COLD_FILES,
    Measure.LOAD,
    Measure.RATIO,
)
"""In which order measures stand in the table: what people ask for first."""


def columns(merged: Merged) -> list[Column]:
    """Return the columns of the table, without those that would be empty in every row.

    Where all is of one machine, its name is no column.
    """
    shown = _shown(merged)
    several = len({each.on.name for each in shown}) > 1
    return [
        each for each in COLUMNS[0 if several else 1 :] if any(each.cell(one).text for one in shown)
    ]


def rows(merged: Merged) -> list[Row]:
    """Return a row for each measurement: by size, measure and clip, fastest first, busy last."""
    shown = sorted(_shown(merged), key=_best_first)
    used = columns(merged)
    return [
        Row(
            tuple(column.cell(each) for column in used),
            tuple(facts(each)),
            link(each.result.model),
            each.busy,
        )
        for each in shown
    ]


def terms(rows: Sequence[Row]) -> list[str]:
    """Return what the facts of rows are called: those that any row tells, in their order."""
    told = {term for row in rows for term, text in row.facts if text}
    most = max((row.facts for row in rows), key=len, default=())
    return [term for term, _ in most if term in told]


def _shown(merged: Merged) -> list[Shown]:
    return [Shown(on, series) for on in merged.machines for series in on.series]


def _best_first(shown: Shown) -> tuple[object, ...]:
    result = shown.result
    clip = result.clip
    return (
        place_of_size(result.case.size),
        ORDER.index(result.measure),
        clip.seconds if clip else 0.0,
        clip_name(result),
        shown.busy,
        result.estimate.seconds if result.counted else 0.0,
        *place(result),
        shown.on.name,
    )


def link(model: ModelFacts) -> str:
    """Return the page of a model at its commit on the hub; "" for a model from elsewhere."""
    commit = model.commit or ""
    if model.repo.startswith("embedded/") or not _HUB_ID.fullmatch(model.repo):
        return ""
    return f"{HUB}{model.repo}/tree/{commit}" if _COMMIT.fullmatch(commit) else ""


def facts(shown: Shown) -> Iterator[tuple[str, str]]:
    """Yield what it takes to trace a result, and to measure it again."""
    result, model = shown.result, shown.result.model
    yield "model", f"{model.repo}@{(model.commit or model.revision)[:HASH_SHOWN]}"
    files = (
        f"{name} ({human(proof.size)}, sha256 {proof.sha256[:HASH_SHOWN]}…)"
        for name, proof in model.files.items()
    )
    yield "files", ", ".join(files)
    yield "settings", settings(result)
    if computed := result.provenance:
        versions = [f"{name} {version}" for name, version in computed.versions.items()]
        threads = [f"{computed.threads} threads"] if computed.threads else []
        yield "computed by", ", ".join([*versions, *threads])
        yield "mended", "; ".join(computed.mends)
    yield "seconds", samples(result)
    yield "words", words(result)
    suite = result.machine.suite if result.machine else None
    yield "machine", shown.on.name + (f"; suite at {suite[:HASH_SHOWN]}" if suite else "")
    yield "ended", result.when.replace("T", " ")[:16] + (" UTC" if result.when else "")
    yield "differs by", shown.series.differs
    yield "again", command(result)


def settings(result: Result) -> str:
    """Return the settings that differ from the equal terms of every comparison, in words."""
    told = result.settings
    if told is None:
        return ""
    usual = DecodeSettings(threads=told.threads)
    differing = [
        f"{each.name.replace('_', ' ')} {'unknown' if value is None else value}"
        for each in fields(told)
        if (value := getattr(told, each.name)) != getattr(usual, each.name)
    ]
    threads = "" if told.threads is None else f", {told.threads} threads"
    return f"equal terms{threads}" + (f", but {', '.join(differing)}" if differing else "")


def words(result: Result) -> str:
    """Return what of the transcript is not as it was said, and how that was counted."""
    score = result.score
    if score is None:
        return ""
    unit = "word" if score.cer is None else "letter"
    wrong = f"{score.substitutions:,} wrong, {score.deletions:,} missing"
    of_all = f"{score.insertions:,} added of {counted(score.reference_words, unit)}"
    parts = [f"{wrong} and {of_all}"]
    if result.clips:
        parts.append(f"pooled over {counted(len(result.clips), 'clip')}")
    if score.words_in_silence:
        parts.append(f"{score.words_in_silence:,} heard while nobody speaks")
    return "; ".join([*parts, f"normalised by {score.normaliser}"])


def samples(result: Result) -> str:
    """Return the seconds of each call that counts; those of one process stand together."""
    processes: dict[int, list[str]] = defaultdict(list)
    for each in sorted(result.counted, key=lambda each: each.order):
        processes[each.process].append(f"{each.seconds:.4g}")
    return " | ".join(" ".join(calls) for _, calls in sorted(processes.items()))
