"""Prints the closing summary of a session."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.session.plugin import NOT_INSTALLED, OWN_CLIPS, RESULTS

if TYPE_CHECKING:
    from collections.abc import Generator

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
    results, not_installed = stash[RESULTS], stash[NOT_INSTALLED]
    if not (results or not_installed):
        return
    from rich.console import Console

    from whisper_speedtest.results.notes import notes
    from whisper_speedtest.results.table import table

    terminalreporter.section("whisper-speedtest")
    if made := table(results):
        text = io.StringIO()
        console = Console(file=text, width=WIDTH, force_terminal=terminalreporter.hasmarkup)
        console.print(made)
        for line in text.getvalue().rstrip().splitlines():
            terminalreporter.line(line.rstrip())
    recordings = [clip.name for clip in stash[OWN_CLIPS]]
    for note in notes(results, not_installed, recordings):
        terminalreporter.line(note)
