"""`read_audio` gives what was recorded, or names the file, the reason and the next step."""

from __future__ import annotations

import io
import os
import re
import struct
import wave
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.speech import audio as reading
from whisper_speedtest.speech.audio import AudioError, read_audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

SECONDS = 1.0


def tones(
    rate: int, frequencies: tuple[float, ...] = (150.0, 440.0, 1234.5, 3300.0)
) -> NDArray[np.float64]:
    """Return one second of steady tones that fade in and out, sampled at `rate`, within ±0.8.

    As the tones are computed, not recorded, the same sound is known exactly at every rate.
    """
    import numpy as np

    time = np.arange(round(SECONDS * rate)) / rate
    fade = np.sin(np.pi * time / SECONDS) ** 2
    mix = sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)
    return 0.8 * fade * mix / len(frequencies)


def encoded(
    samples: ArrayLike, rate: int = 16_000, container: str = "WAV", subtype: str | None = None
) -> bytes:
    """Return the bytes of a sound file."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def wav(announced: int, samples: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return a 16 kHz mono 8-bit WAV file by hand, whatever length its header announces."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 16_000, 1, 8)
    data = struct.pack("<4sI", b"data", announced)
    body = b"WAVE" + form + before + data + samples + after
    return struct.pack("<4sI", b"RIFF", min(len(body), 0xFFFF_FFFF)) + body


def comments(count: int) -> bytes:
    """Return WAV chunks: `count` comments of 100 bytes, and one of odd length, padded by a byte."""
    body = b"INFO" + struct.pack("<4sI100s", b"ICMT", 100, b"a comment") * count
    return struct.pack("<4sI", b"LIST", len(body)) + body + struct.pack("<4sI", b"odd ", 1) + b"!\0"


def mp3_frames() -> bytes:
    """Return an MP3 file without its first frame, which is the header that says how many follow."""
    mp3 = encoded(tones(16_000), container="MP3")
    return mp3[mp3.index(mp3[:2], 4) :]


def mp3_that_does_not_count() -> bytes:
    """Return an MP3 file with an Info header in which the number of frames is marked as missing."""
    mp3 = bytearray(encoded(tones(16_000), container="MP3"))
    flags = (mp3.find(b"Xing") if b"Xing" in mp3 else mp3.index(b"Info")) + 7
    mp3[flags] &= ~1
    return bytes(mp3)


def ogg_without_last_page() -> bytes:
    """Return an Ogg file cut where a page ends, so that all that is left is whole."""
    import numpy as np

    ogg = encoded(np.tile(tones(16_000), 5), container="OGG")
    return ogg[: ogg.rindex(b"OggS")]


def aiff_without_samples() -> bytes:
    """Return an AIFF file in which libsndfile looks for the samples before the file's start."""
    aiff = bytearray(encoded(tones(16_000), container="AIFF"))
    aiff[aiff.index(b"SSND") + 2] = 0
    return bytes(aiff)


def flac_stream() -> bytes:
    """Return a FLAC file whose header says 0 samples, which stands for "unknown"."""
    flac = bytearray(encoded(tones(16_000), container="FLAC"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    return bytes(flac)


# What is read


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_every_sample_rate_gives_the_sound_at_16_khz(rate: int, tmp_path: Path) -> None:
    """A sound file of any sample rate gives the same sound at 16 000 Hz."""
    import numpy as np

    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(tones(rate), rate, subtype="FLOAT"))

    audio = read_audio(path)

    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, tones(16_000), atol=1e-4)


