"""The dimensions of sizes: the table, what a library tells by its own names, and a difference."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.sizes import DIMENSIONS, Dimensions, difference
from fixtures.models.micro.formats.checkpoint import CONFIG, FOLDER

DIMS = {
    "n_mels": 128,
    "n_vocab": 51_866,
    "n_audio_state": 1280,
    "n_text_state": 1280,
    "n_audio_head": 20,
    "n_text_head": 20,
    "n_audio_layer": 32,
    "n_text_layer": 4,
}
"""The dimensions of large-v3-turbo, by the names of openai/whisper."""


def test_row_of_micro_is_what_its_files_have() -> None:
    """The dimensions of micro in the table of sizes are those of its config."""
    config = json.loads((FOLDER / CONFIG).read_text(encoding="utf-8"))

    assert Dimensions.told_by(config.__getitem__) == DIMENSIONS["micro"]


def test_dimensions_are_told_by_the_names_of_openai() -> None:
    """Dimensions are read by the names of openai/whisper, each number by its own."""
    assert Dimensions.told_by(DIMS.__getitem__) == DIMENSIONS["large-v3-turbo"]


@pytest.mark.parametrize("name", ["state", "head"])
def test_encoder_and_decoder_must_be_alike(name: str) -> None:
    """A model whose two halves differ in width or heads is no Whisper, and so has no size."""
    with pytest.raises(ValueError, match=rf"the same n_\*_{name}, got {DIMS[f'n_text_{name}']} "):
        Dimensions.told_by({**DIMS, f"n_text_{name}": 7}.__getitem__)


@pytest.mark.parametrize("size", DIMENSIONS)
def test_table_keeps_to_the_rules_of_the_family(size: str) -> None:
    """A head is 64 wide; English alone has a token less; the vocabulary grew with large-v3."""
    one = DIMENSIONS[size]
    newest = "large-v3" in size

    assert one.width == 64 * one.heads
    assert one.mels == (128 if newest else 80)
    assert one.vocabulary == (51_864 if size.endswith(".en") else 51_866 if newest else 51_865)


@pytest.mark.parametrize(
    ("size", "width", "layers"),
    [
        ("tiny", 384, (4, 4)),
        ("base.en", 512, (6, 6)),
        ("small", 768, (12, 12)),
        ("medium.en", 1024, (24, 24)),
        ("large-v1", 1280, (32, 32)),
        ("large-v2", 1280, (32, 32)),
        ("large-v3", 1280, (32, 32)),
        ("large-v3-turbo", 1280, (32, 4)),
        ("distil-small.en", 768, (12, 4)),
        ("distil-medium.en", 1024, (24, 2)),
        ("distil-large-v2", 1280, (32, 2)),
        ("distil-large-v3.5", 1280, (32, 2)),
    ],
)
def test_sizes_have_the_published_width_and_layers(
    size: str, width: int, layers: tuple[int, int]
) -> None:
    """A distilled model has the encoder of its teacher, and the first and last decoder layers."""
    one = DIMENSIONS[size]

    assert (one.width, (one.audio_layers, one.text_layers)) == (width, layers)


@pytest.mark.parametrize("size", DIMENSIONS)
def test_size_does_not_differ_from_itself(size: str) -> None:
    """Nothing is said of a model that has the dimensions of its size."""
    assert difference(size, DIMENSIONS[size]) == ""


def test_difference_names_each_dimension_and_whose_they_are() -> None:
    """Each differing dimension has what was expected and got; sizes with just these are named."""
    assert difference("medium", DIMENSIONS["base"]) == (
        "the model is not of the size medium: heads: expected 16, got 8; width: expected 1024, "
        "got 512; audio_layers: expected 24, got 6; text_layers: expected 24, got 6; these are the "
        "dimensions of base"
    )
    assert difference("large-v3", DIMENSIONS["large-v2"]) == (
        "the model is not of the size large-v3: mels: expected 128, got 80; vocabulary: expected "
        "51866, got 51865; these are the dimensions of large-v1 or large-v2"
    )


def test_dimensions_of_no_size_are_said_to_be_none() -> None:
    """Dimensions that no size has are called so, even if a single number differs."""
    assert difference("tiny", replace(DIMENSIONS["tiny"], text_layers=5)) == (
        "the model is not of the size tiny: text_layers: expected 4, got 5; no size has these "
        "dimensions"
    )
