"""What the adapters of mlx libraries share: the device, the check of the weights, a mend."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import base
from adapters.base import Case, WeightsError
from adapters.mlx_backend import BITS, WeightsCheck, restore_quantize_module
from adapters.mlx_whisper import MLXWhisper
from adapters.sizes import DIMENSIONS
from tests.adapters.test_sizes import DIMS
from tests.helpers.matrices import Matrices

if TYPE_CHECKING:
    from pathlib import Path

    from tests.adapters.conftest import Install


class Array:
    """An array of a shape, in float16; it says what it holds when it is multiplied."""

    def __init__(self, *shape: int, total: int = 64**3, values: str = "usual") -> None:
        self.shape = shape
        self.values = values
        self.dtype = "mlx.core.float16"
        self.total = total

    def __matmul__(self, other: Array) -> Array:
        assert self.shape == other.shape == (64, 64), (
            "expected matrices of 64 x 64, whose product sums to 64³"
        )
        return self

    def sum(self) -> Array:
        """Return the sum."""
        return self

    def item(self) -> int:
        """Return the number."""
        return self.total


@pytest.fixture(name="mx")
def _mx(install: Install) -> Any:
    """A double of mlx.core on a machine whose GPU works."""
    return install(
        "mlx.core",
        __version__="0.32.4",
        gpu="the GPU",
        cpu="the CPU",
        is_available=Mock(return_value=True),
        set_default_device=Mock(),
        ones=lambda shape: Array(*shape),
        get_peak_memory=lambda: 12_345.0,
    )


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_device_becomes_mlxs_default(device: Any, mx: Any) -> None:
    """The selected device becomes mlx's default, after mlx was asked whether there is one."""
    MLXWhisper().select_device(device, 3)

    mx.is_available.assert_called_once_with(getattr(mx, device))
    mx.set_default_device.assert_called_once_with(getattr(mx, device))


def test_device_that_is_not_there_is_an_error(mx: Any) -> None:
    """A device that mlx does not have is an error, and no other is set."""
    mx.is_available.return_value = False

    with pytest.raises(RuntimeError, match=r"^mlx 0\.32\.4 has no gpu on this machine$"):
        MLXWhisper().select_device("gpu", 3)

    mx.set_default_device.assert_not_called()


def test_device_that_computes_wrong_is_an_error(mx: Any) -> None:
    """A device on which mlx computes wrong is an error."""
    mx.ones = lambda shape: Array(*shape, total=0)

    with pytest.raises(RuntimeError, match="product of ones summed to 0, not 262144"):
        MLXWhisper().select_device("gpu", 3)


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_device_in_use_is_mlxs_default(device: Any, mx: Any) -> None:
    """The device in use is mlx's default, as mlx tells it."""
    mx.default_device = lambda: SimpleNamespace(type=getattr(mx, device))

    assert MLXWhisper().device_in_use("") == device


def test_memory_is_mlxs_peak_and_threads_are_not_told(mx: Any) -> None:  # noqa: ARG001
    """The accelerator's memory is mlx's peak in whole bytes, and the threads of mlx are unknown."""
    assert MLXWhisper().accelerator_memory() == 12_345
    assert type(MLXWhisper().accelerator_memory()) is int
    assert MLXWhisper().threads() is None  # type: ignore[func-returns-value]