def test_what_16_khz_cannot_hold_is_filtered_out(tmp_path: Path) -> None:
    """A tone of 9 000 Hz disappears, as 16 kHz cannot hold it."""
    import numpy as np

    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(tones(44_100, (9_000.0,)), 44_100, subtype="FLOAT"))

    audio = read_audio(path)

    np.testing.assert_allclose(audio, np.zeros(16_000), atol=1e-4)


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_are_averaged(channels: int, tmp_path: Path) -> None:
    """Channels are averaged: each counts the same, and none is dropped."""
    import numpy as np

    voices = np.stack([tones(16_000, (200.0 * (n + 1),)) for n in range(channels)], axis=1)
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(voices, subtype="FLOAT"))

    audio = read_audio(path)

    assert audio.shape == (16_000,)
    np.testing.assert_allclose(audio, voices.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("container", "subtype", "error"),
    [
        ("WAVEX", "PCM_24", 1e-6),
        ("RF64", "PCM_16", 2e-5),
        ("AIFF", "PCM_16", 2e-5),
        ("CAF", "PCM_16", 2e-5),
        ("CAF", "ALAC_16", 2e-5),
        ("FLAC", "PCM_16", 2e-5),
        ("WAV", "ULAW", 0.005),
        ("WAV", "IMA_ADPCM", 0.02),
        ("OGG", "VORBIS", 0.02),
        ("OGG", "OPUS", 0.03),
        ("MP3", "MPEG_LAYER_III", 0.02),
    ],
)
def test_every_format_gives_the_sound_in_its_place(
    container: str, subtype: str, error: float, tmp_path: Path
) -> None:
    """Formats differ by their coding error alone (given as RMS): no delay, no loss of an end.

    One sample of delay would already be an error of 0.11. The file's suffix says something else,
    as happens: its content decides.
    """
    import numpy as np

    path = tmp_path / "clip.aac"
    path.write_bytes(encoded(tones(16_000), 16_000, container, subtype))

    audio = read_audio(path)

    assert 16_000 <= len(audio) < 16_000 + 1_017  # IMA ADPCM fills its last block
    expected = np.pad(tones(16_000), (0, len(audio) - 16_000))
    assert np.sqrt(np.mean((audio - expected) ** 2)) < error


@pytest.mark.parametrize(
    ("rate", "length"), [(44_100, 4_411), (44_100, 4_412), (8_000, 801), (96_000, 9_604)]
)
def test_the_time_axis_is_kept(rate: int, length: int, tmp_path: Path) -> None:
    """A sound file gives as many samples as its seconds times 16 000, rounded."""
    import numpy as np

    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(np.full(length, 0.1), rate))

    assert len(read_audio(path)) == round(length / rate * 16_000)


@pytest.mark.property
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_samples_come_back_exactly(width: int, tmp_path: Path) -> None:
    """PCM samples of any bytes are read as themselves, in units of full scale, in their order.

    Of 32 bits, float32 keeps the first 24. Samples of 8 bits are unsigned.
    """
    import numpy as np
    from hypothesis import assume, given, settings
    from hypothesis import strategies as st

    path = tmp_path / "clip.wav"

    @settings(deadline=None)
    @given(pattern=st.binary(min_size=1, max_size=400), length=st.integers(1_600, 1_700))
    def check(pattern: bytes, length: int) -> None:
        content = (pattern * (width * length))[: width * length]
        assume(not content.startswith(b"OggS"))  # libsndfile refuses such samples as Ogg in a WAV
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(width)
            file.setframerate(16_000)
            file.writeframes(content)
        parts = [content[start : start + width] for start in range(0, len(content), width)]
        if width == 1:
            values = [part[0] - 128 for part in parts]
        else:
            values = [int.from_bytes(part, "little", signed=True) for part in parts]

        expected = np.array(values, np.float32) / np.float32(1 << 8 * width - 1)
        np.testing.assert_array_equal(read_audio(path), expected)

    check()


@pytest.mark.property
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_float_samples_come_back_exactly(subtype: str, tmp_path: Path) -> None:
    """Samples that are stored as numbers up to 1 are read as those numbers."""
    import numpy as np
    from hypothesis import given, settings
    from hypothesis import strategies as st

    path = tmp_path / "clip.wav"

    @settings(deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1), length=st.integers(1_600, 5_000), peak=st.floats(1e-3, 1.0)
    )
    def check(seed: int, length: int, peak: float) -> None:
        samples = np.random.default_rng(seed).uniform(-peak, peak, length).astype(np.float32)
        path.write_bytes(encoded(samples, subtype=subtype))

        np.testing.assert_array_equal(read_audio(path), samples)

    check()


def test_16_bit_samples_come_back_exactly(tmp_path: Path) -> None:
    """All 65 536 values of 16-bit samples are read as themselves, in units of full scale."""
    import numpy as np

    values = np.arange(-32_768, 32_768, dtype=np.int16)
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(values))

    np.testing.assert_array_equal(read_audio(path), values / np.float32(32_768))


def test_overshoot_is_clipped(tmp_path: Path) -> None:
    """A full-scale square wave overshoots as it is resampled, and still lies within ±1."""
    import numpy as np
    import soxr

    square = np.where(np.arange(44_100) // 50 % 2 == 0, 1.0, -1.0)
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(square, 44_100, subtype="FLOAT"))

    audio = read_audio(path)

    assert np.abs(soxr.resample(square, 44_100, 16_000)).max() > 1.01
    assert (audio.min(), audio.max()) == (-1.0, 1.0)


