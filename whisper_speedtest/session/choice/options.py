"""Defines the options of the suite, and what they mean together; `values` parses their values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.measure.protocol import (
    BUDGETS,
    CALLS_ON_CPU,
    LOOKS,
    MAX_OTHERS,
    MINUTES,
    MOST_CALLS,
    PAUSES,
    PROCESSES,
    Rules,
)
from whisper_speedtest.session.choice.unknown_options import name_nearest
from whisper_speedtest.session.choice.values import (
    number,
    parse_checks,
    parse_code,
    parse_count,
    parse_minutes,
    parse_path,
    parse_pause,
    parse_processors,
    parse_seconds,
    parse_shard,
    parse_share,
    parse_size,
    parse_text,
)
from whisper_speedtest.speech.languages import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

MAX_DOWNLOAD = "4GB"
"""How much a session may download by default."""

BY_DEFAULT = "fp16 of micro, tiny, base and small"
"""The models of the default selection in words; `defaults.is_default` decides which they are."""

UNDECIDED = 6
"""The exit status of a session with --fail-slower in which a comparison is undecided."""

LAST_JOURNAL = Path()
"""The value of --resume without a path; compared by identity, as --resume=. gives an equal path."""

USUAL = {"--device": "auto", "--max-others": MAX_OTHERS}
"""The defaults of some options."""

NOT_GIVEN: tuple[object, ...] = (None, False, [], "")
"""The values that other options may have if the user does not give them."""

SHORTEST_LIMIT, LONGEST_LIMIT = 0.001, 1e9
"""The range of time limits, in seconds, that timers take; the longest is some 30 years."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    name_nearest(parser)
    group = parser.getgroup("whisper-speedtest")
    group.addoption(
        "--device",
        choices=["auto", "gpu", "cpu"],
        default=USUAL["--device"],
        help="what the libraries compute on; auto: the GPU where it works, else the CPU (default: "
        "auto)",
    )
    group.addoption(
        "--audio",
        action="append",
        default=[],
        type=parse_path,
        metavar="PATH",
        help="also transcribe this file, or each sound file in this folder; may be given several "
        "times; a text file beside it, of the same name with .txt, is its reference",
    )
    group.addoption(
        "--corpus",
        action="append",
        default=[],
        type=parse_path,
        metavar="DIR",
        help="transcribe each recording in this folder once, and score them together; may be given "
        "several times; it holds manifest.jsonl, .tsv or .csv (audio, text), LibriSpeech's files, "
        "or sound files with texts beside them",
    )
    group.addoption(
        "--language",
        type=parse_code,
        metavar="CODE",
        help="what is spoken in the recordings of --audio and --corpus, as de; if it is not "
        f"English, the project's own clips are left out (default: {ENGLISH}, or what a manifest "
        "says)",
    )
    group.addoption(
        "--processes",
        type=parse_count,
        metavar="N",
        help="start this many processes of each case, one after another where memory is short "
        f"(default: {PROCESSES}, or as many as fit into memory; 1 of variants that the device runs "
        "many times slower)",
    )
    group.addoption(
        "--calls",
        type=parse_count,
        metavar="N",
        help="time this many calls of each process (default: as many as the budget has room for, "
        f"{MOST_CALLS} at most)",
    )
    group.addoption(
        "--budget",
        type=parse_seconds,
        metavar="SECONDS",
        help="seconds that the timed calls of one test may take (default: "
        f"{BUDGETS['gpu']:g}; on a CPU, up to {CALLS_ON_CPU} calls of each process may take "
        f"{BUDGETS['cpu']:g})",
    )
    group.addoption(
        "--pause",
        type=parse_pause,
        metavar="SECONDS",
        help="also measure how long a call takes after this many seconds in which the case's "
        f"processes compute nothing; 0: do not (default: {PAUSES['gpu']:g} on a GPU, not on a CPU)",
    )
    group.addoption(
        "--cold-files",
        action="store_true",
        help="also measure how long a cold start takes while the system's memory holds none of "
        "the model's files; on Linux",
    )
    group.addoption(
        "--max-others",
        type=parse_processors,
        default=USUAL["--max-others"],
        metavar="PROCESSORS",
        help="how many processors other processes may take beside a call, plus half of those that "
        "the library leaves free; beside more, a call is made again, and then marked; inf marks "
        f"none (default: {MAX_OTHERS})",
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
        help="name the recordings of --audio and --corpus by their hash, and keep neither names "
        "nor transcripts of them",
    )
    group.addoption(
        "--journal",
        type=parse_path,
        metavar="FILE",
        help="add each result to this file as its test ends, as a line of JSON "
        "(default: a new file in journals/, named by the time)",
    )
    group.addoption(
        "--resume",
        nargs="?",
        const=LAST_JOURNAL,
        type=parse_path,
        metavar="FILE",
        help="take over from this journal each result that passed with the same model, versions, "
        "settings and machine; run the other tests, and add their results to it "
        "(default: --journal, or the one in journals/ that was written last)",
    )
    group.addoption(
        "--report",
        type=parse_path,
        metavar="DIR",
        help="write a report of the results to this folder: a page, Markdown, CSV and JSON Lines; "
        "other files in it stay",
    )
    group.addoption(
        "--from",
        dest="from_journals",
        nargs="+",
        action="extend",
        default=[],
        type=parse_text,
        metavar="FILE",
        help="run no test; make the report of --report=DIR from these journals, folders of them "
        "(*.jsonl), or patterns in quotes; may be given several times",
    )
    group.addoption(
        "--shard",
        type=parse_shard,
        metavar="K/N",
        help="run only the Kth of N parts of the selection, which is split by case; a case is "
        "always in the same part, whatever else is selected",
    )
    group.addoption(
        "--head-to-head",
        action="store_true",
        help="let each case take turns with that of --baseline, and say which is slower; of the "
        "clips only short is compared, unless -k or an id names a clip or --audio is given",
    )
    group.addoption(
        "--baseline",
        type=parse_text,
        metavar="CASE",
        help="the other side of --head-to-head, by its name in ids, as "
        "lightning-whisper-mlx-medium-fp16; or the journal of an earlier run: --fail-slower then "
        "only warns of what is slower than in it",
    )
    group.addoption(
        "--against",
        type=parse_text,
        metavar="DIR[:PYTHON]",
        help="as --head-to-head, but the other side is the same case in another checkout of this "
        "suite, run by another interpreter, which may have other versions of the library (default: "
        "this one)",
    )
    group.addoption(
        "--fail-slower",
        type=parse_share,
        metavar="PERCENT",
        help="how much slower than the other side a case may be, as 5%%; the exit status is 1 if "
        f"one is slower than that, {UNDECIDED} if none surely is but of some nobody can tell",
    )
    group.addoption(
        "--minutes",
        type=parse_minutes,
        metavar="MINUTES",
        help="how long each comparison with another side may take; it fails where its first "
        f"{LOOKS[0]} blocks of turns plainly do not fit (default: {MINUTES:g})",
    )
    group.addoption(
        "--check-models",
        nargs="?",
        const=frozenset[str](),
        type=parse_checks,
        metavar="load,json",
        help="run no test; say, without any request, whether the models that the selection needs "
        "are there and right; =load: also whether they load; =json: for machines; =load,json: both",
    )
    group.addoption(
        "--prefetch-only",
        action="store_true",
        help="run no test; download and verify the models that the selection needs",
    )
    group.addoption(
        "--lock-models",
        action="store_true",
        help="write the commits and bytes of the selection's models that were verified into "
        "models.lock; from then on only these are taken, whatever their repos' main stands for",
    )
    group.addoption(
        "--refresh",
        action="store_true",
        help="say which repos' main has moved since they were locked or fetched; with "
        "--lock-models also take what it stands for now",
    )
    group.addoption(
        "--offline",
        action="store_true",
        help="make no request; models that are not there are skipped (as with HF_HUB_OFFLINE)",
    )
    group.addoption(
        "--max-download",
        type=parse_size,
        metavar="SIZE",
        help="download no more than this, smallest models first, as 500MB or 1.5GiB (default: "
        f"{MAX_DOWNLOAD}); without this, -k, -m, a test's id or --last-failed, a session has "
        f"{BY_DEFAULT} alone",
    )


