"""Prints the closing summary of a session, and keeps what pytest-benchmark saves free of paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal_plugin import KEPT
from whisper_speedtest.results.stored_plugin import stored_notes
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.plugin import LEFT_OUT, OWN_CLIPS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

WIDTH = 500
"""Columns: more than any table needs, as one with shortened cells says less than a wrapped one."""

PROJECT = "whisper-speedtest"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Print the summary after those of all other plugins, also where one of them fails."""
    try:
        return (yield)
    finally:
        _print_summary(terminalreporter)


def _print_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, then a line for each thing skipped or failed and why."""
    from whisper_speedtest.results.notes import notes
    from whisper_speedtest.results.table import table
    from whisper_speedtest.session.report import rendered

    config = terminalreporter.config
    stash = config.stash
    kept, found, left_out = stash[KEPT], stash[RESULTS], stash[LEFT_OUT]
    results = sorted(found, key=lambda result: kept.order.get(result.test, 0))
    recordings = [clip.name for clip in stash[OWN_CLIPS]]
    lines = notes(results, left_out, recordings, kept.taken_over)
    lines += stored_notes(config)
    lines += [*kept.lines(config.getoption("benchmark_json") or ""), *_unsaved(config)]
    made = table(results, kept.taken_over) if results else None
    if not (made or lines):
        return
    terminalreporter.section(PROJECT)
    if made:
        text = rendered(made, WIDTH, styled=terminalreporter.hasmarkup)
        for line in text.rstrip().splitlines():
            terminalreporter.line(line.rstrip())
    for line in lines:
        terminalreporter.line(line)


def _unsaved(config: pytest.Config) -> Iterator[str]:
    """Say what was not saved, as a file of an earlier run is easily taken for this run's.

    A session that measures nothing at all speaks of a file that is there, and of no other.
    """
    if fault := config.stash.get(FAULT, ""):
        yield f"unsaved:  another plugin failed as the session ended: {fault}"
    path, taken_over = config.getoption("benchmark_json"), config.stash[KEPT].taken_over
    results = config.stash[RESULTS]
    new = [each for each in results if each.test not in taken_over]
    if not path or any(result.outcome is Outcome.PASSED for result in new):
        return
    there = Path(path).exists()
    if there or results or config.stash[LEFT_OUT]:
        found = "what is there is of an earlier run" if there else "not written"
        yield f"unsaved:  {path}: {found}, as nothing was measured in this one"


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Write parameters as test ids have them, and not as objects with their paths."""
    for benchmark in output_json["benchmarks"]:
        parameters = benchmark["params"] or {}
        benchmark["params"] = {name: _named(value) for name, value in parameters.items()}


def _named(value: object) -> object:
    """Return a parameter as a test's id has it: a number, a case, or the name of a clip."""
    return value if isinstance(value, int) else str(getattr(value, "name", value))


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Leave out what may name people and folders: of the commit, its hash and time are enough."""
    commit_info["project"] = PROJECT
    for name in ("branch", "author_time", "error"):
        commit_info.pop(name, None)