def test_silence_is_audio(tmp_path: Path) -> None:
    """Silence is read as zeros, in stereo too."""
    import numpy as np

    path = tmp_path / "silence.flac"
    path.write_bytes(encoded(np.zeros((8_000, 2)), container="FLAC"))

    np.testing.assert_array_equal(read_audio(path), np.zeros(8_000, np.float32))


@pytest.mark.parametrize(
    ("samples", "rate"), [([-0.5] * 1_600, 16_000), ([0.5] * 800, 8_000), ([0.5] * 400, 4_000)]
)
def test_a_tenth_of_a_second_is_enough(samples: list[float], rate: int, tmp_path: Path) -> None:
    """A tenth of a second is enough audio, and so is a sample rate of 4 000 Hz."""
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(samples, rate))

    assert len(read_audio(path)) == 1_600


def test_twice_full_scale_is_clipped_and_not_refused(tmp_path: Path) -> None:
    """Samples of up to twice full scale are clipped, and not refused."""
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded([0.0] * 1_600 + [-2.0, 0.25], subtype="FLOAT"))

    assert read_audio(path)[1_600:].tolist() == [-1.0, 0.25]


def test_channels_that_leave_a_thousandth_are_averaged(tmp_path: Path) -> None:
    """Channels whose average is more than a thousandth of their peak are not refused."""
    import numpy as np

    path = tmp_path / "clip.wav"
    path.write_bytes(nearly_opposite_channels(1 / 990))

    assert np.abs(read_audio(path)).max() == pytest.approx(0.5 / 990, rel=1e-3)


def test_a_silent_channel_counts_as_one(tmp_path: Path) -> None:
    """Speech on the left and nothing on the right is half as loud, and is not refused."""
    import numpy as np

    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(np.outer(tones(16_000), [1, 0]), subtype="FLOAT"))

    np.testing.assert_allclose(read_audio(path), tones(16_000) / 2, atol=1e-6)


@pytest.mark.parametrize("announced", [0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF])
def test_a_streamed_wav_is_read_to_its_end(announced: int, tmp_path: Path) -> None:
    """A WAV whose header announces the length of an endless stream is read to its end."""
    path = tmp_path / "streamed.wav"
    path.write_bytes(wav(announced, bytes(range(256)) * 10))

    audio = read_audio(path)

    assert len(audio) == 2_560
    assert audio[-1] == 127 / 128


