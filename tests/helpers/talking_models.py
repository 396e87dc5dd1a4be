"""Models in the MLX format that say one word, whatever they hear.

So a transcript tells whose weights are in memory. All layers of a talking model are zero but the
decoder's two embeddings. The embedding of each position points in a direction of its own, in which
only the token of that position lies. A talking model is smaller than any size, as even the smallest
would take a CPU minutes where it is quantised.
"""

from __future__ import annotations

import io
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from adapters.lightning_whisper_mlx import LightningWhisperMLX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from adapters.base import Case

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


class OfNoSize(LightningWhisperMLX):
    """The real adapter, for talking models: it tells no dimensions."""

    def dimensions(self, case: Case) -> Any:  # noqa: ARG002
        """Return None: a talking model is of no size."""
        return None


OF_NO_SIZE = f"{__name__}:{OfNoSize.__name__}"
"""The adapter for the registry."""


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
