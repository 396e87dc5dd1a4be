"""The user's own recordings: what --audio takes, what it refuses, and how they are selected."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.project import child_environment
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.session.choice.recordings import own_clips
from whisper_speedtest.speech.recordings import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

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
        own_clips(paths, [])
    return str(caught.value)


def test_files_are_clips_that_are_named_after_them(record: Record) -> None:
    """Recordings are clips with the names of their files, in the order in which they are given."""
    clips_read = own_clips([record("b.wav"), record("a.wav")], [])

    assert [clip.name for clip in clips_read] == ["b", "a"]
    assert [clip.seconds for clip in clips_read] == [3.73, 3.73]
    assert all(clip.is_own for clip in clips_read)


def test_folder_stands_for_the_sound_files_in_it(record: Record) -> None:
    """A folder stands for the sound files in it, by name, without those in folders below."""
    folder = record("talks/two.wav").parent
    record("talks/ONE.WAV")
    record("talks/below/three.wav")
    for name in "hbfdgace":
        record(f"talks/{name}.wav")
    (folder / "one.txt").write_text("words", encoding="utf-8")
    (folder / "notes.md").write_text("words", encoding="utf-8")

    assert [clip.name for clip in own_clips([folder], [])] == ["ONE", *"abcdefgh", "two"]


def test_folder_without_sound_files_is_refused(tmp_path: Path) -> None:
    """A folder without sound files is refused with the suffixes that were looked for."""
    assert refused(tmp_path) == (
        f"--audio: {tmp_path}: expected sound files in this folder ({', '.join(SUFFIXES)}), "
        "got none; name the file itself where it has another suffix"
    )


def test_folder_is_searched_for_plain_files_that_are_not_hidden(record: Record) -> None:
    """Hidden files, and folders with the name of a sound file, are no recordings of a folder."""
    folder = record("talks/memo.wav").parent
    (folder / "._memo.wav").write_bytes(b"\0\5\x16\7")
    record("talks/.memo.wav")
    (folder / "album.wav").mkdir()

    left_out: list[str] = []
    assert [clip.name for clip in own_clips([folder], left_out)] == ["memo"]
    assert left_out == []


def test_recordings_that_are_not_read_are_told(record: Record) -> None:
    """The user is told of recordings in a folder whose format is not read."""
    folder = record("talks/memo.wav").parent
    for name in ("one.m4a", "TWO.M4A", "notes.txt"):
        (folder / name).touch()

    left_out: list[str] = []
    (clip,) = own_clips([folder], left_out)

    assert clip.name == "memo"
    told = (
        "formats that are not read: TWO.M4A, one.m4a; name one alone to be told how it is converted"
    )
    assert left_out == [f"--audio: {folder}: {told}"]
    (folder / "memo.wav").unlink()
    assert refused(folder).endswith(f"another suffix; {folder}: {told}")


def test_folder_of_which_no_recording_can_be_used_is_refused_with_each(record: Record) -> None:
    """A folder of which no recording can be used is refused with the reason of each."""
    folder = record("talks/memo.wav").parent
    for name in ("empty.wav", "hollow.wav"):
        (folder / name).touch()
    left_out: list[str] = []
    assert [clip.name for clip in own_clips([folder], left_out)] == ["memo"]
    assert [why.split(": ")[1] for why in left_out] == [
        f"{folder}/empty.wav", f"{folder}/hollow.wav"
    ]  # fmt: skip
    (folder / "memo.wav").unlink()

    said = refused(folder)

    assert said.startswith(f"--audio: {folder}/empty.wav: is empty")
    assert f"; {folder}/hollow.wav: is empty" in said


def written(container: str) -> Callable[[Path], object]:
    """Return what writes the clip `short` in another format, whatever the file is called."""

    def write(path: Path) -> None:
        import soundfile

        samples, rate = soundfile.read(clips()["short"].path, dtype="int16")
        soundfile.write(path, samples, rate, format=container)

    return write


def closed(path: Path) -> None:
    """Make a file that its user may not read; to root the system refuses nothing."""
    path.write_bytes(b"RIFF")
    path.chmod(0)


@pytest.mark.parametrize("container", ["AIFF", "FLAC", "CAF", "OGG", "MP3", "RF64"])
def test_recording_is_read_by_its_content_in_a_folder_too(tmp_path: Path, container: str) -> None:
    """A recording is read by its content, whatever its suffix is, in a folder as well."""
    written(container)(tmp_path / "memo.wav")

    (clip,) = own_clips([tmp_path], [])

    assert (clip.name, round(clip.seconds, 1)) == ("memo", 3.7)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (written("W64"), "is W64, where a missing end goes unnoticed; convert it: "),
        (written("AU"), "is AU, where a missing end goes unnoticed; convert it: "),
        (Path.touch, "is empty (0 bytes); "),
        (os.mkfifo, "is not a plain file; copy the sound into one"),
        (lambda path: path.symlink_to("nowhere"), "no such file; check the path"),
        (lambda path: path.symlink_to(path), "cannot be read: "),
        (closed, "is not audio" if os.geteuid() == 0 else "may not be read; check its permissions"),
        (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVE"), "is "),
        (
            lambda path: path.write_text("<html>"),
            "is not audio: tags aside, it starts with b'<html",
        ),
    ],
    ids="w64 au empty pipe dangling loop closed cut page".split(),
)
def test_file_of_a_folder_that_cannot_be_used_costs_itself_alone(
    record: Record, make: Callable[[Path], object], says: str
) -> None:
    """A file of a folder that cannot be used is left out with the reason; alone it is refused."""
    folder = record("talks/memo.wav").parent
    make(wrong := folder / "a.wav")

    left_out: list[str] = []
    (clip,) = own_clips([folder], left_out)

    assert clip.name == "memo"
    assert [why.partition(says)[0] for why in left_out] == [f"--audio: {wrong}: "]
    assert refused(wrong).startswith(f"--audio: {wrong}: {says}")
    (folder / "memo.wav").unlink()
    assert refused(folder).startswith(f"--audio: {wrong}: {says}")


def test_recording_whose_text_is_none_costs_itself_alone(record: Record) -> None:
    """A recording whose text is not in UTF-8 is left out with the reason, and others are read."""
    folder = record("talks/memo.wav").parent
    record("talks/call.wav").with_suffix(".txt").write_text("words", encoding="utf-16")

    left_out: list[str] = []
    (clip,) = own_clips([folder], left_out)

    assert clip.name == "memo"
    (why,) = left_out
    assert re.search(r"^--audio: .*call\.txt: expected a text in UTF-8", why)


def test_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    """A path that cannot be looked at is refused in a line with the system's reason."""
    path = tmp_path / f"{'n' * 300}.wav"

    # Up to Python 3.13 it "cannot be looked at", and later "cannot be read".
    assert refused(path).startswith(f"--audio: {path}: cannot be ")
    assert refused(path).endswith(": File name too long; check the path")


