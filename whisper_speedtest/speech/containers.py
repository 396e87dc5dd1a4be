"""What the bytes of a sound file say about its kind and its end.

libsndfile reads most files that were cut off without a word. Whether the end of a file is there is
therefore checked here, from its bytes, in the way that its format allows:

==============  ===============================================================================
WAV, AIFF, CAF  The header of the samples says how many bytes follow, and they must be there.
                A program that writes to a pipe cannot know the number and writes 0x7FFFF000 or
                more; such a file ends where it ends.
RF64            A WAV whose chunk "ds64" says in 64 bits how many bytes of samples follow.
Ogg             The last page (Vorbis or Opus) must be whole and marked as the end.
MP3             The first frame (a Xing or Info header) must say how many frames follow, since
                libsndfile otherwise guesses, and may stop half way. The caller then compares
                that number with what libsndfile decodes.
FLAC            Nothing to check: libsndfile refuses a file that was cut off.
==============  ===============================================================================

In other formats a missing end cannot be noticed.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

STREAMED_SIZE = 0x7FFF_F000
"""Bytes. The smallest size that means "unknown": sox writes this one, ffmpeg 0xFFFFFFFF."""


SIZE_IN_DS64 = 0xFFFF_FFFF
"""Bytes. In RF64, the size that means: see the chunk "ds64"."""


class _Chunks(NamedTuple):
    """How a format that consists of chunks lays them out."""

    start: int
    """The offset of the first chunk, in bytes."""

    header: struct.Struct
    """The name and the size that stand before the content of a chunk."""

    alignment: int
    """A chunk starts at a multiple of this many bytes after the one before."""


_CHUNKS = {
    b"RIFF": _Chunks(12, struct.Struct("<4sI"), 2),
    b"RF64": _Chunks(12, struct.Struct("<4sI"), 2),
    b"RIFX": _Chunks(12, struct.Struct(">4sI"), 2),
    b"FORM": _Chunks(12, struct.Struct(">4sI"), 2),
    b"caff": _Chunks(8, struct.Struct(">4sQ"), 1),
}
"""By the first four bytes of a file: WAV, its 64-bit form, big-endian WAV, AIFF, CAF."""

_UNDECODABLE = (
    (re.compile(rb".{4}ftyp", re.DOTALL), "MPEG-4 audio (M4A: AAC or Apple Lossless)"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "AAC (ADTS)"),
    (re.compile(rb"\x1aE\xdf\xa3"), "WebM or Matroska"),
    (re.compile(rb"0&\xb2u\x8ef\xcf\x11"), "Windows Media"),
)
"""Formats that libsndfile does not decode, each by the first bytes of a file."""


def without_id3_tags(data: bytes) -> bytes:
    """Return a file's bytes without the ID3 tags that they start with.

    Such tags belong to MP3, but some programs write them before any other kind of sound too.
    Source: id3.org, "ID3 tag version 2.4.0", section 3.1.
    """
    start = 0
    while data.startswith(b"ID3", start):
        size = 0
        for byte in data[start + 6 : start + 10]:
            size = size << 7 | byte  # each byte holds seven bits of the size
        start += 10 + size
    return data[start:]


def undecodable_format(data: bytes) -> str | None:
    """Return the name of the format if it is a known one that libsndfile does not decode."""
    return next((name for pattern, name in _UNDECODABLE if pattern.match(data)), None)


def why_end_is_unknown(container: str, data: bytes) -> str:
    """Return why nobody can tell whether a file's end is there; "" if that can be told.

    `container` is libsndfile's name of the format, such as WAV or OGG.
    """
    match container:
        case "WAV" | "WAVEX" | "RF64" | "AIFF" | "CAF" | "OGG" | "FLAC":
            return ""
        case "MP3":
            if _mp3_counts_its_frames(data):
                return ""
            return "is MP3 without its length (no Xing or Info header)"
        case _:
            return f"is {container}, where a missing end goes unnoticed"


def why_end_is_missing(container: str, data: bytes) -> str:
    """Return why a file's bytes end before the recording did; "" if they seem to be whole."""
    match container:
        case "WAV" | "WAVEX" | "RF64" | "AIFF" | "CAF":
            return _why_samples_are_missing(data)
        case "OGG":
            if _ends_with_last_ogg_page(data):
                return ""
            return "is truncated: its last Ogg page is missing or incomplete"
        case _:
            return ""


def _why_samples_are_missing(data: bytes) -> str:
    """Compare the bytes that follow the header of the samples with the size that it announces.

    Source: IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0"
    (RIFF); EBU, Tech 3306 (RF64, where byte 8 of "ds64" begins the size of the samples); Apple,
    "Audio Interchange File Format 1.3" and "Apple Core Audio Format Specification 1.0".
    """
    position, header, alignment = _CHUNKS[data[:4]]
    long_size = None
    while position + header.size <= len(data):
        name, announced = header.unpack_from(data, position)
        position += header.size
        if name == b"ds64" and position + 16 <= len(data):
            (long_size,) = struct.unpack_from("<Q", data, position + 8)
        if name in (b"data", b"SSND"):
            present = len(data) - position
            known = announced < STREAMED_SIZE
            if long_size is not None and announced == SIZE_IN_DS64:
                announced, known = long_size, True
            if known and present < announced:
                return (
                    f"is truncated: its header announces {announced} bytes of samples, "
                    f"{present} are there"
                )
            return ""
        position += announced + announced % alignment
    return "is damaged: its list of chunks does not lead to the samples"


def _ends_with_last_ogg_page(data: bytes) -> bool:
    """Tell whether the last Ogg page is whole and marked as the end. Source: RFC 3533, section 6.

    A page's header has 27 bytes: its flags are byte 5 and the number of segments is byte 26. The
    lengths of the segments follow, one byte each, and then the segments themselves.
    """
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    end_of_stream = bool(page[5] & 4)
    count = page[26]
    lengths = page[27 : 27 + count]
    return end_of_stream and len(page) >= 27 + count + sum(lengths)


def _mp3_counts_its_frames(data: bytes) -> bool:
    """Tell whether the first MPEG frame says how many frames follow.

    Source: gabriel.mp3-tech.org, "MP3 Info Tag revision 1". Flag 1 means that the number is there.
    """
    # At most 4 bytes of frame header, 2 of checksum and 32 of side information come before it.
    info = re.search(rb"(?:Xing|Info)\0{3}(.)", data[:46], re.DOTALL)
    return info is not None and bool(info[1][0] & 1)
