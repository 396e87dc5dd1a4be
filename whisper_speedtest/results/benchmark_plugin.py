"""Adapts what pytest-benchmark prints and saves.

It prints tables only if the user asks for them, and saves no names of people and folders.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.results.names import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

ASK_FOR_TABLES = tuple(
    f"--benchmark-{name}"
    for name in (
        "columns",
        "sort",
        "group-by",
        "name",
        "histogram",
        "compare",
        "cprofile",
        "verbose",
    )
)
"""Options of pytest-benchmark that are about its tables: whoever gives one wants to see them."""


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(config: pytest.Config) -> None:
    """Let pytest-benchmark print no tables unless the user asks for them.

    Its lines on saved files and regressions are printed all the same.
    """
    if not asks_for_tables(config.invocation_params.args, os.environ.get("PYTEST_ADDOPTS", "")):
        session = getattr(config, "_benchmarksession", None)
        if session is not None:
            session.quiet = True


def asks_for_tables(arguments: Iterable[str | os.PathLike[str]], addopts: str) -> bool:
    """Tell whether the user's arguments, or PYTEST_ADDOPTS, have an option about the tables.

    The options in this project's settings do not count: they are for those who ask for the tables.
    """
    given = [*map(str, arguments), *shlex.split(addopts)]
    return any(each.split("=")[0].startswith(ASK_FOR_TABLES) for each in given)


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Save the parameters of tests as their ids have them, not as objects, which may hold paths."""
    for benchmark in output_json["benchmarks"]:
        parameters = benchmark["params"] or {}
        benchmark["params"] = {name: _named(value) for name, value in parameters.items()}


def _named(value: object) -> object:
    """Return a parameter as a test's id has it: a number, a case as text, or the name of a clip."""
    return value if isinstance(value, int) else str(getattr(value, "name", value))


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Save the hash and time of the commit, and nothing that may name people or folders."""
    commit_info["project"] = PROJECT
    for name in ("branch", "author_time", "error"):
        commit_info.pop(name, None)
