"""Recordings of the user's own, named with --audio."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fixtures.audio import Clip

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "--audio"


def own_clip(path: Path) -> Clip:
    """Return a user's sound file as a clip; a text file beside it, `<stem>.txt`, is its reference.

    Raises:
        AudioError: as `whisper_speedtest.speech.audio.read_audio` does.
    """
    from whisper_speedtest.speech.audio import SAMPLE_RATE, read_audio

    samples = len(read_audio(path))
    text = path.with_suffix(".txt")
    return Clip(
        name=path.stem,
        file=str(path.absolute()),
        package=None,
        seconds=samples / SAMPLE_RATE,
        samples=samples,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        reference=text.read_text(encoding="utf-8") if text.exists() else "",
        human=True,
        licence="unknown",
        origin=ORIGIN,
        sentences=(),
    )


def is_unreferenced(clip: Clip) -> bool:
    """Tell whether nobody said what is spoken in a clip: a user's, with no text beside it."""
    return clip.origin == ORIGIN and not clip.reference
