"""Reads a sound file into the one form every engine takes, or says why it cannot.

A benchmark that reads half a file measures half the work, so a file is accepted only if its end
can be checked. libsndfile reads most files that were cut off without a word; what is checked, and
how, depends on the format:

==============  ===============================================================================
WAV, AIFF, CAF  the bytes its header announces are there. A length of 0x7FFFF000 or more is what
                a program writes that streams and cannot know: it announces nothing.
OGG             the last page (Vorbis or Opus) is whole and is marked as the end of the stream.
MP3             as many samples are decoded as its Xing or Info header announces. Without one it
                is refused: libsndfile then guesses the length, and may stop half way.
FLAC            libsndfile refuses it.
==============  ===============================================================================

Other formats are refused, with the command that converts them.
"""

from __future__ import annotations

import io
import re
import shlex
import stat
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import soundfile
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Hz. Whisper takes no other."""

MIN_SECONDS = 0.1
"""Shorter than any spoken word."""

MIN_SOURCE_RATE = 4_000
"""Hz. Telephones use 8 000; below half of that no speech is left, so the header must be wrong."""

_MAX_PEAK = 2.0
"""Twice full scale: more than a lossy decoder overshoots, less than integers stored as floats."""

_STREAMED_SIZE = 0x7FFF_F000
"""Bytes. The smallest length that stands for "unknown": sox writes it, ffmpeg 0xFFFFFFFF."""

_CHUNKS = {
    b"RIFF": (12, struct.Struct("<4sI"), 2),
    b"RIFX": (12, struct.Struct(">4sI"), 2),
    b"FORM": (12, struct.Struct(">4sI"), 2),
    b"caff": (8, struct.Struct(">4sQ"), 1),
}
"""Formats made of chunks: where the first one starts, its name and size, its alignment."""

_MAX_SAMPLES = 1 << 30
"""18 hours, mono at 16 000 Hz; 4 GiB as float32. FLAC streams announce far more, for "unknown"."""

_UNRECOGNISED_FORMAT = 1
"""libsndfile's SF_ERR_UNRECOGNISED_FORMAT."""

_EXPORT_AGAIN = "download or export it again"

_OTHER_FORMATS = (
    (re.compile(rb".{4}ftyp", re.DOTALL), "MPEG-4 audio (M4A: AAC or Apple Lossless)"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "AAC (ADTS)"),
    (re.compile(rb"\x1aE\xdf\xa3"), "WebM or Matroska"),
    (re.compile(rb"0&\xb2u\x8ef\xcf\x11"), "Windows Media"),
)
"""Sound that libsndfile does not decode, by the first bytes of a file."""


class AudioError(ValueError):
    """A sound file cannot be used. The message names the file, the reason and the next step."""