def test_reference_is_so_many_products_of_fixed_matrices(
    mx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference on mlx makes as many products of fixed float32 matrices as asked, exactly."""
    monkeypatch.setattr(base, "REFERENCE_SIZE", 8)
    matrices = Matrices()
    mx.full, mx.float32 = matrices.full, "single"

    assert MLXWhisper().reference(5) == 1
    assert matrices.products == 5
    assert matrices.made == [((8, 8), 1 / 8, {"dtype": "single"})]


def test_dimensions_are_those_of_the_model_that_was_given_its_weights() -> None:
    """The dimensions of a model on mlx are those of the model that was given its weights."""
    adapter = MLXWhisper()
    adapter._check_weights = Mock(model=SimpleNamespace(dims=SimpleNamespace(**DIMS)))

    assert adapter.dimensions(Case("mlx-whisper", "tiny", "fp16")) == DIMENSIONS["large-v3-turbo"]


def test_quantised_variants_are_slow_on_a_cpu_alone() -> None:
    """Quantised variants on mlx are slow on a CPU, and on no other device."""
    assert MLXWhisper.slow_variants == {"cpu": frozenset({"4bit", "8bit"})}


# The weights


def flatten(tree: Any, prefix: str = "") -> list[tuple[str, Array]]:
    """Return the arrays of nested dictionaries by their dotted names, as mlx does."""
    if isinstance(tree, Array):
        return [(prefix, tree)]
    return [
        item
        for name, part in tree.items()
        for item in flatten(part, f"{prefix}.{name}" if prefix else name)
    ]


class Model:
    """A model with three weights, and one that it computes itself."""

    def parameters(self) -> Any:
        """Return its own arrays."""
        return {
            "encoder": {"conv1": {"weight": Array(8, 3), "bias": Array(8)}},
            "ln": Array(4),
            "alignment_heads": Array(2, 2),
        }

    def update(self, weights: Any) -> Model:
        """Take weights; as in mlx, an unknown name is an error that tells its last part."""
        if unknown := dict(flatten(weights)).keys() - dict(flatten(self.parameters())).keys():
            raise ValueError(f'Module does not have parameter named "{unknown.pop()[-4:]}".')
        return self


def stored(**changes: Array | None) -> dict[str, Array]:
    """Return what a file of the model holds, but for some changes; None: nothing of that name."""
    usual = {
        "encoder.conv1.weight": Array(8, 3),
        "encoder.conv1.bias": Array(8),
        "ln": Array(4),
    }
    changed = {**usual, **{name.replace("__", "."): array for name, array in changes.items()}}
    return {name: array for name, array in changed.items() if array is not None}


def have_equal_values(one: Array, other: Array, *, equal_nan: bool) -> bool:
    """Tell whether two arrays hold the same values."""
    assert equal_nan, "expected NaN to equal NaN, as weights may have it"
    return one.values == other.values


@pytest.fixture(name="verify")
def _verify(install: Install, tmp_path: Path) -> Any:
    """A function that gives a model its weights and checks them against those of a file."""
    weights, config = tmp_path / "weights.npz", tmp_path / "config.json"
    install("mlx.utils", tree_flatten=flatten)

    def verify(file: dict[str, Array], bits: int | None = None, quantization: Any = None) -> str:
        load = install("mlx.core", load=Mock(return_value=file), array_equal=have_equal_values).load
        settings = {"n_mels": 80} if quantization is None else {"quantization": quantization}
        config.write_text(json.dumps(settings), encoding="utf-8")
        model_class = type("Model", (Model,), {"update": Model.update})
        check = WeightsCheck(model_class)
        model_class().update({"ln": Array(4)})
        dtype = check(weights, config, bits)
        load.assert_called_once_with(str(weights))
        return dtype

    return verify


def test_weights_with_the_models_names_and_shapes_are_verified(verify: Any) -> None:
    """Weights with the model's names and shapes are verified, and their type is returned."""
    assert verify(stored()) == "float16"
    assert verify(stored(alignment_heads=Array(2, 2))) == "float16"


def test_type_is_that_of_the_model_in_memory(verify: Any) -> None:
    """The type that mlx computes in is that of the model in memory, and not the file's."""
    converted = Array(8, 3)
    converted.dtype = "mlx.core.float32"

    assert verify(stored(encoder__conv1__weight=converted)) == "float16"


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (stored(ln=None), "none for ln; "),
        (stored(ln=None, encoder__conv1__bias=None), "none for encoder.conv1.bias, ln; "),
        (stored(ln=Array(5)), "other shapes for ln; "),
        (stored(ln=Array(3)), "other shapes for ln; "),
        (stored(alignment_heads=Array(3, 2)), "other shapes for alignment_heads; "),
        (stored(extra=Array(1)), "unknown extra; "),
        (
            stored(a=Array(1), b=Array(1), c=Array(1), d=Array(1), e=Array(1), ln=None),
            "none for ln; unknown a, b, c and 2 more; ",
        ),
        (stored(a=Array(1), b=Array(1), c=Array(1)), "unknown a, b, c; "),
    ],
)
def test_weights_that_are_not_the_models_are_named(
    file: dict[str, Array], complaint: str, verify: Any
) -> None:
    """Weights that are missing, of other shapes or unknown to the model are named."""
    with pytest.raises(WeightsError) as error:
        verify(file)

    assert str(error.value) == (
        f"expected the model's 4 weights, got {complaint}the weights are another model's"
    )


