"""Makes the rows of the table of all measurements on the page of a report.

A column is an entry of COLUMNS. The facts of a row are shown when the reader opens it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from adapters.base import EMBEDDED, DecodeSettings
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
"""Where the pages of models on the hub are."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, and the number that the column is sorted by."""

    text: str
    value: float | None = None
    """None where it is sorted by its text."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A result in the table, with the machine and the series that it belongs to."""

    on: OnMachine
    series: Series

    @property
    def result(self) -> Result:
        """The result of the series that counts."""
        return self.series.latest

    @property
    def busy(self) -> bool:
        """Whether other processes used the machine, so that its times are not to be trusted."""
        return self.result.outcome is Outcome.BUSY


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and the function that returns the cell of a result."""

    heading: str
    cell: Callable[[Shown], Cell]
    number: bool = False
    """Whether its cells are numbers."""

    descending: bool = False
    """Whether a higher number is better, so that the first sorting by it puts the highest first."""

    kept: bool = False
    """Whether it stays in view when the table is scrolled sideways."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    cells: tuple[Cell, ...]
    facts: tuple[tuple[str, str], ...]
    """Term and text of each fact that traces the result to its origin."""

    link: str
    """The address of the model's page; "" if it has none."""

    busy: bool
    """As that of `Shown`."""


def _time(shown: Shown) -> Cell:
    if shown.result.measure is Measure.RATIO or not shown.result.counted:
        return Cell("")
    return Cell(str(time_of(shown.result)), shown.result.estimate.seconds)


def _margin(shown: Shown) -> Cell:
    if shown.busy or not shown.result.counted:
        return Cell("")
    estimate = shown.result.estimate
    return Cell(str(margin_and_counts(estimate)), estimate.margin)


def _rtfx(shown: Shown) -> Cell:
    value = shown.result.rtfx
    return Cell("") if value is None else Cell(rtfx(value), value)


def _memory(shown: Shown) -> Cell:
    """Return the peak memory of a cold start; that of an engine which has done more says less."""
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


_MACHINE = Column("machine", lambda shown: Cell(shown.on.name))

COLUMNS = (
    _MACHINE,
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
"""The order of measures in the table: what most people ask for comes first."""


def columns(merged: Merged) -> list[Column]:
    """Return the columns of the table, without those that would be empty in every row.

    The column of machines is left out if there is only one.
    """
    shown = _shown(merged)
    has_several = len({each.on.name for each in shown}) > 1
    return [
        column
        for column in COLUMNS
        if any(column.cell(each).text for each in shown) and (has_several or column is not _MACHINE)
    ]


def rows(merged: Merged) -> list[Row]:
    """Return a row for each series, sorted by size, measure and clip, fastest first, busy last."""
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
    """Return the terms of facts for which any of the rows has a text, in their order."""
    used = {term for row in rows for term, text in row.facts if text}
    most_facts = max((row.facts for row in rows), key=len, default=())
    return [term for term, _ in most_facts if term in used]


def _shown(merged: Merged) -> list[Shown]:
    """Return all results that the table shows, unsorted."""
    return [Shown(on, series) for on in merged.machines for series in on.series]


def _best_first(shown: Shown) -> tuple[object, ...]:
    """Return the sort key of a row; see `rows`."""
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
    if model.repo.startswith(EMBEDDED) or not _HUB_ID.fullmatch(model.repo):
        return ""
    return f"{HUB}{model.repo}/tree/{commit}" if _COMMIT.fullmatch(commit) else ""


def facts(shown: Shown) -> Iterator[tuple[str, str]]:
    """Yield the facts that trace a result to its origin, and the command that measures it again."""
    result, model = shown.result, shown.result.model
    yield "model", f"{model.repo}@{(model.commit or model.revision)[:HASH_SHOWN]}"
    files = (
        f"{name} ({human(proof.size)}, sha256 {proof.sha256[:HASH_SHOWN]}…)"
        for name, proof in model.files.items()
    )
    yield "files", ", ".join(files)
    yield "settings", settings(result)
    if provenance := result.provenance:
        computed_by = [f"{name} {version}" for name, version in provenance.versions.items()]
        if provenance.threads:
            computed_by.append(f"{provenance.threads} threads")
        yield "computed by", ", ".join(computed_by)
        yield "mended", "; ".join(provenance.mends)
    yield "seconds", samples(result)
    yield "words", words(result)
    suite = result.machine.suite if result.machine else None
    yield "machine", shown.on.name + (f"; suite at {suite[:HASH_SHOWN]}" if suite else "")
    yield "ended", result.when.replace("T", " ")[:16] + (" UTC" if result.when else "")
    yield "differs by", shown.series.differs
    yield "again", command(result)


def settings(result: Result) -> str:
    """Return the settings in words: `equal terms, 4 threads, but batch size 6`.

    Equal terms are the settings with which all libraries are compared.
    """
    used = result.settings
    if used is None:
        return ""
    equal = DecodeSettings(threads=used.threads)
    text = "equal terms"
    if used.threads is not None:
        text += f", {used.threads} threads"
    differing = []
    for each in fields(used):
        value = getattr(used, each.name)
        if value != getattr(equal, each.name):
            name = each.name.replace("_", " ")
            differing.append(f"{name} {'unknown' if value is None else value}")
    return f"{text}, but {', '.join(differing)}" if differing else text


def words(result: Result) -> str:
    """Return the errors of the transcript by kind, and how they were counted."""
    score = result.score
    if score is None:
        return ""
    unit = "word" if score.cer is None else "letter"
    errors = (
        f"{score.substitutions:,} wrong, {score.deletions:,} missing and "
        f"{score.insertions:,} added of {counted(score.reference_words, unit)}"
    )
    parts = [errors]
    if result.clips:
        parts.append(f"pooled over {counted(len(result.clips), 'clip')}")
    if score.words_in_silence:
        parts.append(f"{score.words_in_silence:,} heard while nobody speaks")
    return "; ".join([*parts, f"normalised by {score.normaliser}"])


def samples(result: Result) -> str:
    """Return the seconds of each call that counts, by process: `1.02 1.01 | 1.05 1.03`."""
    processes: dict[int, list[str]] = defaultdict(list)
    for each in sorted(result.counted, key=lambda each: each.order):
        processes[each.process].append(f"{each.seconds:.4g}")
    return " | ".join(" ".join(calls) for _, calls in sorted(processes.items()))
