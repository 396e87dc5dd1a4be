"""The classes of values of a package: dataclasses that nobody can change by accident."""

from __future__ import annotations

import pkgutil
from dataclasses import is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection


def dataclasses_of(package: str) -> list[type[Any]]:
    """Return the dataclasses that the modules of a package define."""
    folder = import_module(package).__path__
    names = [f"{package}.{each.name}" for each in pkgutil.iter_modules(folder)]
    return [
        found
        for module in map(import_module, [name for name in names if "__main__" not in name])
        for found in vars(module).values()
        if isinstance(found, type) and is_dataclass(found) and found.__module__ == module.__name__
    ]


def assert_values(package: str, *, changing: Collection[str] = ()) -> None:
    """Fail unless each dataclass of a package has slots, and is frozen but for those named."""
    wrong = [
        f"{each.__module__}.{each.__name__}"
        for each in dataclasses_of(package)
        if "__slots__" not in vars(each)
        or each.__dataclass_params__.frozen == (each.__name__ in changing)
    ]
    assert not wrong, (
        f"{wrong}: expected @dataclass(frozen=True, slots=True), so that a misspelt or late "
        f"assignment raises; or name it as changing in the test of {package}'s values"
    )
