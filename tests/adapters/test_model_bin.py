"""The dimensions in a file of CTranslate2's format."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from adapters.model_bin import stored_dimensions
from adapters.sizes import Dimensions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Variable = tuple[tuple[int, ...], bytes]
    """Shape and content."""

VARIABLES: Mapping[str, Variable] = {
    "decoder/embeddings/weight": ((51, 6), bytes(612)),
    "decoder/layer_0/ffn/linear_0/weight": ((24, 6), bytes(288)),
    "decoder/layer_0/self_attention/linear_0/weight": ((18, 6), bytes(216)),
    "decoder/layer_1/ffn/linear_0/weight": ((24, 6), bytes(288)),
    "decoder/layer_norm/gamma": ((6,), bytes(12)),
    "decoder/num_heads": ((), b"\x07\x00"),
    "encoder/conv1/weight": ((6, 80, 3), bytes(2880)),
    "encoder/layer_0/ffn/linear_0/weight": ((24, 6), bytes(288)),
    "encoder/layer_norm/gamma": ((6,), bytes(12)),
    "encoder/num_heads": ((), b"\x2c\x01"),
}
"""A model of one encoder layer and two decoder layers, of 300 heads."""

USUAL = Dimensions(80, 51, 300, 6, audio_layers=1, text_layers=2)


def text(value: str) -> bytes:
    """Return a text as the format has it."""
    content = value.encode() + b"\0"
    return struct.pack("<H", len(content)) + content


def model_bin(
    folder: Path, variables: Mapping[str, Variable], aliases: Mapping[str, str] | None = None
) -> Path:
    """Write a file in the format, whose aliases are second names of variables; return its path."""
    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<2I", 3, len(variables))
    for name, (shape, data) in variables.items():
        content += text(name) + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        content += struct.pack("<BI", 4, len(data)) + data
    content += struct.pack("<I", len(aliases or {}))
    for alias, name in (aliases or {}).items():
        content += text(alias) + text(name)
    file = folder / "model.bin"
    file.write_bytes(content)
    return file


def test_dimensions_are_read_from_names_and_shapes(tmp_path: Path) -> None:
    """The dimensions in a model.bin are read from the names and shapes of its variables."""
    assert stored_dimensions(model_bin(tmp_path, VARIABLES)) == USUAL


def test_second_names_of_variables_count(tmp_path: Path) -> None:
    """Second names of variables in a model.bin count as layers and as numbers of heads."""
    kept = {name: VARIABLES[name] for name in VARIABLES if name != "encoder/num_heads"}
    aliases = {
        "encoder/num_heads": "decoder/num_heads",
        "encoder/layer_1/ffn/linear_0/weight": "encoder/layer_0/ffn/linear_0/weight",
    }

    got = stored_dimensions(model_bin(tmp_path, kept, aliases))

    assert got == Dimensions(80, 51, 7, 6, audio_layers=2, text_layers=2)


def test_each_layer_is_counted_once(tmp_path: Path) -> None:
    """Each layer in a model.bin is counted once, however many variables it has."""
    layer = VARIABLES["encoder/layer_0/ffn/linear_0/weight"]
    more = {
        f"encoder/layer_{number}/ffn/linear_{part}/weight": layer
        for number in range(24)
        for part in range(2)
    }

    assert stored_dimensions(model_bin(tmp_path, {**VARIABLES, **more})).audio_layers == 24


def test_file_without_a_number_of_heads_has_the_librarys_default(tmp_path: Path) -> None:
    """A model.bin without a number of heads has CTranslate2's default of eight."""
    kept = {name: VARIABLES[name] for name in VARIABLES if name != "encoder/num_heads"}

    assert stored_dimensions(model_bin(tmp_path, kept)).heads == 8


@pytest.mark.parametrize(
    ("name", "shape", "field"),
    [
        ("decoder/embeddings/weight", (52, 6), "vocabulary"),
        ("decoder/embeddings/weight", (51, 7), "width"),
        ("encoder/conv1/weight", (6, 81, 3), "mels"),
    ],
)
def test_each_shape_is_a_dimension(
    name: str, shape: tuple[int, ...], field: str, tmp_path: Path
) -> None:
    """A shape in a model.bin that is one more makes its dimension one more, and no other."""
    changed = {**VARIABLES, name: (shape, VARIABLES[name][1])}

    got = stored_dimensions(model_bin(tmp_path, changed))

    differing = {
        one for one in Dimensions.__annotations__ if getattr(got, one) != getattr(USUAL, one)
    }
    assert differing == {field}
