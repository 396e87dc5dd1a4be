"""Writes results as CSV, a line each, for spreadsheets and data frames.

A column is an entry of COLUMNS. Its heading has the unit, seconds (s) or bytes; shares and ratios
have none.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, fields
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.quality import COMPARED, qualities, rates
from whisper_speedtest.results.report.again import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from adapters.base import DecodeSettings
    from whisper_speedtest.measure.estimate import Estimate
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.quality import Quality
    from whisper_speedtest.results.report.merged import Merged, OnMachine

Cell = str | int | float | None

YES_OR_NO = {True: "yes", False: "no"}

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters that begin a formula in a spreadsheet, or end a cell, also behind spaces."""

SUSPECT = frozenset((*FORMULA, " "))
"""First characters of cells that may be such; others need no closer look."""


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one line, with what it belongs to."""

    on: OnMachine
    result: Result
    counts: bool
    """Whether it is the `latest` of its series."""

    differs: str
    """As that of its series."""

    quality: Quality | None = None
    """How its case compares with the unquantised one; only where it counts, and is no start."""

    @property
    def estimate(self) -> Estimate | None:
        """What a call takes; None where none was timed, or it was not right."""
        is_timed = self.result.outcome.was_right and self.result.counted
        return self.result.estimate if is_timed else None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and the function that returns its cell in a line."""

    heading: str
    cell: Callable[[Line], Cell]


def as_csv(merged: Merged) -> str:
    """Return the lines of all machines under one line of headings."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.heading for column in COLUMNS])
    for machine in merged.machines:
        for line in lines(machine):
            writer.writerow([harmless(column.cell(line)) for column in COLUMNS])
    return text.getvalue()


def lines(on: OnMachine) -> Iterator[Line]:
    """Yield the lines of a machine: each series, its `latest` last, then what was not measured."""
    of_cases = {each.case: each for each in qualities(on.comparable)}
    for series in on.series:
        for each in (*series.earlier, series.latest):
            counts = each is series.latest
            quality = of_cases.get(each.case) if counts and each.measure in COMPARED else None
            yield Line(on, each, counts, series.differs, quality)
    for each in on.unmeasured:
        yield Line(on, each, counts=False, differs="")


def harmless(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet runs: a text that looks like a formula gets an apostrophe.

    Names of recordings, transcripts and reasons are texts that anybody may have written.
    """
    if isinstance(cell, str) and cell[:1] in SUSPECT and cell.lstrip(" ").startswith(FORMULA):
        return f"'{cell}"
    return cell


def _unless_busy(value: Callable[[Estimate], Cell]) -> Callable[[Line], Cell]:
    """Return the cell function of a part of the estimate that is empty for a busy result."""

    def cell(line: Line) -> Cell:
        busy = line.result.outcome is Outcome.BUSY
        return None if line.estimate is None or busy else value(line.estimate)

    return cell


def _rtfx(line: Line) -> Cell:
    return line.result.rtfx if line.estimate else None


def _phase(name: str) -> Callable[[Line], Cell]:
    """Return the cell function of a phase: its median over the starts that count, in seconds."""

    def cell(line: Line) -> Cell:
        if not line.result.starts:
            return None
        counted = {each.process for each in line.result.counted}
        seconds = [getattr(start, name) for start in line.result.starts if start.process in counted]
        return median(seconds) if seconds and line.estimate else None

    return cell


def _of(path: str) -> Callable[[Line], Cell]:
    """Return the cell function of the part at a path in the result, as `score.wer`."""
    names = path.split(".")

    def cell(line: Line) -> Cell:
        part: Any = line.result
        for name in names:
            part = getattr(part, name)
            if part is None or part == "":
                return None
        return YES_OR_NO.get(part, part) if isinstance(part, bool) else part

    return cell


def _wer(line: Line) -> Cell:
    """Return the word error rate; that of letters has a column of its own."""
    score = line.result.score
    return score.wer if score and score.cer is None else None


def _median_rate(line: Line) -> Cell:
    clip_rates = rates(line.result)
    return median(clip_rates) if clip_rates else None


def _boundaries(line: Line) -> Cell:
    score = line.result.score
    return None if score is None or score.time_error is None else score.boundaries


