"""The closing table as lines of text that fit into so many columns of a terminal.

Where the table is wider, it is made narrower by these steps, in this order, until it fits:

1. Headings of several words take two lines.
2. Size and clip stand above the rows that share them; library and variant share one column.
3. Columns leave: what a library computes on, its load, what is of an earlier session, its peak
   memory, its WER, its cold start, its time error, then how often it was timed, and at last the
   interval. Names, time, RTFx and `slower` stay; so does what a start takes where nothing else was
   measured. Of a row that has starts alone beside others, the time is then that of its start, which
   is said above it.
4. Names are broken, and then any line that is still too long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from whisper_speedtest.cache.sizes import printable
from whisper_speedtest.results.table import BUSY, FASTEST, GROUP, NAME, TIME, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whisper_speedtest.results.table import Column, Row

Style = Literal["heading", "group", "fastest", "busy", ""]

GAP = 2
"""Columns between two cells."""

INDENT = " "
"""Before the name of a row that stands under what it shares with others."""

COUNTS = re.compile(r" ?\(\d+×[\d-]+\)$")
"""How many processes and calls an interval is made of, which stands behind it."""

STARTS = {"cold start", "load"}
"""The columns of what a start takes."""

NARROWEST_NAME = 12
"""Columns to which a column of names is broken at most."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, and what kind it is, for a terminal that has colours."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A column as text: the lines of its heading, and a cell for each row."""

    heading: tuple[str, ...]
    cells: tuple[str, ...]
    right: bool
    leaves: int = 0

    def with_two_lines(self) -> _Strip:
        """Return it with a heading of two lines, where that has several words."""
        first, space, rest = self.heading[0].partition(" ")
        return replace(self, heading=(first, rest)) if space else self

    def without_counts(self) -> list[_Strip]:
        """Return it without how often each was timed; nothing where that leaves nothing out.

        What is left is as narrow as its heading may be: `95%` of `95% interval`.
        """
        cells = tuple(COUNTS.sub("", cell) for cell in self.cells)
        made = replace(self, heading=self.heading[:1], cells=cells)
        return [made] if any(cells) and cells != self.cells else []

    @property
    def name(self) -> str:
        """The heading of its column."""
        return " ".join(self.heading)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return max(map(_width, (*self.heading, *self.cells)))


def lines(rows: Sequence[Row], columns: Sequence[Column], width: int) -> list[Line]:
    """Return the table's lines, none of which fills more columns than `width`; none of no rows."""
    if not rows:
        return []
    strips = [_strip(each, rows) for each in columns]
    two_lines = [each.with_two_lines() for each in strips]
    for wide in (strips, two_lines):
        if _total(wide) <= width:
            return _broken(_plain(rows, wide), width)
    narrow = [_names(two_lines, columns)]
    for strip, column in zip(two_lines, columns, strict=True):
        if column.heading in {TIME, *STARTS}:
            narrow.append(_said_above(strip, rows))
        elif column.heading not in (*NAME, *GROUP):
            narrow.append(strip)
    while _total(narrow) > width and (leaving := list(_leaving(narrow))):
        first = min(leaving, key=lambda each: each.leaves)
        place = narrow.index(first)
        narrow[place : place + 1] = first.without_counts()
    of_starts = not STARTS & {each.name for each in narrow}
    if of_starts:
        narrow = [_or_of_start(each, rows) if each.name == TIME else each for each in narrow]
    return _broken(_grouped(rows, narrow, width, of_starts=of_starts), width)


def _leaving(strips: Sequence[_Strip]) -> Iterator[_Strip]:
    """Yield the columns that may leave: not the last one that shows a time."""
    times = [each for each in strips if each.name in {TIME, *STARTS}]
    for each in strips:
        if each.leaves and times != [each]:
            yield each


def _strip(column: Column, rows: Sequence[Row]) -> _Strip:
    cells = tuple(printable(column.cell(row)) for row in rows)
    return _Strip((column.heading,), cells, column.right, column.leaves)


def _names(strips: Sequence[_Strip], columns: Sequence[Column]) -> _Strip:
    """Return the columns of names as one."""
    cells = [
        strip.cells for strip, each in zip(strips, columns, strict=True) if each.heading in NAME
    ]
    names = (INDENT + " ".join(filter(None, parts)) for parts in zip(*cells, strict=True))
    return _Strip(("library",), tuple(names), right=False)


