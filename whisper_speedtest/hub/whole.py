"""Files that users name: whether they can be looked at, and written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def look_at(path: Path) -> None:
    """Raise OSError where nobody can tell what is at a path; nothing may be there.

    `Path.is_dir` and `Path.exists` raise nothing from Python 3.14 on, and are just False.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()


def nearest(path: Path) -> Path:
    """Return the path, or the nearest folder or file above it that is there, in full.

    Raises:
        OSError: Nobody can tell what is there.
    """
    there = path.absolute()
    look_at(there)
    while not there.exists():
        there = there.parent
    return there


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write some files, whose folders are there. None is replaced before all of them are written.

    Each is written beside its place and then moved there, so that nobody ever reads a part of it.

    Raises:
        OSError: One cannot be written; what was there before is still whole, and nothing else is.
    """
    new = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in contents}
    try:
        for path, content in contents.items():
            new[path].write_bytes(content)
        for path, beside in new.items():
            beside.replace(path)
    finally:
        for beside in new.values():
            with suppress(OSError):
                beside.unlink(missing_ok=True)
