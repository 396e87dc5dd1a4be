"""Prints the closing summary of a session, and keeps what pytest-benchmark saves free of paths."""

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
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from typing import Any

    from _pytest._io import TerminalWriter

    from whisper_speedtest.results.layout import Style

PROJECT = "whisper-speedtest"

MARKUP: Mapping[Style, dict[str, bool]] = {
    "heading": {"bold": True},
    "group": {"bold": True},
    "fastest": {"green": True},
    "busy": {"yellow": True},
    "": {},
}
"""How kinds of lines look where there are colours: pytest decides that by the terminal, --color and
NO_COLOR."""

INTERRUPTED = SimpleNamespace(message="interrupted")
"""What stands in pytest's line for the place in the code where a session was interrupted."""

NOTHING_KEPT = "stopped:  no test had ended, so that nothing was kept"

FAILED = ("failed", "error")
"""What pytest calls tests that failed: as they ran, or before they did."""

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
"""Options of pytest-benchmark's that say how its tables look or what is in them."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Print the summary after those of all other plugins, also where one of them fails."""
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
    """End a session of benchmarks that was interrupted with what was kept, and how to go on.

    That comes after all that pytest says. Where in the suite's code it was interrupted is no news,
    so pytest says that only with --full-trace; what an engine was at is told in any case.
    """
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus != pytest.ExitCode.INTERRUPTED or reporter is None:
        return (yield)
    memo = reporter._keyboardinterrupt_memo
    first, _, notes = (memo.reprcrash.message if memo else "").partition("\n")
    measures = config.getoption("check_models") is None
    of_cases = measures and any(map(case_of, getattr(session, "items", ())))
    by_user = of_cases and first == KeyboardInterrupt.__name__
    if by_user and not config.getoption("fulltrace"):
        reporter._keyboardinterrupt_memo = SimpleNamespace(reprcrash=INTERRUPTED)
    try:
        return (yield)
    finally:
        kept = _kept(config) or (NOTHING_KEPT if by_user else "")
        for line in [*(notes.splitlines() if by_user else []), *([kept] if kept else [])]:
            tell(config.get_terminal_writer(), line)


def _kept(config: pytest.Config) -> str:
    """Return what an interrupted session has kept, and how to run the rest; "" if it is nothing."""
    kept = config.stash[SESSION_JOURNAL]
    there = kept.written.total() + len(kept.taken_over)
    if not there:
        return ""
    are = "result is" if there == 1 else "results are"
    said = f"stopped:  {there:,} {are} kept in {kept.name}"
    if config.getoption("head_to_head") or config.getoption("against"):
        return f"{said}; comparisons are not resumed: choose those that are left with -k"
    return f"{said}; the same command with --resume={kept.name} runs what is left"


@dataclass(frozen=True, slots=True)
class _Failure:
    """The text of a failure, for which pytest's short summary has other words.

    pytest shows `str` of its `reprcrash` with --tb=line, and would show the beginning of a text.
    """

    text: str
    message: str
    """What stands in the short summary."""

    is_line: bool
    """Whether --tb=line is given, with which pytest writes the text itself."""

    @property
    def reprcrash(self) -> _Failure:
        """Itself: it has a message and a text."""
        return self

    def __str__(self) -> str:
        return self.text

    def toterminal(self, out: TerminalWriter) -> None:
        """Write the text, unless pytest does."""
        if not self.is_line:
            out.line(self.text)


