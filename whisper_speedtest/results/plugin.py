"""Prints the closing summary of a session, and adapts what pytest and pytest-benchmark say.

pytest prints a failure that several tests share once. pytest-benchmark prints tables only if the
user asks for them, and saves no names of people and folders.
"""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from adapters import install_command, valid_adapters, why_not_installed
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL
from whisper_speedtest.results.note import Note, printed
from whisper_speedtest.results.report.report_plugin import REPORTED
from whisper_speedtest.results.stored_plugin import stored_notes
from whisper_speedtest.results.units import counted
from whisper_speedtest.session.choice.collection import NOT_USED, OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS
from whisper_speedtest.session.terminal.plain import in_columns
from whisper_speedtest.session.terminal.width import edge_of, folded, tell, width_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from _pytest._io import TerminalWriter

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.layout import Style

PROJECT = "whisper-speedtest"
"""The title of the summary, and the name of the project in saved files."""

MARKUP: Mapping[Style, dict[str, bool]] = {
    "heading": {"bold": True},
    "group": {"bold": True},
    "fastest": {"green": True},
    "busy": {"yellow": True},
    "": {},
}
"""Kind of a line of the table → how pytest prints it, if there are colours at all: that depends on
the terminal, --color and NO_COLOR."""

INTERRUPTED = SimpleNamespace(message="interrupted")
"""Replaces the place in the code in the line in which pytest says that it was interrupted."""

NOTHING_KEPT = Note("stopped", "no test had ended, so that nothing was kept")

FAILED = ("failed", "error")
"""What pytest calls tests that failed while they ran, and before."""

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Print the summary below those of all other plugins, even if one of them fails."""
    config = terminalreporter.config
    if not asks_for_tables(config.invocation_params.args, os.environ.get("PYTEST_ADDOPTS", "")):
        _leave_out_tables(config)
    try:
        with _each_failure_once(terminalreporter):
            return (yield)
    finally:
        _print_summary(terminalreporter)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(
    session: pytest.Session, exitstatus: int
) -> Generator[None, object, object]:
    """At the end of an interrupted session, say what was kept and how to go on.

    It comes after all that pytest prints. If the user interrupted benchmarks, the place in the
    suite's code is of no use, so pytest prints it only with --full-trace. What an engine was doing,
    which is in the notes of the exception, is printed in any case.
    """
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus != pytest.ExitCode.INTERRUPTED or reporter is None:
        return (yield)
    memo = reporter._keyboardinterrupt_memo
    exception, _, notes = (memo.reprcrash.message if memo else "").partition("\n")
    measures = config.getoption("check_models") is None
    has_cases = measures and any(map(case_of, getattr(session, "items", ())))
    by_user = has_cases and exception == KeyboardInterrupt.__name__
    if by_user and not config.getoption("fulltrace"):
        reporter._keyboardinterrupt_memo = SimpleNamespace(reprcrash=INTERRUPTED)
    try:
        return (yield)
    finally:
        lines = notes.splitlines() if by_user else []
        if kept := _kept(config) or (NOTHING_KEPT if by_user else None):
            lines += kept.lines
        for line in lines:
            tell(config.get_terminal_writer(), line)


def _kept(config: pytest.Config) -> Note | None:
    """Return the note on what the journal has kept and how to run the rest; None: it is empty."""
    kept = config.stash[SESSION_JOURNAL]
    number = kept.written.total() + len(kept.taken_over)
    if not number:
        return None
    results_are = "result is" if number == 1 else "results are"
    if config.getoption("head_to_head") or config.getoption("against"):
        how = "comparisons are not resumed: choose those that are left with -k"
    else:
        how = f"the same command with --resume={kept.name} runs what is left"
    return Note("stopped", f"{number:,} {results_are} kept in {kept.name}; {how}")


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure as pytest prints it (a `longrepr`), with another text in pytest's short summary.

    With --tb=line pytest prints `str` of its `reprcrash`; of a plain text it would print only the
    beginning.
    """

    text: str
    message: str
    """The text in the short summary."""

    is_line: bool
    """Whether pytest prints the text itself, as it does with --tb=line."""

    @property
    def reprcrash(self) -> _Failure:
        """This failure, as it has the message and the text that pytest looks for there."""
        return self

    def __str__(self) -> str:
        return self.text

    def toterminal(self, out: TerminalWriter) -> None:
        """Print the text, unless pytest does."""
        if not self.is_line:
            out.line(self.text)


