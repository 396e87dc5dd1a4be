"""Recordings of the user's own, which the option --audio names."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from whisper_speedtest.speech.clip import OWN_ORIGIN, Clip

SUFFIXES = (".aif", ".aiff", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""The names of sound files that a folder is searched for. A file named by itself may have any."""

if TYPE_CHECKING:
    from pathlib import Path


def own_clip(path: Path) -> Clip:
    """Describe a user's sound file as a clip that is named after the file.

    Its reference is the text file of the same name with the suffix `.txt`, in UTF-8. Without such
    a file there is no reference; an empty one says that nothing is spoken.

    Raises:
        AudioError: when the sound cannot be used (see `read_audio`) or the text cannot be read.
    """
    return recording(path, path.stem, text_beside(path), OWN_ORIGIN)


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


def text_beside(path: Path) -> str | None:
    """Return the text that lies beside a sound file, or None where there is none.

    Raises:
        AudioError: when what is there is no text in UTF-8, or cannot be read.
    """
    from whisper_speedtest.speech.audio import AudioError

    file = path.with_suffix(".txt")
    expected = f"{file}: expected a text in UTF-8, the reference of {path.name}"
    if not os.path.lexists(file):
        return None  # what is there, and is no text, is a mistake: a link to nothing, for example
    try:
        if file.is_fifo() or file.is_char_device():  # reading one might never end
            raise AudioError(f"{expected}, got no plain file; mend it or move it away")
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
