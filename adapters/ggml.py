"""The header of a ggml file, with a model's dimensions: all that whisper.cpp tells of a model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.base import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = tuple(
    """
    n_vocab n_audio_ctx n_audio_state n_audio_head n_audio_layer
    n_text_ctx n_text_state n_text_head n_text_layer n_mels ftype
    """.split()
)
"""32-bit integers, in this order after a magic number. Source: whisper.cpp, whisper_model_load."""

TYPES = {0: "float32", 1: "float16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1"}
"""`ftype` → the type of a model's matrices. Source: ggml.h, enum ggml_ftype."""


def check_header(file: str, told: Callable[[str], int]) -> None:
    """Raise WeightsError unless the model in memory has the dimensions that are in its file.

    `told` returns what the library tells of the model by a name of HEADER.
    """
    with Path(file).open("rb") as content:
        _, *stored = struct.unpack("<12i", content.read(48))
    stored[-1] %= 1000  # the thousands are the format's version, which the library drops
    for name, expected in zip(HEADER, stored, strict=True):
        if (got := told(name)) != expected:
            raise WeightsError(f"expected {name} {expected}, as in {file}, got {got}")
