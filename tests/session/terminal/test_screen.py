"""What is shown leaves whole what pytest has written, on a terminal and in a log."""

from __future__ import annotations

import io
import os
import pty
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from termios import TIOCSWINSZ
from types import SimpleNamespace
from typing import TYPE_CHECKING, TextIO, cast

import pytest
from _pytest._io import TerminalWriter

from tests.helpers.terminal import Screen as Emulated
from tests.helpers.terminal import Terminal
from whisper_speedtest.session.terminal.screen import QuietLines, StatusLine, is_watched, screen_of

if TYPE_CHECKING:
    from whisper_speedtest.session.terminal.screen import Screen

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("tty", "environment", "watched"),
    [
        (True, XTERM, True),
        (True, {"TERM": "screen", "NO_COLOR": "1"}, True),
        (True, {"TERM": "xterm", "CI": ""}, True),
        (False, XTERM, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "DUMB"}, False),
        (True, {"TERM": "unknown"}, False),
        (True, {"TERM": ""}, False),
        (True, {}, False),
    ],
)
def test_line_moves_for_a_person_at_a_terminal_that_can(
    tty: bool, environment: dict[str, str], watched: bool
) -> None:
    """The status line is for a terminal whose cursor can be moved, and not for CI or a file."""
    assert is_watched(Terminal(tty=tty), environment) is watched


class Reporter(SimpleNamespace):
    """As much of pytest's reporter as is dealt with: its writer, and what line it is in."""

    currentfspath: str | None = "benchmarks/test_start.py"

    def __init__(self, file: TextIO) -> None:
        super().__init__(_tw=TerminalWriter(file))
        self.writer = self._tw

    @property
    def real(self) -> pytest.TerminalReporter:
        """Return this double as the reporter that a type asks for."""
        return cast("pytest.TerminalReporter", self)


@contextmanager
def on_terminal(columns: int = 40) -> Iterator[tuple[Reporter, StatusLine, Emulated]]:
    """Give a reporter and a status line on a real terminal, and what reads it."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 5, columns, 0, 0))
    with os.fdopen(theirs, "w") as file:
        reporter = Reporter(file)
        line = StatusLine(reporter.real)
        emulated = _Read(ours, columns)
        yield reporter, line, emulated
        line.close()
    os.close(ours)


class _Read(Emulated):
    """Reads what was written to a terminal by now, whenever it is looked at."""

    def __init__(self, descriptor: int, columns: int) -> None:
        super().__init__(columns, rows=5)
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    @property
    def lines(self) -> list[str]:
        """The lines that are on the screen by now."""
        try:
            while True:
                self.feed(os.read(self._descriptor, 65536).decode())
        except BlockingIOError:
            return super().lines


def test_line_stands_below_and_is_rewritten_in_place() -> None:
    """The status line stands below pytest's own, is rewritten in place, and leaves no trace."""
    with on_terminal() as (reporter, line, terminal):
        reporter.writer.write("test_start.py ..", flush=True)

        line.show("a long line")
        assert terminal.lines == ["test_start.py ..", "a long line"]
        line.show("brief")
        assert terminal.lines == ["test_start.py ..", "brief"]
        assert terminal.cursor == (0, 16)
        line.clear()
        reporter.writer.write(".", flush=True)

        assert terminal.lines == ["test_start.py ..."]
        assert terminal.cursor_shown


def test_line_at_the_bottom_of_the_screen_scrolls_once() -> None:
    """The status line at the bottom of the screen scrolls it once, and nothing above is lost."""
    before = [f"line {number}" for number in range(9)]
    with on_terminal() as (reporter, line, terminal):
        reporter.writer.write("\n".join([*before, "dots .."]), flush=True)

        for text in ("one", "two", "three"):
            line.show(text)
            assert terminal.lines == [*before, "dots ..", text]
        line.clear()
        reporter.writer.write(".\nnext", flush=True)

        assert terminal.lines == [*before, "dots ...", "next"]


@pytest.mark.parametrize("length", [0, 1, 39, 40, 41, 79, 80, 81])
def test_line_that_is_wrapped_goes_on_where_it_was(length: int) -> None:
    """After the status line, pytest goes on where it was, even in a line that is wrapped."""
    begun = ("0123456789" * 9)[:length]
    with on_terminal() as (reporter, line, terminal):
        reporter.writer.write(begun, flush=True)
        assert terminal.lines == [begun[at : at + 40] for at in range(0, length, 40)]

        for text in ("one", "two"):
            line.show(text)
            assert terminal.lines[-1] == text
        line.clear()
        reporter.writer.write("PASSED", flush=True)

        whole = begun + "PASSED"
        assert terminal.lines == [whole[at : at + 40] for at in range(0, len(whole), 40)]


