"""What the adapters of mlx libraries share: device, memory, and the check of the weights."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from adapters import base
from adapters.sizes import Dimensions

if TYPE_CHECKING:
    from pathlib import Path

COMPUTED = frozenset({"alignment_heads"})
"""Parameters that a model computes itself when its file does not have them."""

BITS = {"fp16": None, "4bit": 4, "8bit": 8}
"""variant → bits a weight as in config.json; None: not quantised."""


ADVICE = {
    "[Compile::eval_cpu] Failed to compile": (
        "mlx compiles with the g++ on PATH, and does without where there is none: mend that g++ or "
        "take it off PATH; where the folder's name has a $ or a quote in it, name another one by "
        "--basetemp or TMPDIR"
    ),
    "Could not load C++ shared library": (
        "what mlx has compiled may not be run from that folder, as on a disk that is mounted with "
        "noexec: name another one by --basetemp or TMPDIR, or take g++ off PATH"
    ),
}
"""Error of mlx about code that it compiles on the CPU → what to do.
Source: mlx/backend/cpu/compiled.cpp."""


class MLXAdapter(base.Adapter):
    """A library on mlx."""

    _check_weights: WeightsCheck
    """Made when the library is imported, before any model."""

    # On mlx's CPU backend a quantised matrix product takes ten times as long as one in float16.
    slow_variants: ClassVar = {"cpu": frozenset({"4bit", "8bit"})}

    def select_device(self, device: base.Device, threads: int) -> None:  # noqa: ARG002
        """Also compute something on the device. mlx cannot be told a number of threads."""
        import mlx.core as mx

        kind = mx.gpu if device == "gpu" else mx.cpu
        if not mx.is_available(kind):
            raise RuntimeError(f"mlx {mx.__version__} has no {device} on this machine")
        mx.set_default_device(kind)
        product = mx.ones((64, 64)) @ mx.ones((64, 64))
        if (total := product.sum().item()) != 64**3:
            raise RuntimeError(f"mlx on {device}: a product of ones summed to {total}, not {64**3}")

    def threads(self) -> None:
        """Return None, as mlx does not say how many it uses."""

    def device_in_use(self, log: str) -> base.Device:  # noqa: ARG002
        """Return mlx's default device, on which it computes unless a call names another one."""
        import mlx.core as mx

        return "gpu" if mx.default_device().type == mx.gpu else "cpu"

    def advice(self, said: str) -> str:
        """Return what to do if mlx could not compile code on the CPU, or not load it."""
        return next((advice for error, advice in ADVICE.items() if error in said), "")

    def dimensions(self, case: base.Case) -> Dimensions:  # noqa: ARG002
        """Return those that the model was made with."""
        return Dimensions.told_by(partial(getattr, self._check_weights.model.dims))

    def accelerator_memory(self) -> int:
        """Return the peak of mlx's active memory in bytes, without the buffers that it caches."""
        import mlx.core as mx

        return int(mx.get_peak_memory())

    def reference(self, products: int) -> float:
        import mlx.core as mx

        size = base.REFERENCE_SIZE
        return base.multiplied(mx.full((size, size), 1 / size, dtype=mx.float32), products)


class WeightsCheck:
    """Tells whether a model was given exactly the weights that its file holds.

    mlx accepts any shape for a weight, and silently keeps random numbers for a weight that the file
    does not have. So the model's own names and shapes are noted before it is given its weights, and
    the values that it has then are compared with the file's.
    """

    model: Any
    """The last model that was given its weights."""

    def __init__(self, model_class: Any) -> None:
        """Watch every later `update` of a model of `model_class`."""
        self._shapes: dict[str, tuple[int, ...]] = {}
        update = model_class.update

        def watched_update(model: Any, weights: Any) -> Any:
            self.model = model
            self._shapes = _shapes(model.parameters())
            try:
                return update(model, weights)
            except ValueError:
                # mlx's own message has only the last part of an unknown weight's name.
                self._compare(_shapes(weights))
                raise

        model_class.update = watched_update

    def __call__(self, weights: Path, config: Path, bits: int | None) -> str:
        """Return the type that the model computes in.

        Raise WeightsError unless names, shapes and values of the last model's weights are those of
        the file `weights`, and `config` quantises to `bits` a weight; None: not at all.
        """
        import mlx.core as mx
        from mlx.utils import tree_flatten

        settings = json.loads(config.read_text(encoding="utf-8"))
        if (got := settings.get("quantization", {}).get("bits")) != bits:
            raise base.WeightsError(
                f"{config.name}: expected quantization.bits {bits}, got {got}; "
                "the file belongs to another variant"
            )
        stored = mx.load(str(weights))
        self._compare(_shapes(stored))
        own = dict(tree_flatten(self.model.parameters()))
        changed = sorted(
            name for name in stored if not mx.array_equal(own[name], stored[name], equal_nan=True)
        )
        if changed:
            raise base.WeightsError(
                f"expected the values of the {len(stored)} weights in {weights.name}, got "
                f"{_sample('others for', changed)}the file was exchanged around the load"
            )
        return str(own["encoder.conv1.weight"].dtype).removeprefix("mlx.core.")

    def _compare(self, stored: dict[str, tuple[int, ...]]) -> None:
        """Raise WeightsError unless the last model has weights of these names and shapes."""
        own = self._shapes
        missing = sorted(own.keys() - stored.keys() - COMPUTED)
        extra = sorted(stored.keys() - own.keys())
        both = own.keys() & stored.keys()
        reshaped = sorted(name for name in both if own[name] != stored[name])
        if missing or extra or reshaped:
            raise base.WeightsError(
                f"expected the model's {len(own)} weights, "
                f"got {_sample('none for', missing)}{_sample('unknown', extra)}"
                f"{_sample('other shapes for', reshaped)}the weights are another model's"
            )


def restore_quantize_module() -> tuple[str, ...]:
    """Give mlx back a call that it has removed, which makes each Linear layer a quantised one.

    Return a line that says so, or nothing if mlx still has the call.
    """
    import mlx.core as mx
    from mlx import nn

    if hasattr(nn.QuantizedLinear, "quantize_module"):
        return ()
    nn.QuantizedLinear.quantize_module = partial(
        nn.quantize, class_predicate=lambda _, layer: isinstance(layer, nn.Linear)
    )
    return (f"mlx {mx.__version__} lacks QuantizedLinear.quantize_module: done by nn.quantize",)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight in a tree of mlx, by its full name."""
    from mlx.utils import tree_flatten

    return {name: tuple(weight.shape) for name, weight in tree_flatten(tree)}


def _sample(what: str, names: list[str]) -> str:
    """Return `what`, followed by the first three names, as a part of an error; "" without names."""
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(names[:3])}{more}; "
