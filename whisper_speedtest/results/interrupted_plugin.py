"""Says at the end of an interrupted session what was kept, and how to go on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL
from whisper_speedtest.results.note import Note
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.terminal.width import tell

if TYPE_CHECKING:
    from collections.abc import Generator

INTERRUPTED = SimpleNamespace(message="interrupted")
"""Replaces the place in the code in the line in which pytest says that it was interrupted."""

NOTHING_KEPT = Note("stopped", "no test had ended, so that nothing was kept")


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
