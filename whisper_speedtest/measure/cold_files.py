"""Evicts a model's files from the system's page cache, so that a load reads them from the disk.

Only Linux lets a program do that, and tells which pages of a file are cached. Pages that another
process has mapped stay in the cache, and so do those of a file system in memory, as tmpfs. A load
from the disk cannot be measured for such files.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from whisper_speedtest.common.text import human

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.cache.model import VerifiedModel

SECONDS = 1.0
"""For how long the request is repeated, as the system keeps pages that it is moving between its
lists at the moment. On 16 cores, five requests without a pause were not always enough."""

PAUSE = 0.01
"""Seconds between two requests."""


class FilesInMemoryError(Exception):
    """A part of a model's files is in the page cache, when they should only be on the disk."""


def evict(model: VerifiedModel) -> None:
    """Evict the files of a model, which its links lead to, from the page cache.

    Raises:
        FilesInMemoryError: The system keeps a part of a file, or is not Linux.
    """
    if sys.platform != "linux":
        raise FilesInMemoryError(
            "expected Linux, which takes files out of its memory when it is asked to, got "
            f"{sys.platform}; leave out --cold-files"
        )
    paths = [path for path, _ in model.resolved().files.values()]
    ends = time.monotonic() + SECONDS
    while True:
        for path in paths:
            _request_eviction(path)
        if not any(resident(path) for path in paths):
            return
        if time.monotonic() > ends:
            expect_none_in_memory(model)
            return
        time.sleep(PAUSE)


def _request_eviction(path: Path) -> None:
    """Ask Linux to drop a file from the page cache; it may keep a part of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # Pages that are not written yet would stay.
        if sys.platform == "linux":
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def expect_none_in_memory(model: VerifiedModel) -> None:
    """Raise FilesInMemoryError if the page cache holds a part of a model's files."""
    for name, (path, proof) in model.resolved().files.items():
        if found := resident(path):
            raise FilesInMemoryError(
                f"{name}: expected none of its {human(proof.size)} in memory after the system was "
                f"told to drop it, got {human(found)}; a file system that lies in memory keeps it "
                "there, and so does another process that has it mapped or reads it"
            )


def resident(path: Path) -> int:
    """Return how many bytes of a file are in the page cache, in whole pages; on Linux only.

    The file is not read. Linux reports a file as wholly cached to a user who neither owns it nor
    may write it.

    Raises:
        OSError: The system does not say.
    """
    size = path.stat().st_size
    if size == 0:
        return 0
    import ctypes
    import mmap

    # ctypes tells the address of a writable mapping only, so this is one, but a private copy.
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(mapped)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            told = libc.mincore(
                ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages
            )
        finally:
            del first  # The mapping cannot be closed while this refers to it.
        if told != 0:
            raise OSError(ctypes.get_errno(), f"mincore failed for {path}")
        return mmap.PAGESIZE * sum(page & 1 for page in pages)
