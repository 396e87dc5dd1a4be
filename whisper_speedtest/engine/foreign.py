"""Finds an installed package that an engine would import in place of one of the project's."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path


def foreign_package(name: str, root: Path) -> Path | None:
    """Return where a package or module `name` is installed that is not the one in `root`.

    Nothing is imported. An engine has the checkout `root` at the end of its path, so an installed
    package of the same name would come first. The working directory and PYTHONPATH do not count:
    engines get neither. A folder without `__init__.py` does not count either: Python prefers the
    project's package to it.
    """
    not_in_engines = {root.resolve(), Path.cwd()}
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        not_in_engines.add(Path(entry).resolve())
    for entry in sys.path:
        if Path(entry).resolve() in not_in_engines:
            continue
        spec = PathFinder.find_spec(name, [entry])
        if spec is not None and spec.origin is not None:
            return Path(spec.origin)
    return None
