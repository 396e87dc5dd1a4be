"""The session's journal: where it lies, what is written to it, and what is said of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from tests.helpers.project import ROOT
from tests.helpers.results import CASE, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal import journal_plugin
from whisper_speedtest.results.journal.journal_file import HEADER, Journal, line_of, read
from whisper_speedtest.results.journal.journal_plugin import (
    NEUTRAL,
    SESSION_JOURNAL,
    SessionJournal,
    keep,
)
from whisper_speedtest.results.journal.neutral import Neutral
from whisper_speedtest.results.journal.resume import Decision
from whisper_speedtest.results.note import printed
from whisper_speedtest.session.choice.collection import OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.choice.options import LAST_JOURNAL
from whisper_speedtest.session.outcomes import RESULTS
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from whisper_speedtest.cache.model import VerifiedModel

NO_MODEL = cast("VerifiedModel", None)


@pytest.fixture(name="session")
def _session(tmp_path: Path) -> FakeSession:
    """A session whose journal is `run.jsonl`, and in which nothing has ended yet."""
    session = FakeSession(device="auto")
    session.stash[RESULTS] = []
    session.stash[SESSION_JOURNAL] = SessionJournal(Journal(tmp_path / "run.jsonl"))
    session.stash[NEUTRAL] = Neutral.of({}, home=None, user="jane", host="", kept={})
    return session


def config_of(session: FakeSession) -> pytest.Config:
    """Return a session for those who take a config."""
    return cast("pytest.Config", session)


def end(session: FakeSession, **changes: object) -> None:
    """Let a test end, with a result in which these fields are others."""
    session.stash[RESULTS].append(warm(1.0, **changes))
    keep(config_of(session))


def begun(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session have collected a test that measures something."""
    monkeypatch.setattr(journal_plugin, "case_of", lambda _: CASE)
    session.items = [cast("pytest.Item", SimpleNamespace(name="a"))]
    journal_plugin.pytest_collection_finish(session.real)


def test_each_result_is_written_once_and_at_once(session: FakeSession, tmp_path: Path) -> None:
    """Each result is in the journal once, as soon as its test has ended.

    Reports come three times a test, and results once; what was written is counted.
    """
    for count, name in enumerate(("a", "b", "c"), start=1):
        end(session, test=name)
        keep(config_of(session))
        assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a", "b", "c"][
            :count
        ]
    kept = session.stash[SESSION_JOURNAL]
    assert (kept.written.total(), kept.unwritten) == (3, 0)


def test_result_is_written_without_names(session: FakeSession, tmp_path: Path) -> None:
    """A result is written to the journal without names; the session keeps what was said.

    The session's terminal is the user's own.
    """
    end(session, outcome=Outcome.FAILED, reason="jane cannot read /opt/acme")

    (kept,) = read(tmp_path / "run.jsonl").results
    assert kept.reason == "<user> cannot read <path>"
    assert session.stash[RESULTS][0].reason == "jane cannot read /opt/acme"


