"""Stand-ins for real checkpoints: complete Whisper models of a few kilobytes each.

A stand-in in the MLX format writes one word, whatever it hears, so that a transcript tells whose
weights are in memory. All its layers are zero but the decoder's two embeddings. The embedding of
each position points in a direction of its own, in which only the token of that position lies.
Stand-ins in other formats are written by the exporters of the micro model; they load, and write
nothing.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fixtures.models.micro.formats.checkpoint import Checkpoint, micro
from fixtures.models.micro.formats.vocabulary import special_ids
from tests.consistency.observer import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from adapters.base import Adapter, ModelFiles

    Weights = dict[str, NDArray[Any]]
    """name → array."""

STATE = 32
"""Width of the model; a word with its timestamps has fewer tokens than that."""

GROUP = 32
"""Weights that share a scale in a quantised layer."""

N_VOCAB = 51_865
TEXT_POSITIONS = 448
BITS: Mapping[str, int | None] = {"fp16": None, "4bit": 4, "8bit": 8}
"""variant → bits a weight; None for the one that is not quantised."""

# The multilingual Whisper vocabulary. Its first tokens are the printable ASCII characters.
# Source: openai/whisper, tokenizer.py and assets/multilingual.tiktoken.
FIRST_CHARACTER = "!"
END_OF_TEXT = 50_257
TIMESTAMP_BEGIN = 50_364
ONE_SECOND = 50
"""Timestamp tokens in a second, as each stands for 0.02 s."""

PROMPT = 3
"""Tokens before the first one that is decoded: start of transcript, language, task."""


def mlx_config(variant: str, *, name: str, heads: int = 2, text_layers: int = 1) -> bytes:
    """Return a config.json in the form of mlx-examples; `name` makes it differ from others."""
    config: dict[str, object] = {
        "model_type": f"whisper, {name}",
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": STATE,
        "n_audio_head": heads,
        "n_audio_layer": 1,
        "n_vocab": N_VOCAB,
        "n_text_ctx": TEXT_POSITIONS,
        "n_text_state": STATE,
        "n_text_head": heads,
        "n_text_layer": text_layers,
    }
    if BITS[variant]:
        config["quantization"] = {"group_size": GROUP, "bits": BITS[variant]}
    return json.dumps(config, indent=4).encode()


def mlx_weights(variant: str, *, says: str) -> Weights:
    """Return the weights that go with `mlx_config`: float16, and packed as uint32 if quantised.

    `says` is a word of printable ASCII, at most 28 characters.
    """
    weights = dict(_zero_layers(BITS[variant]))
    weights |= _speech(says)
    return weights


def npz(weights: Weights) -> bytes:
    """Return weights as the content of a `weights.npz`, compressed: they are mostly zeros."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, **weights)  # type: ignore[arg-type]  # names, not options
    return file.getvalue()


@cache
def mlx_model(variant: str, *, says: str) -> Mapping[str, bytes]:
    """Return the files of a repo in the form of mlx-examples: name → content."""
    return {
        "weights.npz": npz(mlx_weights(variant, says=says)),
        "config.json": mlx_config(variant, name=says),
    }


def check_map_models(adapters: Iterable[type[Adapter]]) -> dict[str, dict[str, bytes]]:
    """Return a stand-in for each model in the adapters' check maps: folder → file → content.

    `folder_of` tells the folder. The libraries can load these models, and no two files are alike.
    """
    folders: dict[str, dict[str, bytes]] = {}
    for adapter in adapters:
        form = format_of(adapter)
        for size, variants in adapter.check_map.items():
            for variant, entry in variants.items():
                files = folders.setdefault(folder_of(entry), {})
                if entry.embedded or not set(entry.files) - set(files):
                    continue
                made = _mlx_files(entry) if form == "mlx" else _exported(form, size, entry)
                names = (*entry.files, *(_TOKENIZER_SLOW if form == "transformers" else ()))
                files.update({name: made(name, variant) for name in names})
                if not entry.by_url:
                    files.update({name: f"{name} of {entry.repo}".encode() for name in _ALWAYS})
    return {folder: files for folder, files in folders.items() if files}