def _said_above(strip: _Strip, rows: Sequence[Row]) -> _Strip:
    """Return the times without the word that stands above those of busy rows.

    Of a row with a clip that word is of its call, and starts may be busy or not beside it.
    """
    cells = (
        cell.removesuffix(BUSY) if row.busy and (strip.name == TIME or not row.warm) else cell
        for cell, row in zip(strip.cells, rows, strict=True)
    )
    return replace(strip, cells=tuple(cells))


def _or_of_start(strip: _Strip, rows: Sequence[Row]) -> _Strip:
    """Return the times, which of a row that has starts alone are those of its start."""
    cells = (
        cell if row.warm else time_of(row.cold or row.load).removesuffix(BUSY)
        for cell, row in zip(strip.cells, rows, strict=True)
    )
    return replace(strip, cells=tuple(cells))


def _total(strips: Sequence[_Strip]) -> int:
    return sum(each.width for each in strips) + GAP * (len(strips) - 1)


def _plain(rows: Sequence[Row], strips: Sequence[_Strip]) -> Iterator[Line]:
    """Yield the table with a line for each row, and an empty one between sizes."""
    widths = [each.width for each in strips]
    yield from _heading(strips, widths)
    before = rows[0].case.size
    for number, row in enumerate(rows):
        if row.case.size != before:
            before = row.case.size
            yield Line("")
        yield Line(_joined([each.cells[number] for each in strips], strips, widths), _style(row))


def _grouped(
    rows: Sequence[Row], strips: Sequence[_Strip], width: int, *, of_starts: bool
) -> Iterator[Line]:
    """Yield the table with size and clip above the rows that share them.

    `of_starts` says whether the times of rows that have no clip are those of their starts.
    """
    widths = [each.width for each in strips]
    too_much = sum(widths) + GAP * (len(strips) - 1) - width
    widths[0] = max(min(widths[0], NARROWEST_NAME), widths[0] - max(too_much, 0))
    yield from _heading(strips, widths)
    for group, numbered in groupby(enumerate(rows), key=lambda each: _group(each[1], of_starts)):
        yield Line(printable(group), "group")
        for number, row in numbered:
            name, *cells = (each.cells[number] for each in strips)
            pieces = _pieces(name, widths[0])
            yield Line(_joined([pieces[0], *cells], strips, widths), _style(row))
            for piece in pieces[1:]:
                yield Line(INDENT * 2 + piece, _style(row))


def _group(row: Row, of_starts: bool) -> str:
    """Return what stands above a row: its size and clip, and whether it is busy.

    A row without a clip is of starts. Where its time is that of a start (`of_starts`), which start
    that is stands in place of the clip.
    """
    start = "cold start" if row.cold else "load"
    parts = [row.case.size, row.clip or (start if of_starts else "starts")]
    return ", ".join(parts) + (": busy, so without a place" if row.busy else "")


def _heading(strips: Sequence[_Strip], widths: Sequence[int]) -> Iterator[Line]:
    """Yield the headings, which end on the same line, and a rule below them."""
    count = max(len(each.heading) for each in strips)
    for number in range(count):
        cells = [("",) * (count - len(each.heading)) + each.heading for each in strips]
        yield Line(_joined([each[number] for each in cells], strips, widths), "heading")
    yield Line("─" * (sum(widths) + GAP * (len(strips) - 1)))


def _joined(cells: Sequence[str], strips: Sequence[_Strip], widths: Sequence[int]) -> str:
    """Return cells as one line, each at its side of its column."""
    padded = []
    for cell, strip, width in zip(cells, strips, widths, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if strip.right else cell + space)
    return (" " * GAP).join(padded).rstrip()


def _style(row: Row) -> Style:
    if row.busy:
        return "busy"
    return "fastest" if row.relative == FASTEST else ""


def _broken(made: Iterator[Line], width: int) -> list[Line]:
    """Return the lines; of one that is too long, as many as it takes."""
    return [Line(piece, line.style) for line in made for piece in _pieces(line.text, width)]


def _pieces(text: str, width: int) -> list[str]:
    """Return a text in pieces of so many columns at most."""
    from rich.cells import chop_cells

    return chop_cells(text, width) if _width(text) > width else [text]


def _width(text: str) -> int:
    """Return how many columns of a terminal a text fills: some characters fill two, or none."""
    from rich.cells import cell_len

    return cell_len(text)