def test_a_wav_may_hold_more_than_samples(tmp_path: Path) -> None:
    """Comments, an odd size, padding and junk at the end of a WAV are no damage."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(2_001, b"\x80" * 2_001 + b"\0", before=comments(50), after=b"junk" * 3))

    assert read_audio(path).shape == (2_001,)


def test_a_caf_may_hold_more_than_samples(tmp_path: Path) -> None:
    """A CAF file may hold other chunks than samples, also at odd offsets."""
    caf = encoded(tones(16_000), container="CAF")
    first_chunk_end = caf.index(b"free")
    odd = struct.pack(">4sq", b"odd ", 1) + b"!"
    path = tmp_path / "clip.caf"
    path.write_bytes(caf[:first_chunk_end] + odd + caf[first_chunk_end:])

    assert read_audio(path).shape == (16_000,)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "FLAC", "MP3"])
@pytest.mark.parametrize("tags", [1, 2])
def test_a_file_may_start_with_tags(container: str, tags: int, tmp_path: Path) -> None:
    """ID3 tags, say with a cover picture of 100 kB, are stepped over in every format."""
    size = 100_000
    tag = b"ID3\4\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)
    path = tmp_path / "clip.mp3"
    path.write_bytes(tag * tags + encoded(tones(16_000), container=container))

    assert read_audio(path).shape == (16_000,)


# What is refused


def missing(_path: Path) -> None:
    """Leave nothing there."""


def folder(path: Path) -> None:
    """Make a folder."""
    path.mkdir()


def device(path: Path) -> None:
    """Make a link to a device, which like a pipe is no file: to read one may last for ever."""
    path.symlink_to("/dev/null")


def link_to_itself(path: Path) -> None:
    """Make a link that never arrives."""
    path.symlink_to(path)


def holding(content: Callable[[], bytes]) -> Callable[[Path], None]:
    """Return a function that makes a file of this content, which is made only when needed."""

    def make(path: Path) -> None:
        path.write_bytes(content())

    return make


def with_sample(value: float, *places: int) -> bytes:
    """Return a stereo float WAV of 0.4 s in which samples on the left are `value`.

    Unless others are named, it is one, at 0.2 s.
    """
    import numpy as np

    samples = np.zeros((3_200, 2))
    samples[list(places or (1_600,)), 0] = value
    return encoded(samples, 8_000, subtype="FLOAT")


def nearly_opposite_channels(left: float) -> bytes:
    """Return a stereo file with a peak of 0.5 whose channels average to `left` times the peak."""
    import numpy as np

    return encoded(np.outer(np.full(16_000, 0.5), [1, 2 * left - 1]), subtype="DOUBLE")


EXPORT_AGAIN = "download or export it again"
CONVERT = (
    "convert it: afconvert -f WAVE -d LEI16@16000 -c 1 {source} {target} (macOS), "
    "or: ffmpeg -i {source} -ac 1 -ar 16000 {target}"
)
NO_LENGTH = "is MP3 without its length (no Xing or Info header)"
NO_LAST_PAGE = "is truncated: its last Ogg page is missing or incomplete"
DAMAGED = "is truncated, damaged or unsupported (libsndfile: …)"
BAD = {
    "missing": (missing, "no such file", "check the path"),
    "folder": (folder, "is a folder, expected a sound file", "name a file in it"),
    "device": (device, "is not a plain file", "copy the sound into one"),
    "link to itself": (link_to_itself, "cannot be read: …", "check the path"),
    "empty": (holding(bytes), "is empty (0 bytes)", EXPORT_AGAIN),
    "text": (
        holding(lambda: b"<!DOCTYPE html>" * 99),
        "is not audio: tags aside, it starts with b'<!DOCTYPE ht'",
        EXPORT_AGAIN,
    ),
    "M4A": (
        holding(lambda: b"\0\0\0\x1cftypM4A \0\0\2\0M4A isomiso2" + bytes(999)),
        "is MPEG-4 audio (M4A: AAC or Apple Lossless), which libsndfile does not read",
        CONVERT,
    ),
    "AAC": (
        holding(lambda: b"\xff\xf1\x60\x40" + bytes(999)),
        "is AAC (ADTS), which libsndfile does not read",
        CONVERT,
    ),
    "WebM": (
        holding(lambda: b"\x1aE\xdf\xa3" + bytes(999)),
        "is WebM or Matroska, which libsndfile does not read",
        CONVERT,
    ),
    "WMA": (
        holding(lambda: b"0&\xb2u\x8ef\xcf\x11" + bytes(999)),
        "is Windows Media, which libsndfile does not read",
        CONVERT,
    ),
    "AU": (
        holding(lambda: encoded(tones(16_000), container="AU")),
        "is AU, where a missing end goes unnoticed",
        CONVERT,
    ),
    "MP3 without header": (holding(mp3_frames), NO_LENGTH, CONVERT),
    "MP3 without count": (holding(mp3_that_does_not_count), NO_LENGTH, CONVERT),
    "FLAC stream": (
        holding(flac_stream),
        (
            "is too long or of unknown length: its header announces 9223372036854775807 samples, "
            "at most 1073741824 expected"
        ),
        CONVERT,
    ),
    "truncated WAV": (
        holding(lambda: encoded(tones(16_000))[:20_000]),
        "is truncated: its header announces 32000 bytes of samples, 19956 are there",
        EXPORT_AGAIN,
    ),
    "truncated WAV with comments": (
        holding(lambda: wav(5_000, bytes(4_999), before=comments(100))),
        "is truncated: its header announces 5000 bytes of samples, 4999 are there",
        EXPORT_AGAIN,
    ),
    "truncated AIFF": (
        holding(lambda: encoded(tones(16_000), container="AIFF")[:20_000]),
        "is truncated: its header announces 32008 bytes of samples, 19954 are there",
        EXPORT_AGAIN,
    ),
    "AIFF without samples": (
        holding(aiff_without_samples),
        DAMAGED,
        f"{EXPORT_AGAIN}, or {CONVERT}",
    ),
    "truncated MP3": (
        holding(lambda: encoded(tones(16_000), container="MP3")[:-200]),
        "is truncated: its header announces 16000 samples, … are there",
        EXPORT_AGAIN,
    ),
    "truncated OGG": (
        holding(lambda: encoded(tones(16_000), container="OGG")[:-1]),
        NO_LAST_PAGE,
        EXPORT_AGAIN,
    ),
    "OGG without its last page": (holding(ogg_without_last_page), NO_LAST_PAGE, EXPORT_AGAIN),
    "truncated FLAC": (
        holding(lambda: encoded(tones(16_000), container="FLAC")[:-1]),
        DAMAGED,
        f"{EXPORT_AGAIN}, or {CONVERT}",
    ),
    "header only": (
        holding(lambda: encoded([])),
        "holds no samples, only a header",
        EXPORT_AGAIN,
    ),
    "unfinished": (
        holding(lambda: wav(0, bytes(9_999))),
        "holds no samples, only a header",
        EXPORT_AGAIN,
    ),
    "too short": (
        holding(lambda: encoded([0.5] * 1_599)),
        "too short for speech: 0.0999 s (1599 samples at 16000 Hz), at least 0.1 s expected",
        "choose a longer recording",
    ),
    "too short at 8 kHz": (
        holding(lambda: encoded([0.5] * 799, 8_000)),
        "too short for speech: 0.0999 s (799 samples at 8000 Hz), at least 0.1 s expected",
        "choose a longer recording",
    ),
    "too short in stereo": (
        holding(lambda: encoded([[0.5, 0.25]] * 1_599)),
        "too short for speech: 0.0999 s (1599 samples at 16000 Hz), at least 0.1 s expected",
        "choose a longer recording",
    ),
    "wrong rate": (
        holding(lambda: encoded([0.5] * 3_999, 3_999)),
        "its header says 3999 Hz, speech needs at least 4000 Hz",
        EXPORT_AGAIN,
    ),
    "NaN": (
        holding(lambda: with_sample(float("nan"))),
        "1 of 3200 samples are NaN or infinite, the first at 0.200 s",
        EXPORT_AGAIN,
    ),
    "several NaNs": (
        holding(lambda: with_sample(float("nan"), 800, 1_600, 2_400)),
        "3 of 3200 samples are NaN or infinite, the first at 0.100 s",
        EXPORT_AGAIN,
    ),
    "infinite": (
        holding(lambda: with_sample(float("-inf"))),
        "1 of 3200 samples are NaN or infinite, the first at 0.200 s",
        EXPORT_AGAIN,
    ),
    "integers as floats": (
        holding(lambda: with_sample(-32_768.0)),
        "samples reach 32768, expected -1 to 1",
        "scale them, or export it as PCM",
    ),
    "just over twice full scale": (
        holding(lambda: with_sample(2.0001)),
        "samples reach 2.0001, expected -1 to 1",
        "scale them, or export it as PCM",
    ),
    "opposite channels": (
        holding(lambda: nearly_opposite_channels(0.0)),
        "its 2 channels cancel each other out",
        "export one of them",
    ),
    "channels that cancel": (
        holding(lambda: nearly_opposite_channels(1 / 1_010)),
        "its 2 channels cancel each other out",
        "export one of them",
    ),
}
"""How a file is made, the reason why it is refused, and the next step.

