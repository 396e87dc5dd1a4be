"""What the adapters of mlx libraries share: the device, the memory figure, the weight check.

Engine process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlx.core as mx
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


def check_weights(model: Any, weights: Any, file: Path) -> None:
    """Raise WeightsError unless `model` has exactly `weights`, a tree, by name and shape.

    To be called before they are put into the model, for mlx takes any shape then; and after, with
    what `file` holds, for mlx leaves random numbers, and says nothing, where a weight is missing.
    """
    loaded = {name: tuple(weight.shape) for name, weight in tree_flatten(model.parameters())}
    stored = {name: tuple(weight.shape) for name, weight in tree_flatten(weights)}
    missing = sorted(loaded.keys() - stored.keys() - COMPUTED)
    extra = sorted(stored.keys() - loaded.keys())
    reshaped = sorted(n for n in loaded.keys() & stored.keys() if loaded[n] != stored[n])
    if missing or extra or reshaped:
        raise WeightsError(
            f"{file.name}: expected the model's {len(loaded)} weights, "
            f"got {_sample('none for', missing)}{_sample('unknown', extra)}"
            f"{_sample('other shapes for', reshaped)}the file belongs to another model"
        )


def _sample(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(names[:3])}{more}; "
