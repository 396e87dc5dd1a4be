"""How wide is what the suite writes: what COLUMNS says, else the terminal, else no edge at all."""

from __future__ import annotations

import io
from typing import Any

import pytest
from _pytest._io import TerminalWriter

from tests.helpers.terminal import Terminal
from whisper_speedtest.session.terminal.width import (
    columns_variable,
    edge_of,
    folded,
    tell,
    width_of,
)


def writer(*, tty: bool, columns: int = 80) -> TerminalWriter:
    """Return what writes to a terminal of so many columns, or to a file."""
    out = TerminalWriter(Terminal(tty=tty))
    out.fullwidth = columns
    return out


@pytest.mark.parametrize(
    ("columns", "filled"), [(30, 40), (39, 40), (40, 40), (60, 60), (132, 132)]
)
@pytest.mark.parametrize("by", ["COLUMNS", "terminal", "COLUMNS on a terminal"])
def test_columns_are_filled_and_no_fewer_than_tables_need(
    monkeypatch: pytest.MonkeyPatch, columns: int, filled: int, by: str
) -> None:
    """Text has the width that COLUMNS says, or else the terminal, and at least 40 columns."""
    if by == "terminal":
        monkeypatch.delenv("COLUMNS", raising=False)
        out = writer(tty=True, columns=columns)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = writer(tty=by != "COLUMNS", columns=99)

    assert edge_of(out) == filled
    assert width_of(out) == filled


@pytest.mark.parametrize("columns", [None, "", "0", "-1", "many"])
def test_log_has_no_edge_and_a_table_in_it_120_columns(
    monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    """Without COLUMNS, a line in a log may have any length, and a table has 120 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    out = writer(tty=False)

    assert columns_variable() is None
    assert edge_of(out) is None
    assert width_of(out) == 120


WORDS = " ".join(["word"] * 12)


@pytest.mark.parametrize(
    ("label", "indent"),
    [
        ("failed:   ", 10),
        ("models: ", 8),
        ("left out: ", 10),
        ("  left out   ", 13),
        ("  fetch      ", 13),
        ("          ", 10),
        ("  ", 2),
        ("", 0),
    ],
)
def test_long_line_goes_on_under_its_own_words(label: str, indent: int) -> None:
    """A long line goes on under its own words, behind the label that it begins with."""
    first, *others = folded(label + WORDS, 40)

    assert first.startswith(f"{label}word")
    assert others
    assert all(line.startswith(f"{' ' * indent}word") for line in others)
    assert max(map(len, (first, *others))) <= 40
    assert " ".join(line.strip() for line in (first, *others)) == (label + WORDS).strip()


def test_line_is_broken_only_where_it_is_too_long_and_at_spaces() -> None:
    """A line is broken only if it is too long, and only at spaces; in a log it is not broken."""
    repo = "org/whisper-large-v3-turbo-of-a-very-long-name"
    fits = "x" * 19 + " " + "y" * 20

    assert folded(fits, 40) == [fits]
    assert folded(f"{fits}z", 40) == ["x" * 19, "y" * 20 + "z"]
    assert folded(f"failed:   {repo} gone", 40) == [f"failed:   {repo}", "          gone"]
    assert folded(f"failed:   {WORDS}", None) == [f"failed:   {WORDS}"]
    assert folded("", 40) == [""]


def test_text_of_several_lines_keeps_them() -> None:
    """Text of several lines keeps them, and each goes on under its own words."""
    text = f"failed:   wrong:\n  {WORDS}\n\n  end"

    first, *lists, empty, last = folded(text, 40)

    assert (first, empty, last) == ("failed:   wrong:", "", "  end")
    assert len(lists) == 2
    assert all(line.startswith("  word") for line in lists)
    assert folded(text, None) == [text]


def test_text_is_written_in_lines_that_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of a broken text has the colour of the whole."""
    monkeypatch.setenv("COLUMNS", "40")
    file = io.StringIO()
    out: Any = TerminalWriter(file)
    out.hasmarkup = True

    tell(out, f"failed:   {WORDS}", red=True)

    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("\x1b[31m") and line.endswith("\x1b[0m") for line in lines)
