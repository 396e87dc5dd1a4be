"""Writes the lines of the display: into one line that is rewritten, or as whole lines of a log.

While a test runs, pytest captures stdout. So the lines are written to a copy of the descriptor that
pytest's own reporter writes to.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from whisper_speedtest.session.terminal.plain import PLAIN
from whisper_speedtest.session.terminal.width import columns_variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    import pytest

WITHOUT_MOVES = {"", "dumb", "unknown"}
"""Values of TERM for terminals whose cursor cannot be moved."""

USUAL_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""

DOWN_AND_BACK = "\x1bD\x1b[A"
"""Makes sure that there is a line below the cursor, and moves the cursor back."""

SAVE, RESTORE = "\x1b7", "\x1b8"
ERASE_LINE = "\x1b[2K"
ERASE_BELOW = "\x1b[J"
"""Erases everything right of the cursor and below it."""


def is_watched(file: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a person may watch a file, so that a line can be rewritten in it.

    It has to be a terminal whose cursor can be moved. In CI nobody watches, even if there is one.
    """
    if not file.isatty() or environment.get("CI"):
        return False
    return environment.get("TERM", "").lower() not in WITHOUT_MOVES


class Screen(Protocol):
    """Where the display writes its lines, without damage to pytest's current line."""

    rewrites: bool
    """Whether one line is rewritten in place. Otherwise lines are added and stay."""

    @property
    def width(self) -> int:
        """How many columns a line may fill."""

    def begin(self) -> None:
        """Flush what pytest has written. It must not be called while pytest captures output."""

    def show(self, line: str) -> None:
        """Write a line, in place of the one before if the screen rewrites."""

    def clear(self) -> None:
        """Erase the line if the screen rewrites, so that pytest can write."""

    def close(self) -> None:
        """Close the descriptor; nothing may be written after that."""


class _Written:
    """Writes to a copy of the descriptor of pytest's reporter."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        file = reporter._tw._file
        self._reporter = reporter
        self._encoding = file.encoding or "utf-8"
        self._descriptor = os.dup(file.fileno())

    def begin(self) -> None:
        """Flush what pytest has written."""
        self._reporter._tw.flush()

    def close(self) -> None:
        """Close the copy."""
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, PLAIN)
        # Where nobody reads it any more, pytest itself says so as soon as it writes.
        with suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


class StatusLine(_Written):
    """Rewrites the line below the one that pytest writes on; pytest's cursor stays in place."""

    rewrites = True

    @property
    def width(self) -> int:
        """One column less than the terminal has, so that a line is never wrapped.

        COLUMNS may say fewer, but not more.
        """
        columns = self._columns()
        return min(columns, columns_variable() or columns) - 1

    def show(self, line: str) -> None:
        """Rewrite the line, which is cut where plain characters have made it too long."""
        begun = self._reporter._tw.width_of_current_line
        # After a character in the last column, the cursor moves to the next line only with the next
        # character. That has to happen here, as saving and restoring the cursor would undo it.
        wrapped = " \r" if begun and begun % self._columns() == 0 else ""
        plain = line.encode(self._encoding, PLAIN).decode(self._encoding)[: self.width]
        self._write(f"{wrapped}{DOWN_AND_BACK}{SAVE}\r\n{ERASE_LINE}{plain}{RESTORE}")

    def clear(self) -> None:
        """Erase the line."""
        self._write(ERASE_BELOW)

    def _columns(self) -> int:
        with suppress(OSError):
            if columns := os.get_terminal_size(self._descriptor).columns:
                return columns
        return USUAL_WIDTH


class QuietLines(_Written):
    """Adds whole lines to a log. A line that pytest has begun is ended first, and begun anew."""

    rewrites = False

    @property
    def width(self) -> int:
        """The columns of COLUMNS, else more than any line has, as a log has no edge."""
        return columns_variable() or 500

    def show(self, line: str) -> None:
        """Write a line."""
        writer = self._reporter._tw
        begun = "\n" if writer.width_of_current_line else ""
        self._write(f"{begun}{line}\n")
        # pytest is told that the cursor is at the beginning of a line, and to name the file again.
        writer._current_line = ""
        self._reporter.currentfspath = None

    def clear(self) -> None:
        """Do nothing, as the lines of a log stay."""


def screen_of(reporter: pytest.TerminalReporter) -> Screen | None:
    """Return the screen of a session; None if pytest's output has no descriptor."""
    file = reporter._tw._file
    try:
        return StatusLine(reporter) if is_watched(file) else QuietLines(reporter)
    except (AttributeError, OSError):  # What stands for stdout there has no descriptor.
        return None
