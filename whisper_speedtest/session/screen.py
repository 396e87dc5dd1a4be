"""Where a session shows what goes on: one line that is rewritten, or whole lines one after another.

pytest takes over the descriptors of stdout while a test runs, so what is shown goes to a copy of
the one that pytest's own reporter writes to.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from whisper_speedtest.session.plain import PLAIN
from whisper_speedtest.session.width import columns_variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    import pytest

WITHOUT_MOVES = {"", "dumb", "unknown"}
"""Kinds of terminal whose cursor cannot be moved."""

USUAL_WIDTH = 80
"""Columns, where a terminal does not tell."""

DOWN_AND_BACK = "\x1bD\x1b[A"
"""Makes sure that there is a line below the cursor, and leaves the cursor where it is."""

SAVE, RESTORE = "\x1b7", "\x1b8"
ERASE_LINE = "\x1b[2K"
ERASE_BELOW = "\x1b[J"
"""Erases what stands right of the cursor and below it."""


def is_watched(file: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a person sits before a file, to whom a line that moves says something.

    That is a terminal whose cursor can be moved. In CI nobody looks, whatever it pretends to be.
    """
    if not file.isatty() or environment.get("CI"):
        return False
    return environment.get("TERM", "").lower() not in WITHOUT_MOVES


class Screen(Protocol):
    """Where to show what goes on. What pytest has on its current line stays whole."""

    rewrites: bool
    """Whether one line is rewritten in place; else each is there for good."""

    @property
    def width(self) -> int:
        """How many columns a line may fill."""

    def begin(self) -> None:
        """Let all that pytest has written come first; not while it captures output."""

    def show(self, line: str) -> None:
        """Write a line, in place of what was shown before where it is rewritten."""

    def clear(self) -> None:
        """Take away what is shown, so that pytest can write."""

    def close(self) -> None:
        """Write nothing any more."""


class _Written:
    """Writes to a copy of the descriptor of pytest's reporter."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        file = reporter._tw._file
        self._reporter = reporter
        self._encoding = file.encoding or "utf-8"
        self._descriptor = os.dup(file.fileno())

    def begin(self) -> None:
        """Let all that pytest has written come first."""
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
    """The line below the one that pytest writes on; the cursor stays where pytest left it."""

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
    """Whole lines, for a log. One that pytest has begun ends before them and is begun anew."""

    rewrites = False

    @property
    def width(self) -> int:
        """What COLUMNS says; else more than a line has, as a log has no edge."""
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
        """Leave them."""


def screen_of(reporter: pytest.TerminalReporter) -> Screen | None:
    """Return where a session can show what goes on; None where pytest writes to no descriptor."""
    file = reporter._tw._file
    try:
        return StatusLine(reporter) if is_watched(file) else QuietLines(reporter)
    except (AttributeError, OSError):  # What stands for stdout there has no descriptor.
        return None
