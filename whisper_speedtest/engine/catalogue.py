"""Tells another process what this checkout of the suite can measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters import REGISTRY, adapter_class, all_cases, files_of, valid_adapters, why_not_installed


class Catalogue:
    """The calls of a process without a model. Its answers are builtins and cases."""

    def contents(self) -> dict[str, Any]:
        """Return the checkout's folder, its cases, and why adapters lack their library.

        For each case: the case, `module:class` of its adapter, the repo, revision and files of its
        check map, and the places where the library looks for the files, or None.
        """
        adapters = {name: adapter_class(name) for name in valid_adapters()}
        entries = []
        for case in all_cases():
            files, places = files_of(case), adapters[case.adapter].place(case)
            where = None if places is None else dict(places)
            names = list(files.files)
            entries.append([case, REGISTRY[case.adapter], files.repo, files.revision, names, where])
        return {
            "root": str(Path(__file__).resolve().parents[2]),
            "cases": entries,
            "not_installed": {name: why for name in adapters if (why := why_not_installed(name))},
        }