def test_names_that_look_alike_are_refused(record: Record) -> None:
    """Two recordings are refused if their names differ in the form of Unicode alone."""
    first = record("a/u\N{COMBINING DIAERESIS}ber.wav")
    second = record("b/\N{LATIN SMALL LETTER U WITH DIAERESIS}ber.wav")
    second.write_bytes(clips()["paragraph"].path.read_bytes())

    assert f"which is also {first}; rename the file" in refused(first, second)


def test_two_recordings_of_one_name_are_refused(record: Record) -> None:
    """Two recordings of the same name are refused."""
    first, second = record("monday/talk.wav"), record("tuesday/talk.wav")
    second.write_bytes(clips()["paragraph"].path.read_bytes())

    assert refused(first, second) == (
        f"--audio: {second}: expected a name that no other clip has, got 'talk', which is also "
        f"{first}; rename the file"
    )


def test_recording_of_a_folder_whose_name_is_taken_costs_itself_alone(record: Record) -> None:
    """A recording of a folder is left out with the reason if its name or content is taken.

    It may be taken by another in the folder, one named before, or a clip of the project.
    """
    folder = record("talks/memo.flac").parent
    before = record("call.wav")
    shutil.copy(clips()["paragraph"].path, folder / "memo.wav")
    shutil.copy(clips()["paragraph"].path, folder / "short.wav")
    record("talks/call.wav")

    left_out: list[str] = []
    found = own_clips([before, folder], left_out)

    assert [(clip.name, clip.path) for clip in found] == [
        ("call", before),
        ("memo", folder / "memo.flac"),
    ]
    twice, same, projects = left_out
    assert twice == (
        f"--audio: {folder}/call.wav: expected each recording once, got one with the content of "
        f"{before}; leave one out"
    )
    assert same == (
        f"--audio: {folder}/memo.wav: expected a name that no other clip has, got 'memo', which is "
        f"also {folder}/memo.flac; rename the file"
    )
    assert projects.startswith(f"--audio: {folder}/short.wav: expected a name that no other clip")


