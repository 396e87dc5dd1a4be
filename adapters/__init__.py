"""The registry: every library that the suite measures, by the name that its test ids carry."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from adapters.base import Adapter, Case

REGISTRY: dict[str, str] = {
    "lightning-whisper-mlx": "adapters.lightning_whisper_mlx:LightningWhisperMLX",
}
"""adapter name → `module:class`."""


def load_adapter(path: str) -> type[Adapter]:
    """Return the adapter class that `module:class` names."""
    module, _, name = path.partition(":")
    return cast("type[Adapter]", getattr(import_module(module), name))


def adapter_class(name: str) -> type[Adapter]:
    """Return the class of a registered adapter."""
    if name not in REGISTRY:
        raise KeyError(f"no adapter {name!r}; the registry has {', '.join(REGISTRY)}")
    return load_adapter(REGISTRY[name])


def all_cases() -> list[Case]:
    """Return every case of every adapter: registry order, then check map order."""
    return [
        Case(name, size, variant)
        for name in REGISTRY
        for size, variants in adapter_class(name).check_map.items()
        for variant in variants
    ]