def format_of(adapter: type[Adapter]) -> str:
    """Return the format of a library's models, which the name of its embedded model tells."""
    for one in adapter.__mro__:
        for entry in vars(one).get("check_map", {}).get("micro", {}).values():
            _, form, _ = entry.repo.split("-", 2)
            return str(form)
    raise ValueError(f"{adapter.__name__}: expected an embedded model in its check map, got none")


def _mlx_files(entry: ModelFiles) -> Callable[[str, str], bytes]:
    """Return a function that makes a file of a model that says its name, by file and variant."""

    def make(name: str, variant: str) -> bytes:
        path = PurePosixPath(name)
        says = path.parent.name or PurePosixPath(entry.repo).name
        if path.suffix == ".safetensors":
            return safetensors(mlx_weights(variant, says=says))
        return mlx_model(variant, says=says)[path.name]

    return make


def _exported(form: str, size: str, entry: ModelFiles) -> Callable[[str, str], bytes]:
    """Return a function that makes a file as micro's exporter does, by file and variant."""
    folder = folder_of(entry)
    layers, heads = _LAYERS_AND_HEADS[_family(size)] if form == "torch" else (1, 1)
    # The first file's name may be all that tells models of one repo apart.
    checkpoint = tiny_checkpoint(size, f"{folder} {entry.files[0]}", layers, heads)

    @cache
    def export(variant: str) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as out:
            writer = import_module(f"fixtures.models.micro.formats.{form}")
            writer.write(checkpoint, Path(out), variant)
            return {path.name: path.read_bytes() for path in Path(out).iterdir()}

    def make(file: str, variant: str) -> bytes:
        made = export(variant)
        if file == "vocabulary.txt":  # the older form
            return "\n".join(json.loads(made["vocabulary.json"])).encode()
        content = made[file]
        if file == "added_tokens.json":
            tokens = json.loads(content)
            content = json.dumps({**tokens, f"<|{folder}|>": max(tokens.values()) + 1}).encode()
        if file.endswith(_ALIKE):  # others differ by their vocabulary
            content = json.dumps({**json.loads(content), "stand_in_for": folder}).encode()
        return content

    return make


_ALWAYS = ("README.md", ".gitattributes")
"""Files of every repo. A library that fetches whole repos fetches them too."""

_TOKENIZER_SLOW = ("vocab.json", "merges.txt")
"""Files that transformers fetches if there are any, but does not open beside a tokenizer.json."""

_ALIKE = ("config.json", "special_tokens_map.json", "normalizer.json")
"""JSON files that would be the same for all models; each gets a key with the model's name."""

_LAYERS_AND_HEADS = {
    "tiny": (4, 6),
    "base": (6, 8),
    "small": (12, 12),
    "medium": (24, 16),
    "large": (32, 20),
    "large-v3-turbo": (4, 20),
}
"""size → layers and heads. openai-whisper has a table of heads that must fit its decoder."""


def _family(size: str) -> str:
    if size in _LAYERS_AND_HEADS:
        return size
    return next(name for name in _LAYERS_AND_HEADS if name in size)


def tiny_checkpoint(name: str, seed: str, layers: int, heads: int) -> Checkpoint:
    """Return a checkpoint like micro's with other numbers of layers and heads, almost all zeros.

    Its vocabulary has all bytes and `seed`, which also makes its weights differ from others.
    """
    import numpy as np

    kept = micro()
    ranks = [bytes([byte]) for byte in range(256)]
    ranks += [seed[:length].encode() for length in range(2, len(seed) + 1)]
    state = max(STATE, 2 * heads)
    state += -state % heads
    n_vocab = len(ranks) + len(special_ids(ranks))
    dims = {**kept.dimensions, "n_vocab": n_vocab}
    for part in ("audio", "text"):
        dims |= {f"n_{part}_state": state, f"n_{part}_head": heads, f"n_{part}_layer": layers}
    old = kept.dimensions["n_audio_state"]
    lengths = {old: state, 4 * old: 4 * state, kept.dimensions["n_vocab"]: n_vocab}
    weights = {}
    for template, array in kept.weights.items():
        numbers = range(layers) if ".blocks.0." in template else [0]
        if ".blocks." in template and ".blocks.0." not in template:
            continue
        shape = [lengths.get(length, length) for length in map(int, array.shape)]
        for number in numbers:
            one = template.replace(".blocks.0.", f".blocks.{number}.")
            weights[one] = np.zeros(shape, np.float16)
    random = np.random.default_rng(list(seed.encode()))
    weights["decoder.ln.bias"] = random.standard_normal(state).astype(np.float16)
    return Checkpoint(name, dims, weights, [[layers - 1, 0]], ranks)


