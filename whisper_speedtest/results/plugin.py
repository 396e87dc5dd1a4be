"""Collects what the benchmarks say as they end, and prints the closing summary."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.results.summary import Outcomes, Result, notes, table
from whisper_speedtest.session.skips import LeftOut

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchmark.fixture import BenchmarkFixture

OUTCOMES = pytest.StashKey[Outcomes]()
WIDTH = 500
"""Columns: more than any table needs, as one with shortened cells says less than a wrapped one."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no outcomes."""
    config.stash[OUTCOMES] = Outcomes()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the times and the provenance of each benchmark that passed, and why others did not."""
    report = yield
    outcomes = item.config.stash[OUTCOMES]
    if not isinstance(item, pytest.Function) or not {"benchmark", "case"} <= {*item.fixturenames}:
        return report
    if report.failed and call.excinfo is not None:
        outcomes.failed.append((item.name, _first_lines(call.excinfo.value)))
    elif report.skipped and call.excinfo is not None:
        skip = call.excinfo.value
        if isinstance(skip, LeftOut):
            outcomes.skip(skip.cause, skip.case, skip.repo)
        else:
            outcomes.skip(str(skip))
    elif report.when == "call":
        benchmark: BenchmarkFixture = item.funcargs["benchmark"]
        if benchmark.stats is not None and benchmark.extra_info:
            stats = benchmark.stats.stats
            result = Result(stats.median, stats.iqr, stats.rounds, benchmark.extra_info)
            outcomes.passed.append(result)
    return report


def _first_lines(error: BaseException) -> str:
    """Return the line that says what failed, and the one that a time limit was given by the engine.

    Notes carry what the engine knows of an error that is not its own.
    """
    lines = [str(text).partition("\n")[0] for text in (error, *getattr(error, "__notes__", ()))]
    return "; ".join(lines)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, then a line for each thing skipped or failed and why."""
    outcomes = terminalreporter.config.stash[OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("whisper-speedtest")
    rows = table(outcomes.passed)
    if rows.row_count:
        from rich.console import Console

        text = io.StringIO()
        console = Console(file=text, width=WIDTH, force_terminal=terminalreporter.hasmarkup)
        console.print(rows)
        for line in text.getvalue().rstrip().splitlines():
            terminalreporter.line(line.rstrip())
    for note in notes(outcomes):
        terminalreporter.line(note)
