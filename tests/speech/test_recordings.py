"""A user's own sound file becomes a clip, with the text beside it as what is said."""

from __future__ import annotations

import hashlib
import os
import wave
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.speech.audio import AudioError
from whisper_speedtest.speech.clip import Clip
from whisper_speedtest.speech.recordings import own_clip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(name="recording")
def _recording(tmp_path: Path) -> Path:
    """A stereo file of half a second at 8 000 Hz, so that no number is there twice."""
    path = tmp_path / "my talk.v2.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * 2 * 4_000))
    return path


def test_a_recording_is_described_as_it_is_heard(recording: Path) -> None:
    """A recording is described by its length and samples at 16 000 Hz, and its file's hash."""
    assert own_clip(recording) == Clip(
        name="my talk.v2",
        file=recording,
        package=None,
        seconds=0.5,
        samples=8_000,
        sha256=hashlib.sha256(recording.read_bytes()).hexdigest(),
        reference=None,
        human=True,
        licence="unknown",
        origin="--audio",
        sentences=(),
    )


def test_a_recording_is_found_from_any_folder(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that is named by a relative path is found from any folder."""
    monkeypatch.chdir(recording.parent)
    clip = own_clip(recording.relative_to(recording.parent))
    monkeypatch.chdir("/")

    clip.verify()

    assert clip.path == recording


@pytest.mark.parametrize(
    ("content", "reference"),
    [
        (None, None),
        (b"", ""),
        (b"Hello there.", "Hello there."),
        ("¿Qué tal?\n".encode(), "¿Qué tal?\n"),
        (b"\xef\xbb\xbfHello.", "Hello."),
    ],
    ids=["missing", "empty", "a line", "beyond ASCII", "with a byte order mark"],
)
def test_the_text_beside_a_recording_is_its_reference(
    content: bytes | None, reference: str | None, recording: Path
) -> None:
    """The text beside a recording is its reference: none without the file, "" if it is empty."""
    if content is not None:
        recording.with_name("my talk.v2.txt").write_bytes(content)

    assert own_clip(recording).reference == reference


def test_a_text_of_another_name_is_not_the_reference(recording: Path) -> None:
    """A text of another name than the recording's is not its reference."""
    for name in ("my talk.txt", "my talk.v2.wav.txt", "other.txt"):
        recording.with_name(name).write_text("Not this one.", encoding="utf-8")

    assert own_clip(recording).reference is None


def test_a_text_in_another_encoding_is_refused(recording: Path) -> None:
    """A text in another encoding than UTF-8 is refused with the byte and its place."""
    text = recording.with_name("my talk.v2.txt")
    text.write_bytes(b"\xef\xbb\xbfcaf\xe9")

    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert str(refusal.value) == (
        f"{text}: expected a text in UTF-8, the reference of my talk.v2.wav, got the byte 0xe9 at "
        "offset 6; save it as UTF-8"
    )


def test_a_text_that_cannot_be_read_is_refused(recording: Path) -> None:
    """A folder in the place of a recording's text is refused, and not taken for no text."""
    text = recording.with_name("my talk.v2.txt")
    text.mkdir()

    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert str(refusal.value) == (
        f"{text}: expected a text in UTF-8, the reference of my talk.v2.wav, but it cannot be "
        "read: Is a directory; mend it or move it away"
    )


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (os.mkfifo, ", got no plain file; mend it or move it away"),
        (
            lambda text: text.symlink_to("nowhere"),
            ", but it cannot be read: No such file or directory; mend it or move it away",
        ),
        (
            lambda text: text.symlink_to(text),
            ", but it cannot be read: Too many levels of symbolic links; mend it or move it away",
        ),
        (
            lambda text: text.write_bytes("Hello.".encode("utf-16-le")),
            ", got zero bytes, as in UTF-16; save it as UTF-8",
        ),
        (
            lambda text: text.write_bytes("Hello.".encode("utf-16")),
            ", got the byte 0xff at offset 0; save it as UTF-8",
        ),
    ],
    ids=["a pipe", "a link to nothing", "a link to itself", "UTF-16", "UTF-16 with its mark"],
)
@pytest.mark.timeout(10)
def test_whatever_is_no_text_is_refused_by_its_name(
    make: Callable[[Path], object], wrong: str, recording: Path
) -> None:
    """A recording's text that is no plain UTF-8 file is refused by its name, without a wait."""
    text = recording.with_name("my talk.v2.txt")
    make(text)

    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert str(refusal.value) == (
        f"{text}: expected a text in UTF-8, the reference of my talk.v2.wav{wrong}"
    )


def test_a_recording_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """A recording that cannot be used is refused with the reason of reading it."""
    with pytest.raises(AudioError, match="no such file"):
        own_clip(tmp_path / "missing.wav")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("u\N{COMBINING DIAERESIS}ber", "\N{LATIN SMALL LETTER U WITH DIAERESIS}ber"),
        ("new\nline", "new\\nline"),
        ("tab\there", "tab\\there"),
        ("esc\x1b[31m", "esc\\x1b[31m"),
        ("evol\N{RIGHT-TO-LEFT OVERRIDE}.x", "evol\\u202e.x"),
        ("bad\udcff", "bad\\udcff"),
        ("a b%", "a b%"),
        ("-x[1]", "-x[1]"),
    ],
)
def test_a_name_can_be_printed_and_is_as_people_type_it(
    recording: Path, file: str, name: str
) -> None:
    """A recording's name can be printed, and is as people type it."""
    try:
        path = recording.rename(recording.with_name(f"{file}.wav"))
    except OSError as error:  # macOS has no names that are not UTF-8
        pytest.skip(f"no such name on this file system: {error}")

    clip = own_clip(path)

    assert clip.name == name
    assert clip.path == path


def test_the_text_of_a_name_in_capitals_is_found(recording: Path) -> None:
    """The text of a recording whose name is in capitals is found."""
    path = recording.rename(recording.with_name("MEMO.WAV"))
    path.with_suffix(".TXT").write_text("Words.", encoding="utf-8")

    assert own_clip(path).reference == "Words."


def test_a_text_that_nobody_can_have_said_is_refused(recording: Path) -> None:
    """A text longer than anybody can say in the recording's time is refused."""
    text = recording.with_suffix(".txt")
    most = 10_000 + int(200 * own_clip(recording).seconds)
    text.write_text("x" * most, encoding="utf-8")

    taken = own_clip(recording).reference
    text.write_text("x" * (most + 1), encoding="utf-8")
    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert taken == "x" * most
    assert f"no more than {most} bytes can be said, got {most + 1}; mend" in str(refusal.value)
    assert str(refusal.value).startswith(f"{text}: expected a text in UTF-8, the reference of ")
