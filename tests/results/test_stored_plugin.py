"""A stored run as the other side of a session: how it is read, and what it does to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import Case
from tests.helpers.fake_session import FakeSession
from tests.helpers.results import warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_file import HEADER, Journal
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.stored_plugin import (
    STORED,
    pytest_configure,
    pytest_sessionfinish,
    stored_notes,
)
from whisper_speedtest.session.choice.values import Shard
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS

if TYPE_CHECKING:
    from pathlib import Path

GONE = warm(
    2.0,
    test="test_transcribe[lightning-whisper-mlx-tiny-3bit-short]",
    case=Case("lightning-whisper-mlx", "tiny", "3bit"),
)


@pytest.fixture(name="session")
def _session(tmp_path: Path) -> FakeSession:
    """A session against a stored run with a result of a known case and one of an unknown case."""
    journal = Journal(tmp_path / "old.jsonl")
    for result in (warm(2.0), GONE):
        journal.append(result)
    journal.close()
    session = FakeSession(baseline=str(tmp_path / "old.jsonl"), fail_slower=0.05)
    session.stash[RESULTS] = [warm(3.0)]
    session.stash[LEFT_OUT] = {}
    session.exitstatus = 0
    return session


def test_stored_run_is_read_when_the_session_begins(session: FakeSession) -> None:
    """All results of the stored run are read when the session begins, in their order."""
    pytest_configure(session.as_config)

    assert session.stash[STORED] == (warm(2.0), GONE)


def test_stored_run_is_looked_for_where_pytest_was_started(
    session: FakeSession, tmp_path: Path
) -> None:
    """A stored run is looked for from the folder where pytest was started, not the project's."""
    session.set_options(baseline="old.jsonl")
    session.invocation_params.dir = tmp_path
    assert session.rootpath != tmp_path

    pytest_configure(session.as_config)

    assert len(session.stash[STORED]) == 2


def test_stored_run_may_be_below_the_home(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leading `~` in --baseline is the home folder, and that of an unknown user is refused.

    No shell makes a path of `--baseline=~/old.jsonl`.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    session.set_options(baseline="~/old.jsonl")

    pytest_configure(session.as_config)

    assert len(session.stash[STORED]) == 2
    session.set_options(baseline="~nobody-at-all/old.jsonl")
    with pytest.raises(pytest.UsageError, match="--baseline: expected `~` to name a home folder"):
        pytest_configure(session.as_config)


@pytest.mark.parametrize(
    "options", [{"baseline": None}, {"head_to_head": True, "baseline": "toy-micro-good"}]
)
def test_session_without_a_stored_run_is_none_of_it(options: dict[str, Any]) -> None:
    """A session without a stored run reads none and has no lines on one."""
    session = FakeSession(**options)

    pytest_configure(session.as_config)
    pytest_sessionfinish(session.real)

    assert STORED not in session.stash
    assert stored_notes(session.as_config) == []


def test_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    """A --baseline that is no journal is refused before anything is measured."""
    session = FakeSession(baseline=str(tmp_path / "none.jsonl"), fail_slower=0.05)

    with pytest.raises(pytest.UsageError, match=r"--baseline: .*none\.jsonl: expected a journal"):
        pytest_configure(session.as_config)


def test_journal_without_results_is_refused(tmp_path: Path) -> None:
    """A --baseline journal without results is refused, as nothing could be slower than it."""
    path = tmp_path / "empty.jsonl"
    path.write_bytes(HEADER)
    session = FakeSession(baseline=str(path), fail_slower=0.05)

    with pytest.raises(pytest.UsageError) as raised:
        pytest_configure(session.as_config)
    assert str(raised.value) == (
        f"--baseline: {path}: expected a journal with results, got none; name another"
    )


def test_slower_time_is_told_and_fails_nothing(session: FakeSession) -> None:
    """A time slower than the stored run's is told, and does not fail the session.

    The stored run is called by the name of its file alone.
    """
    pytest_configure(session.as_config)

    line, last = printed(stored_notes(session.as_config))

    assert line.endswith(", against old.jsonl: 50.0% slower (no interval)")
    assert last.startswith("stored:   1 test compared with old.jsonl, ")
    session.stash[STORED] = (warm(2.0),)
    pytest_sessionfinish(session.real)
    assert session.exitstatus == 0


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 1), (2, 2), (5, 1)])
def test_lost_case_fails_a_session_that_passed(
    session: FakeSession, before: int, after: int
) -> None:
    """A case that was lost since the stored run fails a session that would have passed.

    It stands among the failures.
    """
    pytest_configure(session.as_config)
    session.exitstatus = before

    pytest_sessionfinish(session.real)

    assert session.exitstatus == after
    [(what, how)] = session.stash[LEFT_OUT].items()
    assert what.startswith("lightning-whisper-mlx-tiny-3bit: old.jsonl has a result of this case")
    assert how is Outcome.FAILED


@pytest.mark.parametrize("keyword", ["3bit", "tiny and short", "test_transcribe", "not load"])
def test_lost_case_is_selected_by_what_its_tests_were_called(
    session: FakeSession, keyword: str
) -> None:
    """-k selects a lost case by library, clip or function, as the names of its tests were."""
    session.set_options(keyword=keyword)
    pytest_configure(session.as_config)

    pytest_sessionfinish(session.real)

    assert session.exitstatus == 1, f"-k {keyword!r} selects the lost case, and nothing says so"


def test_lost_case_fails_the_part_of_the_selection_that_it_belongs_to(session: FakeSession) -> None:
    """A lost case fails only that part of a divided selection to which it belongs.

    So one of five machines says it, and not each of them.
    """
    pytest_configure(session.as_config)
    failed = {}
    for number in range(1, 6):
        session.exitstatus = 0
        session.set_options(shard=Shard(number, 5))

        pytest_sessionfinish(session.real)

        failed[number] = session.exitstatus

    assert failed == {number: int(Shard(number, 5).has(str(GONE.case))) for number in range(1, 6)}
    assert sum(failed.values()) == 1


def test_session_that_measured_nothing_is_compared_with_nothing(session: FakeSession) -> None:
    """A session that measured nothing has no line on the stored run."""
    pytest_configure(session.as_config)
    session.stash[RESULTS] = []

    assert stored_notes(session.as_config) == []


@pytest.mark.parametrize(
    "options", [{"keyword": "4bit"}, {"keyword": "tiny and long"}, {"collectonly": True}]
)
def test_lost_case_that_is_not_selected_is_none(
    session: FakeSession, options: dict[str, Any]
) -> None:
    """A lost case fails nothing where -k leaves it out or tests are only collected."""
    session.set_options(**options)
    pytest_configure(session.as_config)

    pytest_sessionfinish(session.real)

    assert (session.exitstatus, session.stash[LEFT_OUT]) == (0, {})
