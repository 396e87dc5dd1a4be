"""The table of all models: which repo, revision and files each adapter, size and variant loads.

    python -m whisper_speedtest.results.models > docs/models.md

It is made from the check maps. Where the project has a lock of models, it also has the commits and
the sizes in bytes of what is locked.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from adapters import REGISTRY, adapter_class
from adapters.base import SIZES
from whisper_speedtest.hub.lock import NAME, Lock, read_lock
from whisper_speedtest.hub.sizes import human
from whisper_speedtest.results.aspects import HASH_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.base import ModelFiles

PROJECT = Path(__file__).parents[2]

HEADING = """\
# Which model does a size really load?

This page is made from the check maps in `adapters/` by
`python -m whisper_speedtest.results.models > docs/models.md`, and a test holds it to them. They in
turn are held to what each library requests and opens (`tests/test_repo_consistency.py`).
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
    headings = [
        "size",
        "variant",
        "repo and revision",
        "files",
        *(["bytes"] if lock.models else []),
    ]
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    check_map = adapter_class(adapter).check_map
    for size in sorted(check_map, key=SIZES.index):
        for variant, files in check_map[size].items():
            names = ", ".join(f"`{name}`" for name in files.files)
            cells = (size, variant, _revision(files, lock), names, _bytes(files, lock))
            yield f"| {' | '.join(cells[: len(headings)])} |"


def _revision(files: ModelFiles, lock: Lock) -> str:
    """Return where the files come from, with the commit where it is locked."""
    if files.embedded:
        return f"`{files.repo}`, made by this project"
    if files.by_url:
        return f"<{files.repo}/{files.revision}/>"
    locked = lock.of(files)
    return f"`{files}`" + (f", commit `{locked.commit[:HASH_SHOWN]}`" if locked else "")


def _bytes(files: ModelFiles, lock: Lock) -> str:
    """Return the size of the files together, "" where it is not known of each."""
    locked = lock.of(files)
    if not locked or not set(files.files) <= set(locked.files):
        return ""
    return human(sum(locked.files[name].size for name in files.files))


if __name__ == "__main__":
    sys.stdout.write(page(read_lock(PROJECT / NAME)))
