"""Lays out the closing table as lines of text that fit into the width of a terminal.

A table that is too wide is made narrower by these steps, in this order, until it fits:

1. Headings of several words take two lines.
2. Size and clip stand in a line above the rows that share them; library and variant become one
   column.
3. Columns are left out, in the order of `Column.leaves`. Of `95% interval`, the counts of processes
   and calls are left out first. The last column that shows a time always stays. Once the columns of
   starts are left out, a row that has only starts shows the time of its start in the column of
   times, and the line above it says so.
4. Names are broken into several lines, and then any line that is still too long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from whisper_speedtest.common.text import printable
from whisper_speedtest.results.table import Cell, Role, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whisper_speedtest.results.table import Column, Row

Style = Literal["heading", "group", "fastest", "busy", ""]

GAP = 2
"""Width of the space between two columns. All widths are in columns of the terminal."""

INDENT = " "
"""Stands before the name in a row below the line with its size and clip."""

NARROWEST_NAME = 12
"""The least width of the column of names when names are broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, and its kind, for a terminal that has colours."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A column as it is shown: the lines of its heading, and a cell for each row."""

    column: Column
    heading: tuple[str, ...]
    cells: tuple[Cell, ...]

    def with_two_lines(self) -> _Strip:
        """Return the column with a heading of two lines, if that has several words."""
        first, space, rest = self.heading[0].partition(" ")
        return replace(self, heading=(first, rest)) if space else self

    def in_short(self) -> _Strip | None:
        """Return the column with each cell in short; None where that leaves nothing to show.

        It is also None where no cell is any shorter. Of the heading only the first line is left:
        `95%` of `95% interval`.
        """
        cells = tuple(
            cell if cell.short is None else replace(cell, text=cell.short, short=None)
            for cell in self.cells
        )
        if cells == self.cells or not any(cell.text for cell in cells):
            return None
        return replace(self, heading=self.heading[:1], cells=cells)

    @property
    def width(self) -> int:
        """Its width in columns of the terminal."""
        return max(map(_width, (*self.heading, *map(str, self.cells))))


def lines(rows: Sequence[Row], columns: Sequence[Column], width: int) -> list[Line]:
    """Return the lines of the table, each at most `width` columns wide; [] if there are no rows."""
    if not rows:
        return []
    strips = [_strip(each, rows) for each in columns]
    two_lines = [each.with_two_lines() for each in strips]
    for wide in (strips, two_lines):
        if _total(wide) <= width:
            return _broken(_plain(rows, wide), width)
    narrow = _fitted(_beside_groups(two_lines, rows), width)
    of_starts = all(each.column.role is not Role.START for each in narrow)
    if of_starts:
        narrow = [
            _or_of_start(each, rows) if each.column.role is Role.CALL else each for each in narrow
        ]
    return _broken(_grouped(rows, narrow, width, of_starts=of_starts), width)


def _beside_groups(strips: Sequence[_Strip], rows: Sequence[Row]) -> list[_Strip]:
    """Return the columns of a table whose sizes and clips stand above the rows."""
    narrow = [_names(strips)]
    for each in strips:
        if each.column.is_time:
            narrow.append(_without_busy(each, rows))
        elif each.column.role is Role.OTHER:
            narrow.append(each)
    return narrow


def _fitted(strips: Sequence[_Strip], width: int) -> list[_Strip]:
    """Return the columns without those that have to be left out for the others to fit."""
    fitted = list(strips)
    while _total(fitted) > width:
        times = [each for each in fitted if each.column.is_time]
        leaving = [each for each in fitted if each.column.leaves and times != [each]]
        if not leaving:
            break
        first = min(leaving, key=lambda each: each.column.leaves)
        narrower = first.in_short()
        place = fitted.index(first)
        fitted[place : place + 1] = [narrower] if narrower else []
    return fitted


def _strip(column: Column, rows: Sequence[Row]) -> _Strip:
    """Return a column as it is shown, without characters that a terminal cannot show."""
    cells = (column.cell(row) for row in rows)
    shown = tuple(replace(cell, text=printable(cell.text)) for cell in cells)
    return _Strip(column, (column.heading,), shown)


def _names(strips: Sequence[_Strip]) -> _Strip:
    """Return the columns of names as one, under the heading of the first."""
    columns = [each for each in strips if each.column.role is Role.NAME]
    names = zip(*(each.cells for each in columns), strict=True)
    cells = (Cell(INDENT + " ".join(filter(None, map(str, parts)))) for parts in names)
    return replace(columns[0], cells=tuple(cells))


