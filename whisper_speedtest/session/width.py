"""How wide is what the suite writes: one rule for terminals, files, pipes and logs.

COLUMNS says it wherever it is set, and else the terminal does. Files, pipes and logs have no edge:
there a line is whole, however long, so that it can be searched; a table, and what stands above it,
has LOG_WIDTH columns.
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
"""Columns that are filled at least; in fewer, hardly a word of a table would stay whole."""

LOG_WIDTH = 120
"""Columns of a table that is written where there is no edge. Whoever reads a log of CI cannot run
it again in a wider window."""

LABEL = re.compile(r"\w+(?: \w+)?: +| +(?:\w+(?: \w+)? {2,})?")
"""What a line may begin with, as `failed:   ` and `  left out   `; what it says is indented as far
where it takes several lines."""


def columns_variable() -> int | None:
    """Return how many columns COLUMNS says; None where it is not set, or is no number over 0."""
    with suppress(ValueError):
        return max(int(os.environ.get("COLUMNS", "")), 0) or None
    return None


def edge_of(out: TerminalWriter) -> int | None:
    """Return the columns after which a line is broken, at least MIN_WIDTH; None where none is."""
    columns = columns_variable()
    if columns is None and out._file.isatty():
        columns = out.fullwidth
    return None if columns is None else max(MIN_WIDTH, columns)


def width_of(out: TerminalWriter) -> int:
    """Return the columns that a table may fill."""
    edge = edge_of(out)
    return LOG_WIDTH if edge is None else edge


def folded(text: str, edge: int | None) -> list[str]:
    """Return a text in lines of at most `edge` columns, which begin under the words of the first.

    It is broken at spaces alone, so that names and paths stay whole. It is not for commands. What
    are several lines already stay so.
    """
    if edge is None:
        return [text]
    return [part for line in text.split("\n") for part in _folded(line, edge)]


def _folded(text: str, edge: int) -> list[str]:
    """Return one line as several."""
    label = LABEL.match(text)
    end = label.end() if label else 0
    unbroken = text[:end].replace(" ", "\0") + text[end:]
    lines = textwrap.wrap(
        unbroken, edge, subsequent_indent=" " * end, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines] or [""]


def tell(out: TerminalWriter, text: str, **markup: bool) -> None:
    """Write a text, in as many lines as it takes."""
    for line in folded(text, edge_of(out)):
        out.line(line, **markup)
