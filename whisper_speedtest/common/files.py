"""Finds out which paths exist, and writes files whole or not at all."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def look_at(path: Path) -> None:
    """Raise OSError if it cannot be found out whether a path exists.

    From Python 3.14 on, `Path.is_dir` and `Path.exists` do not raise, but return False.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()


def existing(path: Path) -> Path:
    """Return a path if it exists, else the nearest folder or file above it that does."""
    # Path.exists raises PermissionError for what lies in a folder that this user may not enter.
    return next(filter(os.path.exists, (path, *path.absolute().parents)))


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write some files into folders that exist. None is replaced before all of them are written.

    Each file is written beside its place and then moved there, so that it is never seen in part.

    Raises:
        OSError: A file cannot be written. The old files are unchanged, and nothing else is left.
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


def flock(descriptor: int, operation: int) -> bool:
    """Lock an open file; return False if its file system has no locks.

    Raises:
        BlockingIOError: Another process holds the lock, and `operation` says not to wait.
    """
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
