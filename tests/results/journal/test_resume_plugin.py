"""Going on with a session: which journal is resumed, and which tests are decided by it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.helpers.fake_session import FakeSession
from tests.helpers.results import CASE, warm
from whisper_speedtest.cache.model import ModelError
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.journal import resume_plugin
from whisper_speedtest.results.journal.journal_file import HEADER, line_of
from whisper_speedtest.results.journal.resume import Decision
from whisper_speedtest.results.journal.resume_plugin import file_to_resume
from whisper_speedtest.session.choice.options import LAST_JOURNAL
from whisper_speedtest.session.choice.values import parse_path

if TYPE_CHECKING:
    from adapters.base import Device
    from whisper_speedtest.cache.model import VerifiedModel

NO_MODEL = cast("VerifiedModel", None)
FOLDER = Path("/nowhere")
"""Where journals are that nobody named."""


def config_of(session: FakeSession) -> pytest.Config:
    """Return a session for those who take a config."""
    return cast("pytest.Config", session)


def test_last_journal_is_the_one_that_was_written_last(tmp_path: Path) -> None:
    """The last journal with results is the one written last, whatever its name.

    Of two that were written at once it is the one with the later name.
    """
    for name, written in {"a": 30, "b": 20, "c": 20, "d": 40}.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(HEADER + (b"" if name == "d" else line_of(warm(1.0))))
        os.utime(path, (written, written))
    (tmp_path / "z.txt").write_text("no journal", encoding="utf-8")

    assert resume_plugin._last(tmp_path).name == "a.jsonl"
    (tmp_path / "a.jsonl").unlink()
    assert resume_plugin._last(tmp_path).name == "c.jsonl"


def test_journal_of_comparisons_alone_is_not_resumed(tmp_path: Path) -> None:
    """A journal of nothing but comparisons is not resumed.

    A session that goes on compares nothing.
    """
    compared = line_of(warm(1.0, measure=Measure.RATIO))
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEADER + compared)

    with pytest.raises(pytest.UsageError, match=f"found none but comparisons in {path}; run once "):
        resume_plugin._last(tmp_path)

    path.write_bytes(HEADER + line_of(warm(1.0)) + compared)
    assert resume_plugin._last(tmp_path) == path


def test_folder_is_no_journal_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is refused as the journal to resume, even the working folder.

    `--resume .` takes for the journal the path of the tests behind it.
    """
    monkeypatch.chdir(tmp_path)

    with pytest.raises(pytest.UsageError, match=f"at {tmp_path}, found a folder there; write "):
        file_to_resume(parse_path("."), None, FOLDER)
    assert file_to_resume(LAST_JOURNAL, tmp_path / "a.jsonl", FOLDER) == tmp_path / "a.jsonl"


def test_journal_that_cannot_be_looked_at_is_refused_as_such() -> None:
    """A journal to resume whose name is too long to be looked at is refused with that reason."""
    path = Path(f"/{'n' * 300}.jsonl")

    with pytest.raises(
        pytest.UsageError, match=r"found what cannot be looked at \(File name too lo"
    ):
        file_to_resume(path, None, FOLDER)


def test_without_a_journal_all_that_were_looked_at_are_named(tmp_path: Path) -> None:
    """Where no journal has results to resume, all that were looked at are named.

    So the user sees where the one is not that was expected.
    """
    first, second = (tmp_path / name for name in ("a.jsonl", "b.jsonl"))
    for path in (first, second):
        path.write_bytes(HEADER)

    with pytest.raises(pytest.UsageError) as caught:
        resume_plugin._last(tmp_path)

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
    """A resumed session finds out on which device a result would be computed now.

    What has worked on the GPU needs no probe; what has run on the CPU may have a GPU by now.
    """
    calls: list[str] = []

    def choose(*_: object) -> str:
        calls.append(probed)
        if probed == "fails":
            raise OSError("no such engine")
        return probed

    monkeypatch.setattr(resume_plugin, "choose_device", choose)
    config = config_of(FakeSession(device=asked))

    assert resume_plugin._device(config, CASE, NO_MODEL, before) == found
    assert calls == ([probed] if probed else [])


def test_journal_is_resumed_by_either_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--journal and --resume may name one journal in two ways, but not two journals."""
    monkeypatch.chdir(tmp_path)
    whole, brief = tmp_path / "a.jsonl", Path("a.jsonl")
    whole.touch()

    assert file_to_resume(brief, whole, FOLDER) == brief
    assert file_to_resume(whole, brief, FOLDER) == whole
    with pytest.raises(pytest.UsageError, match=r"a\.jsonl, got --journal=b\.jsonl as"):
        file_to_resume(brief, Path("b.jsonl"), FOLDER)


def test_test_whose_model_is_not_there_is_run_and_counted_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resumed session runs a test whose model is not there, and counts it as that.

    The test itself says why it cannot be measured. The others are decided by what the journal has.
    """

    def model_of(_: object, files: str) -> str:
        if files == "absent":
            raise ModelError("no such repo")
        return files

    monkeypatch.setattr(resume_plugin, "session_model", model_of)
    monkeypatch.setattr(resume_plugin, "case_of", lambda item: item.name)
    monkeypatch.setattr(resume_plugin, "files_of", lambda case: case)
    monkeypatch.setattr("whisper_speedtest.measure.machine.machine", lambda: None)
    monkeypatch.setattr(resume_plugin, "_planned", lambda *_: None)
    monkeypatch.setattr(
        "whisper_speedtest.results.journal.resume.decide",
        lambda *_: Decision({}, {"there": "failed"}),
    )
    items = [cast("pytest.Item", SimpleNamespace(name=name)) for name in ("absent", "there")]

    found = resume_plugin.decide(config_of(FakeSession()), items, ())

    assert found.run == {"there": "failed", "absent": "its model is not there"}