def safetensors(weights: Weights) -> bytes:
    """Return weights in the safetensors format: the header's length, the header, the arrays."""
    names = {"float16": "F16", "uint32": "U32"}
    header: dict[str, object] = {}
    start = 0
    for name, array in weights.items():
        end = start + array.nbytes
        dtype = names[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in weights.values())


def _speech(says: str) -> Weights:
    import numpy as np

    word = [ord(character) - ord(FIRST_CHARACTER) for character in says]
    tokens = [TIMESTAMP_BEGIN, *word, TIMESTAMP_BEGIN + ONE_SECOND, END_OF_TEXT]
    if len(tokens) >= STATE or not all(0 <= token < 94 for token in word):
        raise ValueError(f"{says!r}: expected at most {STATE - 4} printable characters, no space")
    embedding = np.zeros((N_VOCAB, STATE), np.float16)
    positions = np.zeros((TEXT_POSITIONS, STATE), np.float16)
    # A token appears in each direction in which it is said, the end at every later position too.
    positions[:, len(tokens) - 1] = 100
    for direction, token in enumerate(tokens):
        embedding[token, direction] = 4
        positions[PROMPT - 1 + direction] = 0
        positions[PROMPT - 1 + direction, direction] = 100
    return {"decoder.token_embedding.weight": embedding, "decoder.positional_embedding": positions}


def _zero_layers(bits: int | None) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield all layers but the embeddings: zeros, and norms that pass on what they get."""
    import numpy as np

    half = np.float16
    yield "encoder.conv1.weight", np.zeros((STATE, 3, 80), half)
    yield "encoder.conv1.bias", np.zeros(STATE, half)
    yield "encoder.conv2.weight", np.zeros((STATE, 3, STATE), half)
    yield "encoder.conv2.bias", np.zeros(STATE, half)
    for part, attentions in (("encoder", ["attn"]), ("decoder", ["attn", "cross_attn"])):
        block = f"{part}.blocks.0"
        for attention in attentions:
            for layer in ("query", "key", "value", "out"):
                name = f"{block}.{attention}.{layer}"
                yield from _linear(name, STATE, STATE, bits, bias=layer != "key")
            yield from _norm(f"{block}.{attention}_ln")
        yield from _linear(f"{block}.mlp1", 4 * STATE, STATE, bits)
        yield from _linear(f"{block}.mlp2", STATE, 4 * STATE, bits)
        yield from _norm(f"{block}.mlp_ln")
    yield from _norm("encoder.ln_post")
    yield from _norm("decoder.ln")


def _linear(
    name: str, outputs: int, inputs: int, bits: int | None, *, bias: bool = True
) -> Iterator[tuple[str, NDArray[Any]]]:
    import numpy as np

    if bits:
        yield f"{name}.weight", np.zeros((outputs, inputs * bits // 32), np.uint32)
        yield f"{name}.scales", np.zeros((outputs, inputs // GROUP), np.float16)
        yield f"{name}.biases", np.zeros((outputs, inputs // GROUP), np.float16)
    else:
        yield f"{name}.weight", np.zeros((outputs, inputs), np.float16)
    if bias:
        yield f"{name}.bias", np.zeros(outputs, np.float16)


def _norm(name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    import numpy as np

    yield f"{name}.weight", np.ones(STATE, np.float16)
    yield f"{name}.bias", np.zeros(STATE, np.float16)
