"""Lets pytest print a failure that several tests share only once."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.results.units import counted
from whisper_speedtest.session.outcomes import RESULTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Any

    from _pytest._io import TerminalWriter

FAILED = ("failed", "error")
"""What pytest calls tests that failed while they ran, and before."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Merge failures that are alike while pytest prints them."""
    with _each_failure_once(terminalreporter):
        return (yield)


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
