"""Wrong bytes are an error, before anything is timed: the real store, engine and library at once.

Models are stand-ins that say one word, whatever they hear. So what an engine says is whose weights
it holds.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters import REGISTRY, files_of
from adapters.base import Case, DecodeSettings
from fixtures.models.micro.formats.checkpoint import CONFIG, FOLDER, WEIGHTS
from tests.helpers.processes import running_engines
from tests.helpers.stores import fresh
from tests.helpers.talking_models import (
    GROUP,
    N_VOCAB,
    OF_NO_SIZE,
    STATE,
    mlx_config,
    mlx_model,
    mlx_weights,
    npz,
)
from whisper_speedtest.cache.model import VerificationError
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from adapters.base import Device
    from fixtures.hub import Hub
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.hub.store import Store

    Prepare = Callable[[Case, Mapping[str, bytes]], VerifiedModel]
    Start = Callable[[Case, VerifiedModel], Engine]

FP16 = Case("lightning-whisper-mlx", "tiny", "fp16")
FOUR_BITS = Case("lightning-whisper-mlx", "tiny", "4bit")
REAL_ADAPTER = REGISTRY[FP16.adapter]
SETTINGS = DecodeSettings()


@pytest.fixture(name="prepare")
def _prepare(hub: Hub, store: Store) -> Prepare:
    """A function that puts files in a case's repo, fetches them and returns what was verified."""

    def prepare(case: Case, files: Mapping[str, bytes]) -> VerifiedModel:
        checked = files_of(case)
        hub.add(checked.repo, files)
        return store.prepare(checked)

    return prepare


