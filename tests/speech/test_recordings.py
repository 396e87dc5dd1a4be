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
    """Length and samples are those at 16 000 Hz, the hash is that of the file."""
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
    """A relative path is the user's; engines and workers run in other folders."""
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
    """Without the file nobody said what is spoken; an empty one says that nothing is."""
    if content is not None:
        recording.with_name("my talk.v2.txt").write_bytes(content)

    assert own_clip(recording).reference == reference


def test_a_text_of_another_name_is_not_the_reference(recording: Path) -> None:
    """Only the recording's own name counts, with all its dots."""
    for name in ("my talk.txt", "my talk.v2.wav.txt", "other.txt"):
        recording.with_name(name).write_text("Not this one.", encoding="utf-8")

    assert own_clip(recording).reference is None


def test_a_text_in_another_encoding_is_refused(recording: Path) -> None:
    """The error names the text file, what is wrong in it and where."""
    text = recording.with_name("my talk.v2.txt")
    text.write_bytes(b"\xef\xbb\xbfcaf\xe9")

    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert str(refusal.value) == (
        f"{text}: expected a text in UTF-8, the reference of my talk.v2.wav, got the byte 0xe9 at "
        "offset 6; save it as UTF-8"
    )


def test_a_text_that_cannot_be_read_is_refused(recording: Path) -> None:
    """A folder of that name is no text, and is not taken for a missing one."""
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
    """It is neither waited for nor taken for a missing text, and the error names the text file."""
    text = recording.with_name("my talk.v2.txt")
    make(text)

    with pytest.raises(AudioError) as refusal:
        own_clip(recording)

    assert str(refusal.value) == (
        f"{text}: expected a text in UTF-8, the reference of my talk.v2.wav{wrong}"
    )


def test_a_recording_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """The reason is that of reading it."""
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
    """It stands in tables, logs and JSON, where a line break or an escape would harm others."""
    try:
        path = recording.rename(recording.with_name(f"{file}.wav"))
    except OSError as error:  # macOS has no names that are not UTF-8
        pytest.skip(f"no such name on this file system: {error}")

    clip = own_clip(path)

    assert clip.name == name
    assert clip.path == path


def test_the_text_of_a_name_in_capitals_is_found(recording: Path) -> None:
    """Where case matters, `MEMO.WAV` has `MEMO.TXT` beside it, and is not left unchecked."""
    path = recording.rename(recording.with_name("MEMO.WAV"))
    path.with_suffix(".TXT").write_text("Words.", encoding="utf-8")

    assert own_clip(path).reference == "Words."


def test_a_text_that_nobody_can_have_said_is_refused(recording: Path) -> None:
    """Megabytes beside four seconds are another file's; scoring them would last for minutes."""
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
