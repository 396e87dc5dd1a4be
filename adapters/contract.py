"""Says what a class lacks to be an adapter, and which of its values cannot be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import isclass, signature
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeGuard, get_args, get_type_hints

from adapters.base import (
    SIZES,
    Adapter,
    AdapterError,
    Case,
    Cuts,
    DecodeSettings,
    Device,
    ModelFiles,
    Traits,
)

WHERE = "class Adapter in adapters/base.py"
SHA256 = re.compile(r"[0-9a-f]{64}")


def check_adapter(found: object) -> None:
    """Raise AdapterError unless `found` is a complete subclass of Adapter with possible values.

    Nothing is instantiated and no library is imported.
    """
    if not (isclass(found) and issubclass(found, Adapter)):
        raise AdapterError(f"expected a subclass of adapters.base.Adapter, got {found!r}")
    problems = list(_missing(found)) or list(_wrong(found))
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise AdapterError(
            f"{found.__module__}.{found.__qualname__} is no complete adapter; {WHERE} describes "
            f"each part:{listed}"
        )


def _missing(adapter: type[Adapter]) -> Iterator[str]:
    """Yield each attribute and each abstract method that a class does not have."""
    for name in Adapter.__annotations__:
        if not hasattr(adapter, name):
            yield f"the attribute {name} is missing"
    for name in sorted(adapter.__abstractmethods__):
        member = getattr(adapter, name)
        if callable(member):
            arguments = str(signature(member)).replace("'", "")
            yield f"the method {name}{arguments} is missing"
        else:
            yield f"the property {name} is missing"


def _wrong(adapter: type[Adapter]) -> Iterator[str]:
    """Yield what is wrong with the values of a class that has all parts."""
    if not _is_names(adapter.packages):
        yield f"packages: expected a tuple of names of distributions, got {adapter.packages!r}"
    if wrong := list(_wrong_check_map(adapter.check_map)):
        yield from wrong
    else:
        yield from _wrong_places(adapter)
    if not isinstance(adapter.traits, Traits):
        yield f"traits: expected an instance of Traits, got {adapter.traits!r}"
    elif adapter.traits.cuts not in get_args(Cuts):
        expected = " or ".join(map(repr, get_args(Cuts)))
        yield f"traits.cuts: expected {expected}, got {adapter.traits.cuts!r}"
    for name in ("tuned", "ignored_settings", "slow_variants"):
        if not _is_data(value := getattr(adapter, name)):
            yield f"{name}: expected a dict, got {value!r}"
            return
    yield from _wrong_settings("tuned", adapter.tuned)
    yield from _wrong_settings("ignored_settings", adapter.ignored_settings)
    for name in adapter.tuned.keys() & adapter.ignored_settings.keys():
        yield f"tuned: {name} is one of ignored_settings, so recommending it changes nothing"
    for device, variants in adapter.slow_variants.items():
        if device not in get_args(Device) or not isinstance(variants, frozenset):
            yield f"slow_variants: expected a device → a frozenset, got {device!r} → {variants!r}"


def _wrong_check_map(check_map: object) -> Iterator[str]:
    if not _is_data(check_map) or not check_map:
        yield f"check_map: expected size → variant → ModelFiles, got {check_map!r}"
        return
    for size, variants in check_map.items():
        if size not in SIZES:
            yield f"check_map: {size!r} is no size; expected one of {', '.join(SIZES)}"
        if not _is_data(variants) or not variants:
            yield f"check_map[{size!r}]: expected variant → ModelFiles, got {variants!r}"
            continue
        for variant, entry in variants.items():
            if not (isinstance(variant, str) and variant):
                yield f"check_map[{size!r}]: expected the name of a variant, got {variant!r}"
            if problem := _wrong_entry(entry):
                yield f"check_map[{size!r}][{variant!r}]: {problem}"


def _wrong_entry(entry: object) -> str:
    if not isinstance(entry, ModelFiles):
        return f"expected ModelFiles, got {entry!r}"
    if not entry.repo:
        return "expected a repo, got none"
    for name, value in (("repo", entry.repo), ("revision", entry.revision)):
        if not isinstance(value, str):
            return f"expected a text for {name}, got {value!r}"
    if not _is_names(entry.files):
        return f"expected a tuple of file names, got {entry.files!r}"
    if wrong := [name for name in entry.files if _leads_out(name)]:
        return f"expected names of files in the repo, got {wrong[0]!r}"
    if entry.by_url and not (len(entry.files) == 1 and SHA256.fullmatch(entry.revision)):
        return f"expected one file at a URL, and its sha256 as the revision, got {entry!r}"
    return ""


def _wrong_places(adapter: type[Adapter]) -> Iterator[str]:
    """Yield what is wrong with the methods `files` and `place`, which are called for each model.

    Only the first fault is reported, since the others are most likely alike.
    """
    for size, variants in adapter.check_map.items():
        for variant, entry in variants.items():
            case = Case(adapter.__name__, size, variant)
            if (files := adapter.files(case)) != entry:
                yield f"files: expected check_map[{size!r}][{variant!r}], got {files!r}"
                return
            places = adapter.place(case)
            if places is not None and not (
                _is_data(places)
                and list(places) == list(entry.files)
                and _is_names(tuple(places.values()))
            ):
                yield f"place: expected None, or a path for each of {entry.files}, got {places!r}"
                return
            outside = [each for each in (places or {}).values() if _leads_out(each)]
            if outside:
                yield (
                    "place: expected paths in the working directory, or that begin with ~/, got "
                    f"{outside[0]!r}"
                )
                return


def _leads_out(path: str) -> bool:
    """Tell whether a path leads out of the folder that it is relative to."""
    inside = PurePosixPath(path.removeprefix("~/"))
    return inside.is_absolute() or ".." in inside.parts


def _is_data(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell whether this is plain data: a mapping that runs no code when it is read."""
    return type(value) in {dict, MappingProxyType}


def _is_names(names: object) -> bool:
    """Tell whether this is a tuple of strings, with at least one and none of them empty."""
    return (
        isinstance(names, tuple)
        and names != ()
        and all(isinstance(name, str) and name for name in names)
    )


def _wrong_settings(attribute: str, settings: Mapping[str, Any]) -> Iterator[str]:
    types = get_type_hints(DecodeSettings)
    for name, value in settings.items():
        if name not in types:
            known = ", ".join(field.name for field in fields(DecodeSettings))
            yield f"{attribute}: {name!r} is no field of DecodeSettings; expected one of {known}"
        elif not _fits(value, types[name]):
            expected = types[name] if get_args(types[name]) else types[name].__name__
            yield f"{attribute}[{name!r}]: expected {expected}, got {value!r}"


def _fits(value: object, expected: Any) -> bool:
    """Tell whether a value has a field's type: True is no number, and None only fits None."""
    if isinstance(value, bool):
        return bool(expected is bool)
    return isinstance(value, expected | int if expected is float else expected)
