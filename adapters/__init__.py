"""The registry: every library that the suite measures, by the name that its test ids carry."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import cast

from adapters.base import Adapter, Case, ModelFiles

REGISTRY: dict[str, str] = {
    "lightning-whisper-mlx": "adapters.lightning_whisper_mlx:LightningWhisperMLX",
    "mlx-whisper": "adapters.mlx_whisper:MLXWhisper",
    "faster-whisper": "adapters.faster_whisper:FasterWhisper",
    "whisper.cpp": "adapters.whisper_cpp:WhisperCpp",
    "openai-whisper": "adapters.openai_whisper:OpenAIWhisper",
    "transformers": "adapters.transformers:Transformers",
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


def files_of(case: Case) -> ModelFiles:
    """Return the repo, revision and files that the check map names for a case."""
    return adapter_class(case.adapter).check_map[case.size][case.variant]


@cache
def why_not_installed(name: str) -> str:
    """Return why an adapter's library cannot be used here and what would help; "" if it can."""
    for package in adapter_class(name).packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            how = (
                "see PyTorch in README.md"
                if package == "torch"
                else f"pip install --no-deps --require-hashes -r requirements/{name}.txt"
            )
            what = name if package == name else f"{name} needs {package}, which"
            return f"{what} is not installed; {how}"
    return ""


def all_cases() -> list[Case]:
    """Return every case of every adapter: registry order, then check map order."""
    return [
        Case(name, size, variant)
        for name in REGISTRY
        for size, variants in adapter_class(name).check_map.items()
        for variant in variants
    ]
