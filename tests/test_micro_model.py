"""The embedded model's files are those of its card, and its exports are well-formed.

What it transcribes is tested through the engine.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import pytest

from fixtures.models.micro import export
from fixtures.models.micro.formats import checkpoint, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = checkpoint.FOLDER / checkpoint.WEIGHTS
CONFIG = {
    "model_type": "whisper",
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 128,
    "n_audio_head": 2,
    "n_audio_layer": 2,
    "n_vocab": 51_865,
    "n_text_ctx": 448,
    "n_text_state": 128,
    "n_text_head": 2,
    "n_text_layer": 3,
}

LOAD_QUANTISED = """
import json, sys
from pathlib import Path
import mlx.core as mx, mlx.nn as nn
from mlx.utils import tree_unflatten
from lightning_whisper_mlx import whisper

folder = Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text())
config.pop("model_type")
quantization = config.pop("quantization")
weights = mx.load(str(folder / "weights.npz"))
model = whisper.Whisper(whisper.ModelDimensions(**config), mx.float16)
nn.quantize(model, **quantization, class_predicate=lambda name, _: f"{name}.scales" in weights)
model.load_weights(list(weights.items()), strict=True)
original = mx.load(sys.argv[2])
worst = 0.0
for name, layer in model.named_modules():
    if isinstance(layer, nn.QuantizedLinear):
        restored = mx.dequantize(
            layer.weight, layer.scales, layer.biases, layer.group_size, layer.bits
        )
        exact = original[f"{name}.weight"]
        step = mx.repeat(mx.abs(layer.scales), layer.group_size, axis=1)
        worst = max(worst, mx.max(mx.abs(restored - exact) / step).item())
print(worst)
"""


def require(*packages: str) -> None:
    """Skip the test unless all of these are installed, as an extra does."""
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed; `tox -e libraries` has it")


def sha256(path: Path) -> str:
    """Of the file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_new_process(code: str, *arguments: object) -> str:
    """What the code prints; mlx stays out of the pytest process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def export_in_new_process(variant: str, out: Path, file_format: str = "mlx") -> Path:
    """Run the exporter's command line and give its folder."""
    exporter = [sys.executable, "-m", "fixtures.models.micro.export"]
    command = [*exporter, file_format, variant, str(out)]
    subprocess.run(command, cwd=checkpoint.FOLDER.parents[2], check=True, timeout=120)
    return out


def test_weights_are_small_enough_to_keep() -> None:
    """The repository pays at most 4 MB for the model."""
    assert WEIGHTS.stat().st_size <= 4_000_000


def test_weights_are_those_of_the_card() -> None:
    """The model card's measurements belong to these very bytes."""
    card = (checkpoint.FOLDER / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"\b[0-9a-f]{64}\b", card) == [sha256(WEIGHTS)]


def test_config_holds_the_dimensions_and_nothing_else() -> None:
    """Libraries pass every key but `model_type` to ModelDimensions."""
    config = json.loads((checkpoint.FOLDER / checkpoint.CONFIG).read_text(encoding="utf-8"))

    assert config == CONFIG


def test_weights_fit_the_config() -> None:
    """Shapes follow the dimensions, floats are float16, convolutions are (out, kernel, in)."""
    import numpy as np

    weights = checkpoint.mlx_weights()

    assert {array.dtype for name, array in weights.items() if name != "alignment_heads"} == {
        np.dtype(np.float16)
    }
    assert weights["encoder.conv1.weight"].shape == (128, 3, 80)
    assert weights["encoder.conv2.weight"].shape == (128, 3, 128)
    assert weights["decoder.token_embedding.weight"].shape == (51_865, 128)
    assert weights["decoder.positional_embedding"].shape == (448, 128)
    assert weights["alignment_heads"].tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]
    assert all(np.isfinite(array).all() for array in weights.values())


def test_library_has_a_place_for_every_weight(tmp_path: Path) -> None:
    """Strictly loaded: a missing key would leave random values, silently."""
    code = """
import json, sys
import mlx.core as mx
from lightning_whisper_mlx import whisper
config = json.load(open(sys.argv[1] + "/config.json"))
config.pop("model_type")
model = whisper.Whisper(whisper.ModelDimensions(**config), mx.float16)
model.load_weights(sys.argv[1] + "/weights.npz", strict=True)
print("loaded")
"""
    export_in_new_process("fp16", tmp_path)

    assert in_new_process(code, tmp_path) == "loaded"


