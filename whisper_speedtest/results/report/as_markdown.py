"""Writes a report as Markdown, for the summary of a CI job and for a pull request.

It begins with the answer, and then shows for each machine the results that this is made of: those
that count (`OnMachine.comparable`). Where it would be longer than a comment on GitHub may be, its
tables end early, and say so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.common.text import printable, short
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.results.aspects import described, differing, of_loaded
from whisper_speedtest.results.header import header
from whisper_speedtest.results.note import printed
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
    from whisper_speedtest.results.report.merged import Merged, OnMachine

MOST_BYTES = 65_000
"""How long the report may be. A comment on GitHub may have 65,536 characters, a summary more."""

MOST_SHOWN = 200
"""How many characters of one cell are shown."""

MOST_NOTED = 800
"""How many characters of one sentence or note are shown; what to do often stands at its end."""

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
"""Headings of columns, or a verdict, that share a meaning → that meaning."""

NO_ROW = {Measure.AFTER_PAUSE, Measure.COLD_FILES}
"""Measures that have a line of notes, and no row in a table."""

_SPECIAL = re.compile(r"[\\`*\[\]<>|~#]|\b_|_\b")
"""A character that means something in Markdown or HTML. `&` is replaced before, `@` after it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the report: a table, a block of code, or a heading with some text.

    `head` and `foot` are always shown; of `lines`, the last ones may be left out.
    """

    lines: Sequence[str]
    head: Sequence[str] = ()
    foot: Sequence[str] = ()
    columns: Sequence[str] = ()
    """The headings of a table; empty in any other part."""

    def text(self, most: int) -> str:
        """Return the part with at most `most` lines, and how many more there are."""
        text = [*self.head, *self.lines[:most], *self.foot]
        if (left_out := len(self.lines) - most) > 0:
            text += ["", _more(left_out, "line")]
        return "\n".join(text)


def as_markdown(merged: Merged) -> str:
    """Return the report in at most MOST_BYTES bytes of UTF-8.

    The number of lines that each part may have is halved until the whole is short enough. At least
    one answer and one machine are shown.
    """
    answers = [escaped(line, MOST_NOTED) for line in merged.sentences()]
    remarks = [escaped(line, MOST_NOTED) for line in merged.remarks()]
    across_machines = list(_of_across(merged))
    machines = [list(_of_machine(machine)) for machine in merged.machines]
    all_parts = [part for parts in (across_machines, *machines) for part in parts]
    headings = {heading for part in all_parts for heading in part.columns}
    explanations = list(_how_to_read(merged, headings))
    most = max([len(answers), len(machines), *(len(part.lines) for part in all_parts)])
    while True:
        texts = [*_some(answers, most + 1, "answer"), *remarks]
        texts += [part.text(most) for part in across_machines]
        machine_texts = ["\n\n".join(part.text(most) for part in parts) for parts in machines]
        texts += _some(machine_texts, most + 1, "machine")
        text = "\n\n".join([*texts, *explanations]) + "\n"
        if len(text.encode()) <= MOST_BYTES or most == 0:
            return text
        most //= 2


def _how_to_read(merged: Merged, headings: Collection[str]) -> Iterator[str]:
    """Yield a list of what the headings and marks in the tables mean, if there are any.

    `headings` are those of all tables.
    """
    measured = [each for on in merged.machines for each in on.comparable if each.is_measured]
    verdicts = {verdict_of(each) for each in measured if each.comparison}
    shown = {*headings, *(verdicts & {Verdict.UNDECIDED})}  # a verdict `slower` is no heading
    meanings: dict[str, str] = {}
    for names, meaning in HEADINGS.items():
        if found := ", ".join(name for name in names if name in shown):
            meanings[found] = meaning
    # A comparison has other columns than these marks are for, except that it may be busy.
    marked = [
        each
        for each in measured
        if each.measure not in NO_ROW and (not each.comparison or each.outcome is Outcome.BUSY)
    ]
    meanings |= marks_of(marked, [each for each in marked if not each.measure.of_a_start])
    if meanings:
        lines = "\n".join(f"- `{mark}`: {meaning}." for mark, meaning in meanings.items())
        yield f"<details><summary>How to read this</summary>\n\n{lines}\n\n</details>"


def _some(texts: Sequence[str], most: int, what: str) -> list[str]:
    """Return at most `most` texts, and how many more there are; `what` names one of them."""
    some = list(texts[:most])
    if left_out := len(texts) - len(some):
        some.append(_more(left_out, what))
    return some


def _more(number: int, what: str) -> str:
    """Return the line in place of what is left out."""
    return f"… and {counted(number, f'more {what}')}: results.csv has them all"


def escaped(text: str, most: int = MOST_SHOWN) -> str:
    """Return a text that Markdown shows as it is, whoever wrote it, of at most `most` characters.

    It is one line, characters of Markdown and HTML become entities, and an @ notifies nobody.
    """
    text = short(text, most).replace("&", "&amp;")
    text = _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)
    return re.sub(r"@(?=\w)", "@&#8203;", text)


def _of_machine(on: OnMachine) -> Iterator[Part]:
    """Yield the parts about one machine: its heading, its tables and its notes."""
    about = [f"- {escaped(line, MOST_NOTED)}" for line in printed(header(on.comparable))]
    yield Part(lines=(), head=[f"### {escaped(on.name)}", "", *about])
    alone = [each for each in on.comparable if each.is_measured and not each.comparison]
    headings = [column.heading for column in COLUMNS]
    cells = [
        [*(str(column.cell(row)) for column in COLUMNS), differs] for row, differs in _rows(alone)
    ]
    yield from _table([*headings, "differs by"], cells)
    if table := in_turns(on):
        yield from _table(table.columns, table.rows)
    comparable = {id(each) for each in on.comparable}
    others = [each for each in on.unmeasured if id(each) not in comparable]
    if found := notes([*on.comparable, *others]):
        yield _code(printed(found))


def _rows(results: Sequence[Result]) -> list[tuple[Row, str]]:
    """Return the rows of the closing table, and in words how each differs from others of its case.

    A case may have been measured with other model bytes or versions, or on another device. Rows of
    starts alone stand behind the others of their size.
    """
    of_cases: dict[Case, list[Aspects]] = defaultdict(list)
    for each in results:
        of_cases[each.case].append(of_loaded(each))
    names = {case: differing(several) for case, several in of_cases.items()}
    found = [(row, described(of_loaded(row.any_result), names[row.case])) for row in rows(results)]
    return sorted(found, key=lambda each: (place_of_size(each[0].case.size), each[0].warm is None))


def _of_across(merged: Merged) -> Iterator[Part]:
    """Yield the table of what was measured on several machines, under a heading."""
    if table := across(merged):
        yield Part(lines=(), head=["### The same on several machines", "", table.about])
        yield from _table(table.columns, table.rows)


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Part]:
    """Yield a table without its empty columns, unless it is empty as a whole."""
    used = [number for number in range(len(headings)) if any(row[number] for row in cells)]
    if used:
        head = [[headings[number] for number in used], ["---"] * len(used)]
        lines = [[row[number] for number in used] for row in cells]
        yield Part(
            lines=[_line(each) for each in lines],
            head=[_line(each) for each in head],
            columns=head[0],
        )


def _line(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(escaped, cells))} |"


def _code(lines: Iterable[str]) -> Part:
    """Return lines as a block of code, which shows them as they are, but for their length.

    The fence around it is longer than any run of backticks in the lines.
    """
    shown = [line if len(line) <= MOST_NOTED else f"{line[:MOST_NOTED]}…" for line in lines]
    shown = [printable(line) for line in shown]
    longest = max(map(len, re.findall("`+", "\n".join(shown))), default=0)
    fence = "`" * max(3, longest + 1)
    return Part(shown, head=[f"{fence}text"], foot=[fence])
