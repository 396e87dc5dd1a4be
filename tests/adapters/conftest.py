"""What the unit tests of adapters share: doubles of the libraries, of which none is imported."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:

    class Install(Protocol):
        """Puts a double of a module into sys.modules, with these members, and returns it."""

        def __call__(self, name: str, **members: Any) -> Any: ...


@pytest.fixture(name="install")
def _install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that installs the double of a module, and of the packages that it is in."""
    doubles: dict[str, ModuleType] = {}

    def install(name: str, **members: Any) -> Any:
        if name not in doubles:
            doubles[name] = ModuleType(name)
            monkeypatch.setitem(sys.modules, name, doubles[name])
            package, _, last = name.rpartition(".")
            if package:
                setattr(install(package), last, doubles[name])
        vars(doubles[name]).update(members)
        return doubles[name]

    return install
