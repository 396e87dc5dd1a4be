"""Formats numbers of bytes, and texts from elsewhere, for messages."""

from __future__ import annotations

import math


def human(size: int) -> str:
    """Return a number of bytes for people: "1.5 GB", where 1 GB is 1000³ bytes."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 1000**power:
            return f"{size / 1000**power:.1f} {unit}"
    return f"{size} bytes"


def flag(size: int) -> str:
    """Return a number of bytes as an option takes it, rounded up: "1.6GB"."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        if size >= 1000**power:
            return f"{math.ceil(size / 1000**power * 10) / 10:.1f}{unit}"
    return f"{math.ceil(size / 1000)}kB"


def printable(text: str) -> str:
    """Return a text with a question mark for each character that is not printable."""
    return "".join(each if each.isprintable() else "?" for each in text)


def short(text: str, most: int = 200) -> str:
    """Return a text from elsewhere as messages quote it: on one line, at most `most` characters.

    Characters that are not printable become question marks.
    """
    line = printable(" ".join(text[: 4 * most].split()))
    return line if len(line) <= most else f"{line[:most]}…"