def _pause(line: Line) -> Cell:
    repeats = line.result.repeats
    if repeats is None or not repeats.pause:
        return None
    return repeats.pause


def _of_machine(name: str) -> Callable[[Line], Cell]:
    """Return the cell function of a part of the machine."""
    return lambda line: getattr(line.on.machine, name) if line.on.machine else None


def _settings(line: Line) -> Cell:
    return _settings_text(line.result.settings) if line.result.settings else None


@cache
def _settings_text(settings: DecodeSettings) -> str:
    """Return all settings as a text; most results have the same ones."""
    return "; ".join(f"{each.name} {getattr(settings, each.name)}" for each in fields(settings))


def _versions(line: Line) -> Cell:
    facts = line.result.provenance
    if facts is None:
        return None
    return "; ".join(f"{name} {version}" for name, version in facts.versions.items())


def _files(line: Line) -> Cell:
    files = line.result.model.files.items()
    return "; ".join(f"{name} {proof.sha256}" for name, proof in files) or None


COLUMNS = (
    Column("machine", lambda line: line.on.name),
    Column("chip", _of_machine("chip")),
    Column("memory (bytes)", _of_machine("memory")),
    Column("system", _of_machine("system")),
    Column("library", _of("case.adapter")),
    Column("size", _of("case.size")),
    Column("variant", _of("case.variant")),
    Column("measure", _of("measure")),
    Column("clip", _of("clip.name")),
    Column("clip (s)", _of("clip.seconds")),
    Column("windows at once", _of("settings.batch_size")),
    Column("pause (s)", _pause),
    Column("outcome", _of("outcome")),
    Column("reason", _of("reason")),
    Column("ended (UTC)", _of("when")),
    Column("counts", lambda line: YES_OR_NO[line.counts]),
    Column("differs by", lambda line: line.differs or None),
    Column("time (s)", lambda line: line.estimate.seconds if line.estimate else None),
    Column("interval low (s)", _unless_busy(lambda estimate: estimate.low)),
    Column("interval high (s)", _unless_busy(lambda estimate: estimate.high)),
    Column("processes", lambda line: len(line.estimate.calls) if line.estimate else None),
    Column("calls", lambda line: sum(line.estimate.calls) if line.estimate else None),
    Column("RTFx", _rtfx),
    Column("launch (s)", _phase("launch")),
    Column("import (s)", _phase("import_library")),
    Column("load (s)", _phase("load")),
    Column("first call (s)", _phase("first_call")),
    Column("WER", _wer),
    Column("CER", _of("score.cer")),
    Column("pooled over (clips)", lambda line: len(line.result.clips) or None),
    Column("WER or CER of the median clip", _median_rate),
    Column("coverage", _of("score.coverage")),
    Column("time error (s)", _of("score.time_error")),
    Column("boundaries of the time error", _boundaries),
    Column("words in silence", _of("score.words_in_silence")),
    Column("normaliser", _of("score.normaliser")),
    Column("clips compared with fp16", lambda line: line.quality.clips if line.quality else None),
    Column(
        "clips no worse than fp16", lambda line: line.quality.no_worse if line.quality else None
    ),
    Column("fallback", _of("fallback")),
    Column("peak memory (bytes)", _of("memory.footprint")),
    Column("accelerator memory (bytes)", _of("memory.accelerator")),
    Column("ratio", _of("comparison.ratio")),
    Column("ratio low", _of("comparison.low")),
    Column("ratio high", _of("comparison.high")),
    Column("verdict", _of("comparison.verdict")),
    Column("baseline", _of("comparison.baseline.name")),
    Column("device", _of("provenance.device")),
    Column("type", _of("provenance.dtype")),
    Column("threads", _of("provenance.threads")),
    Column("versions", _versions),
    Column("settings", _settings),
    Column("repo", _of("model.repo")),
    Column("commit", _of("model.commit")),
    Column("files (sha256)", _files),
    Column("sound (sha256)", _of("clip.sha256")),
    Column("suite", _of("machine.suite")),
    Column("test", _of("test")),
    Column("command", lambda line: command(line.result)),
)