@contextmanager
def _each_failure_once(reporter: pytest.TerminalReporter) -> Iterator[None]:
    """While the block runs, let pytest print a failure that several tests share only once.

    Their names stand below it. Tests share a failure if its texts differ only in the name of the
    case. An unexpected exception has a traceback in place of a text, and is always printed. After
    the block, all reports and pytest's count of failures are again as they were.
    """
    whole = {kind: list(reporter.stats.get(kind, ())) for kind in FAILED}
    if not any(whole.values()):
        yield
        return
    is_line = reporter.config.getoption("tbstyle") == "line"
    all_reports = [report for reports in whole.values() for report in reports]
    texts = {id(report): report.longrepr for report in all_reports}
    for kind, reports in whole.items():
        # Errors are printed whole in every style, also with --tb=line.
        _merge_alike(reporter, kind, reports, is_line=is_line and kind == "failed")
    if is_line:
        for report in whole["failed"]:
            text = report.longrepr
            if isinstance(text, str):
                report.longrepr = _Failure(text, text, is_line)
    try:
        yield
    finally:
        reporter.stats.update({kind: reports for kind, reports in whole.items() if reports})
        for report in all_reports:
            report.longrepr = texts[id(report)]


def _merge_alike(
    reporter: pytest.TerminalReporter, kind: str, reports: Sequence[Any], *, is_line: bool
) -> None:
    """Of the reports that share a failure, leave only the first, with the names of the others.

    `kind` is what pytest calls these reports in its statistics, in which they are left out.
    """
    from whisper_speedtest.results.failures import for_any_case, names

    labels = {each.test: each.case.label for each in reporter.config.stash[RESULTS]}
    by_text: dict[str, list[Any]] = {}
    for report in reports:
        test, text = _test_of(report), report.longrepr
        if test in labels and isinstance(text, str):
            by_text.setdefault(for_any_case(text, labels[test]), []).append(report)
    for first, *others in by_text.values():
        if not others:
            continue
        the_same = f"The same failure in {counted(len(others), 'other test')}:"
        text = "\n".join([first.longrepr, the_same, *names(list(map(_test_of, others)))])
        message = f"and {len(others)} more for the same reason: {first.longrepr}"
        first.longrepr = _Failure(text, message, is_line)
        reporter.stats[kind] = [each for each in reporter.stats[kind] if each not in others]


def _test_of(report: Any) -> str:
    """Return the id of a report's test without its file, as results have it."""
    test: str = report.nodeid.partition("::")[2]
    return test


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say before the tests which files in the user's folders of recordings are left out."""
    edge = edge_of(config.get_terminal_writer())
    return [line for why in config.stash[NOT_USED] for line in folded(f"left out: {why}", edge)]


def asks_for_tables(arguments: Iterable[str | os.PathLike[str]], addopts: str) -> bool:
    """Tell whether the user's arguments, or PYTEST_ADDOPTS, have an option about the tables.

    The options in this project's settings do not count: they are for those who ask for the tables.
    """
    given = [*map(str, arguments), *shlex.split(addopts)]
    return any(each.split("=")[0].startswith(ASK_FOR_TABLES) for each in given)


def _leave_out_tables(config: pytest.Config) -> None:
    """Let pytest-benchmark print no tables, but still its lines on saved files and regressions."""
    session = getattr(config, "_benchmarksession", None)
    if session is not None:
        session.quiet = True


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
