"""Stand-ins for published checkpoints: complete Whisper models that are much smaller.

They are made from the list in published.toml, and never from a check map. mlx takes weights of any
shape, so a stand-in in its format has exactly the config of its size, and each weight by its name
as one number. Stand-ins in other formats are written by the exporters of the micro model; they have
the layers, heads, mel bands and vocabulary of their size, and only their width is smaller. All of
them load, and write nothing.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from adapters.sizes import DIMENSIONS
from fixtures.models.micro.export import FORMATS
from fixtures.models.micro.formats.checkpoint import Checkpoint, micro, mlx_weights
from fixtures.models.micro.formats.mlx import GROUP_SIZE, is_linear
from fixtures.models.micro.formats.vocabulary import special_ids
from tests.consistency.published import folder_of, published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.sizes import Dimensions
    from tests.consistency.published import Published

BITS = {"4bit": 4, "8bit": 8}
"""Quantised variant in the MLX format → bits a weight."""

HEAD = 64
"""Numbers for each head in the width of any real Whisper."""

NARROW_HEAD = 2
"""Numbers for each head in the width of a stand-in, where the weights must fit."""

BLOCK = 32
"""Weights that ggml quantises at a time, so that a quantised width is a multiple of it."""

_ALWAYS = ("README.md", ".gitattributes")
"""Files of every repo. A library that fetches whole repos fetches them too."""

_ALIKE = ("config.json", "special_tokens_map.json", "normalizer.json")
"""JSON files that would be the same for all models; each gets a key with the model's name."""


def stand_ins() -> dict[str, dict[str, bytes]]:
    """Return a stand-in for each model in the list: folder → file → content.

    `folder_of` tells the folder. The libraries can load these models, and no two files are alike. A
    format is left out where the packages that write it are not installed.
    """
    folders: dict[str, dict[str, bytes]] = {}
    for model in published():
        if not model.entry.embedded and _can_write(model.format):
            files = folders.setdefault(folder_of(model.entry), {})
            files |= stand_in(model)
            if not model.entry.by_url:
                files |= {name: f"{name} of {model.entry.repo}".encode() for name in _ALWAYS}
    return folders


def stand_in(model: Published) -> dict[str, bytes]:
    """Return the files of one stand-in: file → content."""
    return _mlx_files(model) if model.format == "mlx" else _exported(model)


def real_dimensions(form: str, loaded: Dimensions) -> Dimensions:
    """Return the dimensions of the model for which a stand-in of a format was loaded.

    Those that the exporters write are too narrow; a real width is 64 for each head.
    """
    return (
        replace(loaded, width=HEAD * loaded.heads) if form in FORMATS.keys() - {"mlx"} else loaded
    )


@cache
def _can_write(form: str) -> bool:
    try:
        for package in FORMATS[form].packages:
            distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _mlx_files(model: Published) -> dict[str, bytes]:
    name = f"{model.entry.repo}, {model.size} {model.variant}"
    content = {
        ".json": lambda: _mlx_config(model, name),
        ".npz": lambda: _named_npz(_npz_of_zeros(model.size, model.variant), name),
        ".safetensors": lambda: _safetensors_of_zeros(model, name),
    }
    return {file: content[PurePosixPath(file).suffix]() for file in model.entry.files}


def _mlx_config(model: Published, name: str) -> bytes:
    """Return the config.json of a model, which only a name tells from those of its size."""
    config: dict[str, object] = {"model_type": f"whisper, {name}"}
    config |= _openai_names(DIMENSIONS[model.size], micro().dimensions)
    if model.variant in BITS:
        config["quantization"] = {"group_size": GROUP_SIZE, "bits": BITS[model.variant]}
    return json.dumps(config, indent=4).encode()


def _openai_names(real: Dimensions, others: Mapping[str, int]) -> dict[str, int]:
    """Return dimensions by the names of openai/whisper; `others` has those that all sizes share."""
    named = {**others, "n_mels": real.mels, "n_vocab": real.vocabulary}
    for part, layers in (("audio", real.audio_layers), ("text", real.text_layers)):
        named |= {f"n_{part}_state": real.width, f"n_{part}_head": real.heads}
        named[f"n_{part}_layer"] = layers
    return named


def _in_each_layer(name: str, real: Dimensions) -> list[str]:
    """Return what a name of micro's first layer is in each layer of a size; [] for its others."""
    if ".blocks." not in name:
        return [name]
    layers = real.audio_layers if name.startswith("encoder") else real.text_layers
    first = ".blocks.0."
    return [name.replace(first, f".blocks.{n}.") for n in range(layers) if first in name]


@cache
def _mlx_names_of_micro() -> dict[str, bool]:
    """Return the names of micro's weights in the MLX layout, and whether each is quantised."""
    return {name: is_linear(name, array) for name, array in mlx_weights().items()}