def test_result_that_cannot_be_written_costs_no_other(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that cannot be written to the journal is counted and costs no other result.

    The reason is known, and the next one is tried again.
    """
    end(session, test="a")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        end(session, test="b")
    end(session, test="c")

    kept = session.stash[SESSION_JOURNAL]
    assert (kept.written.total(), kept.unwritten) == (2, 1)
    assert kept.why_unwritten == "[Errno 28] No space left on device"
    assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a", "c"]


def test_skip_is_left_out_where_the_journal_has_it_for_the_same_reason(
    session: FakeSession, tmp_path: Path
) -> None:
    """A skip is not written where the journal has it already, of that test for that reason.

    Another reason, another test, and a failure of the same words are written, each time.
    """
    old = warm(1.0, test="a", outcome=Outcome.SKIPPED, reason="offline")
    failed = warm(1.0, test="c", outcome=Outcome.FAILED, reason="it crashed")
    session.stash[SESSION_JOURNAL].earlier_results = (old, failed)

    end(session, test="a", outcome=Outcome.SKIPPED, reason="offline", transcript=None)
    end(session, test="a", outcome=Outcome.SKIPPED, reason="too slow")
    end(session, test="b", outcome=Outcome.SKIPPED, reason="offline")
    end(session, test="a", outcome=Outcome.FAILED, reason="offline")
    end(session, test="c", outcome=Outcome.FAILED, reason="it crashed")

    assert [(each.test, each.reason) for each in read(tmp_path / "run.jsonl").results] == [
        ("a", "too slow"),
        ("b", "offline"),
        ("a", "offline"),
        ("c", "it crashed"),
    ]


def test_skip_for_a_reason_that_names_a_place_is_left_out_as_any_other(
    session: FakeSession, tmp_path: Path
) -> None:
    """The journal has the reason without its names, so that is what a skip is compared by."""
    skip = {"test": "a", "outcome": Outcome.SKIPPED, "reason": "jane has no /opt/acme"}
    end(session, **skip)
    (written,) = read(tmp_path / "run.jsonl").results
    session.stash[SESSION_JOURNAL].earlier_results = (written,)

    end(session, **skip)

    assert read(tmp_path / "run.jsonl").results == (written,)


def test_journal_is_found_where_another_plugin_runs_the_tests(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another plugin runs the tests, the journal is opened with the first result.

    Where there can be none, that is said once.
    """
    monkeypatch.setattr(journal_plugin, "FOLDER", tmp_path / "journals")
    session.stash[SESSION_JOURNAL] = SessionJournal(None)

    end(session, test="a")
    end(session, test="b")

    (path,) = (tmp_path / "journals").iterdir()
    assert [result.test for result in read(path).results] == ["a", "b"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(journal_plugin, "FOLDER", tmp_path / "file")
    session.stash[SESSION_JOURNAL] = SessionJournal(None, handled=2)
    end(session, test="c")
    end(session, test="d")
    assert session.stash[SESSION_JOURNAL].unwritten == 2
    (line,) = session.lines
    assert line == (
        f"journal: none, as {tmp_path}/file cannot be written: File exists; name a file with "
        "--journal=FILE"
    )


def test_sessions_of_one_second_have_a_journal_each(tmp_path: Path) -> None:
    """Sessions that begin in the same second have journals of different names."""
    folder = tmp_path / "journals"
    journals = [journal_plugin._new_journal(folder) for _ in range(3)]
    for number, journal in enumerate(journals):
        assert journal.path.exists(), "the next session would take that name"
        journal.append(warm(1.0, test=str(number)))
        journal.close()

    journals.append(journal_plugin._new_journal(folder))

    named = sorted(each.path.name for each in journals)
    assert len({*named}) == 4, named
    second = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-[2-4])?\.jsonl")
    assert all(second.fullmatch(name) for name in named), named
    for number, journal in enumerate(journals[:3]):
        assert [result.test for result in read(journal.path).results] == [str(number)]


def test_journal_is_locked_before_anything_is_measured(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two sessions that name one new journal, the second is refused before it measures."""
    path = tmp_path / "run.jsonl"
    begun(session, monkeypatch)
    second = FakeSession()
    second.stash[SESSION_JOURNAL] = SessionJournal(Journal(path))

    with pytest.raises(pytest.UsageError) as caught:
        begun(second, monkeypatch)

    assert str(caught.value) == (
        f"journal: {path}: expected a journal that no other session writes to, got one that is in "
        "use; name another, or wait for that session to end"
    )
    journal_plugin.pytest_unconfigure(config_of(second))
    assert path.exists(), "the session that was refused has removed the file of the other"
    journal_plugin.pytest_unconfigure(config_of(session))
    assert not path.exists(), "a session that has measured nothing has left a file"


@pytest.mark.parametrize(
    ("option", "value"),
    [("collectonly", True), ("prefetch_only", True), ("check_models", frozenset())],
)
def test_session_that_runs_no_test_makes_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: object
) -> None:
    """A session that runs no test makes no journal, whether one is named or not."""
    monkeypatch.setattr(journal_plugin, "FOLDER", tmp_path / "journals")
    for journal in (Journal(tmp_path / "run.jsonl"), None):
        session = FakeSession()
        session.set_options(**{option: value})
        session.stash[SESSION_JOURNAL] = SessionJournal(journal)
        begun(session, monkeypatch)
        journal_plugin.pytest_runtestloop(session.real)
        assert not list(tmp_path.iterdir())


def test_named_journal_that_cannot_be_written_is_refused(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named journal that cannot be written is refused, and no part of it is left.

    That a disk is full nobody knows before they write.
    """
    kept = session.stash[SESSION_JOURNAL]

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert kept.journal is not None
    path = kept.journal.path
    with pytest.raises(pytest.UsageError) as caught:
        begun(session, monkeypatch)

    assert str(caught.value) == (
        f"journal: {path}: expected a file that can be written, got No space left on device; name "
        "another"
    )
    assert not path.exists()


def test_cut_line_is_said_to_be_removed_once(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut line of the journal is said to be removed once, when the journal is opened."""
    journal = session.stash[SESSION_JOURNAL].journal
    assert journal is not None
    journal.path.write_bytes(HEADER + b"{cut")
    session.stash[SESSION_JOURNAL].cut_bytes = 4

    begun(session, monkeypatch)
    journal_plugin.pytest_runtestloop(session.real)

    assert session.lines == [f"journal: {journal.path}: 4 bytes of a line that was cut are removed"]
    assert journal.path.read_bytes() == HEADER


def test_journal_is_named_from_where_pytest_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is named briefly below the folder where pytest was started, else in full."""
    monkeypatch.chdir(tmp_path)

    assert SessionJournal(Journal(tmp_path / "a" / "b.jsonl")).name == "a/b.jsonl"
    assert SessionJournal(Journal(tmp_path.parent / "b.jsonl")).name == f"{tmp_path.parent}/b.jsonl"
    assert SessionJournal(None).name == ""


def told(count: int, written: int, lost: int, fault: str = "", saved_to: str = "") -> list[str]:
    """Return the lines on a journal from which so many results were taken over, and so on."""
    taken_over = {str(number): warm() for number in range(count)}
    kept = SessionJournal(
        Journal(Path("j.jsonl")),
        taken_over=taken_over,
        written=Counter({Outcome.PASSED: written}),
        unwritten=lost,
        why_unwritten=fault,
    )
    return printed(kept.notes(saved_to))


def test_journal_is_told_with_what_is_in_it_and_what_is_not() -> None:
    """Of a journal the session's last lines say what came from it, what went into it or did not.

    Of what did not happen they say nothing.
    """
    assert told(0, 0, 0) == []
    assert told(3, 2, 4, "no space left") == [
        "earlier:  3 results are taken over from j.jsonl",
        "journal:  2 results are added to j.jsonl",
        "unsaved:  4 results are not added to j.jsonl: no space left",
    ]
    assert told(0, 1, 1, "it is full", "saved.json") == [
        "journal:  1 result is added to j.jsonl",
        "unsaved:  1 result is not added to j.jsonl: it is full",
    ]
    without = SessionJournal(None, unwritten=1, why_unwritten="no place")
    assert printed(without.notes("")) == ["unsaved:  1 result is not added to a journal: no place"]


def test_results_of_tests_that_did_not_pass_are_counted_as_such(
    session: FakeSession, tmp_path: Path
) -> None:
    """The line on the journal counts results that did not pass by how they ended.

    Else a session in which nothing could be measured would seem to have kept results of it.
    """

    def told(*outcomes: Outcome) -> str:
        session.stash[SESSION_JOURNAL].written.clear()
        for each in outcomes:
            end(session, outcome=each, reason="why")
        (line,) = printed(session.stash[SESSION_JOURNAL].notes(""))
        return line.removesuffix(f" added to {tmp_path}/run.jsonl")

    passed, skipped, failed = Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED
    assert told(passed, failed, skipped, skipped, Outcome.BUSY) == (
        "journal:  5 results (2 skipped, 1 failed, 1 busy) are"
    )
    assert told(skipped, skipped) == "journal:  2 results (all skipped) are"
    assert told(Outcome.TIMED_OUT) == "journal:  1 result (timed out) is"
    assert told(passed, passed) == "journal:  2 results are"


def test_session_that_takes_nothing_over_says_so_and_why() -> None:
    """A session that resumes a journal and takes nothing over from it says so and why.

    Nobody sees in a journal that grows whether anything in it was of use.
    """

    def told(*reasons: str) -> list[str]:
        of_tests = dict(enumerate(reasons))
        not_taken_over = {str(number): reason for number, reason in of_tests.items()}
        kept = SessionJournal(Journal(Path("j.jsonl")), (), not_taken_over=not_taken_over)
        return printed(kept.notes(""))

    assert told("failed", "failed") == [
        "earlier:  no result of 2 tests is taken over from j.jsonl: failed"
    ]
    (line,) = told("failed", "not in the journal", "failed")
    assert line == (
        "earlier:  no result of 3 tests is taken over from j.jsonl, for 2 reasons, which stand "
        "above the tests"
    )
    assert told() == [], "nothing is said where no test was to be measured"


def test_what_was_taken_over_is_said_to_be_in_no_other_file() -> None:
    """pytest-benchmark's file is said to lack the results that a journal gave.

    It is of one session: who wants all of the results reads the journal.
    """
    assert told(1, 0, 0, saved_to="saved.json") == [
        "earlier:  1 result is taken over from j.jsonl; saved.json has this session's own alone"
    ]


def test_folders_of_recordings_are_named_nowhere() -> None:
    """Folders of a user's recordings are named in no reason, even below the project's folder."""
    session = FakeSession()
    recording = clips()["short"]
    session.stash[OWN_CLIPS] = [replace(recording, file=ROOT / "Zebra" / "memo.wav")]
    session.stash[OWN_CORPORA] = [
        Corpus(
            name="Yak", folder=ROOT / "Yak", language="en", clips=(), sha256="ef" * 32, stamps={}
        )
    ]

    neutral = journal_plugin.neutral_of(config_of(session))

    assert neutral.text(f"no {ROOT}/Zebra/memo.txt, no {ROOT}/Yak/a.wav") == "no <path>, no <path>"
    assert neutral.text(f"no {ROOT}/docs/models.md") == "no <project>/docs/models.md"


def resumed(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch, decision: Decision
) -> tuple[list[str], list[str]]:
    """Let a session of the tests a to d take over what was decided.

    Returns the tests of which pytest is told that they have passed, and those left to run.
    """
    told: list[str] = []
    monkeypatch.setattr(journal_plugin, "case_of", lambda _: CASE)
    monkeypatch.setattr(journal_plugin, "decide", lambda *_: decision)
    monkeypatch.setattr(journal_plugin, "report_as_passed", lambda _, item: told.append(item.name))
    session.items = [cast("pytest.Item", SimpleNamespace(name=name)) for name in "abcd"]
    journal_plugin.pytest_runtestloop(session.real)
    return told, [item.name for item in session.items]


def test_results_that_are_taken_over_are_not_written_again(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that are taken over from a journal are not written to it again.

    They keep their places in the session, whose other tests are run.
    """
    old = {name: warm(1.0, test=name) for name in ("b", "d")}
    session.stash[SESSION_JOURNAL].earlier_results = tuple(old.values())
    decision = Decision(old, {"a": "failed", "c": "its model is not there"})

    told, left = resumed(session, monkeypatch, decision)
    end(session, test="a")

    kept = session.stash[SESSION_JOURNAL]
    assert (told, left) == (["b", "d"], ["a", "c"])
    assert [result.test for result in session.stash[RESULTS]] == ["b", "d", "a"]
    assert kept.order == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert kept.not_taken_over == decision.run
    assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a"]
    assert [line.strip() for line in session.lines] == [
        f"resume: {tmp_path}/run.jsonl: 2 of 4 results taken over",
        "failed: 1 test is run again",
        "its model is not there: 1 test is run again",
    ]


def test_nothing_is_taken_over_where_the_tests_could_not_be_collected(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken over from a journal where the tests could not be collected.

    Such a session ends at once, and its journal stays closed.
    """
    session.testsfailed = 1
    session.stash[SESSION_JOURNAL].earlier_results = (warm(1.0, test="a"),)

    told, left = resumed(session, monkeypatch, Decision({"a": warm(1.0, test="a")}, {}))

    assert (told, left) == ([], ["a", "b", "c", "d"])
    assert (session.stash[RESULTS], session.lines) == ([], [])
    assert not (tmp_path / "run.jsonl").exists()


def test_folder_of_a_named_journal_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named journal is refused only where it, or its folder, could not be written.

    Nothing is made yet.
    """
    (tmp_path / "run.jsonl").write_bytes(HEADER)
    may_be_written = True
    monkeypatch.setattr(os, "access", lambda *_: may_be_written)

    def refused(name: str) -> str:
        session = FakeSession(journal=tmp_path / name)
        try:
            journal_plugin.pytest_configure(config_of(session))
        except pytest.UsageError as error:
            return str(error).partition(", got ")[2].removesuffix("; name another")
        return ""

    assert (refused("a/b/run.jsonl"), refused("new.jsonl"), refused("run.jsonl")) == ("", "", "")
    assert (
        refused("run.jsonl/x")
        == f"no folder {tmp_path}/run.jsonl, as {tmp_path}/run.jsonl is a file"
    )
    may_be_written = False
    above = f"none, in {tmp_path}, which may not be written"
    assert (refused("a/b/run.jsonl"), refused("new.jsonl")) == (above, above)
    assert refused("run.jsonl") == "one that may not be written"
    assert [each.name for each in tmp_path.iterdir()] == ["run.jsonl"]


def test_session_has_the_journal_that_the_user_names(tmp_path: Path) -> None:
    """A session has the journal that --journal or --resume names, and without them none yet.

    What it holds is read at once.
    """
    path = tmp_path / "run.jsonl"
    path.write_bytes(HEADER + line_of(old := warm(1.0, test="a")) + b"{cut")

    def kept(journal: Path | None, resume: Path | None) -> tuple[object, object, int]:
        session = FakeSession(journal=journal, resume=resume)
        journal_plugin.pytest_configure(config_of(session))
        found = session.stash[SESSION_JOURNAL]
        return found.journal.path if found.journal else None, found.earlier_results, found.cut_bytes

    new = tmp_path / "new.jsonl"
    assert kept(None, None) == (None, None, 0)
    assert kept(new, None) == (new, None, 0)
    assert kept(path, None) == (path, None, 4)
    assert kept(None, path) == kept(path, path) == kept(path, LAST_JOURNAL) == (path, (old,), 4)
