"""What the bytes of a sound file say about its end, by files of a few bytes made by hand."""

from __future__ import annotations

import struct

import pytest

from whisper_speedtest.speech.containers import (
    undecodable_format,
    why_end_is_missing,
    why_end_is_unknown,
    without_id3_tags,
)

pytestmark = pytest.mark.timeout(10)  # walking through a file in a circle would never end


def chunk(
    name: bytes, content: bytes, announced: int | None = None, *, form: str = "<4sI"
) -> bytes:
    """Return a chunk: its name, the size that it announces (by default the true one), content."""
    size = len(content) if announced is None else announced
    return struct.pack(form, name, size) + content


def wav(*chunks: bytes) -> bytes:
    """Return a WAV file of these chunks."""
    return b"RIFF\0\0\0\0WAVE" + b"".join(chunks)


def rifx(*chunks: bytes) -> bytes:
    """Return a WAV file whose numbers are big-endian."""
    return b"RIFX\0\0\0\0WAVE" + b"".join(chunks)


def rf64(size: int, *chunks: bytes) -> bytes:
    """Return a WAV file in its 64-bit form, whose first chunk gives the samples' size in bytes."""
    sizes = struct.pack("<QQQI", 1 << 40, size, 1 << 41, 0)  # of the file, data; samples; no table
    return b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes) + b"".join(chunks)


def aiff(*chunks: bytes) -> bytes:
    """Return an AIFF file of these chunks."""
    return b"FORM\0\0\0\0AIFF" + b"".join(chunks)


def caf(*chunks: bytes) -> bytes:
    """Return a Core Audio file of these chunks."""
    return b"caff\0\1\0\0" + b"".join(chunks)


def ogg_page(*segments: bytes, last: bool) -> bytes:
    """Return an Ogg page, which goes on with the packet of the one before.

    The fields between its flags and its segments say nothing of its end.
    """
    lengths = bytes(map(len, segments))
    flags = 1 | 4 if last else 1
    return (
        b"OggS\0"
        + bytes([flags])
        + bytes(20)
        + bytes([len(segments)])
        + lengths
        + b"".join(segments)
    )


def tag(size: int, *, shown: bytes) -> bytes:
    """Return an ID3 tag with `size` bytes of content, of which its header holds `shown` as size."""
    return b"ID3\4\0\0" + shown + b"x" * size


def xing(before: int, *, name: bytes = b"Xing", flags: int = 1) -> bytes:
    """Return the begin of an MP3 file whose length header starts at the offset `before`."""
    return b"\xff\xfb" + bytes(before - 2) + name + bytes([0, 0, 0, flags]) + bytes(99)


# Tags


@pytest.mark.parametrize(
    ("shown", "size"),
    [
        (b"\0\0\0\0", 0),
        (b"\0\0\0\x7f", 127),
        (b"\0\0\1\0", 128),
        (b"\0\1\0\1", 16_385),
        (b"\1\0\0\0", 2_097_152),
    ],
    ids=["0", "127", "128", "16385", "2097152"],
)
def test_the_size_of_a_tag_has_seven_bits_a_byte(shown: bytes, size: int) -> None:
    """An ID3 tag's size is written with seven bits a byte, and the sound starts behind it."""
    left = without_id3_tags(tag(size, shown=shown) + b"RIFF")

    assert left == b"RIFF", f"a tag of {size} bytes: {left[:20]!r} was taken for the sound"


@pytest.mark.parametrize("tags", [0, 1, 2, 3])
def test_every_tag_at_the_start_is_left_out(tags: int) -> None:
    """Every ID3 tag at the start is left out, and what looks like one further on is sound."""
    sound = b"RIFF" + tag(1, shown=b"\0\0\0\1")

    assert without_id3_tags(tag(5, shown=b"\0\0\0\5") * tags + sound) == sound


def test_nothing_is_left_of_a_tag_that_was_cut_off() -> None:
    """A file that ends within its tag holds no sound."""
    assert without_id3_tags(b"ID3\4\0\0\0\0\0\x09abc") == b""
    assert without_id3_tags(b"ID3") == b""


def test_flags_of_an_id3_tag_are_no_part_of_its_size() -> None:
    """The flags of an ID3 tag are no part of its size."""
    assert without_id3_tags(b"ID3\4\0\x40\0\0\0\5" + b"x" * 5 + b"RIFF") == b"RIFF"


