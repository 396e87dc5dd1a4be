"""Plain characters for a terminal or file whose encoding has no others, as with LC_ALL=C.

Python asks an error handler what to write in place of a character that an encoding cannot hold. The
one here answers for all that is printed: table, notes, progress, and what pytest says of failures.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TextIO

PLAIN = "whisper-speedtest-plain"
"""The name of the error handler."""

INSTEAD = {
    "─": "-",
    "–": "-",
    "×": "x",
    "±": "+-",
    "≈": "~",
    "→": "->",
    "…": "...",
    "µ": "u",
    "³": "^3",
    "’": "'",
    "“": '"',
    "”": '"',
}
"""A character that the suite writes → what stands for it."""

_TABLE = str.maketrans(INSTEAD)


def replaced(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters of ours, and a backslash and a number for the user's."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    ours = error.object[error.start : error.end].translate(_TABLE)
    return ours.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(PLAIN, replaced)


def can_hold(text: str, encoding: str) -> bool:
    """Tell whether an encoding has each character of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def in_columns(line: str, encoding: str) -> str:
    """Return a line of a table whose columns stay where they are with what stands for `±`.

    That is one character longer, and takes a space of the gap before its column.
    """
    if can_hold("±", encoding):
        return line
    return line.replace(" ±", INSTEAD["±"]).replace(" >±", f">{INSTEAD['±']}")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, object, object]:
    """Let what is printed from now on be plain where it must be."""
    for file in (sys.stdout, sys.stderr):
        make_plain(file)
    return (yield)


def make_plain(file: TextIO) -> None:
    """Let a file whose encoding has not all characters of ours write plain ones."""
    if isinstance(file, io.TextIOWrapper) and not can_hold("".join(INSTEAD), file.encoding):
        file.reconfigure(errors=PLAIN)
