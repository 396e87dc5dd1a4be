"""What the adapters of PyTorch libraries share, on a double of torch: device, threads, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import base
from adapters.base import WeightsError
from adapters.openai_whisper import OpenAIWhisper
from adapters.torch_backend import check_tensors
from adapters.transformers import Transformers
from tests.helpers.matrices import Matrices

if TYPE_CHECKING:
    from tests.adapters.conftest import Install

Adapters = OpenAIWhisper | Transformers
CHECKPOINT, SAFETENSORS = Path("tiny.pt"), Path("model.safetensors")


@dataclass(frozen=True)
class Tensor:
    """A tensor of numbers in a row; `half` ones have three decimals. It is on a GPU until moved."""

    numbers: tuple[float, ...]
    dtype: str = "single"
    device: str = "gpu"

    @property
    def shape(self) -> tuple[int]:
        """The tensor's one length."""
        return (len(self.numbers),)

    def cpu(self) -> Tensor:
        """Return the tensor on the CPU."""
        return Tensor(self.numbers, self.dtype, "cpu")

    def to(self, dtype: str) -> Tensor:
        """Return the tensor in another type."""
        digits = 3 if dtype == "half" else 9
        return Tensor(tuple(round(n, digits) for n in self.numbers), dtype, self.device)


def equal(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are the same; as torch's, it takes those on one device alone."""
    assert one.device == other.device == "cpu"
    return (one.numbers, one.dtype) == (other.numbers, other.dtype)


@pytest.fixture(name="torch")
def _torch(install: Install) -> Any:
    """A double of torch on a machine without a GPU."""
    return install(
        "torch",
        __version__="2.13.0",
        device=lambda name: SimpleNamespace(type=name),
        equal=equal,
        set_num_threads=Mock(),
        get_num_threads=Mock(return_value=5),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        cuda=SimpleNamespace(is_available=lambda: False, max_memory_allocated=lambda: 12_345),
        eye=Mock(),
    )


@pytest.fixture(name="adapter", params=[OpenAIWhisper, Transformers])
def _adapter(request: pytest.FixtureRequest, torch: Any) -> Adapters:  # noqa: ARG001
    """An adapter of a library on PyTorch."""
    adapter: Adapters = request.param()
    return adapter


@pytest.mark.parametrize(
    ("device", "mps", "cuda", "chosen", "dtype", "memory"),
    [
        ("cpu", True, True, "cpu", "float32", None),
        ("gpu", True, False, "mps", "float16", None),
        ("gpu", True, True, "mps", "float16", None),
        ("gpu", False, True, "cuda", "float16", 12_345),
    ],
)
def test_device_decides_on_type_and_memory(
    device: Any,
    mps: bool,
    cuda: bool,
    chosen: str,
    dtype: str,
    memory: int | None,
    adapter: Adapters,
    torch: Any,
) -> None:
    """The device of a library on PyTorch decides on its type; only NVIDIA's has memory to tell."""
    torch.backends.mps.is_available = lambda: mps
    torch.cuda.is_available = lambda: cuda

    adapter.select_device(device, 3)

    assert adapter._device.type == chosen
    assert adapter._dtype == dtype
    assert adapter.accelerator_memory() == memory


def test_reference_is_so_many_products_of_fixed_matrices(
    adapter: Adapters, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference on PyTorch makes as many products as asked on the selected device, exactly."""
    monkeypatch.setattr(base, "REFERENCE_SIZE", 8)
    matrices = Matrices()
    torch.full, torch.cuda.is_available = matrices.full, lambda: True
    torch.backends.mps.is_available = lambda: False

    adapter.select_device("gpu", 3)

    assert adapter.reference(5) == 1
    assert matrices.products == 5
    assert matrices.made == [((8, 8), 1 / 8, {"device": adapter._device})]
    assert adapter._device.type == "cuda"


@pytest.mark.parametrize(("place", "device"), [("cpu", "cpu"), ("cuda", "gpu"), ("mps", "gpu")])
def test_device_in_use_is_where_the_weights_are(place: str, device: str, adapter: Adapters) -> None:
    """The device that PyTorch uses is the one where the weights are."""
    model = SimpleNamespace(device=SimpleNamespace(type=place))
    if isinstance(adapter, OpenAIWhisper):
        adapter._model = model
    else:
        adapter._recognise = SimpleNamespace(model=model)

    assert adapter.device_in_use("") == device


def test_gpu_that_is_not_there_is_an_error(adapter: Adapters) -> None:
    """A GPU that PyTorch does not find is an error, and not replaced by the CPU."""
    with pytest.raises(RuntimeError, match=r"^PyTorch 2\.13\.0 finds no GPU on this machine$"):
        adapter.select_device("gpu", 3)


def test_threads_are_set_and_asked_of_torch(adapter: Adapters, torch: Any) -> None:
    """Threads are set in PyTorch, and those that it tells are recorded."""
    adapter.select_device("cpu", 3)

    torch.set_num_threads.assert_called_once_with(3)
    assert adapter.threads() == 5


def test_openai_whisper_tries_a_sparse_tensor_on_the_device(torch: Any) -> None:
    """openai-whisper tries a sparse tensor on the selected device."""
    adapter = OpenAIWhisper()

    adapter.select_device("cpu", 3)

    torch.eye.assert_called_once_with(2)
    torch.eye().to_sparse().to.assert_called_once_with(adapter._device)


# The weights

OWN = {"a": Tensor((1.0, 2.0)), "b": Tensor((3.0,))}
STORED = {"a": Tensor((1.0, 2.0), device="cpu"), "b": Tensor((3.0,), device="cpu")}


def check(stored: dict[str, Tensor], torch: Any, **arguments: Any) -> None:
    """Check the model's tensors OWN against a checkpoint with these."""
    torch.load = Mock(return_value={"dims": {}, "model_state_dict": stored})
    check_tensors(CHECKPOINT, arguments.pop("own", OWN), **arguments)


def test_tensors_of_the_file_are_verified(torch: Any) -> None:
    """The tensors of a checkpoint are verified, and read without running any code in it."""
    check(STORED, torch)

    torch.load.assert_called_once_with(CHECKPOINT, map_location="cpu", weights_only=True)


def test_safetensors_are_read_as_such(torch: Any, install: Install) -> None:  # noqa: ARG001
    """A file is read as safetensors by the ending of its name."""
    load_file = Mock(return_value=STORED)
    install("safetensors.torch", load_file=load_file)

    check_tensors(SAFETENSORS, OWN)

    load_file.assert_called_once_with(SAFETENSORS)


def test_tensors_are_compared_in_the_models_type(torch: Any) -> None:
    """Tensors are compared in the type of the model in memory."""
    own = {name: tensor.to("half") for name, tensor in OWN.items()}
    stored = {**STORED, "b": Tensor((3.0001,), device="cpu")}

    check(stored, torch, own=own)

    with pytest.raises(WeightsError):
        check({**STORED, "b": Tensor((3.001,), device="cpu")}, torch, own=own)


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (
            {"b": STORED["b"]},
            "1 are not in it ['a'], 0 are not in the model [], 0 have other values []",
        ),
        (
            {**STORED, "c": Tensor((4.0,))},
            "0 are not in it [], 1 are not in the model ['c'], 0 have other values []",
        ),
        (
            {**STORED, "a": Tensor((1.0, 2.5), device="cpu")},
            "0 are not in it [], 0 are not in the model [], 1 have other values ['a']",
        ),
        (
            {**STORED, "a": Tensor((1.0, 2.0, 0.0), device="cpu")},
            "0 are not in it [], 0 are not in the model [], 1 have other values ['a']",
        ),
        (
            {name: Tensor((0.0,)) for name in "zyxwv"},
            "2 are not in it ['a', 'b'], 5 are not in the model ['v', 'w', 'x'], 0 have other",
        ),
    ],
    ids=["missing", "extra", "other values", "other shape", "other model"],
)
def test_tensors_that_are_not_the_files_are_named(
    stored: dict[str, Tensor], complaint: str, torch: Any
) -> None:
    """Tensors that are missing, unknown or different are counted and named."""
    with pytest.raises(WeightsError) as error:
        check(stored, torch)

    assert str(error.value).startswith(
        f"expected the model's 2 tensors as they are in the file; {complaint}"
    )


def test_three_tensors_of_each_kind_are_enough(torch: Any) -> None:
    """A message names three tensors of each kind at most."""
    own = {name: Tensor((1.0,)) for name in "abcdefgh"}
    stored = {name: Tensor((2.0,), device="cpu") for name in "efghijkl"}

    with pytest.raises(WeightsError) as error:
        check(stored, torch, own=own)

    assert str(error.value) == (
        "expected the model's 8 tensors as they are in the file; "
        "4 are not in it ['a', 'b', 'c'], 4 are not in the model ['i', 'j', 'k'], "
        "4 have other values ['e', 'f', 'g']"
    )


def test_tensor_that_shares_anothers_values_may_be_left_out(torch: Any) -> None:
    """A tensor that shares another's values may be left out of a file, and must not be wrong."""
    tied = frozenset({"b"})

    check({"a": STORED["a"]}, torch, tied=tied)

    with pytest.raises(WeightsError, match=r"1 have other values \['b'\]"):
        check({**STORED, "b": Tensor((9.0,), device="cpu")}, torch, tied=tied)
    with pytest.raises(WeightsError, match=r"1 are not in it \['a'\]"):
        check({"b": STORED["b"]}, torch, tied=tied)