@pytest.fixture(name="start")
def _start(
    tmp_path: Path, tests_device: Device, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """A function that returns an engine of a verified talking model, not yet started."""
    engines: list[Engine] = []
    monkeypatch.setitem(REGISTRY, FP16.adapter, OF_NO_SIZE)

    def start(case: Case, model: VerifiedModel) -> Engine:
        engines.append(Engine(case, model, tmp_path / f"engine-{len(engines)}", tests_device))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


def said_by(engine: Engine) -> str:
    """Return what the engine's model says."""
    import numpy as np

    engine.hear("silence", np.zeros(16_000, np.float32))
    return engine.transcribe("silence", SETTINGS).text


def test_engines_of_one_session_run_their_own_bytes(
    prepare: Prepare, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine runs its own variant's bytes, and none that the library left in the user's folder.

    The library itself keeps all variants in `./mlx_models/tiny`, and in one slot in memory.
    """
    stale = tmp_path / "user" / "mlx_models" / "tiny"
    stale.mkdir(parents=True)
    for name, content in mlx_model("fp16", says="stale").items():
        (stale / name).write_bytes(content)
    monkeypatch.chdir(tmp_path / "user")
    first = start(FP16, prepare(FP16, mlx_model("fp16", says="sixteen")))
    second = start(FOUR_BITS, prepare(FOUR_BITS, mlx_model("4bit", says="four")))

    said = [said_by(first), said_by(second), said_by(first)]

    assert said == ["sixteen", "four", "sixteen"]


def test_relative_cache_is_loaded_from_another_folder(
    hub: Hub, store: Store, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model in a cache with a relative path is loaded by an engine that works elsewhere."""
    checked = files_of(FP16)
    hub.add(checked.repo, mlx_model("fp16", says="relative"))
    monkeypatch.chdir(tmp_path)

    model = fresh(store, cache=Path("hf", "hub")).prepare(checked)

    assert said_by(start(FP16, model)) == "relative"


def altered(variant: str, changes: Mapping[str, NDArray[Any] | None]) -> dict[str, bytes]:
    """Return a model with some weights replaced; those replaced by None are left out."""
    weights = {**mlx_weights(variant, says="wrong"), **changes}
    kept = {name: weight for name, weight in weights.items() if weight is not None}
    return {"weights.npz": npz(kept), "config.json": mlx_config(variant, name="wrong")}


def short_array() -> dict[str, bytes]:
    """Return a model in whose archive, sound as such, one array ends early."""
    model = mlx_model("fp16", says="wrong")
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(model["weights.npz"])) as whole,
        zipfile.ZipFile(file, "w") as cut,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            cut.writestr(name, content[:-20] if name == "decoder.ln.bias.npy" else content)
    return {**model, "weights.npz": file.getvalue()}


def quantised_embedding() -> dict[str, bytes]:
    """Return a 4bit model whose token embedding is quantised too."""
    import numpy as np

    name = "decoder.token_embedding"
    rows = np.zeros((N_VOCAB, STATE // GROUP), np.float16)
    packed = np.zeros((N_VOCAB, STATE * 4 // 32), np.uint32)
    return altered(
        "4bit", {f"{name}.weight": packed, f"{name}.scales": rows, f"{name}.biases": rows}
    )


def of_two(weights: Mapping[str, bytes], config: bytes) -> dict[str, bytes]:
    """Return a model of one repo's weights and another's config."""
    return {**weights, "config.json": config}


@pytest.mark.parametrize(
    ("subject", "make", "complaint"),
    [
        pytest.param(
            FP16,
            lambda: altered("fp16", {"decoder.blocks.0.mlp1.bias": None}),
            "WeightsError: expected the model's 50 weights, "
            "got none for decoder.blocks.0.mlp1.bias; the weights",
            id="weight-missing",
        ),
        pytest.param(
            FP16,
            lambda: of_two(
                mlx_model("fp16", says="x"), mlx_config("fp16", name="x", text_layers=2)
            ),
            "WeightsError: expected the model's 74 weights, "
            "got none for decoder.blocks.1.attn.key.weight, ",
            id="config-of-other-model",
        ),
        pytest.param(
            FOUR_BITS,
            lambda: of_two(mlx_model("fp16", says="x"), mlx_config("4bit", name="x")),
            "WeightsError: expected the model's 82 weights, "
            "got none for decoder.blocks.0.attn.key.biases, ",
            id="weights-of-other-variant",
        ),
        pytest.param(
            FOUR_BITS,
            lambda: mlx_model("fp16", says="x"),
            "WeightsError: config.json: expected quantization.bits 4, got None; ",
            id="both-of-other-variant",
        ),
        pytest.param(
            FOUR_BITS,
            quantised_embedding,
            "WeightsError: expected the model's 82 weights, "
            "got unknown decoder.token_embedding.biases, decoder.token_embedding.scales; "
            "other shapes for decoder.token_embedding.weight; ",
            id="embedding-quantised",
        ),
    ],
)
def test_model_that_is_wrong_as_published_does_not_load(
    subject: Case,
    make: Callable[[], Mapping[str, bytes]],
    complaint: str,
    prepare: Prepare,
    start: Start,
) -> None:
    """Files as the hub has them that are no model of their case fail the load of that case.

    Every way in which weights may differ is in tests/adapters/test_mlx_backend.py.
    """
    engine = start(subject, prepare(subject, make()))

    with pytest.raises(EngineError) as failure:
        engine.ready()

    prefix = re.escape(f"{subject.label}: ") + "(verify_)?load raised "
    assert re.match(prefix + re.escape(complaint), str(failure.value)), failure.value


def test_model_of_another_size_does_not_load(
    prepare: Prepare, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound files of another size are an error that names each dimension, and the size it is of."""
    micro = {name: (FOLDER / name).read_bytes() for name in (WEIGHTS, CONFIG)}
    engine = start(FP16, prepare(FP16, micro))
    monkeypatch.setitem(REGISTRY, FP16.adapter, REAL_ADAPTER)

    with pytest.raises(EngineError) as failure:
        engine.ready()

    assert str(failure.value).splitlines()[0].partition("; the last lines")[0] == (
        "lightning-whisper-mlx[tiny-fp16]: verify_load raised WeightsError: the model is not of "
        "the size tiny: heads: expected 6, got 2; width: expected 384, got 128; audio_layers: "
        "expected 4, got 2; text_layers: expected 4, got 3; these are the dimensions of micro; "
        "fix this entry of the check map of lightning-whisper-mlx"
    )


def truncate(path: Path) -> None:
    """Cut the last byte off."""
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    """Invert one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace(path: Path, content: bytes) -> None:
    """Write another model's file over it, with the old one's times."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        ("weights.npz", truncate, "bytes"),
        ("weights.npz", flip, "sha256"),
        (
            "weights.npz",
            lambda path: replace(path, mlx_model("4bit", says="right")["weights.npz"]),
            "bytes",
        ),
        (
            "config.json",
            lambda path: replace(path, mlx_config("fp16", name="right", heads=4)),
            "sha256",
        ),
        ("config.json", Path.unlink, "bytes"),
    ],
    ids=["cut", "bit-flipped", "copied-over", "heads-changed", "deleted"],
)
def test_file_changed_after_its_verification_is_not_loaded(
    file: str, change: Callable[[Path], None], found: str, prepare: Prepare, start: Start
) -> None:
    """Files that changed after their verification are not loaded, and no engine is started."""
    model = prepare(FP16, mlx_model("fp16", says="right"))
    engine = start(FP16, model)
    change(model.files[file][0].resolve(strict=True))

    with pytest.raises(VerificationError, match=rf"whisper-tiny@\w+ {file}: expected .*{found}"):
        engine.ready()

    assert running_engines() == []


def test_failed_model_leaves_the_next_one_alone(prepare: Prepare, start: Start) -> None:
    """A corrupt file, with which mlx may abort its process, costs its own case and no other."""
    corrupt = start(FP16, prepare(FP16, short_array()))
    sound = start(FOUR_BITS, prepare(FOUR_BITS, mlx_model("4bit", says="sound")))
    with pytest.raises(EngineError, match=re.escape("lightning-whisper-mlx[tiny-fp16]: ")) as first:
        corrupt.ready()

    sound.ready()

    with pytest.raises(EngineError) as second:
        corrupt.ready()
    assert second.value is first.value
