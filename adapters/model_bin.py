"""Reads the dimensions of a Whisper model from a file of CTranslate2's, which exposes few itself.

The file has the version of its format, the name and version of its kind of model, its variables one
after the other (name, shape, type and bytes), and then aliases, as variables with the same content
are stored once. Numbers are little-endian, and a text is preceded by its length.
Source: CTranslate2, python/ctranslate2/specs/model_spec.py, _serialize.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.sizes import Dimensions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

HEADS = "encoder/num_heads"
USUAL_HEADS = 8
"""The number that CTranslate2 assumes if a file has no HEADS. Source: src/layers/transformer.cc."""


def stored_dimensions(file: Path) -> Dimensions:
    """Return the dimensions in a `model.bin`, from the names and shapes of its variables."""
    shapes: dict[str, tuple[int, ...]] = {}
    numbers: dict[str, int] = {}
    with file.open("rb") as content:
        _read(content, "<I")
        _text(content)
        _, variables = _read(content, "<2I")
        for _ in range(variables):
            name = _text(content)
            (rank,) = _read(content, "<B")
            shapes[name] = _read(content, f"<{rank}I")
            _, size = _read(content, "<BI")
            if rank == 0:
                numbers[name] = int.from_bytes(content.read(size), "little")
            else:
                content.seek(size, os.SEEK_CUR)
        (aliases,) = _read(content, "<I")
        for _ in range(aliases):
            alias, name = _text(content), _text(content)
            shapes[alias] = shapes[name]
            if name in numbers:
                numbers[alias] = numbers[name]
    vocabulary, width = shapes["decoder/embeddings/weight"]
    _, mels, _ = shapes["encoder/conv1/weight"]
    return Dimensions(
        mels=mels,
        vocabulary=vocabulary,
        heads=numbers.get(HEADS, USUAL_HEADS),
        width=width,
        audio_layers=_count_layers("encoder", shapes),
        text_layers=_count_layers("decoder", shapes),
    )


def _count_layers(part: str, names: Iterable[str]) -> int:
    """Return how many layers the encoder or decoder has, by the names of the variables."""
    matches = (re.match(rf"{part}/layer_\d+/", name) for name in names)
    return len({match[0] for match in matches if match})


def _read(content: BinaryIO, form: str) -> tuple[Any, ...]:
    """Read values of a form that `struct` describes."""
    return struct.unpack(form, content.read(struct.calcsize(form)))


def _text(content: BinaryIO) -> str:
    """Read a text, which is preceded by its length and ends with a zero byte."""
    (length,) = _read(content, "<H")
    return content.read(length).rstrip(b"\0").decode()
