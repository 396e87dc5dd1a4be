"""What pytest-benchmark prints and saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from adapters.base import Case
from fixtures.audio import clips
from whisper_speedtest.results.benchmark_plugin import (
    asks_for_tables,
    pytest_benchmark_update_commit_info,
    pytest_benchmark_update_json,
    pytest_terminal_summary,
)

if TYPE_CHECKING:
    from tests.helpers.fake_terminal import FakeTerminal


@pytest.mark.parametrize(
    ("arguments", "addopts", "asked"),
    [
        ([], "", False),
        (["benchmarks", "--benchmark-only", "-k", "micro"], "--benchmark-disable-gc", False),
        (["--benchmark-json=f", "--benchmark-autosave", "--benchmark-storage", "x"], "", False),
        (["--benchmark-columns=min"], "", True),
        (["--benchmark-sort", "name"], "", True),
        (["--benchmark-group-by=func"], "", True),
        (["--benchmark-histogram"], "", True),
        (["--benchmark-name=short"], "", True),
        (["--benchmark-verbose"], "", True),
        (["--benchmark-compare=0001"], "", True),
        (["--benchmark-compare-fail=mean:5%"], "", True),
        (["--benchmark-cprofile=tottime"], "", True),
        ([Path("benchmarks")], "-v --benchmark-compare", True),
    ],
)
def test_tables_of_pytest_benchmark_are_printed_for_who_says_how_they_look(
    arguments: list[str | Path], addopts: str, asked: bool
) -> None:
    """pytest-benchmark's tables are printed only for who gives an option on how they look.

    The option may stand on the command line or in PYTEST_ADDOPTS.
    """
    assert asks_for_tables(arguments, addopts) is asked


@pytest.mark.parametrize(("arguments", "quiet"), [((), True), (("--benchmark-sort=name",), False)])
def test_pytest_benchmark_is_told_to_print_no_table_unless_asked(
    terminal: FakeTerminal, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], quiet: bool
) -> None:
    """pytest-benchmark's table is off before its summary begins, unless it was asked for."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    terminal.args = arguments
    terminal._benchmarksession.quiet = False

    pytest_terminal_summary(cast("pytest.Config", terminal))

    assert terminal._benchmarksession.quiet is quiet


def test_parameters_are_saved_by_their_names() -> None:
    """pytest-benchmark's file has the names of parameters, and no paths of recordings."""
    clip = replace(clips()["human"], name="memo")
    parameters = {"case": Case("toy", "micro", "good"), "clip": clip, "batch_size": 6, "x": "y"}
    saved = {"benchmarks": [{"name": "a", "params": parameters}, {"name": "b", "params": None}]}

    pytest_benchmark_update_json(saved)

    assert saved == {
        "benchmarks": [
            {
                "name": "a",
                "params": {"case": "toy-micro-good", "clip": "memo", "batch_size": 6, "x": "y"},
            },
            {"name": "b", "params": {}},
        ]
    }


def test_commit_is_saved_without_names_of_people_and_folders() -> None:
    """pytest-benchmark's file has the commit's hash and time, but no branch, folder or message.

    These may hold names of people.
    """
    info = {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "folder-of-jane",
        "branch": "jane/x", "author_time": "2025-12-31", "error": "fatal: /home/jane",
    }  # fmt: skip

    pytest_benchmark_update_commit_info(info)

    assert info == {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "whisper-speedtest"
    }  # fmt: skip
