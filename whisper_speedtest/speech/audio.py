"""Reads a sound file into the one form that every engine takes, or says why it cannot.

A benchmark that reads half a file measures half the work. A file is therefore accepted only if its
format lets one check that its end is there; `containers` tells how. Files in other formats are
refused with the command that converts them.
"""

from __future__ import annotations

import io
import shlex
import stat
from typing import TYPE_CHECKING

from whisper_speedtest.speech.containers import (
    undecodable_format,
    why_end_is_missing,
    why_end_is_unknown,
    without_id3_tags,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import soundfile
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Hz. The only sample rate that Whisper takes."""

MIN_SECONDS = 0.1
"""Any spoken word is longer."""

MIN_SOURCE_RATE = 4_000
"""Hz. Telephones use 8 000. Below half of that no speech is left, so the header must be wrong."""

MAX_SAMPLES = 1 << 30
"""Samples of all channels together: 18 hours, mono at 16 000 Hz; 4 GiB as float32.

A FLAC file whose length is unknown announces far more.
"""

MAX_PEAK = 2.0
"""Times full scale. Lossy decoders overshoot by less, integers stored as floats by far more."""

MIN_CHANNEL_SUM = 1e-3
"""Times the peak. Channels whose average stays below this cancel each other out."""

_UNRECOGNISED_FORMAT = 1
"""libsndfile's SF_ERR_UNRECOGNISED_FORMAT."""

_EXPORT_AGAIN = "download or export it again"


class AudioError(ValueError):
    """A sound file cannot be used. The message names the file, the reason and the next step."""


class _BytesForLibsndfile(io.BytesIO):
    """A file in memory in which a position before its start counts as its start.

    libsndfile asks for such positions in damaged files. An exception could not pass through it:
    Python would print a traceback instead.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def read_audio(path: Path) -> NDArray[np.float32]:
    """Read a sound file as mono float32, shape (n_samples,), 16 000 Hz, in [-1, 1].

    Channels are averaged. Other sample rates are converted by soxr at its very high quality, which
    keeps the time axis: `n_samples` is the file's seconds times 16 000, rounded. Samples up to
    twice full scale, which resampling and lossy decoders produce, are clipped. The samples of a
    mono PCM file at 16 000 Hz come back unchanged. A silent file is accepted.

    Raises:
        AudioError: when the file is missing, a folder, unreadable, empty, not audio, cut off,
            without samples or shorter than 0.1 s; when its samples are not finite or far beyond
            full scale; when its channels cancel each other out.
    """
    import numpy as np
    import soxr

    samples, rate = _decode(path, without_id3_tags(_read_bytes(path)))
    _check(path, samples, rate)
    mono = samples.mean(axis=1)
    if np.abs(mono).max() < MIN_CHANNEL_SUM * float(np.abs(samples).max()):
        raise AudioError(
            f"{path}: its {samples.shape[1]} channels cancel each other out; export one of them"
        )
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ")
    speech: NDArray[np.float32] = np.clip(mono, -1.0, 1.0)
    return speech


def _check(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    """Raise AudioError unless samples, shape (n_samples, n_channels), can be recorded speech."""
    import numpy as np

    if rate < MIN_SOURCE_RATE:
        raise AudioError(
            f"{path}: its header says {rate} Hz, speech needs at least {MIN_SOURCE_RATE} Hz; "
            f"{_EXPORT_AGAIN}"
        )
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        raise AudioError(
            f"{path}: too short for speech: {seconds:.4f} s ({len(samples)} samples at {rate} Hz), "
            f"at least {MIN_SECONDS} s expected; choose a longer recording"
        )
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise AudioError(
            f"{path}: {bad.size} of {len(samples)} samples are NaN or infinite, the first at "
            f"{bad[0] / rate:.3f} s; {_EXPORT_AGAIN}"
        )
    peak = float(np.abs(samples).max())
    if peak > MAX_PEAK:
        raise AudioError(
            f"{path}: samples reach {peak:g}, expected -1 to 1; scale them, or export it as PCM"
        )


def _read_bytes(path: Path) -> bytes:
    """Return the content of a file, which must be a plain one and not empty."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(f"{path}: is a folder, expected a sound file; name a file in it")
        if not stat.S_ISREG(mode):
            raise AudioError(f"{path}: is not a plain file; copy the sound into one")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise AudioError(f"{path}: may not be read; check its permissions") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    if not data:
        raise AudioError(f"{path}: is empty (0 bytes); {_EXPORT_AGAIN}")
    return data


def _decode(path: Path, data: bytes) -> tuple[NDArray[np.float32], int]:
    """Return all samples, shape (n_samples, n_channels), n_samples > 0, and their rate in Hz."""
    import soundfile

    try:
        # From memory, so that libsndfile goes by the content and never by the file's suffix.
        with soundfile.SoundFile(_BytesForLibsndfile(data)) as sound:
            # This is checked first: some versions of libsndfile announce a huge length for a file
            # that was cut off.
            if reason := why_end_is_unknown(sound.format, data):
                raise AudioError(f"{path}: {reason}; {_conversion(path)}")
            if reason := why_end_is_missing(sound.format, data):
                raise AudioError(f"{path}: {reason}; {_EXPORT_AGAIN}")
            if sound.frames * sound.channels > MAX_SAMPLES:
                raise AudioError(
                    f"{path}: is too long or of unknown length: its header announces "
                    f"{sound.frames * sound.channels} samples, at most {MAX_SAMPLES} expected; "
                    f"{_conversion(path)}"
                )
            # All is read at once: soundfile seeks between parts, and seeking in MP3 is inexact.
            samples = sound.read(sound.frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {_why_not_decoded(path, data, error)}") from error
    if len(samples) < sound.frames:
        raise AudioError(
            f"{path}: is truncated: its header announces {sound.frames} samples, "
            f"{len(samples)} are there; {_EXPORT_AGAIN}"
        )
    if not len(samples):
        raise AudioError(f"{path}: holds no samples, only a header; {_EXPORT_AGAIN}")
    return samples, sound.samplerate


def _why_not_decoded(path: Path, data: bytes, error: soundfile.LibsndfileError) -> str:
    """Put libsndfile's refusal into words: another kind of sound, no sound, or a damaged file."""
    if name := undecodable_format(data):
        return f"is {name}, which libsndfile does not read; {_conversion(path)}"
    if error.code == _UNRECOGNISED_FORMAT:
        return f"is not audio: tags aside, it starts with {data[:12]!r}; {_EXPORT_AGAIN}"
    return (
        f"is truncated, damaged or unsupported (libsndfile: {error.error_string}); "
        f"{_EXPORT_AGAIN}, or {_conversion(path)}"
    )


def _conversion(path: Path) -> str:
    """Say how to turn a sound file into one that can be read."""
    source = shlex.quote(str(path))
    target = shlex.quote(str(path.with_name(f"{path.stem}-16k.wav")))
    return (
        f"convert it: afconvert -f WAVE -d LEI16@{SAMPLE_RATE} -c 1 {source} {target} (macOS), "
        f"or: ffmpeg -i {source} -ac 1 -ar {SAMPLE_RATE} {target}"
    )