def _mlx_names(size: str, variant: str) -> list[str]:
    """Return the names of all weights of a size in the MLX layout."""
    names: list[str] = []
    for name, linear in _mlx_names_of_micro().items():
        layer, parts = name.removesuffix(".weight"), [name]
        if linear and variant in BITS:
            parts += [f"{layer}.scales", f"{layer}.biases"]
        names += (one for part in parts for one in _in_each_layer(part, DIMENSIONS[size]))
    return names


@cache
def _npz_of_zeros(size: str, variant: str) -> bytes:
    """Return a `weights.npz` with each weight of a size by its name, as one number."""
    import numpy as np

    array = io.BytesIO()
    np.save(array, np.zeros(1, np.float16))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in _mlx_names(size, variant):
            archive.writestr(f"{name}.npy", array.getvalue())
    return file.getvalue()


def _named_npz(weights: bytes, name: str) -> bytes:
    """Return the same weights with a name, which is the comment of the archive.

    An archive ends with its comment, before which stands the length of that: here, two zeros.
    """
    comment = name.encode()
    return weights[:-2] + struct.pack("<H", len(comment)) + comment


def _safetensors_of_zeros(model: Published, name: str) -> bytes:
    """Return weights in the safetensors format: the header's length, the header, the numbers."""
    header: dict[str, object] = {"__metadata__": {"name": name}}
    weights = _mlx_names(model.size, model.variant)
    for number, weight in enumerate(weights):
        offsets = [2 * number, 2 * number + 2]
        header[weight] = {"dtype": "F16", "shape": [1], "data_offsets": offsets}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(2 * len(weights))


def _exported(model: Published) -> dict[str, bytes]:
    """Return the files that micro's exporter writes for a model."""
    folder = folder_of(model.entry)
    writer = import_module(f"fixtures.models.micro.formats.{model.format}")
    with tempfile.TemporaryDirectory() as out, _quick_to_quantise(model.variant):
        writer.write(narrow_checkpoint(model), Path(out), model.variant)
        made = {path.name: path.read_bytes() for path in Path(out).iterdir()}
    if "vocabulary.json" in made:  # the older form
        made["vocabulary.txt"] = "\n".join(json.loads(made["vocabulary.json"])).encode()
    for name, content in made.items():
        if name == "added_tokens.json":
            tokens = json.loads(content)
            made[name] = json.dumps({**tokens, f"<|{folder}|>": max(tokens.values()) + 1}).encode()
        elif name.endswith(_ALIKE):  # others differ by their vocabulary
            made[name] = json.dumps({**json.loads(content), "stand_in_for": folder}).encode()
    return {file: made[file] for file in model.entry.files}


@contextmanager
def _quick_to_quantise(variant: str) -> Iterator[None]:
    """Let gguf quantise one row of a matrix for all, as each row of a stand-in is zeros."""
    if variant == "fp16":
        yield
        return
    import numpy as np
    from gguf import quants

    quantize = quants.quantize
    quants.quantize = lambda rows, kind: np.repeat(quantize(rows[:1], kind), len(rows), axis=0)
    yield
    quants.quantize = quantize


def narrow_checkpoint(model: Published) -> Checkpoint:
    """Return a checkpoint of a model's dimensions but for the width, almost all zeros.

    Its text tokens are all bytes and what names the model, which also makes its weights differ. In
    the format of CTranslate2, which counts them, empty ones make up the number.
    """
    import numpy as np

    real, kept = DIMENSIONS[model.size], micro()
    width = NARROW_HEAD * real.heads if model.variant == "fp16" else math.lcm(BLOCK, real.heads)
    # The first file's name may be all that tells models of one repo apart.
    seed = f"{folder_of(model.entry)} {model.entry.files[0]}"
    ranks = [bytes([byte]) for byte in range(256)]
    ranks += [seed[:length].encode() for length in range(2, len(seed) + 1)]
    if model.format == "ctranslate2":
        ranks += [b""] * (real.vocabulary - len(ranks) - len(special_ids(ranks)))
    dims = _openai_names(replace(real, width=width), kept.dimensions)
    old = kept.dimensions
    lengths = {old["n_audio_state"]: width, 4 * old["n_audio_state"]: 4 * width}
    lengths |= {old["n_vocab"]: real.vocabulary, old["n_mels"]: real.mels}
    weights: dict[str, Any] = {}
    for template, array in kept.weights.items():
        shape = [lengths.get(length, length) for length in map(int, array.shape)]
        weights |= dict.fromkeys(_in_each_layer(template, real), np.zeros(shape, np.float16))
    random = np.random.default_rng(list(seed.encode()))
    weights["decoder.ln.bias"] = random.standard_normal(width).astype(np.float16)
    return Checkpoint(model.size, dims, weights, [[real.text_layers - 1, 0]], ranks)
