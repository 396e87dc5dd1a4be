"""The registry: every library that the suite measures, by the name that its test ids carry."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import cast

from adapters.base import Adapter, AdapterError, Case, ModelFiles
from adapters.contract import check_adapter

REGISTRY: dict[str, str] = {
    "lightning-whisper-mlx": "adapters.lightning_whisper_mlx:LightningWhisperMLX",
    "mlx-whisper": "adapters.mlx_whisper:MLXWhisper",
    "faster-whisper": "adapters.faster_whisper:FasterWhisper",
    "whisper.cpp": "adapters.whisper_cpp:WhisperCpp",
    "openai-whisper": "adapters.openai_whisper:OpenAIWhisper",
    "transformers": "adapters.transformers:Transformers",
}
"""adapter name → `module:class`."""


@cache
def load_adapter(path: str) -> type[Adapter]:
    """Return the adapter class that `module:class` names.

    Raise AdapterError where there is none, or where it does not fill the contract of Adapter.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        what = f"expected a class at `module:class`, got {type(error).__name__}: {error}"
        raise AdapterError(f"{_registry_line(path)}: {what}") from error
    try:
        check_adapter(found)
    except AdapterError as error:
        raise AdapterError(f"{_registry_line(path)}: {error}") from None
    return cast("type[Adapter]", found)


def _registry_line(path: str) -> str:
    """Return where and how the registry names an adapter; only the path where it does not."""
    for name, registered in REGISTRY.items():
        if registered == path:
            return f'adapters/__init__.py, REGISTRY, "{name}": "{path}"'
    return path


def adapter_class(name: str) -> type[Adapter]:
    """Return the class of a registered adapter; raise AdapterError where it cannot be used."""
    if name not in REGISTRY:
        raise AdapterError(f"{name!r} is no adapter; expected one of {', '.join(REGISTRY)}")
    return load_adapter(REGISTRY[name])


def files_of(case: Case) -> ModelFiles:
    """Return the repo, revision and files that the check map names for a case."""
    return adapter_class(case.adapter).files(case)


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
