"""The session's hold on its journal: where it lies, what is written to it, and on what device."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from tests.helpers.project import ROOT
from tests.helpers.results import CASE, warm
from whisper_speedtest.hub.model import ModelError
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results import journal_plugin
from whisper_speedtest.results.journal import HEADER, Journal, line_of, read
from whisper_speedtest.results.journal_plugin import KEPT, NEUTRAL, Kept, keep
from whisper_speedtest.results.neutral import Neutral
from whisper_speedtest.results.resume import Decision
from whisper_speedtest.session.collection import OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.options import LAST_JOURNAL
from whisper_speedtest.session.outcomes import RESULTS
from whisper_speedtest.session.values import parse_path
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from adapters.base import Device
    from whisper_speedtest.hub.model import VerifiedModel

NO_MODEL = cast("VerifiedModel", None)


@pytest.fixture(name="session")
def _session(tmp_path: Path) -> FakeSession:
    """A session whose journal is `run.jsonl`, and in which nothing has ended yet."""
    session = FakeSession(device="auto")
    session.stash[RESULTS] = []
    session.stash[KEPT] = Kept(Journal(tmp_path / "run.jsonl"))
    session.stash[NEUTRAL] = Neutral.of({}, home=None, user="jane", host="", kept={})
    return session


def config_of(session: FakeSession) -> pytest.Config:
    """Return a session for those who take a config."""
    return cast("pytest.Config", session)


def end(session: FakeSession, **changes: object) -> None:
    """Let a test end, with a result in which these fields are others."""
    session.stash[RESULTS].append(warm(1.0, **changes))
    keep(config_of(session))


def test_each_result_is_written_once_and_at_once(session: FakeSession, tmp_path: Path) -> None:
    """Reports come three times a test, and results once; what was written is counted."""
    for count, name in enumerate(("a", "b", "c"), start=1):
        end(session, test=name)
        keep(config_of(session))
        assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a", "b", "c"][
            :count
        ]
    assert (session.stash[KEPT].written, session.stash[KEPT].lost) == (3, 0)


def test_result_is_written_without_names(session: FakeSession, tmp_path: Path) -> None:
    """The session itself, whose terminal is the user's own, keeps what was said."""
    end(session, outcome=Outcome.FAILED, reason="jane cannot read /opt/acme")

    (kept,) = read(tmp_path / "run.jsonl").results
    assert kept.reason == "<user> cannot read <path>"
    assert session.stash[RESULTS][0].reason == "jane cannot read /opt/acme"


