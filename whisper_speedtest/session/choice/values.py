"""Parses the values of options; each function raises an error that says what was expected."""

from __future__ import annotations

import argparse
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from whisper_speedtest.speech.languages import parse_language

CHECKS = ("load", "json")
"""The values of --check-models, which can be combined."""

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts that a selection is split into."""

    number: int
    """Counted from 1."""

    count: int

    def __str__(self) -> str:
        """Return the part as --shard takes it."""
        return f"{self.number}/{self.count}"

    def has(self, case: str) -> bool:
        """Tell whether a case is in this part; only its name and the number of parts decide."""
        digest = hashlib.sha256(case.encode()).digest()
        return int.from_bytes(digest) % self.count == self.number - 1


def parse_code(text: str) -> str:
    """Return the code of a language."""
    try:
        return parse_language(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_text(text: str) -> str:
    """Return a text that is not empty; an empty one most likely comes from an unset variable."""
    if not text:
        raise argparse.ArgumentTypeError("expected a value, got ''")
    return text


def parse_path(text: str) -> Path:
    """Return a path, with `~` expanded to the user's home, as no shell does in --audio=~/x.

    An empty text, most likely from an unset variable, is an error and not the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(
            f"expected `~` to name a home folder, got {text!r}: {error}"
        ) from error


def parse_count(text: str) -> int:
    """Return a whole number of at least 1, small enough to compute times with."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 999999, got {text!r}")
    return int(text)


def parse_shard(text: str) -> Shard:
    """Return a part of a selection: "2/5" is the second of five parts."""
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    part, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= count:
        raise argparse.ArgumentTypeError(
            f"expected K/N with K from 1 to N, as 2/5 for the second of five parts, got {text!r}"
        )
    return Shard(part, count)


def parse_seconds(text: str) -> float:
    """Return a number of seconds greater than 0."""
    if (seconds := number(text)) is None or not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text!r}")
    return seconds


def parse_pause(text: str) -> float:
    """Return a number of seconds, which may be 0."""
    if (seconds := number(text)) is None or not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, at least 0, got {text!r}")
    return seconds


def parse_minutes(text: str) -> float:
    """Return a number of minutes greater than 0."""
    if (minutes := number(text)) is None or not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"expected minutes, more than 0, got {text!r}")
    return minutes


def parse_share(text: str) -> float:
    """Return a percentage as a share: 0.05 for "5%" and for "5".

    A number below 1 needs its percent sign, as 0.05 might mean 5 % or 0.05 %.
    """
    percent = number(text.removesuffix("%"))
    if percent is None or not 0 <= percent < math.inf:
        raise argparse.ArgumentTypeError(f"expected a percentage such as 5%, got {text!r}")
    if 0 < percent < 1 and not text.endswith("%"):
        raise argparse.ArgumentTypeError(
            f"expected a percentage such as 5%, got {text!r}; write {percent * 100:g}% or {text}%"
        )
    return percent / 100


def parse_processors(text: str) -> float | None:
    """Return a number of processors, which may be a fraction; None for "inf", any number."""
    if (processors := number(text)) is None or not processors >= 0:
        raise argparse.ArgumentTypeError(f"expected processors, at least 0, or inf, got {text!r}")
    return None if math.isinf(processors) else processors


def number(text: str) -> float | None:
    """Return a text as a number, which may be infinite or NaN; None if it is no number."""
    try:
        return float(text)
    except ValueError:
        return None


def parse_size(text: str) -> int:
    """Return a number of bytes: "500MB" and "4GB" are powers of 1000, "1.5GiB" of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)|0", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(
            f"expected a size such as 500MB, 4GB or 1.5GiB, got {text!r}"
        )
    return int(float(match[1] or 0) * (1024 if match[3] else 1000) ** _POWERS[match[2] or ""])


def parse_checks(text: str) -> frozenset[str]:
    """Return the values of --check-models: "load", "json" or both, joined by a comma."""
    checks = frozenset(text.split(","))
    if not checks <= set(CHECKS):
        raise argparse.ArgumentTypeError(
            "expected --check-models, --check-models=load, --check-models=json or "
            f"--check-models=load,json, got {text!r}; a path goes before it"
        )
    return checks
