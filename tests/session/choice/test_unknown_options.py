"""An option that does not exist: which ones a user may have meant."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.session.choice.unknown_options import (
    UNKNOWN,
    WHERE_ALL_ARE,
    about_unknown,
    nearest,
)

NAMES = (
    *("-k", "-q", "--processes", "--private", "--report", "--rootdir", "--resume", "--audio"),
    *("--benchmark-only", "--benchmark-sort", "--benchmark-json", "--max-others", "--max-download"),
    *("--maxfail", "--exitfirst", "--head-to-head"),
)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("--processs", ["--processes"]),
        ("--process", ["--processes"]),
        ("--proceses", ["--processes"]),
        ("--repot", ["--report"]),
        ("--Report", ["--report"]),
        ("--benchmark-onyl", ["--benchmark-only"]),
        ("--max", ["--max-download", "--max-others", "--maxfail"]),
        ("--max-other", ["--max-others"]),
        ("--headtohead", ["--head-to-head"]),
        ("--colour", []),
        ("-X", []),
    ],
)
def test_options_that_are_spelt_alike_are_named_the_nearest_first(
    word: str, near: list[str]
) -> None:
    """Long options that are spelt like an unknown one are named, the nearest first."""
    assert nearest(word, NAMES) == near


def test_options_that_are_as_near_are_named_and_no_more_than_three() -> None:
    """Of options that are equally near to an unknown one, at most three are named.

    If one is nearer by far, it is named alone.
    """
    assert nearest("--bench-a", ["--bench-b", "--bench-c", "--bench-d", "--bench-e"]) == [
        "--bench-b",
        "--bench-c",
        "--bench-d",
    ]
    assert nearest("--bench-ab", ["--bench-abc", "--bench-xyz"]) == ["--bench-abc"]
    assert nearest("--a", []) == []
    assert nearest(
        "--abcdefghijklmnopqrstuvwx", ["--zbcdefghijklmnopqrstuvwx", "--abcdefghijklmnopqrstuvw"]
    ) == [
        "--abcdefghijklmnopqrstuvw",
        "--zbcdefghijklmnopqrstuvwx",
    ], "expected the nearest first, whatever the names are"
    assert nearest("--AUDIO", ["--audio"]) == ["--audio"]
    assert nearest("-kk", ["-k"]) == []


def test_option_that_begins_with_a_word_leaves_a_place_to_one_that_is_hardly_misspelt() -> None:
    """An option that begins with the unknown one is named, and then one that is hardly misspelt."""
    assert nearest("--audi", ["--aud", "--audio-of-a-whole-folder", "--a"]) == [
        "--audio-of-a-whole-folder",
        "--aud",
    ]


def test_each_unknown_option_of_a_message_has_a_line() -> None:
    """Each unknown option of pytest's message has a line, if another option is like it."""
    message = f"{UNKNOWN}--repot out -1 --colour=no --processs=--audio=2 --repot"

    assert about_unknown(message, NAMES).splitlines() == [
        "  --repot: did you mean --report?",
        "  --processs: did you mean --processes?",
        f"  {WHERE_ALL_ARE}",
    ]
    assert about_unknown("argument --calls: expected one argument", NAMES) == ""


@pytest.mark.parametrize(
    ("argument", "option"),
    [
        ("--processs=2", "--processes"),
        ("--repot=out", "--report"),
        ("--benchmark-onyl", "--benchmark-only"),
        ("--exitfrist", "--exitfirst"),
    ],
)
def test_pytest_names_the_option_that_was_meant(argument: str, option: str) -> None:
    """Below pytest's error on an unknown option, the option that was meant is named.

    It may be one of this suite, of another plugin or of pytest.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", argument],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    error, *_, suggestion, where = ended.stderr.rstrip().splitlines()
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stderr
    assert error.startswith("ERROR: usage: ")
    assert f"error: unrecognized arguments: {argument}\n" in ended.stderr
    assert suggestion == f"  {argument.partition('=')[0]}: did you mean {option}?"
    assert where == f"  {WHERE_ALL_ARE}"


def test_other_mistakes_are_told_as_ever() -> None:
    """A wrong value of an option has its own message, without suggestions of other options."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "--calls=none"],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "argument --calls: expected a whole number from 1 to 999999, got 'none'" in ended.stderr
    assert "did you mean" not in ended.stderr
    assert WHERE_ALL_ARE not in ended.stderr