class _Bytes(io.BytesIO):
    """A file in memory that may be searched before its start, as libsndfile does in damaged ones.

    An exception could not pass through libsndfile: its traceback would end up on the screen.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def read_audio(path: Path) -> NDArray[np.float32]:
    """Read a sound file as mono float32, shape (n_samples,), 16 000 Hz, in [-1, 1].

    Channels are averaged. Other sample rates are converted by soxr, at its very high quality,
    which keeps the time axis: ``n_samples`` is the file's seconds × 16 000, rounded. Samples past
    full scale by less than a factor of two, as resampling and lossy decoders leave them, are
    clipped. Samples of a 16 000 Hz mono PCM file come back unchanged, and silence is audio.

    Raises:
        AudioError: for a file that is missing, a folder, unreadable, empty, not audio, cut off,
            without samples, shorter than 0.1 s, not finite or far beyond full scale, or whose
            channels cancel each other out.
    """
    import numpy as np
    import soxr

    samples, rate = _decode(path, _without_tags(_read_bytes(path)))
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
    if peak > _MAX_PEAK:
        raise AudioError(
            f"{path}: samples reach {peak:g}, expected -1 to 1; scale them, or export it as PCM"
        )
    mono = samples.mean(axis=1)
    if np.abs(mono).max() < peak / 1000:
        raise AudioError(
            f"{path}: its {samples.shape[1]} channels cancel each other out; export one of them"
        )
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ")
    speech: NDArray[np.float32] = np.clip(mono, -1.0, 1.0)
    return speech


def _read_bytes(path: Path) -> bytes:
    """Return what is in the file, which is a plain one and not empty."""
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


def _without_tags(data: bytes) -> bytes:
    """Return a file's bytes from after its ID3 tags, which any kind of sound may start with.

    Source: id3.org, "ID3 tag version 2.4.0", section 3.1.
    """
    start = 0
    while data.startswith(b"ID3", start):
        size = 0
        for byte in data[start + 6 : start + 10]:  # seven bits each
            size = size << 7 | byte
        start += 10 + size
    return data[start:]


def _decode(path: Path, data: bytes) -> tuple[NDArray[np.float32], int]:
    """Return all samples, shape (n_samples, n_channels), n_samples > 0, and their rate in Hz."""
    import soundfile

    try:
        # From memory, so that libsndfile goes by the content and never by the file's suffix.
        with soundfile.SoundFile(_Bytes(data)) as sound:
            if sound.frames * sound.channels > _MAX_SAMPLES:
                raise AudioError(
                    f"{path}: is too long or of unknown length: its header announces "
                    f"{sound.frames} samples; {_conversion(path)}"
                )
            # In one go: soundfile seeks after each part, and MP3 is not exact after a seek.
            samples = sound.read(sound.frames, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {_why_not_decoded(path, data, error)}") from error
    if problem := _why_end_unsure(path, data, sound.format):
        raise AudioError(f"{path}: {problem}")
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
    for pattern, name in _OTHER_FORMATS:
        if pattern.match(data):
            return f"is {name}, which libsndfile does not read; {_conversion(path)}"
    if error.code == _UNRECOGNISED_FORMAT:
        return f"is not audio: tags aside, it starts with {data[:12]!r}; {_EXPORT_AGAIN}"
    return (
        f"is truncated, damaged or unsupported (libsndfile: {error.error_string}); "
        f"{_EXPORT_AGAIN}, or {_conversion(path)}"
    )


def _why_end_unsure(path: Path, data: bytes, container: str) -> str | None:
    """Return why the samples may stop before the recording did, None if they do not."""
    match container:
        case "WAV" | "WAVEX" | "AIFF" | "CAF":
            return _why_chunk_unsure(data)
        case "OGG":
            if not _ends_in_last_ogg_page(data):
                return f"is truncated: its last Ogg page is missing or incomplete; {_EXPORT_AGAIN}"
        case "MP3":
            if not _mp3_announces_length(data):
                return f"is MP3 without its length (no Xing or Info header); {_conversion(path)}"
        case "FLAC":
            return None
        case _:
            return f"is {container}, where a missing end goes unnoticed; {_conversion(path)}"
    return None


def _why_chunk_unsure(data: bytes) -> str | None:
    """Return why a WAV, AIFF or CAF file does not hold the samples its header announces, or None.

    Source: IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0"
    (RIFF); Apple, "Audio Interchange File Format 1.3" and "Apple Core Audio Format
    Specification 1.0".
    """
    position, chunk_header, alignment = _CHUNKS[data[:4]]
    while position + chunk_header.size <= len(data):
        name, size = chunk_header.unpack_from(data, position)
        position += chunk_header.size
        if name in (b"data", b"SSND"):
            present = len(data) - position
            if present < size < _STREAMED_SIZE:
                return (
                    f"is truncated: its header announces {size} bytes of samples, "
                    f"{present} are there; {_EXPORT_AGAIN}"
                )
            return None
        position += size + size % alignment
    return f"is damaged: its list of chunks does not lead to the samples; {_EXPORT_AGAIN}"


def _ends_in_last_ogg_page(data: bytes) -> bool:
    """Say whether the last Ogg page is whole and marked as the end. Source: RFC 3533, section 6."""
    start = data.rfind(b"OggS")
    lengths_at = start + 27
    if lengths_at > len(data):
        return False
    end_of_stream = bool(data[start + 5] & 4)
    lengths = data[lengths_at : lengths_at + data[start + 26]]
    return end_of_stream and lengths_at + len(lengths) + sum(lengths) <= len(data)


def _mp3_announces_length(data: bytes) -> bool:
    """Say whether the first MPEG frame is a Xing or Info header that counts the frames.

    Source: gabriel.mp3-tech.org, "MP3 Info Tag revision 1" (flag 1: the count is there).
    """
    # At most 4 bytes of frame header, 2 of checksum and 32 of side information come before it.
    info = re.search(rb"(?:Xing|Info)\0{3}(.)", data[:46], re.DOTALL)
    return info is not None and bool(info[1][0] & 1)


def _conversion(path: Path) -> str:
    """Say how to turn a sound file into one that can be read."""
    source = shlex.quote(str(path))
    target = shlex.quote(str(path.with_name(f"{path.stem}-16k.wav")))
    return (
        f"convert it: afconvert -f WAVE -d LEI16@{SAMPLE_RATE} -c 1 {source} {target} (macOS), "
        f"or: ffmpeg -i {source} -ac 1 -ar {SAMPLE_RATE} {target}"
    )
