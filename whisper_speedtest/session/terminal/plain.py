"""Replaces special characters in output whose encoding lacks them, as with LC_ALL=C.

Python calls an error handler for a character that an encoding lacks. The handler here is used for
everything that is printed: table, notes, progress, and pytest's own output.
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
"""Special character that the suite writes → its replacement."""

_TABLE = str.maketrans(INSTEAD)


def replaced(error: UnicodeError) -> tuple[str, int]:
    """Return the replacements of our characters; others get a backslash and their number."""
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
    """Return a line of a table whose columns stay aligned if `±` is replaced.

    The replacement is one character longer, so it takes a space of the gap before its column.
    """
    if can_hold("±", encoding):
        return line
    return line.replace(" ±", INSTEAD["±"]).replace(" >±", f">{INSTEAD['±']}")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, object, object]:
    """Replace special characters in stdout and stderr from now on, if their encoding lacks them."""
    for file in (sys.stdout, sys.stderr):
        make_plain(file)
    return (yield)


def make_plain(file: TextIO) -> None:
    """Make a file replace special characters if its encoding lacks any of ours."""
    if isinstance(file, io.TextIOWrapper) and not can_hold("".join(INSTEAD), file.encoding):
        file.reconfigure(errors=PLAIN)
