"""Writes quantities for people to read, with about three digits and their unit, and paths."""

from __future__ import annotations

from pathlib import Path

MOST_MARGIN = 1.0
"""The widest margin that still says something: how far the upper end of an interval lies above the
estimate, as a share of the estimate. A wider one is printed as `>±100%` and ranks nothing, as if
there were no interval."""


def seconds(value: float) -> str:
    """Return a time of `value` seconds, at least 0: `12.0 s`, `87.1 ms`, `64.0 µs`."""
    if value >= 1:
        number, unit = value, "s"
    elif value >= 1e-3:
        number, unit = value * 1e3, "ms"
    else:
        number, unit = value * 1e6, "µs"
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:,.{decimals}f} {unit}"


def megabytes(size: int) -> str:
    """Return a size of `size` bytes in MB of 1,000,000 bytes each: `1,234 MB`."""
    return f"{size / 1e6:,.0f} MB"


def percent(share: float, decimals: int = 0) -> str:
    """Return a share, where 1 is the whole, in percent: `4.2%`."""
    return f"{share:.{decimals}%}"


def margin(share: float) -> str:
    """Return how far a figure may be off, in percent: `±4.2%`, or `>±100%` over MOST_MARGIN.

    `share` is the margin as a share of the figure, at least 0.
    """
    return f">±{percent(MOST_MARGIN)}" if share > MOST_MARGIN else f"±{percent(share, 1)}"


def times(ratio: float) -> str:
    """Return a ratio, at least 1, of how long two things take: `1.02`, `1.7`, `120`."""
    decimals = 2 if ratio < 1.05 else 1 if ratio < 100 else 0
    return f"{ratio:,.{decimals}f}"


def rtfx(value: float) -> str:
    """Return an RTFx, the seconds of audio transcribed in a second: `12.0`, `0.25`, `0.056`."""
    decimals = 1 if value >= 1 else 2 if value >= 0.1 else 3
    return f"{value:,.{decimals}f}"


def counted(number: int, what: str) -> str:
    """Return a number of things, where `what` names one of them: `1 result`, `2,000 results`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shown_path(path: Path) -> str:
    """Return a path relative to the current folder if it lies in there, else an absolute path."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