# Kinds


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x1cftypM4A ", "MPEG-4 audio (M4A: AAC or Apple Lossless)"),
        (b"\0\n\0\x1cftypM4A ", "MPEG-4 audio (M4A: AAC or Apple Lossless)"),
        (b"\xff\xf0", "AAC (ADTS)"),
        (b"\xff\xf1", "AAC (ADTS)"),
        (b"\xff\xf8", "AAC (ADTS)"),
        (b"\xff\xf9", "AAC (ADTS)"),
        (b"\x1aE\xdf\xa3", "WebM or Matroska"),
        (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"\xff\xfb", None),  # MP3
        (b"x\0\0\0\x1cftypM4A ", None),
        (b"", None),
    ],
)
def test_formats_that_cannot_be_decoded_are_named(data: bytes, name: str | None) -> None:
    """A format that cannot be decoded is named by the first bytes of its file."""
    assert undecodable_format(data) == name


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "AIFF", "CAF", "OGG", "FLAC"])
def test_formats_whose_end_can_be_checked(container: str) -> None:
    """The end of WAV, WAVEX, RF64, AIFF, CAF, OGG and FLAC can be checked."""
    assert why_end_is_unknown(container, b"") == ""


@pytest.mark.parametrize("container", ["AU", "W64", "RAW"])
def test_formats_whose_end_cannot_be_checked(container: str) -> None:
    """Any format whose end cannot be checked is refused by its name, whatever it holds."""
    assert why_end_is_unknown(container, xing(36)) == (
        f"is {container}, where a missing end goes unnoticed"
    )


@pytest.mark.parametrize("name", [b"Xing", b"Info"])
@pytest.mark.parametrize("before", [4, 13, 36, 38])
@pytest.mark.parametrize("flags", [1, 15])
def test_an_mp3_that_counts_its_frames_can_be_checked(before: int, name: bytes, flags: int) -> None:
    """The end of an MP3 that counts its frames in its first frame can be checked."""
    assert why_end_is_unknown("MP3", xing(before, name=name, flags=flags)) == ""


@pytest.mark.parametrize(
    "data",
    [xing(36, flags=14), xing(36, name=b"Xxng"), xing(39), b"\xff\xfb" + bytes(99)],
    ids=["no number", "another name", "too far on", "no header"],
)
def test_an_mp3_that_does_not_count_its_frames_cannot_be_checked(data: bytes) -> None:
    """The end of an MP3 that does not count its frames cannot be checked."""
    assert why_end_is_unknown("MP3", data) == "is MP3 without its length (no Xing or Info header)"


# Ends


WHOLE = {
    "WAV": ("WAV", wav(chunk(b"data", b"1234"))),
    "WAV with parameters": ("WAVEX", wav(chunk(b"fmt ", bytes(16)), chunk(b"data", b"1234"))),
    "big-endian WAV": ("WAV", rifx(chunk(b"data", b"1234", form=">4sI"))),
    "WAV after a chunk of odd size": (
        "WAV",
        wav(chunk(b"odd ", b"!") + b"\0", chunk(b"data", b"1234")),
    ),
    "big-endian WAV after a chunk of odd size": (
        "WAV",
        rifx(chunk(b"odd ", b"odd", form=">4sI") + b"\0", chunk(b"data", b"1234", form=">4sI")),
    ),
    "AIFF after a chunk of odd size": (
        "AIFF",
        aiff(chunk(b"odd ", b"odd", form=">4sI") + b"\0", chunk(b"SSND", b"1234", form=">4sI")),
    ),
    "WAV with more behind its samples": ("WAV", wav(chunk(b"data", b"1234"), b"junk")),
    "WAV without a sample": ("WAV", wav(chunk(b"data", b""))),
    "WAV of unknown size": ("WAV", wav(chunk(b"data", b"1234", 0x7FFF_F000))),
    "WAV of unknown size, by ffmpeg": ("WAV", wav(chunk(b"data", b"1234", 0xFFFF_FFFF))),
    "RF64": ("RF64", rf64(4, chunk(b"fmt ", bytes(16)), chunk(b"data", b"1234", 0xFFFF_FFFF))),
    "RF64 whose samples say their own size": ("RF64", rf64(9, chunk(b"data", b"1234"))),
    "AIFF": ("AIFF", aiff(chunk(b"SSND", b"1234", form=">4sI"))),
    "CAF": ("CAF", caf(chunk(b"data", b"1234", form=">4sQ"))),
    "CAF after a chunk of odd size": (
        "CAF",
        caf(chunk(b"odd ", b"!", form=">4sQ"), chunk(b"data", b"1234", form=">4sQ")),
    ),
    "CAF of unknown size": ("CAF", caf(chunk(b"data", b"1234", (1 << 64) - 1, form=">4sQ"))),
    "Ogg": ("OGG", ogg_page(b"head", last=False) + ogg_page(b"a" * 255, b"bc", last=True)),
    "Ogg with an empty last page": ("OGG", ogg_page(b"abc", last=False) + ogg_page(last=True)),
    "Ogg with more behind its end": ("OGG", ogg_page(b"abc", last=True) + b"junk"),
    "FLAC": ("FLAC", b"fLaC"),
    "MP3": ("MP3", xing(36)),
}