def max_download(config: pytest.Config) -> int:
    """Return how many bytes a session may download."""
    chosen: int | None = config.getoption("max_download")
    return parse_size(MAX_DOWNLOAD) if chosen is None else chosen


def is_head_to_head(config: pytest.Config) -> bool:
    """Tell whether each case takes turns with another side."""
    return bool(config.getoption("head_to_head") or config.getoption("against"))


def minutes_of(config: pytest.Config) -> float:
    """Return how many minutes each comparison with another side may take."""
    chosen: float | None = config.getoption("minutes")
    return MINUTES if chosen is None else chosen


def given(config: pytest.Config, options: Iterable[str]) -> list[str]:
    """Return those of some options that the user has given with another value than the default.

    A value of 0, as in --pause=0, counts as not given, since it equals False.
    """
    found = []
    for option in options:
        not_given = (USUAL[option],) if option in USUAL else NOT_GIVEN
        if config.getoption(option) not in not_given:
            found.append(option)
    return found


def rules_of(config: pytest.Config) -> Rules:
    """Return the rules of a session for processes, calls and limits."""
    return Rules(
        processes=config.getoption("processes"),
        calls=config.getoption("calls"),
        budget=config.getoption("budget"),
        pause=config.getoption("pause"),
        max_others=config.getoption("max_others"),
        timeout=_timeout(config),
    )


def why_no_limit(config: pytest.Config) -> str:
    """Return what is wrong with the time limits that the user has chosen; "" if nothing."""
    for name, value in {
        "--timeout": config.getoption("timeout", None),
        "PYTEST_TIMEOUT": os.environ.get("PYTEST_TIMEOUT"),
        "the setting timeout": config.getini("timeout") or None,  # "" if it is not set
    }.items():
        if value is None:
            continue
        seconds = number(str(value))
        if seconds != 0 and not (seconds and SHORTEST_LIMIT <= seconds <= LONGEST_LIMIT):
            return (
                f"{name}: expected seconds from {SHORTEST_LIMIT:g} to {LONGEST_LIMIT:g}, or 0 for "
                f"no limit, got {str(value)!r}; correct it, or leave it out"
            )
    return ""


def _timeout(config: pytest.Config) -> float | None:
    """Return the time limit of a test in seconds, from --timeout or PYTEST_TIMEOUT, or None."""
    chosen: float | None = config.getoption("timeout", None)
    variable = os.environ.get("PYTEST_TIMEOUT")
    return float(variable) if chosen is None and variable else chosen
