"""Quantities for people: three digits that count, and the unit; and paths."""

from __future__ import annotations

from pathlib import Path

MOST_MARGIN = 1.0
"""An interval that ends further above its time, as a share of that, says as little as none: it is
printed as `>±100%`, and what has it ranks nothing."""


def seconds(value: float) -> str:
    """Return a time of `value` seconds: `12.0 s`, `87.1 ms`, `64.0 µs`."""
    number, unit = value, "s"
    if value < 1:
        number, unit = (value * 1e3, "ms") if value >= 1e-3 else (value * 1e6, "µs")
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{decimals}f} {unit}"


def megabytes(size: int) -> str:
    """Return a size of `size` bytes in MB, which are 1,000,000 bytes: `1,234 MB`."""
    return f"{size / 1e6:,.0f} MB"


def percent(share: float, decimals: int = 0) -> str:
    """Return a share, where 1 is the whole, in percent: `4.2%`."""
    return f"{share:.{decimals}%}"


def margin(share: float) -> str:
    """Return how far a figure may be off, as a share of it: `±4.2%`, or `>±100%`."""
    return f">±{percent(MOST_MARGIN)}" if share > MOST_MARGIN else f"±{percent(share, 1)}"


def times(ratio: float) -> str:
    """Return how many times as long something takes, of a ratio of at least 1: `1.7`, `1.02`."""
    return f"{ratio:,.{2 if ratio < 1.05 else 1 if ratio < 100 else 0}f}"


def rtfx(value: float) -> str:
    """Return seconds of audio transcribed in a second: `12.0`; `0.056` of what is slow."""
    return f"{value:,.{1 if value >= 1 else 2 if value >= 0.1 else 3}f}"


def counted(number: int, what: str) -> str:
    """Return a number of things, of which `what` names one: `1 result`, `2,000 results`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shown_path(path: Path) -> str:
    """Return a path seen from the folder where pytest was started, if it is below; else whole."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
