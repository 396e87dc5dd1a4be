"""A terminal without a window: what a program writes to it, when, and what then is on the screen.

It knows the escape sequences that the suite and pytest use, and no others: an unknown one raises.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

SEQUENCE = re.compile(r"\x1b(?:\[(\??\d*)([A-Za-z])|([78D]))")


class Screen:
    """The characters of a terminal, and its cursor; lines that scroll off are kept."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self._rows = columns, rows
        self._lines = [[" "] * columns]
        self._row = self._column = self._top = 0
        self._saved = (0, 0)
        self.cursor_shown = True

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        place = 0
        while place < len(text):
            if text[place] == "\x1b":
                match = SEQUENCE.match(text, place)
                assert match, f"unknown escape sequence: {text[place : place + 12]!r}"
                self._obey(match[3] or match[2], match[1] or "")
                place = match.end()
            else:
                self._print(text[place])
                place += 1

    @property
    def lines(self) -> list[str]:
        """What is there, without the blank lines at the end."""
        lines = ["".join(line).rstrip() for line in self._lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        """Line, among all, and column, from 0; the column after the last one waits to wrap."""
        return self._row, self._column

    def _print(self, character: str) -> None:
        if character == "\n":
            self._down()
        elif character == "\r":
            self._column = 0
        else:
            assert character.isprintable(), f"unknown control character: {character!r}"
            if self._column == self.columns:
                self._column = 0
                self._down()
            self._lines[self._row][self._column] = character
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        while len(self._lines) <= self._row:
            self._lines.append([" "] * self.columns)
        self._top = max(self._top, self._row - self._rows + 1)

    def _obey(self, command: str, argument: str) -> None:
        last = min(self._column, self.columns - 1)
        match command:
            case "m":
                return
            case "A":
                self._row, self._column = max(self._top, self._row - int(argument or 1)), last
            case "D" if not argument:
                self._down()
                self._column = last
            case "7":
                self._saved = self._row - self._top, self._column
            case "8":
                row, self._column = self._saved
                self._row = self._top + row
            case "K":
                begin = 0 if argument == "2" else last
                assert argument in {"", "0", "2"}, f"unknown: erase in line {argument!r}"
                self._lines[self._row][begin:] = [" "] * (self.columns - begin)
            case "J":
                assert argument in {"", "0"}, f"unknown: erase in display {argument!r}"
                self._lines[self._row][last:] = [" "] * (self.columns - last)
                for line in self._lines[self._row + 1 :]:
                    line[:] = [" "] * self.columns
            case "l" | "h" if argument == "?25":
                self.cursor_shown = command == "h"
            case _:
                raise AssertionError(f"unknown escape sequence: {argument}{command}")


class Recording:
    """A program that runs on a terminal, or with its output in a pipe, and what it has written."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: dict[str, str],
        columns: int = 80,
        *,
        terminal: bool = True,
    ) -> None:
        """Start it, on a terminal with so many columns."""
        self.pieces: list[tuple[float, str]] = []
        """When each piece of output came, by `time.monotonic`."""

        self.columns = columns
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._ours = ours
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def finish(self) -> int:
        """Wait for the end, and return the exit status."""
        status = self.process.wait(timeout=200)
        self._reader.join()
        os.close(self._ours)
        return status

    @property
    def text(self) -> str:
        """All that was written until now."""
        return "".join(piece for _, piece in list(self.pieces))

    @property
    def screen(self) -> Screen:
        """What is on the screen now."""
        screen = Screen(self.columns)
        screen.feed(self.text)
        return screen

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # The other end of a terminal is closed.
                return
            if not data:
                return
            self.pieces.append((time.monotonic(), data.decode("utf-8", "replace")))


class Terminal(io.StringIO):
    """A terminal, or not."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty
