"""Results as Markdown, for the summary of a job and for a pull request.

It answers first, and then shows for each machine what that is made of: of each test what was
measured last. Where it would be longer than such places take, tables end early, and say so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisper_speedtest.common.text import printable, short
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.results.aspects import described, differing, of_library, of_model
from whisper_speedtest.results.header import header
from whisper_speedtest.results.notes import notes
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.report.marks import marks_of
from whisper_speedtest.results.report.small_tables import across, in_turns
from whisper_speedtest.results.table import COLUMNS, Row, rows
from whisper_speedtest.results.units import counted
from whisper_speedtest.results.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.aspects import Aspects
    from whisper_speedtest.results.report.merged import Key, Merged, OnMachine

MOST_BYTES = 65_000
"""What GitHub takes for a comment is 65,536 characters; the summary of a job may be longer."""

MOST_SHOWN = 200
"""Characters of one cell."""

MOST_NOTED = 800
"""Characters of one sentence or line of notes, at whose end often stands what to do."""

HEADINGS = {
    ("RTFx",): "seconds of audio transcribed in a second",
    ("slower",): "how many times as long as the fastest of that size and clip; ≈ where the "
    "intervals leave open which of the two is faster",
    ("cold start", "load", "peak memory"): "of the model, whichever the clip",
    ("WER",): "word error rate",
    ("ratio",): "the seconds of this side over those of the other, so that over 1 is slower",
    (str(Verdict.UNDECIDED),): "the interval of a ratio holds the limit, so that nobody can tell, "
    "and it ranks nothing",
}
"""Headings, and a verdict, that have one meaning → that meaning."""

NO_ROW = {Measure.AFTER_PAUSE, Measure.COLD_FILES}
"""Measures that are told in notes, and in no table."""

_SPECIAL = re.compile(r"[\\`*\[\]<>|~#]|\b_|_\b")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the report, whose lines may be cut short: a table, or code."""

    lines: Sequence[str]
    head: Sequence[str] = ()
    foot: Sequence[str] = ()
    columns: Sequence[str] = ()
    """The headings of a table."""

    def text(self, most: int) -> str:
        """Return the part with so many lines at most, and how many are left out."""
        text = [*self.head, *self.lines[:most], *self.foot]
        if (left_out := len(self.lines) - most) > 0:
            text += ["", _more(left_out, "line")]
        return "\n".join(text)


def as_markdown(merged: Merged) -> str:
    """Return the report, of no more bytes than MOST_BYTES."""
    answers = [escaped(line, MOST_NOTED) for line in merged.sentences()]
    beside = [escaped(line, MOST_NOTED) for line in merged.remarks()]
    compared = list(_of_across(merged))
    machines = [list(_of_machine(machine)) for machine in merged.machines]
    tables = [part for parts in (compared, *machines) for part in parts]
    explained = list(_how_to_read(merged, {each for part in tables for each in part.columns}))
    most = max([len(answers), len(machines), *(len(part.lines) for part in tables)])
    while True:
        texts = [*_some(answers, most + 1, "answer"), *beside]
        texts += [part.text(most) for part in compared]
        of_machines = ["\n\n".join(part.text(most) for part in parts) for parts in machines]
        texts += _some(of_machines, most + 1, "machine")
        text = "\n\n".join([*texts, *explained]) + "\n"
        if len(text.encode()) <= MOST_BYTES or most == 0:
            return text
        most //= 2


def _how_to_read(merged: Merged, headings: Collection[str]) -> Iterator[str]:
    """Yield what the headings and marks that are in the tables mean; nothing where there are none.

    `headings` are those of all tables.
    """
    measured = [each for on in merged.machines for each in on.comparable if each.is_measured]
    verdicts = {verdict_of(each) for each in measured if each.comparison}
    there = {*headings, *(verdicts & {Verdict.UNDECIDED})}
    meanings = {
        ", ".join(found): meaning
        for names, meaning in HEADINGS.items()
        if (found := [name for name in names if name in there])
    }
    shown = [
        each
        for each in measured
        if each.measure not in NO_ROW and (not each.comparison or each.outcome is Outcome.BUSY)
    ]
    meanings |= marks_of(shown, [each for each in shown if not each.measure.of_a_start])
    if meanings:
        told = "\n".join(f"- `{mark}`: {meaning}." for mark, meaning in meanings.items())
        yield f"<details><summary>How to read this</summary>\n\n{told}\n\n</details>"


