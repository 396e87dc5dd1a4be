"""What the adapters of mlx libraries share: the device, the memory figure, the checks of a model.

Engine process only.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten

from adapters.base import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.base import Device

COMPUTED = frozenset({"alignment_heads"})
"""Parameters that a model computes itself when its file has none."""


def select_device(device: Device) -> None:
    """Make mlx compute on `device` and try it; raise RuntimeError where it does not work."""
    kind = mx.gpu if device == "gpu" else mx.cpu
    if not mx.is_available(kind):
        raise RuntimeError(f"mlx {mx.__version__} has no {device} on this machine")
    mx.set_default_device(kind)
    product = mx.ones((64, 64)) @ mx.ones((64, 64))
    if (total := product.sum().item()) != 64**3:
        raise RuntimeError(f"mlx on {device}: a product of ones summed to {total}, not {64**3}")


def seed() -> None:
    """Make the sampling of a fallback decode the same in every call."""
    mx.random.seed(0)


def peak_memory() -> int:
    """Return mlx's peak of active memory, in bytes; buffers that it only caches are not in it."""
    return int(mx.get_peak_memory())


class WeightsCheck:
    """Tells whether a model was given exactly the weights that its file holds.

    mlx takes any shape for a weight, and where one is missing it leaves random numbers and says
    nothing. So the model's own names and shapes are noted before weights are put into it.
    """

    def __init__(self, model_class: Any) -> None:
        """Watch every later `update` of a model of `model_class`."""
        self._shapes: dict[str, tuple[int, ...]] = {}
        update = model_class.update

        def watched_update(model: Any, weights: Any) -> Any:
            self._shapes = _shapes(model.parameters())
            try:
                return update(model, weights)
            except ValueError:
                # Of a weight that the model does not know, mlx names the last word alone.
                self._compare(_shapes(weights))
                raise

        model_class.update = watched_update

    def __call__(self, file: Path) -> None:
        """Raise WeightsError unless the last model's weights are those of `file`."""
        self._compare(_shapes(mx.load(str(file))))

    def _compare(self, stored: dict[str, tuple[int, ...]]) -> None:
        own = self._shapes
        missing = sorted(own.keys() - stored.keys() - COMPUTED)
        extra = sorted(stored.keys() - own.keys())
        reshaped = sorted(n for n in own.keys() & stored.keys() if own[n] != stored[n])
        if missing or extra or reshaped:
            raise WeightsError(
                f"expected the model's {len(own)} weights, "
                f"got {_sample('none for', missing)}{_sample('unknown', extra)}"
                f"{_sample('other shapes for', reshaped)}the weights are another model's"
            )


def check_quantisation(config: Path, bits: int | None) -> None:
    """Raise WeightsError unless a config.json quantises to `bits` a weight; None: not at all."""
    got = json.loads(config.read_text(encoding="utf-8")).get("quantization", {}).get("bits")
    if got != bits:
        raise WeightsError(
            f"{config.name}: expected quantization.bits {bits}, got {got}; "
            "the file belongs to another variant"
        )


def restore_quantize_module() -> tuple[str, ...]:
    """Give a library back the call that mlx removed: it made every Linear layer a quantised one.

    Return what was mended.
    """
    if hasattr(nn.QuantizedLinear, "quantize_module"):
        return ()
    nn.QuantizedLinear.quantize_module = partial(
        nn.quantize, class_predicate=lambda _, layer: isinstance(layer, nn.Linear)
    )
    return (f"mlx {mx.__version__} lacks QuantizedLinear.quantize_module: done by nn.quantize",)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in tree_flatten(tree)}


def _sample(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(names[:3])}{more}; "