@contextmanager
def _each_failure_once(reporter: pytest.TerminalReporter) -> Iterator[None]:
    """Let pytest print a failure of several tests once, with their names, while the block runs.

    That is one whose text is the same but for the name of the case. An unexpected exception has no
    text but a traceback, and is always shown. What pytest counts as failed stays as it is, so its
    short summary says how many there are beside the one that it lists.
    """
    whole = {kind: list(reporter.stats.get(kind, ())) for kind in FAILED}
    if not any(whole.values()):
        yield
        return
    from whisper_speedtest.results.failures import for_any_case, names

    is_line = reporter.config.getoption("tbstyle") == "line"
    texts = {id(report): report.longrepr for reports in whole.values() for report in reports}
    labels = {each.test: each.case.label for each in reporter.config.stash[RESULTS]}
    for kind, reports in whole.items():
        alike: dict[str, list[Any]] = {}
        for report in reports:
            test, text = report.nodeid.partition("::")[2], report.longrepr
            if test in labels and isinstance(text, str):
                alike.setdefault(for_any_case(text, labels[test]), []).append(report)
        for first, *others in filter(lambda each: len(each) > 1, alike.values()):
            tests = [each.nodeid.partition("::")[2] for each in others]
            said = f"The same failure in {counted(len(others), 'other test')}:"
            message = f"and {len(others)} more for the same reason: {first.longrepr}"
            text = "\n".join([first.longrepr, said, *names(tests)])
            # In each style pytest shows errors whole.
            first.longrepr = _Failure(text, message, is_line and kind == "failed")
            reporter.stats[kind] = [each for each in reporter.stats[kind] if each not in others]
    for report in whole["failed"] if is_line else ():
        if isinstance(text := report.longrepr, str):
            report.longrepr = _Failure(text, text, is_line)
    try:
        yield
    finally:
        reporter.stats.update({kind: reports for kind, reports in whole.items() if reports})
        for report in (each for reports in whole.values() for each in reports):
            report.longrepr = texts[id(report)]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say before the tests which files in folders of recordings are left out."""
    edge = edge_of(config.get_terminal_writer())
    return [line for why in config.stash[NOT_USED] for line in folded(f"left out: {why}", edge)]


def asks_for_tables(arguments: Iterable[str | os.PathLike[str]], addopts: str) -> bool:
    """Tell whether the user's arguments, or PYTEST_ADDOPTS, say how pytest-benchmark's tables look.

    The settings of this project say so too, for those who ask for the tables.
    """
    given = [*map(str, arguments), *shlex.split(addopts)]
    return any(each.split("=")[0].startswith(ASK_FOR_TABLES) for each in given)


def _leave_out_tables(config: pytest.Config) -> None:
    """Let pytest-benchmark print no tables; what it says of saved files and regressions stays."""
    session = getattr(config, "_benchmarksession", None)
    if session is not None:
        session.quiet = True


def _print_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the answer and the table, then a line for each thing skipped or failed and why."""
    config = terminalreporter.config
    stash = config.stash
    kept, found, left_out = stash[SESSION_JOURNAL], stash[RESULTS], stash[LEFT_OUT]
    reported = stash.get(REPORTED, "")
    more = [*stored_notes(config), *kept.lines(config.getoption("benchmark_json") or "")]
    more += [*_unsaved(config), *([reported] if reported else [])]
    if not (found or left_out or more):
        return  # and a session that only collects imports none of the following
    from whisper_speedtest.results.header import header
    from whisper_speedtest.results.layout import lines as table_lines
    from whisper_speedtest.results.notes import MISSING, notes
    from whisper_speedtest.results.summary import sentences
    from whisper_speedtest.results.table import columns, rows

    results = sorted(found, key=lambda result: kept.order.get(result.test, 0))
    recordings = [clip.name for clip in stash[OWN_CLIPS]]
    recordings += [corpus.name for corpus in stash[OWN_CORPORA]]
    missing = {name: reason for name in valid_adapters() if (reason := why_not_installed(name))}
    install = install_command(list(missing))
    lines = []
    if results or left_out:
        not_used = stash[NOT_USED]
        without = left_out | dict.fromkeys(not_used, Outcome.SKIPPED)
        lines += notes(results, without, recordings, missing, install)
    lines += more
    shown = rows(results)
    out = config.get_terminal_writer()
    width = width_of(out)
    terminalreporter.section(PROJECT)
    if shown:
        _print_paragraph(terminalreporter, header([row.any_result for row in shown]), width)
    for sentence in sentences(results, left_out.values()):
        _print_paragraph(terminalreporter, [sentence], width, bold=True)
    if shown:
        for row in table_lines(shown, columns(shown, kept.taken_over), width):
            line = in_columns(row.text, out._file.encoding or "utf-8")
            terminalreporter.line(line, **MARKUP[row.style])
        terminalreporter.line("")
    edge = edge_of(out)
    for line in lines:
        for part in folded(line, None if line.startswith(MISSING) else edge):
            terminalreporter.line(part)


def _print_paragraph(
    reporter: pytest.TerminalReporter, texts: Iterable[str], width: int, *, bold: bool = False
) -> None:
    """Print some texts, each in lines of so many columns, and an empty line after them."""
    for text in texts:
        for line in folded(text, width):
            reporter.line(line, bold=bold)
    reporter.line("")


def _unsaved(config: pytest.Config) -> Iterator[str]:
    """Say what was not saved, as a file of an earlier run is easily taken for this run's.

    A session that measures nothing at all speaks of a file that is there, and of no other.
    """
    if fault := config.stash.get(FAULT, ""):
        yield f"unsaved:  another plugin failed as the session ended: {fault}"
    path, taken_over = config.getoption("benchmark_json"), config.stash[SESSION_JOURNAL].taken_over
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
