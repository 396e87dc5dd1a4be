"""Collects what the benchmarks say as they end, and prints the closing summary."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from results.summary import Result, notes, table

if TYPE_CHECKING:
    from collections.abc import Generator

RESULTS = pytest.StashKey[list[Result]]()
MIN_WIDTH = 120
"""Columns: a table that wraps is worse than one that the terminal wraps."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no results."""
    config.stash[RESULTS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the times and the provenance of each benchmark that passed."""
    report = yield
    benchmark = getattr(item, "funcargs", {}).get("benchmark")
    if report.when == "call" and report.passed and benchmark is not None and benchmark.stats:
        stats = benchmark.stats.stats
        if "measure" in benchmark.extra_info:
            item.config.stash[RESULTS].append(
                Result(stats.median, stats.iqr, stats.rounds, benchmark.extra_info)
            )
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, then a line for each thing skipped or failed and why."""
    results = terminalreporter.config.stash[RESULTS]
    if not results:
        return
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text,
        width=max(MIN_WIDTH, terminalreporter._tw.fullwidth),
        force_terminal=terminalreporter._tw.hasmarkup,
    )
    console.print(table(results))
    terminalreporter.section("whisper-speedtest")
    terminalreporter.write(text.getvalue())
    for note in notes(results):
        terminalreporter.line(note)