def test_folder_of_which_each_name_is_taken_is_refused(record: Record) -> None:
    """A folder is refused if all of its recordings were given before."""
    folder = record("talks/memo.wav").parent

    assert refused(folder / "memo.wav", folder) == (
        f"--audio: {folder}/memo.wav: expected each recording once, got one with the content of "
        f"{folder}/memo.wav; leave one out"
    )


def test_name_of_a_clip_of_the_project_is_refused(record: Record) -> None:
    """A recording with the name of a clip of the project is refused."""
    path = record("short.wav")

    assert f"{path}: expected a name that no other clip has, got 'short'" in refused(path)


def test_private_recording_is_named_by_its_content(record: Record) -> None:
    """A private recording is named by its content, whatever its file is called."""
    path, other = record("Therapy/jane.wav"), record("other.wav")
    other.write_bytes(clips()["paragraph"].path.read_bytes())

    alone = own_clips([path], [], private=True)
    both = own_clips([other, path.rename(path.with_name("joe.wav"))], [], private=True)

    assert [clip.name for clip in alone] == [f"own-{clips()['short'].sha256[:8]}"]
    assert [clip.name for clip in both] == [
        f"own-{clips()['paragraph'].sha256[:8]}",
        alone[0].name,
    ]
    assert (alone[0].sha256, alone[0].is_own) == (clips()["short"].sha256, True)


def test_private_recording_is_given_once(record: Record) -> None:
    """A private recording that is given twice, under two names, is refused."""
    first, second = record("a.wav"), record("b.wav")

    with pytest.raises(pytest.UsageError, match=f"with the content of {first}; leave one out"):
        own_clips([first, second], [], private=True)


def test_own_recordings_are_selected_alone_by_their_marker(
    sessions: Sessions, record: Record
) -> None:
    """`-m own` leaves out every clip of the project, whatever the recordings are called."""
    folder = record("talks/memo.wav").parent
    record("talks/call.wav")

    session = sessions.run("benchmarks", "-m", "own", "-k", "toy-micro-good", f"--audio={folder}")
    memo = sessions.run(
        "benchmarks", "-m", "own", "-k", "toy-micro-good and memo", f"--audio={folder}"
    )

    assert session.status == pytest.ExitCode.OK, session.output
    assert "4 passed" in session.output
    assert "2 passed" in memo.output, "-k memo selects more than the recording memo"
    assert memo.saved_names == {
        "test_transcribe[toy-micro-good-memo]",
        "test_tuned[toy-micro-good-memo]",
    }
    assert session.saved_names == {
        f"test_{test}[toy-micro-good-{name}]"
        for test in ("transcribe", "tuned")
        for name in ("call", "memo")
    }


def test_recordings_are_selected_by_their_names_as_they_are_written(
    toy_project: Path, record: Record
) -> None:
    """A recording is selected by its name as it is written, with letters beyond ASCII."""
    path = record("\N{LATIN SMALL LETTER U WITH DIAERESIS}ber.wav")

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "benchmarks/test_transcribe.py", "-q", "--co"),
            *("-p", "no:cacheprovider", f"--audio={path}", "-k", f"toy-micro-good and {path.stem}"),
        ],
        cwd=toy_project,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    found = [line for line in ended.stdout.splitlines() if "::" in line]
    assert found == [
        f"benchmarks/test_transcribe.py::test_{test}[toy-micro-good-\\xfcber]"
        for test in ("transcribe", "tuned")
    ], ended.stdout + ended.stderr


