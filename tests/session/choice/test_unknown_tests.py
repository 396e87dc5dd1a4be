"""A path or a test's id that does not exist: which tests a user may have meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters import install_command
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.session.choice import unknown_tests
from whisper_speedtest.session.choice.keywords import LISTS_ALL
from whisper_speedtest.session.choice.unknown_tests import about_unknown

FILE = "benchmarks/test_start.py"
NAMES = {
    ROOT / FILE: [
        "test_load[mlx-whisper-tiny-fp16]",
        "test_load[mlx-whisper-tiny-8bit]",
        "test_cold_start[mlx-whisper-tiny-fp16]",
        "TestPlainOnes::test_one",
    ]
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["medium"], ["medium: did you mean -k medium?"]),
        (["Medium"], ["Medium: did you mean -k Medium?"]),
        (["tiny-fp16"], ["tiny-fp16: did you mean -k tiny-fp16?"]),
        (["long"], ["long: did you mean -k long?"]),
        (["test_load"], ["test_load: did you mean -k test_load?"]),
        (["test_load[x]"], ["test_load[x]: did you mean -k 'test_load[x]'?"]),
        (["benchmarks", "micro"], ["micro: did you mean -k micro?"]),
        (
            ["lightning", FILE, "4bit", "nowhere"],
            ["lightning 4bit: did you mean -k 'lightning and 4bit'?"],
        ),
        (["mediun"], ["mediun: did you mean -k medium or -k medium.en?"]),
        (["nowhere"], []),
        (["benchmarks/test_load.py"], []),
    ],
)
def test_words_that_are_no_paths_are_said_as_keywords(
    arguments: list[str], said: list[str]
) -> None:
    """Words that are no paths are suggested as keywords, all of them in one -k."""
    assert about_unknown(arguments, ROOT, NAMES) == [f"  {line}" for line in (*said, LISTS_ALL)]


def test_word_that_is_a_path_as_well_is_one(tmp_path: Path) -> None:
    """A word that is a path where the user is gets no suggestion."""
    for name in ("medium", "mediun"):
        (tmp_path / name).mkdir()

    assert about_unknown(["medium", "mediun"], tmp_path, {}) == [f"  {LISTS_ALL}"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("test_load[mlx-whisper-tiny-fp61]", f"'{FILE}::test_load[mlx-whisper-tiny-fp16]'"),
        ("test_load[mlx-whisper-tiny-8bits]", f"'{FILE}::test_load[mlx-whisper-tiny-8bit]'"),
        ("test_cold_strat", f"{FILE}::test_cold_start"),
        ("test_load", ""),
        ("test_load[mlx-whisper-tiny-fp16]", ""),
        ("TestPlainOnes", ""),
        ("TestPlainOnes::test_one", ""),
        ("qqqqq", ""),
    ],
)
def test_id_that_no_test_has_is_named_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, name: str, near: str
) -> None:
    """For an id that no test has, the nearest id of the same file is suggested."""
    monkeypatch.setattr(unknown_tests, "why_not_installed", lambda _: "")
    written = f"{FILE}::{name}"

    said = [f"  {written}: did you mean {near}?"] if near else []

    assert about_unknown([written], ROOT, NAMES) == [*said, f"  {LISTS_ALL}"]
    assert about_unknown([f"benchmarks/test_batches.py::{name}"], ROOT, NAMES) == [f"  {LISTS_ALL}"]


def test_id_of_a_library_that_is_missing_is_told_how_to_add_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For an id of a library that is missing, the install command is told and no other test."""
    monkeypatch.setattr(unknown_tests, "why_not_installed", lambda name: name == "mlx-whisper")
    command = install_command(["mlx-whisper"])

    assert about_unknown([f"{FILE}::test_load[mlx-whisper-tiny-4bit]"], ROOT, NAMES) == [
        f"  not installed: mlx-whisper; add with: {command}",
        f"  {LISTS_ALL}",
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "meant"),
    [
        (["benchmarks", "medium"], "file or directory not found: medium", "-k medium"),
        (
            [f"{FILE}::test_load[lightning-whisper-mlx-micro-fp61]"],
            f"not found: {ROOT / FILE}::test_load",
            f"'{FILE}::test_load[lightning-whisper-mlx-micro-fp16]'",
        ),
    ],
)
def test_pytest_names_the_test_that_was_meant(arguments: list[str], error: str, meant: str) -> None:
    """Below pytest's error on an unknown test, the test that was meant is named."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout + ended.stderr
    first, *_, said, where = ended.stderr.rstrip().splitlines()
    assert first == f"ERROR: {error}"
    assert said == f"  {arguments[-1]}: did you mean {meant}?"
    assert where == f"  {LISTS_ALL}"