@pytest.mark.parametrize(
    ("columns", "width"), [(None, 16), ("80", 16), ("17", 16), ("16", 15), ("12", 11), ("x", 16)]
)
def test_line_is_one_column_shorter_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    """The status line is a column shorter than the terminal, or than COLUMNS if that is fewer."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    with on_terminal(17) as (reporter, line, _):
        reporter.writer.fullwidth = 80

        assert line.width == width


def test_terminal_that_tells_no_width_has_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal that does not tell its width, the status line has 79 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with on_terminal(0) as (_, line, _):
        assert line.width == 79


@contextmanager
def in_pipe() -> Iterator[tuple[Reporter, QuietLines, io.TextIOWrapper]]:
    """Give a reporter and quiet lines in a pipe, and its other end."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w") as file, os.fdopen(ours) as read:
        reporter = Reporter(file)
        lines = QuietLines(reporter.real)
        yield reporter, lines, read
        lines.close()


def test_log_has_whole_lines_and_no_escape_sequence() -> None:
    """A log has whole lines without escape sequences: a line of pytest is ended before one."""
    with in_pipe() as (reporter, lines, read):
        reporter.writer.write("test_start.py ..", flush=True)

        lines.show("toy, 10 s")
        lines.show("toy, 19 s")
        lines.clear()

        assert reporter.currentfspath is None
        assert reporter.writer.width_of_current_line == 0
        assert read.read() == "test_start.py ..\ntoy, 10 s\ntoy, 19 s\n"


@pytest.mark.parametrize(("columns", "width"), [(None, 500), ("90", 90)])
def test_line_of_a_log_is_as_long_as_it_is(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    """The display's line in a log may have as many columns as COLUMNS says, or else 500."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    with in_pipe() as (_, lines, _):
        assert lines.width == width


def test_log_has_no_blank_line_where_pytest_has_begun_none() -> None:
    """The display adds no blank line to a log if pytest has begun no line."""
    with in_pipe() as (reporter, lines, read):
        reporter.writer.line("collected 3 items")
        lines.begin()

        lines.show("toy, 10 s")

        assert read.read() == "collected 3 items\ntoy, 10 s\n"


def test_what_is_shown_does_not_go_where_tests_print() -> None:
    """What the display writes is not captured by pytest as the output of a test."""
    with in_pipe() as (reporter, lines, read):
        descriptor = reporter.writer._file.fileno()
        kept = os.dup(descriptor)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)

        lines.show("toy, 10 s")

        os.dup2(kept, descriptor)
        for each in (kept, nowhere):
            os.close(each)
        assert read.read() == "toy, 10 s\n"


def test_characters_that_the_output_cannot_have_end_nothing() -> None:
    """A character that the output's encoding lacks is replaced by a plain one, without an error."""
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", encoding="ascii") as file, os.fdopen(ours, "rb") as read:
        lines = QuietLines(Reporter(file).real)

        lines.show("toy[…]")
        lines.close()
        file.close()

        assert read.read() == b"toy[...]\n"


def test_reader_that_has_gone_ends_nothing() -> None:
    """A pipe whose reader has gone raises no error as a line is shown."""
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as file:
        lines = QuietLines(Reporter(file).real)
        os.close(ours)

        lines.show("toy, 10 s")
        lines.close()


@pytest.mark.parametrize("file", [io.StringIO(), SimpleNamespace(write=print, isatty=bool)])
def test_nothing_is_shown_without_a_descriptor(file: TextIO) -> None:
    """The display shows nothing if pytest's output is no file with a descriptor."""
    assert screen_of(Reporter(file).real) is None


@pytest.mark.parametrize(("term", "kind"), [("xterm", StatusLine), ("dumb", QuietLines)])
def test_screen_is_chosen_by_the_file_of_the_reporter(
    monkeypatch: pytest.MonkeyPatch, term: str, kind: type
) -> None:
    """A terminal that can move its cursor has a status line, and one that cannot has a log."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("CI", raising=False)
    with on_terminal() as (reporter, _, _):
        screen: Screen | None = screen_of(reporter.real)

        assert type(screen) is kind
        assert screen is not None
        assert screen.rewrites is (kind is StatusLine)
        screen.close()
