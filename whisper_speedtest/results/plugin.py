"""Prints the closing summary of a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.plugin import LEFT_OUT, OWN_CLIPS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

WIDTH = 500
"""Columns: more than any table needs, as one with shortened cells says less than a wrapped one."""


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
    stash = terminalreporter.config.stash
    results, left_out = stash[RESULTS], stash[LEFT_OUT]
    if not (results or left_out or FAULT in stash):
        return
    from whisper_speedtest.results.notes import notes
    from whisper_speedtest.results.table import table
    from whisper_speedtest.session.report import rendered

    terminalreporter.section("whisper-speedtest")
    if made := table(results):
        text = rendered(made, WIDTH, styled=terminalreporter.hasmarkup)
        for line in text.rstrip().splitlines():
            terminalreporter.line(line.rstrip())
    recordings = [clip.name for clip in stash[OWN_CLIPS]]
    for line in [*notes(results, left_out, recordings), *_unsaved(terminalreporter.config)]:
        terminalreporter.line(line)


def _unsaved(config: pytest.Config) -> Iterator[str]:
    """Say what was not saved, as a file of an earlier run is easily taken for this run's."""
    if fault := config.stash.get(FAULT, ""):
        yield f"unsaved:  another plugin failed as the session ended: {fault}"
    path = config.getoption("benchmark_json")
    if path and all(result.outcome is not Outcome.PASSED for result in config.stash[RESULTS]):
        found = "what is there is of an earlier run" if Path(path).exists() else "not written"
        yield f"unsaved:  {path}: {found}, as nothing was measured in this one"
