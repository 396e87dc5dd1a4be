"""The user's own recordings: what --audio takes, what it refuses, and how they are selected."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from whisper_speedtest.session.recordings import SUFFIXES, own_clips

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers.sessions import Sessions

    Record = Callable[[str], Path]


@pytest.fixture(name="record")
def _record(tmp_path: Path) -> Record:
    """A function that puts a recording of 3.73 s at a path, and returns it."""

    def record(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips()["short"].path, path)
        return path

    return record


def refused(*paths: Path) -> str:
    """Return what is said of recordings that are refused."""
    with pytest.raises(pytest.UsageError) as caught:
        own_clips(paths)
    return str(caught.value)


def test_files_are_clips_that_are_named_after_them(record: Record) -> None:
    """In the order in which they are named, with their length and whose they are."""
    clips_read = own_clips([record("b.wav"), record("a.wav")])

    assert [clip.name for clip in clips_read] == ["b", "a"]
    assert [clip.seconds for clip in clips_read] == [3.73, 3.73]
    assert all(clip.is_own for clip in clips_read)


def test_folder_stands_for_the_sound_files_in_it(record: Record) -> None:
    """By name, whatever the case of the suffix; other files and folders below are left out."""
    folder = record("talks/two.wav").parent
    record("talks/ONE.WAV")
    record("talks/below/three.wav")
    (folder / "one.txt").write_text("words", encoding="utf-8")
    (folder / "notes.md").write_text("words", encoding="utf-8")

    assert [clip.name for clip in own_clips([folder])] == ["ONE", "two"]


def test_folder_without_sound_files_is_refused(tmp_path: Path) -> None:
    """A folder that adds nothing is a slip: the message says what was looked for."""
    assert refused(tmp_path) == (
        f"--audio: {tmp_path}: expected sound files in this folder ({', '.join(SUFFIXES)}), "
        "got none; name the file itself where it has another suffix"
    )


def test_two_recordings_of_one_name_are_refused(record: Record) -> None:
    """One of them would be measured under the id of both."""
    first, second = record("monday/talk.wav"), record("tuesday/talk.wav")

    assert refused(first, second) == (
        f"--audio: {second}: expected a name that no other clip has, got 'talk', which is also "
        f"{first}; rename the file"
    )
    assert "got 'talk'" in refused(first, first)


def test_name_of_a_clip_of_the_project_is_refused(record: Record) -> None:
    """It would stand under the project's own test ids."""
    path = record("short.wav")

    assert f"{path}: expected a name that no other clip has, got 'short'" in refused(path)


def test_home_folder_is_expanded(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell leaves the `~` in --audio=~/talk.wav as it is."""
    path = record("talk.wav")
    monkeypatch.setenv("HOME", str(path.parent))

    (clip,) = own_clips([type(path)("~/talk.wav")])

    assert clip.path == path


def test_unknown_home_folder_is_refused(tmp_path: Path) -> None:
    """No user of that name has a home."""
    assert "expected `~` to name a home folder" in refused(type(tmp_path)("~nobody-here/talk.wav"))


def test_own_recordings_are_selected_alone_by_their_marker(
    sessions: Sessions, record: Record
) -> None:
    """-m own leaves out every clip of the project, whatever the recordings are called."""
    folder = record("talks/memo.wav").parent
    record("talks/call.wav")

    session = sessions.run("benchmarks", "-m", "own", "-k", "toy-micro-good", f"--audio={folder}")

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved_names == {
        f"test_{test}[toy-micro-good-{name}]"
        for test in ("transcribe", "tuned")
        for name in ("call", "memo")
    }


def test_transcript_without_a_reference_is_shown(sessions: Sessions, record: Record) -> None:
    """Nobody wrote down what is said, so the user is shown what was heard."""
    path = record("memo.wav")

    session = sessions.run("benchmarks", "-m", "own", "-k", "toy-micro-good", f"--audio={path}")

    heard = clips()["short"].reference
    assert f"heard:    toy[micro-good] on memo: {heard}\n" in session.output
    assert "unchecked" in session.output