def _without_busy(strip: _Strip, rows: Sequence[Row]) -> _Strip:
    """Return a column of times without `busy` where the line above the row says so already.

    For a row with a clip, that line speaks of its warm calls: each start may be busy or not, and
    keeps its word.
    """
    of_calls = strip.column.role is Role.CALL
    cells = (
        replace(cell, busy=False) if row.busy and (of_calls or not row.warm) else cell
        for cell, row in zip(strip.cells, rows, strict=True)
    )
    return replace(strip, cells=tuple(cells))


def _or_of_start(strip: _Strip, rows: Sequence[Row]) -> _Strip:
    """Return the column of times, where a row that has only starts shows that of its start."""
    cells = (
        cell if row.warm else replace(time_of(row.cold or row.load), busy=False)
        for cell, row in zip(strip.cells, rows, strict=True)
    )
    return replace(strip, cells=tuple(cells))


def _total(strips: Sequence[_Strip]) -> int:
    """Return the width of a table of these columns."""
    return sum(each.width for each in strips) + GAP * (len(strips) - 1)


def _plain(rows: Sequence[Row], strips: Sequence[_Strip]) -> Iterator[Line]:
    """Yield the lines of a table with a line for each row, and an empty line between sizes."""
    widths = [each.width for each in strips]
    yield from _heading(strips, widths)
    size = rows[0].case.size
    for number, row in enumerate(rows):
        if row.case.size != size:
            size = row.case.size
            yield Line("")
        cells = [str(each.cells[number]) for each in strips]
        yield Line(_joined(cells, strips, widths), _style(row))


def _grouped(
    rows: Sequence[Row], strips: Sequence[_Strip], width: int, *, of_starts: bool
) -> Iterator[Line]:
    """Yield the lines of a table with size and clip above the rows that share them.

    Names are broken if that makes the table fit. `of_starts` says whether the times of rows that
    have no clip are those of their starts.
    """
    widths = [each.width for each in strips]
    too_much = _total(strips) - width
    widths[0] = max(min(widths[0], NARROWEST_NAME), widths[0] - max(too_much, 0))
    yield from _heading(strips, widths)
    for group, numbered in groupby(enumerate(rows), key=lambda each: _group(each[1], of_starts)):
        yield Line(printable(group), "group")
        for number, row in numbered:
            name, *cells = (str(each.cells[number]) for each in strips)
            pieces = _pieces(name, widths[0])
            yield Line(_joined([pieces[0], *cells], strips, widths), _style(row))
            for piece in pieces[1:]:
                yield Line(INDENT * 2 + piece, _style(row))


def _group(row: Row, of_starts: bool) -> str:
    """Return the line above a row: its size and clip, and whether it is busy.

    For a row without a clip, `starts` stands in place of the clip; or the name of the start, where
    the time of the row is that of a start (`of_starts`).
    """
    start = "cold start" if row.cold else "load"
    parts = [row.case.size, row.clip or (start if of_starts else "starts")]
    return ", ".join(parts) + (": busy, so without a place" if row.busy else "")


def _heading(strips: Sequence[_Strip], widths: Sequence[int]) -> Iterator[Line]:
    """Yield the lines of the headings, aligned at the bottom, and a rule below them."""
    count = max(len(each.heading) for each in strips)
    headings = [("",) * (count - len(each.heading)) + each.heading for each in strips]
    for cells in zip(*headings, strict=True):
        yield Line(_joined(cells, strips, widths), "heading")
    yield Line("─" * (sum(widths) + GAP * (len(strips) - 1)))


def _joined(cells: Sequence[str], strips: Sequence[_Strip], widths: Sequence[int]) -> str:
    """Return the cells of a row as one line, each aligned in its column."""
    padded = []
    for cell, strip, width in zip(cells, strips, widths, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if strip.column.right else cell + space)
    return (" " * GAP).join(padded).rstrip()


def _style(row: Row) -> Style:
    """Return the kind of the line of a row."""
    if row.busy:
        return "busy"
    return "fastest" if row.fastest else ""


def _broken(made: Iterator[Line], width: int) -> list[Line]:
    """Return the lines, where one that is wider than `width` is broken into several."""
    return [Line(piece, line.style) for line in made for piece in _pieces(line.text, width)]


def _pieces(text: str, width: int) -> list[str]:
    """Return a text in pieces that are at most `width` columns wide."""
    from rich.cells import chop_cells

    return chop_cells(text, width) if _width(text) > width else [text]


def _width(text: str) -> int:
    """Return the width of a text in a terminal, where some characters take two columns, or none."""
    from rich.cells import cell_len

    return cell_len(text)
