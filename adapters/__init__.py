"""The registry: every library that the suite measures, by the name that its test ids carry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
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


_HARM: dict[str, str] = {}
"""`module:class` → how its import harmed the process that tried it."""


def try_registry() -> None:
    """Import each adapter in a process of its own first; never import here what harmed that.

    Without this, an adapter that ends its process or never returns would do so in this process, as
    soon as it is looked up.

    Raises:
        OSError: No process can be started.
    """
    from adapters.trial import Refusal, try_imports

    if harm := try_imports(dict.fromkeys(REGISTRY.values()), look_up):
        _HARM.update(harm)
        sys.meta_path.insert(0, Refusal(harm))


def load_adapter(path: str) -> type[Adapter]:
    """Return the adapter class that `module:class` names.

    Raises:
        AdapterError: There is none, or it lacks a part of what `Adapter` demands.
    """
    found = _HARM.get(path) or look_up(path)
    if isinstance(found, str):
        raise AdapterError(f"{_registry_line(path)}: {found}")
    return found


@cache
def look_up(path: str) -> type[Adapter] | str:
    """Return the adapter class that `module:class` names, or why it cannot be used.

    Whatever its module raises is such a reason, except KeyboardInterrupt, which is the user's.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
        wrong = _fault_of(found)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - such as SystemExit, which must not end pytest
        from adapters.import_rules import raised

        return raised(error)
    return wrong or cast("type[Adapter]", found)


def _fault_of(found: object) -> str:
    """Return what an object lacks to be an adapter class; "" if nothing."""
    try:
        check_adapter(found)
    except AdapterError as error:
        return str(error)
    return ""


def _registry_line(path: str) -> str:
    """Return the registry's line for an adapter; only the path if it is not registered."""
    for name, registered in REGISTRY.items():
        if registered == path:
            return f'adapters/__init__.py, REGISTRY, "{name}": "{path}"'
    return path


def adapter_class(name: str) -> type[Adapter]:
    """Return the class of a registered adapter; raise AdapterError if it cannot be used."""
    if name not in REGISTRY:
        raise AdapterError(f"{name!r} is no adapter; expected one of {', '.join(REGISTRY)}")
    return load_adapter(REGISTRY[name])


def files_of(case: Case) -> ModelFiles:
    """Return the repo, revision and files that the check map names for a case."""
    return adapter_class(case.adapter).files(case)


@cache
def missing_packages(name: str) -> tuple[str, ...]:
    """Return the packages of an adapter that are not installed, the library itself first."""
    missing = []
    for package in adapter_class(name).packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            missing.append(package)
    return tuple(missing)


def why_not_installed(name: str) -> str:
    """Return why an adapter's library cannot be used here and what would help; "" if it can."""
    missing = missing_packages(name)
    if not missing:
        return ""
    package = missing[0]
    what = name if package == name else f"{name} needs {package}, which"
    how = f"pip install --no-deps --require-hashes -r requirements/{name}.txt"
    if package == "torch":
        how = "see Libraries that run on PyTorch in docs/recipes.md"
    return f"{what} is not installed; {how}"


def install_command(names: Sequence[str]) -> str:
    """Return the whole command that installs these libraries, to be run in the project's folder.

    It is the command of README.md. The programs are those of `.venv` if this process runs there.
    """
    here = Path(sys.prefix) == Path(__file__).resolve().parents[1] / ".venv"
    programs = ".venv/bin/" if here else ""
    locks = [
        f"-r requirements/{name}.txt" for name in names if missing_packages(name) != ("torch",)
    ]
    torch = [name for name in names if "torch" in missing_packages(name)]
    commands = []
    if locks:
        pip = f"{programs}pip install -qq --no-deps --require-hashes"
        commands.append(" ".join([pip, *locks]))
    if torch:
        commands.append(" ".join([f"{programs}python requirements/get_torch.py", *torch]))
    return " && ".join(commands)


def why_invalid(name: str) -> str:
    """Return why a registered adapter cannot be used; "" if it can.

    An adapter whose library is not installed can be used, as far as no library is needed.
    """
    try:
        adapter_class(name)
    except AdapterError as error:
        return str(error)
    return ""


def valid_adapters() -> list[str]:
    """Return the adapters that can be used (see `why_invalid`), in the order of the registry."""
    return [name for name in REGISTRY if not why_invalid(name)]


def all_cases() -> list[Case]:
    """Return every case of every valid adapter, in the order of registry and check maps.

    Callers have to report the other adapters, which `why_invalid` explains, or they go unnoticed.
    """
    return [
        Case(name, size, variant)
        for name in valid_adapters()
        for size, variants in adapter_class(name).check_map.items()
        for variant in variants
    ]