In the texts, … stands for words that are not ours to say.
"""


@pytest.mark.parametrize(("make", "reason", "next_step"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_used_is_refused(
    make: Callable[[Path], None], reason: str, next_step: str, tmp_path: Path
) -> None:
    """A sound file that cannot be used is refused with path, reason and next step in one line."""
    path = tmp_path / "my clip.wav"
    make(path)

    with pytest.raises(AudioError) as refusal:
        read_audio(path)

    source, target = (f"'{tmp_path}/my clip{end}.wav'" for end in ("", "-16k"))
    step = next_step.format(source=source, target=target)
    expected = re.escape(f"{path}: {reason}; {step}").replace("…", ".+")
    assert re.fullmatch(expected, str(refusal.value)), f"got: {refusal.value}"


@pytest.mark.parametrize(("length", "channels"), [(16_001, 1), (8_001, 2)])
def test_a_file_that_would_fill_the_memory_is_refused(
    length: int, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of more samples in all channels than the bound is refused.

    Here the bound is 16 000 samples, so that files stay small.
    """
    import numpy as np

    monkeypatch.setattr(reading, "MAX_SAMPLES", 16_000)
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(np.full((length, channels), 0.1)))

    with pytest.raises(AudioError) as refusal:
        read_audio(path)

    assert (
        f"its header announces {length * channels} samples, at most 16000 expected; convert it: "
    ) in str(refusal.value)
    path.write_bytes(encoded(np.full((16_000 // channels, channels), 0.1)))
    assert len(read_audio(path)) == 16_000 // channels


def test_a_cut_file_is_not_told_as_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was cut off is called truncated, and not too long."""
    monkeypatch.setattr(reading, "MAX_SAMPLES", 100)
    path = tmp_path / "clip.ogg"
    path.write_bytes(ogg_without_last_page())

    with pytest.raises(AudioError, match=f"{NO_LAST_PAGE}; {EXPORT_AGAIN}$"):
        read_audio(path)


@pytest.mark.property
@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "FLOAT"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_24"),
        ("CAF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_file_cut_off_anywhere_is_refused(container: str, subtype: str, tmp_path: Path) -> None:
    """No part of a sound file passes for the whole, wherever the cut is."""
    from hypothesis import example, given, settings
    from hypothesis import strategies as st

    whole = encoded(tones(16_000), 16_000, container, subtype)
    path = tmp_path / "clip"

    @settings(deadline=None)
    @given(length=st.integers(0, len(whole) - 1))
    @example(length=len(whole) - 1)
    def check(length: int) -> None:
        path.write_bytes(whole[:length])

        with pytest.raises(AudioError, match=r"truncated|is empty|is not audio|damaged|no samples"):
            read_audio(path)

    check()
    path.write_bytes(whole)
    assert len(read_audio(path)) >= 16_000


@pytest.mark.property
def test_a_damaged_file_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever a header says, the answer is audio within ±1 or an AudioError, nothing else."""
    import numpy as np
    from hypothesis import given, settings
    from hypothesis import strategies as st

    files = [encoded(tones(16_000), container=name) for name in ("WAV", "AIFF", "CAF", "FLAC")]
    files += [encoded(tones(16_000), container=name) for name in ("OGG", "MP3")]
    path = tmp_path / "clip"

    @settings(deadline=None)
    @given(
        whole=st.sampled_from(files),
        patches=st.dictionaries(st.integers(0, 199), st.integers(0, 255), min_size=1, max_size=5),
    )
    def check(whole: bytes, patches: dict[int, int]) -> None:
        damaged = bytearray(whole)
        for position, byte in patches.items():
            damaged[position] = byte
        path.write_bytes(damaged)
        try:
            audio = read_audio(path)
        except AudioError:
            return
        assert audio.size > 0
        assert np.abs(audio).max() <= 1.0

    check()


def test_a_truncated_mp3_is_told_with_what_is_left(tmp_path: Path) -> None:
    """A truncated MP3 is reported with the samples that it announces and those that are there."""
    path = tmp_path / "clip.mp3"
    path.write_bytes(encoded(tones(16_000), container="MP3")[:-200])

    with pytest.raises(AudioError, match="16000 samples, ") as refusal:
        read_audio(path)

    counts = re.search(r"announces 16000 samples, (\d+) are there;", str(refusal.value))
    assert counts
    assert 12_000 < int(counts[1]) < 16_000


def test_the_library_error_is_kept_as_the_cause(tmp_path: Path) -> None:
    """What libsndfile said is kept as the cause of an error about a sound file."""
    import soundfile

    path = tmp_path / "clip.flac"
    path.write_bytes(encoded(tones(16_000), container="FLAC")[:9_000])

    with pytest.raises(AudioError) as refusal:
        read_audio(path)

    assert isinstance(refusal.value.__cause__, soundfile.LibsndfileError)


def test_the_conversion_command_can_be_pasted(tmp_path: Path) -> None:
    """The conversion command quotes file names, and its source is not its target."""
    path = tmp_path / "it's mine.m4a"
    path.write_bytes(b"\0\0\0\x1cftypM4A " + bytes(99))

    with pytest.raises(AudioError) as refusal:
        read_audio(path)

    quoted = str(tmp_path / "it'\"'\"'s mine")
    assert str(refusal.value).endswith(
        f"ffmpeg -i '{quoted}.m4a' -ac 1 -ar 16000 '{quoted}-16k.wav'"
    )


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Go on as a user without special rights: root may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield
    os.seteuid(user)


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A good file without read permission is refused for that reason, not called missing."""
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(tones(16_000)))
    assert read_audio(path).shape == (16_000,)
    path.chmod(0)
    request.getfixturevalue("plain_user")

    with pytest.raises(AudioError, match=r"clip\.wav: may not be read; check its permissions"):
        read_audio(path)