@pytest.mark.parametrize(("container", "data"), WHOLE.values(), ids=WHOLE.keys())
def test_a_file_that_holds_all_it_announces_is_whole(container: str, data: bytes) -> None:
    """A sound file that holds all it announces is whole, to the byte."""
    assert why_end_is_missing(container, data) == ""


def lacks(announced: int, present: int) -> str:
    """What is said of a file whose header announces more bytes than there are."""
    return f"is truncated: its header announces {announced} bytes of samples, {present} are there"


NO_LAST_PAGE = "is truncated: its last Ogg page is missing or incomplete"
NO_WAY = "is damaged: its list of chunks does not lead to the samples"
CUT = {
    "WAV": ("WAV", wav(chunk(b"data", b"123", 4)), lacks(4, 3)),
    "WAV with parameters": (
        "WAVEX",
        wav(chunk(b"fmt ", bytes(16)), chunk(b"data", b"123", 9)),
        lacks(9, 3),
    ),
    "WAV, the largest size that is meant": (
        "WAV",
        wav(chunk(b"data", b"123", 0x7FFF_EFFF)),
        lacks(0x7FFF_EFFF, 3),
    ),
    "big-endian WAV": ("WAV", rifx(chunk(b"data", b"123", 4, form=">4sI")), lacks(4, 3)),
    "RF64": ("RF64", rf64(4, chunk(b"data", b"123", 0xFFFF_FFFF)), lacks(4, 3)),
    "RF64 of more than 4 GiB": (
        "RF64",
        rf64(5 << 30, chunk(b"data", b"123", 0xFFFF_FFFF)),
        lacks(5 << 30, 3),
    ),
    "RF64 within its sizes": ("RF64", rf64(4)[:35], NO_WAY),
    "RF64 without samples": ("RF64", rf64(4), NO_WAY),
    "AIFF": ("AIFF", aiff(chunk(b"SSND", b"", 12, form=">4sI")), lacks(12, 0)),
    "CAF": ("CAF", caf(chunk(b"data", b"123", 4, form=">4sQ")), lacks(4, 3)),
    "WAV without samples": ("WAV", wav(chunk(b"fmt ", bytes(16))), NO_WAY),
    "WAV within the header of its samples": ("WAV", wav(chunk(b"data", b"")[:7]), NO_WAY),
    "WAV with an unpadded chunk": ("WAV", wav(chunk(b"odd ", b"!"), chunk(b"data", b"")), NO_WAY),
    "CAF with a padded chunk": (
        "CAF",
        caf(chunk(b"odd ", b"!", form=">4sQ") + b"\0", chunk(b"data", b"", form=">4sQ")),
        NO_WAY,
    ),
    "Ogg within its last segment": ("OGG", ogg_page(b"abc", b"de", last=True)[:-1], NO_LAST_PAGE),
    "Ogg within the lengths": ("OGG", ogg_page(b"", b"", last=True)[:-1], NO_LAST_PAGE),
    "Ogg within the last header": (
        "OGG",
        ogg_page(b"abc", last=False) + ogg_page(last=True)[:-1],
        NO_LAST_PAGE,
    ),
    "Ogg without its last page": ("OGG", ogg_page(b"abc", last=False), NO_LAST_PAGE),
    "Ogg that goes on": ("OGG", ogg_page(last=True) + ogg_page(last=False), NO_LAST_PAGE),
    "no Ogg page": ("OGG", b"something else", NO_LAST_PAGE),
}


@pytest.mark.parametrize(("container", "data", "reason"), CUT.values(), ids=CUT.keys())
def test_a_file_that_was_cut_off_is_not_whole(container: str, data: bytes, reason: str) -> None:
    """A sound file that lacks one byte is not whole, and both sizes are named."""
    assert why_end_is_missing(container, data) == reason
