"""Writes the report as one HTML page, which needs no other file and makes no request.

Style and script are inline, and a content security policy allows only these, by their hashes. The
template escapes every text of a result, and `charts` escapes the texts in its drawings.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.header import header
from whisper_speedtest.results.notes import notes
from whisper_speedtest.results.report import page_rows, panels, small_tables
from whisper_speedtest.results.report.marks import marks_of
from whisper_speedtest.results.report.transcripts import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Template

    from whisper_speedtest.results.note import Kind, Note
    from whisper_speedtest.results.report.merged import Merged, OnMachine
    from whisper_speedtest.results.report.panels import Panel
    from whisper_speedtest.results.report.small_tables import Table
    from whisper_speedtest.results.report.transcripts import HeardOfClip

TEMPLATES = Path(__file__).with_name("templates")

MOST_ROWS = 1000
"""How many rows the table of all measurements has; all are in the files beside the page."""

UNBROKEN = re.compile(
    r"""
    (?<![^\s(\[“"'`])          # An option begins a word, or stands behind what opens
    (?:-[A-Za-z]\ (?:"[^"]*"|'[^']*'|\S+) | --?[A-Za-z]\S*)
    | \d[\d.,–]*\ (?:%|ms|s|[kMGT]i?B)(?!\w)  # a number and its unit
    """,
    re.VERBOSE,
)
"""A text that a line should not end in: an option with its value, or a number with its unit."""

MOST_UNBROKEN = 30
"""How many characters surely fit on one line of a phone; a longer text may be broken."""

ELSEWHERE: frozenset[Kind] = frozenset(
    ("skipped", "missing", "failed", "busy", "corpus", "quality")
)
"""Kinds of notes that are not shown among the notes, as the page has another place for them."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section about one question on a machine. It has panels, tables or notes."""

    key: str
    """The end of its id on the page."""

    heading: str
    text: str = ""
    """How its panels are read; only shown if there are any."""

    panels: Sequence[Panel] = ()
    tables: Sequence[Table | None] = ()
    """A table without rows is None."""

    notes: Sequence[str] = ()
    """What is not in its panels, and why."""

    legend: Sequence[str] = ()
    """The names of the colours of its panels, in the order of charts.SERIES."""

    wide: bool = False
    """Whether it has one panel twice: the first for wide pages, the second for narrow ones."""


@dataclass(frozen=True, slots=True)
class MachinePart:
    """The part of the page about one machine."""

    key: str
    """Its id on the page, as `m1`."""

    name: str
    header: Sequence[Note]
    sections: Sequence[Section]
    transcripts: Sequence[HeardOfClip]
    transcripts_left_out: int
    notes: Sequence[Note]
    unmeasured: Table | None


def html(merged: Merged) -> str:
    """Return the page of a report as HTML."""
    rows = page_rows.rows(merged)
    latest = [series.latest for on in merged.machines for series in on.series]
    style, script = (_source(f"page.{kind}") for kind in ("css", "js"))
    return _template().render(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        names=[each.name for each in merged.distinct],
        sentences=merged.sentences(),
        across=small_tables.across(merged),
        machines=[_machine_part(number, on) for number, on in enumerate(merged.machines, start=1)],
        columns=page_rows.columns(merged),
        rows=rows[:MOST_ROWS],
        terms=page_rows.terms(rows[:MOST_ROWS]),
        more_rows=max(0, len(rows) - MOST_ROWS),
        marks=marks_of(latest, latest),
        remarks=merged.remarks(),
    )


def _machine_part(number: int, on: OnMachine) -> MachinePart:
    """Return the part of the page about a machine, which is the one with this number."""
    transcripts, left_out = side_by_side(on.comparable)
    return MachinePart(
        key=f"m{number}",
        name=on.name,
        header=header(on.comparable),
        sections=_sections(on),
        transcripts=transcripts,
        transcripts_left_out=left_out,
        notes=[note for note in notes(on.comparable) if note.kind not in ELSEWHERE],
        unmeasured=small_tables.unmeasured(on),
    )


def _sections(on: OnMachine) -> list[Section]:
    """Return the sections on a machine that are not empty, in the order in which people ask."""
    speeds, undrawn = panels.speed(on)
    pauses, undecided = panels.pauses(on)
    sections = [
        Section(
            "speed",
            "Speed by size and library",
            "RTFx: seconds of audio transcribed in a second; more is faster. Within the line on a "
            "bar lies what many more processes would give, in 95 of 100 such runs; (3×3) is three "
            "processes with three calls each. Each panel has its own scale.",
            speeds,
            notes=[f"Nothing can be ranked: {'; '.join(undrawn)}."] if undrawn else (),
        ),
        Section("accuracy", "Speed against accuracy", "", panels.accuracy(on), wide=True),
        *(
            Section(
                measure.replace(" ", "-"),
                heading,
                "From a new process to its first transcript. The first start ever stands apart, as "
                "a library may compile in it what later starts find.",
                panels.starts(on, measure),
                legend=tuple(panels.PHASES.values()),
            )
            for measure, heading in (
                (Measure.COLD, "Cold start by phase"),
                (Measure.COLD_FILES, "Cold start, model files not in memory"),
            )
        ),
        Section(
            "pause",
            "After a pause",
            "A call right after another (hollow), and one after some seconds in which nothing was "
            "computed (full), which is what a user feels.",
            pauses,
            notes=[f"Cannot be told apart: {'; '.join(undecided)}."] if undecided else (),
        ),
        Section(
            "memory",
            "Peak memory",
            "The highest footprint of a process that starts and transcribes once; what the library "
            "counts as its accelerator’s stands beside it.",
            panels.memory(on),
        ),
        Section("long", "Coverage and time error", tables=[small_tables.coverage(on)]),
        Section("corpus", "Corpora", tables=small_tables.corpora(on)),
        Section(
            "quantised",
            "Quantised and unquantised",
            tables=[small_tables.quantised(on), small_tables.no_worse(on)],
        ),
        Section("turns", "Measured in turns", tables=[small_tables.in_turns(on)]),
        Section(
            "history",
            "History",
            "Runs of different days are not measured in turns: the machine may have changed. A "
            "line ends where the model’s bytes, the settings or a version changed.",
            panels.histories(on),
        ),
    ]
    return [each for each in sections if each.panels or each.notes or any(each.tables)]


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a text, each with whether a line must not end in it; see UNBROKEN."""
    end = 0
    for found in UNBROKEN.finditer(text):
        if len(found[0]) <= MOST_UNBROKEN:
            yield text[end : found.start()], False
            yield found[0], True
            end = found.end()
    yield text[end:], False


@cache
def _template() -> Template:
    """Return the template of the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pieces"] = pieces
    return environment.get_template("page.html")


def _source(name: str) -> str:
    """Return the text of a file beside the template."""
    return TEMPLATES.joinpath(name).read_text(encoding="utf-8").strip()


def _hash(source: str) -> str:
    """Return the sha256 of an inline style or script in base64, as the policy has it."""
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
