"""What is printed where an encoding has no other characters than plain ones."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.helpers.project import ROOT
from whisper_speedtest.session.terminal.plain import INSTEAD, PLAIN, in_columns, make_plain
from whisper_speedtest.session.terminal.screen import StatusLine

if TYPE_CHECKING:
    from pathlib import Path

SPOKEN = "speech"
"""The room whose texts are those of languages, which nobody prints."""


def test_plain_characters_stand_for_those_of_the_suite() -> None:
    """Characters of the suite that an encoding lacks have plain ones, and others their numbers."""
    text = "a×b ±2% ≈ 3 µs → “x”… é ♪ \ud800"

    assert text.encode("ascii", PLAIN) == b'axb +-2% ~ 3 us -> "x"... \\xe9 \\u266a \\ud800'
    assert text.encode("latin-1", PLAIN).decode("latin-1") == (
        'a×b ±2% ~ 3 µs -> "x"... é \\u266a \\ud800'
    )
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", PLAIN)


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", b"+-"), ("utf-8", "±".encode())])
def test_file_is_written_to_in_plain_characters_where_it_has_no_others(
    encoding: str, expected: bytes
) -> None:
    """A file is written in plain characters if its encoding has no others."""
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding=encoding, errors="surrogateescape")

    make_plain(file)
    make_plain(io.StringIO())  # it has no encoding, and is left alone
    file.write("±\udcff")
    file.flush()

    rest = b"\\udcff" if encoding == "ascii" else b"\xff"
    assert written.getvalue() == expected + rest


def test_columns_stay_where_they_are() -> None:
    """The columns of a table stay where they are if plain characters are longer."""
    for line in ("a  ±2.6% (3×10)  b", "a  >±100% (3×10)  b", "a  1.0 s  b"):
        plain = in_columns(line, "ascii").encode("ascii", PLAIN).decode()
        assert (len(plain), plain.index("b")) == (len(line), line.index("b")), plain
        assert in_columns(line, "utf-8") == line


class _Reporter:
    """As much of pytest's reporter as is asked: that no line is begun."""

    _tw = SimpleNamespace(width_of_current_line=0)


def test_line_that_is_rewritten_is_no_longer_for_its_plain_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status line is cut if its plain characters make it longer than the terminal."""
    written: list[str] = []
    line = object.__new__(StatusLine)
    line._encoding = "ascii"
    monkeypatch.setattr(StatusLine, "width", 8)
    monkeypatch.setattr(StatusLine, "_columns", lambda _: 9)
    line._reporter = cast("pytest.TerminalReporter", _Reporter())
    monkeypatch.setattr(line, "_write", written.append)

    line.show("abcdefg…")

    assert "abcdefg.\x1b8" in written[0]


def characters(path: Path) -> set[str]:
    """Return the characters of a file that are not plain."""
    return {each for each in path.read_text(encoding="utf-8") if not each.isascii()}


def test_each_character_of_the_suite_has_a_plain_one() -> None:
    """Each character in the code of the suite has a plain one."""
    files = [*ROOT.glob("whisper_speedtest/**/*.py"), *ROOT.glob("adapters/*.py")]
    without = {
        str(path.relative_to(ROOT)): sorted(lacking)
        for path in files
        if path.parent.name != SPOKEN and (lacking := characters(path) - INSTEAD.keys())
    }

    assert without == {}
    assert all(each.isascii() for each in INSTEAD.values())
