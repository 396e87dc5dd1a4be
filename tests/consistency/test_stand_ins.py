"""Stand-ins are what the list says, have the dimensions of their size, and all differ."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest

from adapters.sizes import DIMENSIONS, Dimensions
from fixtures.models.micro.formats.checkpoint import micro, mlx_weights
from tests.consistency.published import Published, first_published, folder_of, published
from tests.consistency.stand_ins import narrow_checkpoint, real_dimensions, stand_in, stand_ins

OF_MLX = [model for model in published() if model.format == "mlx"]
EXPORTED = [model for model in published() if model.format != "mlx"]


def name_of(model: Published) -> str:
    """Return what a test's id has of a model; of one kind there may be several repos."""
    return "-".join([*model.kind, model.entry.repo])


def weights_of(model: Published) -> set[str]:
    """Return the names of the weights in a stand-in in the MLX format."""
    with zipfile.ZipFile(BytesIO(stand_in(model)["weights.npz"])) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


@pytest.mark.parametrize("model", OF_MLX, ids=name_of)
def test_config_is_that_of_the_size(model: Published) -> None:
    """The config of a stand-in for mlx has every dimension of its size."""
    (config,) = (
        json.loads(content)
        for name, content in stand_in(model).items()
        if name.endswith("config.json")
    )

    assert Dimensions.told_by(config.__getitem__) == DIMENSIONS[model.size]
    assert (config["n_audio_ctx"], config["n_text_ctx"]) == (1500, 448)
    bits = {"4bit": {"bits": 4, "group_size": 64}, "8bit": {"bits": 8, "group_size": 64}}
    assert config.get("quantization") == bits.get(model.variant)


def test_weights_have_the_names_of_real_ones() -> None:
    """The weights of a stand-in have the embedded model's names, in as many layers as its size."""
    names = weights_of(first_published("mlx", "micro", "fp16"))
    of_tiny = weights_of(first_published("mlx", "tiny", "fp16"))

    assert names == {*mlx_weights()}
    assert {name.split(".")[2] for name in of_tiny if name.startswith("encoder.blocks.")} == {
        *"0123"
    }
    assert len(of_tiny) - len(names) == 2 * 15 + 24  # two more encoder layers, one decoder layer


def test_each_linear_layer_is_quantised() -> None:
    """Each linear layer of a quantised stand-in has scales and biases, and no other layer has."""
    plain = weights_of(first_published("mlx", "base", "fp16"))
    packed = weights_of(first_published("mlx", "base", "4bit"))

    scaled = {name.removesuffix(".scales") for name in packed if name.endswith(".scales")}
    assert packed - plain == {f"{layer}.{end}" for layer in scaled for end in ("scales", "biases")}
    assert {layer.rpartition(".")[2] for layer in scaled} == {
        *("query", "key", "value", "out", "mlp1", "mlp2")
    }
    assert len(scaled) == 6 * 6 + 6 * 10


@pytest.mark.parametrize("model", EXPORTED, ids=name_of)
def test_exported_stand_in_is_only_narrower_than_its_size(model: Published) -> None:
    """An exported stand-in is narrower than its size, and has all its other dimensions.

    ggml quantises 32 weights at a time.
    """
    checkpoint = narrow_checkpoint(model)

    loaded = Dimensions.told_by(checkpoint.dimensions.__getitem__)
    assert loaded == replace(DIMENSIONS[model.size], width=loaded.width)
    assert loaded.width % loaded.heads == 0
    assert model.variant == "fp16" or loaded.width % 32 == 0
    assert real_dimensions(model.format, loaded) == DIMENSIONS[model.size]
    token_embedding = checkpoint.weights["decoder.token_embedding.weight"]
    assert token_embedding.shape == (loaded.vocabulary, loaded.width)
    assert checkpoint.weights.keys() >= {
        f"encoder.blocks.{loaded.audio_layers - 1}.attn.out.weight",
        f"decoder.blocks.{loaded.text_layers - 1}.cross_attn.out.weight",
    }
    first = {name for name in micro().weights if ".blocks.0." in name}
    extra = sum(name.startswith("encoder") for name in first) * (loaded.audio_layers - 1)
    extra += sum(name.startswith("decoder") for name in first) * (loaded.text_layers - 1)
    others = sum(".blocks." not in name for name in micro().weights)
    assert len(checkpoint.weights) == others + len(first) + extra


def test_hub_gets_what_is_in_the_list_and_nothing_else() -> None:
    """The hub gets what is in the list of published models, with two files of every repo."""
    listed: dict[str, set[str]] = {}
    for model in OF_MLX:
        if not model.entry.embedded:
            files = listed.setdefault(folder_of(model.entry), {"README.md", ".gitattributes"})
            files.update(model.entry.files)

    made = stand_ins()

    assert {folder: {*made[folder]} for folder in listed} == listed
    assert made.keys() <= {folder_of(m.entry) for m in published() if not m.entry.embedded}
    contents = [content for files in made.values() for content in files.values()]
    assert len(set(contents)) == len(contents)