def test_other_values_than_the_files_are_an_error(verify: Any) -> None:
    """Values in memory other than the file's are an error that names their weights."""
    other = {"ln": Array(4, values="other"), "encoder__conv1__bias": Array(8, values="other")}

    with pytest.raises(WeightsError) as error:
        verify(stored(**other))

    assert str(error.value) == (
        "expected the values of the 3 weights in weights.npz, got others for encoder.conv1.bias, "
        "ln; the file was exchanged around the load"
    )


def test_unknown_weight_is_named_in_full_when_the_model_refuses_it(install: Install) -> None:
    """An unknown weight that the model refuses is named in full."""
    install("mlx.utils", tree_flatten=flatten)
    model_class = type("Model", (Model,), {"update": Model.update})
    WeightsCheck(model_class)

    with pytest.raises(WeightsError, match=r"unknown decoder\.ln\.weight; the weights are"):
        model_class().update(stored(decoder__ln__weight=Array(4)))


def test_model_is_given_its_weights(install: Install) -> None:
    """The check of weights changes nothing of what mlx's `update` returns or raises."""
    install("mlx.utils", tree_flatten=flatten)
    updated = Mock(return_value="the model")
    model_class = type("Model", (Model,), {"update": lambda _, weights: updated(weights)})
    WeightsCheck(model_class)

    assert model_class().update({"ln": Array(4)}) == "the model"

    updated.side_effect = ValueError("something else")
    with pytest.raises(ValueError, match="something else"):
        model_class().update(stored())


@pytest.mark.parametrize("variant", BITS)
def test_variant_has_its_bits_in_the_settings(variant: str, verify: Any) -> None:
    """A variant's settings must have its bits, and the unquantised variant's none."""
    bits = BITS[variant]
    quantization = {"group_size": 64, "bits": bits} if bits else None

    assert verify(stored(), bits, quantization) == "float16"


@pytest.mark.parametrize(
    ("bits", "quantization", "got"),
    [
        (4, None, "None"),
        (4, {"group_size": 64, "bits": 8}, "8"),
        (None, {"group_size": 64, "bits": 4}, "4"),
    ],
)
def test_settings_of_another_variant_are_an_error(
    bits: int | None, quantization: Any, got: str, verify: Any
) -> None:
    """Settings of another variant are an error that names the file and both numbers of bits."""
    with pytest.raises(WeightsError) as error:
        verify(stored(), bits, quantization)

    assert str(error.value) == (
        f"config.json: expected quantization.bits {bits}, got {got}; "
        "the file belongs to another variant"
    )


# The mend


class Linear:
    """A layer that can be quantised."""


@pytest.fixture(name="nn")
def _nn(install: Install) -> Any:
    """A double of mlx.nn as it is since the call was removed."""
    install("mlx.core", __version__="0.32.4")
    return install(
        "mlx.nn", QuantizedLinear=type("QuantizedLinear", (), {}), Linear=Linear, quantize=Mock()
    )


def test_call_that_mlx_removed_is_restored_and_told(nn: Any) -> None:
    """A call that mlx removed is restored for Linear layers alone, and reported as a mend."""
    mends = restore_quantize_module()

    nn.QuantizedLinear.quantize_module("a model", group_size=64, bits=4)
    (model,), options = nn.quantize.call_args
    assert mends == ("mlx 0.32.4 lacks QuantizedLinear.quantize_module: done by nn.quantize",)
    assert (model, options["group_size"], options["bits"]) == ("a model", 64, 4)
    assert options["class_predicate"]("layer", Linear())
    assert not options["class_predicate"]("embedding", SimpleNamespace())


def test_mlx_that_has_the_call_is_left_alone(nn: Any) -> None:
    """An mlx that has the call `quantize_module` is left alone, and no mend is reported."""
    nn.QuantizedLinear.quantize_module = "its own"

    assert restore_quantize_module() == ()
    assert nn.QuantizedLinear.quantize_module == "its own"


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (
            "RuntimeError: [Compile::eval_cpu] Failed to compile function Abc: Failed to execute",
            "mend that g++ or take it off PATH",
        ),
        (
            "RuntimeError: Could not load C++ shared library /t/libAbc.so: failed to map segment",
            "mounted with noexec: name another one by --basetemp or TMPDIR",
        ),
    ],
)
def test_code_that_mlx_cannot_compile_or_run_is_told_with_what_helps(said: str, step: str) -> None:
    """An error of code that mlx cannot compile or run comes with what helps."""
    assert step in MLXWhisper().advice(said)


def test_other_errors_of_mlx_are_told_as_they_are() -> None:
    """Other errors of mlx come without advice."""
    assert MLXWhisper().advice("ValueError: [load] no such file") == ""