def test_result_that_cannot_be_written_costs_no_other(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, the reason is known, and the next one is tried again."""
    end(session, test="a")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        end(session, test="b")
    end(session, test="c")

    kept = session.stash[KEPT]
    assert (kept.written, kept.lost) == (2, 1)
    assert kept.fault == "[Errno 28] No space left on device"
    assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a", "c"]


def test_skip_is_left_out_where_the_journal_has_it_for_the_same_reason(
    session: FakeSession, tmp_path: Path
) -> None:
    """Another reason, another test, and a failure of the same words are written, each time."""
    old = warm(1.0, test="a", outcome=Outcome.SKIPPED, reason="offline")
    failed = warm(1.0, test="c", outcome=Outcome.FAILED, reason="it crashed")
    session.stash[KEPT].earlier = (old, failed)

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


def test_journal_is_found_where_another_plugin_runs_the_tests(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened with the first result then; where there can be none, that is said once."""
    monkeypatch.setattr(journal_plugin, "FOLDER", tmp_path / "journals")
    session.stash[KEPT] = Kept(None)

    end(session, test="a")
    end(session, test="b")

    (path,) = (tmp_path / "journals").iterdir()
    assert [result.test for result in read(path).results] == ["a", "b"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(journal_plugin, "FOLDER", tmp_path / "file")
    session.stash[KEPT] = Kept(None, seen=2)
    end(session, test="c")
    end(session, test="d")
    assert session.stash[KEPT].lost == 2
    (line,) = session.lines
    assert line == (
        f"journal: none, as {tmp_path}/file cannot be written: File exists; name a file with "
        "--journal=FILE"
    )


def test_two_sessions_of_one_second_have_two_journals(tmp_path: Path) -> None:
    """No session writes to a file that another has made."""
    paths = []
    for _ in range(4):
        paths.append(journal_plugin._new_file(tmp_path / "journals"))
        paths[-1].touch()

    assert len({*paths}) == 4
    assert all(path.suffix == ".jsonl" for path in paths)


def test_last_journal_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    """Whatever its name says of its beginning; of two written at once, the later name."""
    for name, written in {"a": 30, "b": 20, "c": 20, "d": 40}.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(HEADER + (b"" if name == "d" else line_of(warm(1.0))))
        os.utime(path, (written, written))
    (tmp_path / "z.txt").write_text("no journal", encoding="utf-8")

    assert journal_plugin._last(tmp_path).name == "a.jsonl"
    (tmp_path / "a.jsonl").unlink()
    assert journal_plugin._last(tmp_path).name == "c.jsonl"


def test_folder_is_no_journal_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the working folder, as which `--resume .` takes the path of the tests behind it."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(pytest.UsageError, match=f"at {tmp_path}, found a folder there; write "):
        journal_plugin._resumed(parse_path("."), None)
    assert journal_plugin._resumed(LAST_JOURNAL, tmp_path / "a.jsonl") == tmp_path / "a.jsonl"


def test_without_a_journal_all_that_were_looked_at_are_named(tmp_path: Path) -> None:
    """So that the user sees where the one is not that was expected."""
    first, second = (tmp_path / name for name in ("a.jsonl", "b.jsonl"))
    for path in (first, second):
        path.write_bytes(HEADER)

    with pytest.raises(pytest.UsageError) as caught:
        journal_plugin._last(tmp_path)

    assert f"expected a journal with results, found none in {first}, {second}; run once" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("asked", "before", "probed", "found"),
    [
        ("auto", "gpu", "", "gpu"),
        ("auto", "cpu", "cpu", "cpu"),
        ("auto", "cpu", "gpu", "gpu"),
        ("cpu", "gpu", "cpu", "cpu"),
        ("gpu", "cpu", "gpu", "gpu"),
        ("auto", "cpu", "fails", None),
    ],
)
def test_device_of_a_result_is_compared_to_what_would_be_computed_on(
    monkeypatch: pytest.MonkeyPatch, asked: str, before: Device, probed: str, found: Device | None
) -> None:
    """What has worked on the GPU needs no probe; what has run on the CPU may have a GPU by now."""
    calls: list[str] = []

    def choose(*_: object) -> str:
        calls.append(probed)
        if probed == "fails":
            raise OSError("no such engine")
        return probed

    monkeypatch.setattr(journal_plugin, "choose_device", choose)
    config = config_of(FakeSession(device=asked))

    assert journal_plugin._device(config, CASE, NO_MODEL, before) == found
    assert calls == ([probed] if probed else [])


def test_journal_is_named_from_where_pytest_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below that folder briefly, elsewhere in full."""
    monkeypatch.chdir(tmp_path)

    assert Kept(Journal(tmp_path / "a" / "b.jsonl")).name == "a/b.jsonl"
    assert Kept(Journal(tmp_path.parent / "b.jsonl")).name == f"{tmp_path.parent}/b.jsonl"
    assert Kept(None).name == ""


def test_journal_is_resumed_by_either_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--journal and --resume may name it from here and in full; two files are refused."""
    monkeypatch.chdir(tmp_path)
    whole, brief = tmp_path / "a.jsonl", Path("a.jsonl")
    whole.touch()

    assert journal_plugin._resumed(brief, whole) == brief
    assert journal_plugin._resumed(whole, brief) == whole
    with pytest.raises(pytest.UsageError, match=r"a\.jsonl, got --journal=b\.jsonl as"):
        journal_plugin._resumed(brief, Path("b.jsonl"))


def test_folders_of_recordings_are_named_nowhere() -> None:
    """Also below a folder that is the same everywhere, and whatever else lies in them."""
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
    monkeypatch.setattr(journal_plugin, "_decide", lambda *_: decision)
    monkeypatch.setattr(journal_plugin, "_report", lambda _, item: told.append(item.name))
    session.items = [cast("pytest.Item", SimpleNamespace(name=name)) for name in "abcd"]
    journal_plugin.pytest_runtestloop(session.real)
    return told, [item.name for item in session.items]


def test_results_that_are_taken_over_are_not_written_again(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has them; they keep their places in the session, whose other tests are run."""
    old = {name: warm(1.0, test=name) for name in ("b", "d")}
    session.stash[KEPT].earlier = tuple(old.values())
    decision = Decision(old, {"a": "failed", "c": "its model is not there"})

    told, left = resumed(session, monkeypatch, decision)
    end(session, test="a")

    kept = session.stash[KEPT]
    assert (told, left) == (["b", "d"], ["a", "c"])
    assert [result.test for result in session.stash[RESULTS]] == ["b", "d", "a"]
    assert kept.order == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert [result.test for result in read(tmp_path / "run.jsonl").results] == ["a"]
    assert [line.strip() for line in session.lines] == [
        f"resume: {tmp_path}/run.jsonl: 2 of 4 results taken over",
        "failed: 1 test is run again",
        "its model is not there: 1 test is run again",
    ]


def test_nothing_is_taken_over_where_the_tests_could_not_be_collected(
    session: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a session ends at once, and its journal stays closed."""
    session.testsfailed = 1
    session.stash[KEPT].earlier = (warm(1.0, test="a"),)

    told, left = resumed(session, monkeypatch, Decision({"a": warm(1.0, test="a")}, {}))

    assert (told, left) == ([], ["a", "b", "c", "d"])
    assert (session.stash[RESULTS], session.lines) == ([], [])
    assert not (tmp_path / "run.jsonl").exists()


def test_test_whose_model_is_not_there_is_run_and_counted_as_such(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says itself why it cannot be measured; the others are decided by what the journal has."""

    def model_of(_: object, files: str) -> str:
        if files == "absent":
            raise ModelError("no such repo")
        return files

    monkeypatch.setattr(journal_plugin, "session_model", model_of)
    monkeypatch.setattr(journal_plugin, "case_of", lambda item: item.name)
    monkeypatch.setattr(journal_plugin, "files_of", lambda case: case)
    monkeypatch.setattr("whisper_speedtest.measure.machine.machine", lambda: None)
    monkeypatch.setattr(journal_plugin, "_planned", lambda *_: None)
    monkeypatch.setattr(
        "whisper_speedtest.results.resume.decide", lambda *_: Decision({}, {"there": "failed"})
    )
    items = [cast("pytest.Item", SimpleNamespace(name=name)) for name in ("absent", "there")]

    found = journal_plugin._decide(config_of(session), items, ())

    assert found.run == {"there": "failed", "absent": "its model is not there"}


def test_session_has_the_journal_that_the_user_names(tmp_path: Path) -> None:
    """To begin or to go on with; without one it has none yet. What it holds is read at once."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(HEADER + line_of(old := warm(1.0, test="a")) + b"{cut")

    def kept(journal: Path | None, resume: Path | None) -> tuple[object, object, int]:
        session = FakeSession(journal=journal, resume=resume)
        journal_plugin.pytest_configure(config_of(session))
        found = session.stash[KEPT]
        return found.journal.path if found.journal else None, found.earlier, found.cut

    new = tmp_path / "new.jsonl"
    assert kept(None, None) == (None, None, 0)
    assert kept(new, None) == (new, None, 0)
    assert kept(path, None) == (path, None, 4)
    assert kept(None, path) == kept(path, path) == kept(path, LAST_JOURNAL) == (path, (old,), 4)