def _some(texts: Sequence[str], most: int, what: str) -> list[str]:
    """Return so many texts at most, and how many are left out."""
    left_out = len(texts) - most
    return [*texts[:most], *([_more(left_out, what)] if left_out > 0 else [])]


def _more(number: int, what: str) -> str:
    return f"… and {counted(number, f'more {what}')}: results.csv has them all"


def escaped(text: str, most: int = MOST_SHOWN) -> str:
    """Return somebody's text so that Markdown shows it, and makes nothing else of it.

    It is one line, its marks of Markdown and HTML are entities, and nobody is notified by an @.
    """
    text = short(text, most).replace("&", "&amp;")
    text = _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)
    return re.sub(r"@(?=\w)", "@&#8203;", text)


def _of_machine(on: OnMachine) -> Iterator[Part]:
    """Yield what is told of one machine."""
    measured = [each for each in on.comparable if each.is_measured]
    about = [f"- {escaped(line, MOST_NOTED)}" for line in header(on.comparable)]
    yield Part((), [f"### {escaped(on.name)}", "", *about])
    alone = [each for each in measured if not each.comparison]
    columns = [column.heading for column in COLUMNS]
    cells = [[*(column.cell(row) for column in COLUMNS), differs] for row, differs in _rows(alone)]
    yield from _table([*columns, "differs by"], cells)
    if table := in_turns(on):
        yield from _table(table.columns, table.rows)
    shown = {id(each) for each in on.comparable}
    told = notes([*on.comparable, *(each for each in on.unmeasured if id(each) not in shown)])
    if told:
        yield _code(told)


def _rows(results: Sequence[Result]) -> list[tuple[Row, str]]:
    """Return the rows of the closing table, and by what each differs from others of its case.

    The parts of a row are of the same model bytes, versions and device. Starts of a set-up in which
    no clip was measured have a row of their own, behind the others of their size.
    """
    set_ups: dict[Case, dict[Key, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for each in results:
        set_ups[each.case][_set_up(each)].append(each)
    differs: dict[tuple[Case, Key], str] = {}
    for case, alike in set_ups.items():
        aspects = {key: _aspects(of_it[0]) for key, of_it in alike.items()}
        names = differing(list(aspects.values()))
        differs |= {(case, key): described(aspects[key], names) for key in alike}
    found = []
    for row in rows(results):
        if row.warm:
            key = _set_up(row.warm)
            starts = {each.measure: each for each in set_ups[row.case][key]}
            cold, load = starts.get(Measure.COLD), starts.get(Measure.LOAD)
            found.append((replace(row, cold=cold, load=load), differs[row.case, key]))
    for (case, key), text in differs.items():
        if all(each.measure.of_a_start for each in set_ups[case][key]):
            found += [(row, text) for row in rows(set_ups[case][key])]
    return sorted(found, key=lambda each: place_of_size(each[0].case.size))


def _set_up(result: Result) -> Key:
    return frozenset(_aspects(result).items())


def _aspects(result: Result) -> Aspects:
    """Return what all parts of a row have in common."""
    return of_model(result.model) | (of_library(result.provenance) if result.provenance else {})


def _of_across(merged: Merged) -> Iterator[Part]:
    """Yield the times of what was measured on several machines, side by side."""
    if table := across(merged):
        yield Part((), ["### The same on several machines", "", table.about])
        yield from _table(table.columns, table.rows)


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Part]:
    """Yield a table without its empty columns; nothing where it has no rows."""
    used = [number for number in range(len(headings)) if any(row[number] for row in cells)]
    if used:
        head = [[headings[number] for number in used], ["---"] * len(used)]
        lines = [[row[number] for number in used] for row in cells]
        yield Part([_line(each) for each in lines], [_line(each) for each in head], (), head[0])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"


def _code(lines: Iterable[str]) -> Part:
    """Return lines that are shown as they are but for their length, whatever they quote."""
    shown = [line if len(line) <= MOST_NOTED else f"{line[:MOST_NOTED]}…" for line in lines]
    shown = [printable(line) for line in shown]
    longest = max(map(len, re.findall("`+", "\n".join(shown))), default=0)
    fence = "`" * max(3, longest + 1)
    return Part(shown, [f"{fence}text"], [fence])
