"""Recordings of the user's own, which the option --audio names."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from whisper_speedtest.speech.clip import OWN_ORIGIN, Clip

SUFFIXES = (".aif", ".aiff", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""The names of sound files that a folder is searched for. A file named by itself may have any."""

if TYPE_CHECKING:
    from pathlib import Path


TEXT_SUFFIXES = (".txt", ".TXT")
"""What the text beside a recording may end in: where case matters, `MEMO.WAV` has `MEMO.TXT`."""

MAX_TEXT_RATE = 200
"""Bytes of text for each second of a recording: several times what the fastest speaker says."""

ANY_TEXT = 10_000
"""Bytes of text that the shortest recording may have."""


def own_clip(path: Path) -> Clip:
    """Describe a user's sound file as a clip that is named after the file.

    Its name is in Unicode's composed form, as people type it, and without characters that cannot
    be printed. Its reference is the text file of the same name with the suffix `.txt`, in UTF-8.
    Without such a file there is no reference; an empty one says that nothing is spoken.

    Raises:
        AudioError: when the sound cannot be used (see `read_audio`) or the text cannot be read.
    """
    clip = recording(path, _escaped(unicodedata.normalize("NFC", path.stem)), None, OWN_ORIGIN)
    return replace(clip, reference=text_beside(path, clip.seconds))


def recording(path: Path, name: str, reference: str | None, origin: str) -> Clip:
    """Describe a sound file as a clip, with the words that are said in it if they are known.

    Raises:
        AudioError: when the sound cannot be used (see `read_audio`).
    """
    from whisper_speedtest.speech.audio import SAMPLE_RATE, read_audio

    samples = len(read_audio(path))
    return Clip(
        name=name,
        file=path.absolute(),
        package=None,
        seconds=samples / SAMPLE_RATE,
        samples=samples,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        reference=reference,
        human=True,
        licence="unknown",
        origin=origin,
        sentences=(),
    )


def _escaped(name: str) -> str:
    """Return a name in which what cannot be printed, such as a line break, is written as in Python.

    Names that differ stay different in this way.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )


def text_file(path: Path) -> Path | None:
    """Return the path beside a sound file where its text lies; None if nothing is there."""
    beside = (path.with_suffix(suffix) for suffix in TEXT_SUFFIXES)
    return next(filter(os.path.lexists, beside), None)


def text_beside(path: Path, seconds: float | None = None) -> str | None:
    """Return the text that lies beside a sound file, or None where there is none.

    `seconds` is the length of the sound, if it is known, which limits how much can be said in it.

    Raises:
        AudioError: when what is there is no text in UTF-8, cannot be read (as a link to nothing),
            or is too long.
    """
    from whisper_speedtest.speech.audio import AudioError

    file = text_file(path)
    if file is None:
        return None
    expected = f"{file}: expected a text in UTF-8, the reference of {path.name}"
    most = None if seconds is None else ANY_TEXT + int(MAX_TEXT_RATE * seconds)
    try:
        if file.is_fifo() or file.is_char_device():  # reading one might never end
            raise AudioError(f"{expected}, got no plain file; mend it or move it away")
        if most is not None and (size := file.stat().st_size) > most:
            raise AudioError(
                f"{expected}, which lasts {seconds:g} s, in which no more than {most} bytes can be "
                f"said, got {size}; mend it or move it away"
            )
        text = file.read_bytes().decode().removeprefix("\N{BYTE ORDER MARK}")
    except UnicodeDecodeError as error:
        raise AudioError(
            f"{expected}, got the byte 0x{error.object[error.start]:02x} at offset {error.start}; "
            "save it as UTF-8"
        ) from error
    except OSError as error:
        raise AudioError(
            f"{expected}, but it cannot be read: {error.strerror}; mend it or move it away"
        ) from error
    if "\0" in text:
        raise AudioError(f"{expected}, got zero bytes, as in UTF-16; save it as UTF-8")
    return text