def test_fp16_export_is_the_kept_model(tmp_path: Path) -> None:
    """The unquantised variant is a copy."""
    export.export("mlx", "fp16", tmp_path)

    names = [checkpoint.CONFIG, checkpoint.WEIGHTS]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all(sha256(tmp_path / name) == sha256(checkpoint.FOLDER / name) for name in names)


@pytest.mark.parametrize(("variant", "bits"), [("4bit", 4), ("8bit", 8)])
def test_quantised_exports_are_deterministic_and_load(
    variant: str, bits: int, tmp_path: Path
) -> None:
    """Two exports agree to the byte, load strictly, and lie close to the weights."""
    first = export_in_new_process(variant, tmp_path / "first")
    second = export_in_new_process(variant, tmp_path / "second")
    config = json.loads((first / checkpoint.CONFIG).read_text(encoding="utf-8"))

    assert sha256(first / checkpoint.WEIGHTS) == sha256(second / checkpoint.WEIGHTS)
    assert config == {**CONFIG, "quantization": {"group_size": 64, "bits": bits}}
    # In steps: mlx moves the scale so that zero is exact, and the ends of a group then clip.
    assert float(in_new_process(LOAD_QUANTISED, first, WEIGHTS)) < 2


@pytest.mark.parametrize(("variant", "bits"), [("4bit", 4), ("8bit", 8)])
def test_quantised_exports_pack_linear_layers_only(variant: str, bits: int, tmp_path: Path) -> None:
    """Each linear weight becomes packed uint32, scales and biases; all else is untouched."""
    import numpy as np

    with np.load(export_in_new_process(variant, tmp_path) / checkpoint.WEIGHTS) as written:
        quantised = dict(written)
    original = checkpoint.mlx_weights()
    packed = {name for name, array in quantised.items() if array.dtype == np.uint32}

    # Encoder blocks have six linear layers, decoder blocks ten.
    assert len(packed) == 2 * 6 + 3 * 10
    for name in packed:
        rows, columns = original[name].shape
        layer = name.removesuffix(".weight")
        assert quantised[name].shape == (rows, columns * bits // 32)
        assert quantised[f"{layer}.scales"].shape == (rows, columns // 64)
        assert quantised[f"{layer}.biases"].shape == (rows, columns // 64)
    assert all(
        np.array_equal(array, quantised[name])
        for name, array in original.items()
        if name not in packed
    )
    assert "decoder.token_embedding.weight" not in packed


@pytest.mark.parametrize(
    ("file_format", "variant"),
    [(name, kind) for name, form in export.FORMATS.items() for kind in form.variants],
)
def test_same_export_gives_the_same_bytes(file_format: str, variant: str, tmp_path: Path) -> None:
    """Every format comes out the same twice, in processes of their own."""
    require(*export.FORMATS[file_format].packages)

    first, second = (
        {
            file.name: sha256(file)
            for file in export_in_new_process(variant, out, file_format).iterdir()
        }
        for out in (tmp_path / "first", tmp_path / "second")
    )

    assert first == second


def test_vocabulary_is_the_tokenizer_of_the_libraries() -> None:
    """The ids of special tokens, and of texts, are those of lightning-whisper-mlx's tokenizer."""
    code = """
import json
from lightning_whisper_mlx.tokenizer import get_tokenizer
encoding = get_tokenizer(True).encoding
print(json.dumps({"special": encoding._special_tokens, "n_vocab": encoding.n_vocab}))
"""
    told = json.loads(in_new_process(code))
    ranks = checkpoint.micro().ranks

    assert vocabulary.special_ids(ranks) == told["special"]
    assert len(ranks) + len(vocabulary.special_ids(ranks)) == told["n_vocab"] == 51_865


@pytest.mark.property
def test_merges_spell_every_text_as_the_ranks_do() -> None:
    """Byte pair encoding by the recovered merges gives a text the tokens of tiktoken's ranks."""
    require("tokenizers")
    import tiktoken
    import tokenizers
    from hypothesis import given
    from hypothesis import strategies as st

    ranks = checkpoint.micro().ranks
    ours = tokenizers.Tokenizer.from_str(vocabulary.tokenizer_json(ranks))
    theirs = tiktoken.Encoding(
        "multilingual",
        pat_str=vocabulary.PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(ranks)},
        special_tokens={"<|endoftext|>": 50_257},
    )

    @given(st.text())
    def check(text: str) -> None:
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode_ordinary(text)

    check()


def test_unknown_exports_list_the_known_ones(tmp_path: Path) -> None:
    """The error says what can be written."""
    with pytest.raises(
        ValueError, match="cannot write mlx 3bit; expected one of: mlx fp16, mlx 4bit"
    ):
        export.export("mlx", "3bit", tmp_path)
