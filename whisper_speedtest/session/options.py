"""The options of the suite, and how their values are read."""

from __future__ import annotations

import argparse
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.measure.protocol import BUDGETS, MAX_OTHERS, PROCESSES, Rules

if TYPE_CHECKING:
    import pytest

MAX_DOWNLOAD = "4GB"
CHECKS = ("load", "json")
"""What --check-models can be told, either of them or both."""

LAST = Path()
"""What --resume is where it stands alone."""

SHORTEST_LIMIT, LONGEST_LIMIT = 0.001, 1e9
"""Seconds of a time limit. Longer ones than some 30 years, and shorter ones, no timer takes."""

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a user can choose."""
    group = parser.getgroup("whisper-speedtest")
    group.addoption(
        "--device",
        choices=["auto", "gpu", "cpu"],
        default="auto",
        help="what the libraries compute on; auto is the GPU where it works (default: auto)",
    )
    group.addoption(
        "--audio",
        action="append",
        default=[],
        type=parse_path,
        metavar="PATH",
        help="transcribe this file too, or each sound file in this folder; may be given several "
        "times; a text file beside it, of the same name with .txt, is its reference",
    )
    group.addoption(
        "--processes",
        type=parse_count,
        metavar="N",
        help="start so many processes of each case, one after another where memory is short "
        f"(default: {PROCESSES}, fewer where memory is short, 1 of what the device runs slowly)",
    )
    group.addoption(
        "--calls",
        type=parse_count,
        metavar="N",
        help="time so many calls of each process (default: as many as the budget has room for)",
    )
    group.addoption(
        "--budget",
        type=parse_seconds,
        metavar="SECONDS",
        help="seconds that the timed calls of one test may take (default: "
        f"{BUDGETS['gpu']:g} on a GPU, {BUDGETS['cpu']:g} on a CPU)",
    )
    group.addoption(
        "--max-others",
        type=parse_processors,
        default=MAX_OTHERS,
        metavar="PROCESSORS",
        help="CPU time that other processes may take beside a call, in processors, and half of "
        "those that the library leaves free besides; a call beside more is made again, and then "
        f"marked; inf marks none (default: {MAX_OTHERS})",
    )
    group.addoption(
        "--cooldown",
        type=parse_seconds,
        default=0.0,
        metavar="SECONDS",
        help="before each model, wait until the machine computes as fast as at first, but no "
        "longer than this (default: no wait)",
    )
    group.addoption(
        "--private",
        action="store_true",
        help="name the recordings of --audio by their hash, and keep neither names nor transcripts "
        "of them",
    )
    group.addoption(
        "--journal",
        type=parse_path,
        metavar="FILE",
        help="add each result to this file as its test ends, a line of JSON each "
        "(default: a new file in journals/, named by the time)",
    )
    group.addoption(
        "--resume",
        nargs="?",
        const=LAST,
        type=parse_path,
        metavar="FILE",
        help="run what this journal has no passed result of, with the same model, versions, "
        "settings and machine; take the others over from it, and go on with it "
        "(default: --journal, or the one in journals/ that was written last)",
    )
    group.addoption(
        "--check-models",
        nargs="?",
        const=frozenset[str](),
        type=parse_checks,
        metavar="load,json",
        help="run no test; say whether the models that the selection needs are there and right, "
        "without any request; =load: also whether they load; =json: for machines; =load,json: both",
    )
    group.addoption(
        "--prefetch-only",
        action="store_true",
        help="run no test; download and verify the models that the selection needs",
    )
    group.addoption(
        "--lock-models",
        action="store_true",
        help="write what was verified of the selection's models into models.lock: from then on "
        "these commits and bytes are asked for, whatever their repos' main stands for",
    )
    group.addoption(
        "--refresh",
        action="store_true",
        help="ask what each model's main stands for now, and say which has moved since it was "
        "locked or fetched; with --lock-models also take that",
    )
    group.addoption(
        "--offline",
        action="store_true",
        help="make no request; models that are not there are skipped (as with HF_HUB_OFFLINE)",
    )
    group.addoption(
        "--max-download",
        type=parse_size,
        default=MAX_DOWNLOAD,
        metavar="SIZE",
        help="download no more than this, smallest models first; 500MB, 1.5GiB "
        f"(default: {MAX_DOWNLOAD})",
    )


def rules_of(config: pytest.Config) -> Rules:
    """Return how calls are repeated in a session."""
    return Rules(
        processes=config.getoption("processes"),
        calls=config.getoption("calls"),
        budget=config.getoption("budget"),
        max_others=config.getoption("max_others"),
        timeout=_timeout(config),
    )


def why_no_limit(config: pytest.Config) -> str | None:
    """Return what is wrong with the time limits that the user chose, or None: 0 is no limit."""
    for name, value in {
        "--timeout": config.getoption("timeout", None),
        "PYTEST_TIMEOUT": os.environ.get("PYTEST_TIMEOUT"),
        "the setting timeout": config.getini("timeout"),
    }.items():
        if value is None:
            continue
        seconds = _number(str(value))
        if seconds != 0 and not (seconds and SHORTEST_LIMIT <= seconds <= LONGEST_LIMIT):
            return (
                f"{name}: expected seconds from {SHORTEST_LIMIT:g} to {LONGEST_LIMIT:g}, or 0 for "
                f"no limit, got {str(value)!r}; correct it, or leave it out"
            )
    return None


def _timeout(config: pytest.Config) -> float | None:
    """Return the seconds that the user gives each test, by --timeout or PYTEST_TIMEOUT, or None."""
    chosen: float | None = config.getoption("timeout", None)
    variable = os.environ.get("PYTEST_TIMEOUT")
    return float(variable) if chosen is None and variable else chosen


def parse_path(text: str) -> Path:
    """Return a path. An empty one, most likely of an unset variable, is not the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return Path(text)


def parse_count(text: str) -> int:
    """Return a whole number of at least 1, with which times can still be reckoned."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 999999, got {text!r}")
    return int(text)


def parse_seconds(text: str) -> float:
    """Return a number of seconds of more than 0."""
    if (seconds := _number(text)) is None or not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text!r}")
    return seconds


def parse_processors(text: str) -> float | None:
    """Return a number of processors, which may be a part of one; None of "inf": any number."""
    if (processors := _number(text)) is None or not processors >= 0:
        raise argparse.ArgumentTypeError(f"expected processors, at least 0, or inf, got {text!r}")
    return None if math.isinf(processors) else processors


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def parse_size(text: str) -> int:
    """Return a number of bytes: "500MB" and "4GB" are powers of 1000, "1.5GiB" of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if match is None or (match[3] and not match[2]):
        raise argparse.ArgumentTypeError(
            f"expected a size such as 500MB, 4GB or 1.5GiB, got {text!r}"
        )
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2]])


def parse_checks(text: str) -> frozenset[str]:
    """Return what --check-models is told: "load", "json" or both, joined by a comma."""
    checks = frozenset(text.split(","))
    if not checks <= set(CHECKS):
        raise argparse.ArgumentTypeError(
            "expected --check-models, --check-models=load, --check-models=json or "
            f"--check-models=load,json, got {text!r}; a path goes before it"
        )
    return checks
