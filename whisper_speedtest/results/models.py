"""Writes what the project's documents say of libraries and their models, from the check maps.

    python -m whisper_speedtest.results.models

It writes docs/models.md, which says which repo, revision and files each adapter, size and variant
loads; where the project has a lock of models, also their commits and sizes in bytes. In README.md
it replaces the table of libraries.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from adapters import REGISTRY, adapter_class
from adapters.base import SIZES, AdapterError
from whisper_speedtest.cache.lock import NAME, Lock, LockError, read_lock
from whisper_speedtest.common.text import human
from whisper_speedtest.results.aspects import HASH_SHOWN

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from adapters.base import ModelFiles

PROJECT = Path(__file__).parents[2]
"""The suite's own checkout."""

TABLE = re.compile(r"^\| library \| extra \|.*\n(\|.*\n)*", re.MULTILINE)
"""The table of libraries in README.md."""

HEADING = """\
# Which model does a size really load?

This page is made from the check maps in `adapters/` by
`python -m whisper_speedtest.results.models`, and a test holds it to them. They in turn are held to
what each library requests and opens (`tests/test_repo_consistency.py`).
`pytest --check-models -k SIZE` says what of it is on your machine.
"""


def page(lock: Lock) -> str:
    """Return the page as Markdown: one table an adapter, one row a size and variant."""
    lines = [HEADING]
    for name in REGISTRY:
        lines += [f"## {name}", "", *_table(name, lock), ""]
    return "\n".join(lines)


def _table(adapter: str, lock: Lock) -> Iterator[str]:
    """Yield the lines of one adapter's table, sizes in their usual order."""
    headings = ["size", "variant", "repo and revision", "files"]
    if lock.models:
        headings.append("bytes")
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    check_map = adapter_class(adapter).check_map
    for size in sorted(check_map, key=SIZES.index):
        for variant, files in check_map[size].items():
            names = ", ".join(f"`{name}`" for name in files.files)
            cells = [size, variant, _revision(files, lock), names]
            if lock.models:
                cells.append(_bytes(files, lock))
            yield f"| {' | '.join(cells)} |"


def _revision(files: ModelFiles, lock: Lock) -> str:
    """Return where the files come from, with the commit where it is locked."""
    if files.embedded:
        return f"`{files.repo}`, made by this project"
    if files.by_url:
        return f"<{files.repo}/{files.revision}/>"
    locked = lock.of(files)
    return f"`{files}`" + (f", commit `{locked.commit[:HASH_SHOWN]}`" if locked else "")


def _bytes(files: ModelFiles, lock: Lock) -> str:
    """Return the size of all files of an entry together; "" where the lock lacks one of them."""
    locked = lock.of(files)
    if not locked or not set(files.files) <= set(locked.files):
        return ""
    return human(sum(locked.files[name].size for name in files.files))


def library_table(extras: Container[str]) -> str:
    """Return the table of libraries for README.md: one row each, with how it is installed.

    `extras` are the names of the extras in pyproject.toml; other libraries need none.
    """
    lines = ["| library | extra | sizes | variants |", "|---|---|---|---|"]
    for name in REGISTRY:
        adapter = adapter_class(name)
        torch = ", PyTorch" if "torch" in adapter.packages else ""
        extra = f"`requirements/{name}.txt`{torch}" if name in extras else "default"
        sizes = sorted(adapter.check_map, key=SIZES.index)
        variants = dict.fromkeys(
            variant for models in adapter.check_map.values() for variant in models
        )
        cells = (name, extra, _codes(sizes), _codes(variants))
        lines.append(f"| {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def _codes(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def write(project: Path) -> None:
    """Write docs/models.md and the table in README.md of the checkout in the folder `project`.

    If one of them cannot be made, neither is written.

    Raises:
        AdapterError: An adapter cannot be used; the message says why.
        LockError: The lock of models cannot be read.
        ValueError: README.md has no such table.
    """
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    table = library_table(settings["project"]["optional-dependencies"])
    models = page(read_lock(project / NAME))
    readme = (project / "README.md").read_text(encoding="utf-8")
    if not TABLE.search(readme):
        raise ValueError(
            "README.md: expected a table that begins with `| library | extra |`, got none; put "
            "that line where the table is to stand"
        )
    (project / "docs" / "models.md").write_text(models, encoding="utf-8")
    (project / "README.md").write_text(TABLE.sub(lambda _: table, readme), encoding="utf-8")


if __name__ == "__main__":
    try:
        write(PROJECT)
    except (AdapterError, LockError, ValueError) as error:
        sys.exit(str(error))
