"""Decides how wide the suite's output is, on terminals and in files, pipes and logs.

The width is COLUMNS if that is set, and otherwise the width of the terminal. Files, pipes and logs
have no edge: there a line is never broken, so that it can be searched, and a table has LOG_WIDTH
columns.
"""

from __future__ import annotations

import os
import re
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

MIN_WIDTH = 40
"""The least width in columns; with fewer, hardly a word of a table would stay whole."""

LOG_WIDTH = 120
"""Columns of a table in output without an edge. A log of CI cannot be printed again in a wider
window."""

LABEL = re.compile(r"\w+(?: \w+)?: +| +(?:\w+(?: \w+)? {2,})?")
"""The label that a line may begin with, as `failed:   ` or `  left out   `.

Further lines of its text are indented by the width of the label."""


def columns_variable() -> int | None:
    """Return the variable COLUMNS; None if it is not set, or not a number above 0."""
    with suppress(ValueError):
        return max(int(os.environ.get("COLUMNS", "")), 0) or None
    return None


def edge_of(out: TerminalWriter) -> int | None:
    """Return the columns after which lines are broken, at least MIN_WIDTH; None: never."""
    columns = columns_variable()
    if columns is None and out._file.isatty():
        columns = out.fullwidth
    return None if columns is None else max(MIN_WIDTH, columns)


def width_of(out: TerminalWriter) -> int:
    """Return the columns that a table may fill."""
    edge = edge_of(out)
    return LOG_WIDTH if edge is None else edge


def folded(text: str, edge: int | None) -> list[str]:
    """Break a text into lines of at most `edge` columns, indented like the text of the first line.

    Lines are only broken at spaces, so that names and paths stay whole, and line breaks of the text
    are kept. It is not for commands.
    """
    if edge is None:
        return [text]
    return [part for line in text.split("\n") for part in _folded(line, edge)]


def _folded(text: str, edge: int) -> list[str]:
    """Break one line into several."""
    label = LABEL.match(text)
    end = label.end() if label else 0
    unbroken = text[:end].replace(" ", "\0") + text[end:]
    lines = textwrap.wrap(
        unbroken, edge, subsequent_indent=" " * end, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines] or [""]


def tell(out: TerminalWriter, text: str, **markup: bool) -> None:
    """Write a text, broken into lines that fit."""
    for line in folded(text, edge_of(out)):
        out.line(line, **markup)
