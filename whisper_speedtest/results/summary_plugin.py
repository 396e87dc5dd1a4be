"""Prints the closing summary of a session, below those of all other plugins.

Files in the user's folders of recordings that are left out are told before the tests as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import install_command, valid_adapters, why_not_installed
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL
from whisper_speedtest.results.names import PROJECT
from whisper_speedtest.results.note import Note, printed
from whisper_speedtest.results.report.report_plugin import REPORTED
from whisper_speedtest.results.stored_plugin import stored_notes
from whisper_speedtest.session.choice.collection import NOT_USED, OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS
from whisper_speedtest.session.terminal.plain import in_columns
from whisper_speedtest.session.terminal.width import edge_of, folded, width_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.layout import Style

MARKUP: Mapping[Style, dict[str, bool]] = {
    "heading": {"bold": True},
    "group": {"bold": True},
    "fastest": {"green": True},
    "busy": {"yellow": True},
    "": {},
}
"""Kind of a line of the table → how pytest prints it, if there are colours at all: that depends on
the terminal, --color and NO_COLOR."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Print the summary below those of all other plugins, even if one of them fails."""
    try:
        return (yield)
    finally:
        _print_summary(terminalreporter)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say before the tests which files in the user's folders of recordings are left out."""
    edge = edge_of(config.get_terminal_writer())
    return [line for why in config.stash[NOT_USED] for line in folded(f"left out: {why}", edge)]


def _print_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print where it was measured, the answer, the table, and then the notes.

    Nothing is printed in a session of which there is nothing to say, as it only collects tests.
    """
    config = terminalreporter.config
    stash = config.stash
    kept, found, left_out = stash[SESSION_JOURNAL], stash[RESULTS], stash[LEFT_OUT]
    files = _files_notes(config)
    if not (found or left_out or files):
        return  # before the imports below, so that collection stays fast
    from whisper_speedtest.results.header import header
    from whisper_speedtest.results.layout import lines as table_lines
    from whisper_speedtest.results.summary import sentences
    from whisper_speedtest.results.table import columns, rows

    results = sorted(found, key=lambda result: kept.order.get(result.test, 0))
    notes = [*_results_notes(config, results), *files]
    shown = rows(results)
    out = config.get_terminal_writer()
    width = width_of(out)
    terminalreporter.section(PROJECT)
    if shown:
        _print_paragraph(
            terminalreporter, printed(header([row.any_result for row in shown])), width
        )
    for sentence in sentences(results, left_out.values()):
        _print_paragraph(terminalreporter, [sentence], width, bold=True)
    if shown:
        for row in table_lines(shown, columns(shown, kept.taken_over), width):
            line = in_columns(row.text, out._file.encoding or "utf-8")
            terminalreporter.line(line, **MARKUP[row.style])
        terminalreporter.line("")
    edge = edge_of(out)
    for note in notes:
        for line in note.lines:
            for part in folded(line, None if note.is_whole else edge):
                terminalreporter.line(part)


def _files_notes(config: pytest.Config) -> list[Note]:
    """Return the notes on files: a stored run, the journal, what was not saved, and the report."""
    saved_to = config.getoption("benchmark_json") or ""
    journal = config.stash[SESSION_JOURNAL].notes(saved_to)
    notes = [*stored_notes(config), *journal, *_unsaved(config)]
    if reported := config.stash.get(REPORTED, None):
        notes.append(reported)
    return notes


def _results_notes(config: pytest.Config, results: Sequence[Result]) -> list[Note]:
    """Return the notes on results, and on what was left out; none where there is neither."""
    from whisper_speedtest.results.notes import notes

    left_out = config.stash[LEFT_OUT]
    if not (results or left_out):
        return []
    not_used = config.stash[NOT_USED]
    left_out = left_out | dict.fromkeys(not_used, Outcome.SKIPPED)
    recordings = [clip.name for clip in config.stash[OWN_CLIPS]]
    recordings += [corpus.name for corpus in config.stash[OWN_CORPORA]]
    missing = {name: reason for name in valid_adapters() if (reason := why_not_installed(name))}
    install = install_command(list(missing))
    return notes(results, left_out, recordings, missing, install)


def _print_paragraph(
    reporter: pytest.TerminalReporter, texts: Iterable[str], width: int, *, bold: bool = False
) -> None:
    """Print some texts, each in lines of at most `width` columns, and an empty line after them."""
    for text in texts:
        for line in folded(text, width):
            reporter.line(line, bold=bold)
    reporter.line("")


def _unsaved(config: pytest.Config) -> Iterator[Note]:
    """Yield what was not saved, as a file of an earlier run is easily taken for one of this run.

    A session without any test of a case only speaks of a file that is there.
    """
    if fault := config.stash.get(FAULT, ""):
        yield Note("unsaved", f"another plugin failed as the session ended: {fault}")
    path = config.getoption("benchmark_json")
    results, taken_over = config.stash[RESULTS], config.stash[SESSION_JOURNAL].taken_over
    has_measured = any(
        each.outcome is Outcome.PASSED for each in results if each.test not in taken_over
    )
    if not path or has_measured:
        return
    is_there = Path(path).exists()
    if is_there or results or config.stash[LEFT_OUT]:
        found = "what is there is of an earlier run" if is_there else "not written"
        yield Note("unsaved", f"{path}: {found}, as nothing was measured in this one")