def test_silence_is_right_where_nothing_is_said(sessions: Sessions, record: Record) -> None:
    """If a recording's text is empty, a transcript without words is right, and words are wrong."""
    path = record("hush.wav")
    path.with_suffix(".txt").touch()

    session = sessions.run(
        "benchmarks/test_transcribe.py",
        "-k",
        "toy-micro-empty-hush or toy-micro-hums-hush or toy-micro-mishears-hush",
        f"--audio={path}",
    )

    assert session.saved_names == {
        f"test_{test}[toy-micro-{variant}-hush]"
        for test in ("transcribe", "tuned")
        for variant in ("empty", "hums")
    }
    for variant in ("empty", "hums"):
        row = rf"^toy +micro +{variant} +hush .* 0\.0% "
        assert re.search(row, session.output, re.MULTILINE), session.output
    told = re.search(
        r"^failed:   toy\[micro-mishears\] on hush: (.*); expected a word error rate of at most "
        r"0\.000, got WER .*; correct hush\.txt if that is not what is said \(2 tests\)\n"
        r"          test_transcribe\[toy-micro-mishears-hush\]\n"
        r"          test_tuned\[toy-micro-mishears-hush\]\n",
        session.output,
        re.MULTILINE,
    )
    assert told, session.output
    assert told[1] == NO_HUMAN_VOICE
    before, after = session.output.split("= whisper-speedtest =")
    assert before.count("  expected: (nothing)") == 1, "pytest shows the failure once"
    assert "The same failure in 1 other test:\ntest_tuned[toy-micro-mishears-hush]\n" in before, (
        before
    )
    assert "def test_transcribe(" not in before, "a user wants no source"
    assert "2 failed" in after, "expected both failures to be counted"
    listed = re.findall(r"^FAILED \S+ - (.*)", before, re.MULTILINE)
    assert [line.partition(": toy[")[0] for line in listed] == ["and 1 more for the same reason"]


def test_words_are_wanted_where_nobody_wrote_down_what_is_said(
    sessions: Sessions, record: Record
) -> None:
    """Without a text beside a recording, a transcript without words is a failure."""
    session = sessions.run(
        "benchmarks/test_transcribe.py",
        "-k",
        "toy-micro-empty-memo or toy-micro-hums-memo",
        f"--audio={record('memo.wav')}",
    )

    assert session.saved_names == set()
    for variant, got in {"empty": "an empty transcript", "hums": "none in '♪'"}.items():
        assert (
            f"failed:   toy[micro-{variant}] on memo: {NO_HUMAN_VOICE}; expected words, got {got}, "
            "on the cpu (unknown) in text (2 tests)\n" in session.output
        )


def test_file_that_is_left_out_is_told_before_the_tests_and_below_the_table(
    sessions: Sessions, record: Record
) -> None:
    """A file that is left out is told before the tests and below the table, but not as warning."""
    folder = record("talks/memo.wav").parent
    (folder / "empty.wav").touch()
    (folder / "call.m4a").touch()
    chosen = ("benchmarks/test_transcribe.py", "-m", "own", "-k", "transcribe and toy-micro-good")

    session = sessions.run(*chosen, f"--audio={folder}", "--device=cpu")

    reasons = [
        f"--audio: {folder}/empty.wav: is empty (0 bytes); ",
        f"--audio: {folder}: formats that are not read: call.m4a; ",
    ]
    before, after = session.output.split("= whisper-speedtest =")
    for reason in reasons:
        assert f"left out: {reason}" in before
        assert f"skipped:  {reason}" in after
    assert "warnings summary" not in session.output
    assert session.saved_names == {
        f"test_{test}[toy-micro-good-memo]" for test in ("transcribe", "tuned")
    }


def test_transcript_without_a_reference_is_shown(sessions: Sessions, record: Record) -> None:
    """The transcript of a recording without a text is shown to the user."""
    path = record("memo.wav")

    session = sessions.run("benchmarks", "-m", "own", "-k", "toy-micro-good", f"--audio={path}")

    heard = clips()["short"].reference
    assert f"heard:    toy[micro-good] on memo: {heard}\n" in session.output
    assert "unchecked" in session.output
    assert f"voices:   {NO_HUMAN_VOICE}: memo\n" in session.output


def test_recording_that_is_named_twice_is_to_be_named_once(record: Record) -> None:
    """A recording that is given twice by one path is refused, with the advice to leave one out."""
    path = record("memo.wav")

    assert refused(path, path) == (
        f"--audio: {path}: expected each recording once, got one with the content of {path}; leave "
        "one out"
    )
