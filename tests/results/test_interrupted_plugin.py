"""What an interrupted session says last."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.fake_terminal import FakeTerminal, take_over
from tests.helpers.results import warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results import interrupted_plugin
from whisper_speedtest.results.journal.journal_file import Journal
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL, SessionJournal


def interrupted(
    terminal: FakeTerminal,
    message: str | None,
    status: int = pytest.ExitCode.INTERRUPTED,
    *,
    cases: bool = True,
    **options: object,
) -> tuple[list[str], str | None]:
    """Return what is said last of a session that ended so, and by what words pytest says why."""
    memo = None if message is None else SimpleNamespace(reprcrash=SimpleNamespace(message=message))
    reporter = SimpleNamespace(_keyboardinterrupt_memo=memo)
    config: Any = SimpleNamespace(
        stash=terminal.stash,
        pluginmanager=SimpleNamespace(get_plugin=lambda _: reporter),
        getoption=options.get,
        get_terminal_writer=lambda: terminal,
    )
    session: Any = SimpleNamespace(config=config, items=["an item"] if cases else [])
    terminal.lines.clear()
    hook = interrupted_plugin.pytest_sessionfinish(session, status)
    next(hook)
    told = reporter._keyboardinterrupt_memo
    assert terminal.lines == [], "expected the lines on the end after all that pytest says"
    with pytest.raises(StopIteration):
        hook.send(None)
    return terminal.lines, told.reprcrash.message if told else None


def test_end_of_an_interrupted_session_comes_last() -> None:
    """What is said of an interrupted session is said after every other plugin's last word."""
    hook: Any = interrupted_plugin.pytest_sessionfinish

    assert (hook.pytest_impl["wrapper"], hook.pytest_impl["tryfirst"]) == (True, True)


def test_interrupted_session_ends_with_what_was_kept(
    terminal: FakeTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted session ends with the number of results kept and how to resume.

    What an engine was at is told, and the place in the code is not.
    """
    monkeypatch.setattr(interrupted_plugin, "case_of", lambda item: item)
    by_user = "KeyboardInterrupt\nx[y]: stopped during transcribe"
    nothing = "stopped:  no test had ended, so that nothing was kept"
    note = "x[y]: stopped during transcribe"

    assert interrupted(terminal, by_user) == ([note, nothing], "interrupted")
    assert interrupted(terminal, "KeyboardInterrupt", fulltrace=True) == (
        [nothing],
        "KeyboardInterrupt",
    )
    take_over(terminal, warm(2.0))
    terminal.stash[SESSION_JOURNAL].written[Outcome.PASSED] = 1
    kept = "stopped:  2 results are kept in journal.jsonl; the same command with "
    kept += "--resume=journal.jsonl runs what is left"
    assert interrupted(terminal, "KeyboardInterrupt") == ([kept], "interrupted")
    terminal.stash[SESSION_JOURNAL].written.clear()
    assert interrupted(terminal, "KeyboardInterrupt")[0] == [
        kept.replace("2 results are", "1 result is")
    ]
    compared = (
        "stopped:  1 result is kept in journal.jsonl; comparisons are not resumed: choose those "
        "that are left with -k"
    )
    assert interrupted(terminal, "KeyboardInterrupt", head_to_head=True)[0] == [compared]
    assert interrupted(terminal, "KeyboardInterrupt", against="../main")[0] == [compared]


def test_session_that_ends_otherwise_says_nothing_of_that(
    terminal: FakeTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an interrupted session of benchmarks, or one that kept results, says it was stopped."""
    monkeypatch.setattr(interrupted_plugin, "case_of", lambda item: item)
    ended = "_pytest.outcomes.Exit: interrupted while fetching models"

    assert interrupted(terminal, None, pytest.ExitCode.OK) == ([], None)
    assert interrupted(terminal, ended) == ([], ended)
    assert interrupted(terminal, "KeyboardInterrupt", cases=False) == ([], "KeyboardInterrupt")
    assert interrupted(terminal, "KeyboardInterrupt", check_models=()) == ([], "KeyboardInterrupt")
    terminal.stash[SESSION_JOURNAL] = SessionJournal(
        Journal(Path("journal.jsonl")), written=Counter([Outcome.PASSED])
    )
    assert interrupted(terminal, ended)[0][0].startswith("stopped:  1 result is kept in journal.")
