"""Takes a model's files out of the system's memory, so that its load reads them from the disk.

Linux alone lets a program ask for that, and tells which parts of a file are in its memory. Some
stay there all the same: those of a file that another process has mapped, and of a file system that
lies in memory itself. Of these no load from the disk can be measured.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from whisper_speedtest.hub.sizes import human

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.hub.model import VerifiedModel

SECONDS = 1.0
"""For how long the system is asked: it keeps pages that are just being moved between its lists.
With 16 cores, five tries at once were not always enough."""

PAUSE = 0.01
"""Seconds from one asking to the next."""


class FilesInMemoryError(Exception):
    """The system's memory holds a part of a model's files, which were to be on the disk alone."""


def evict(model: VerifiedModel) -> None:
    """Take the files of a model out of the system's memory; those behind links, not the links.

    Raises:
        FilesInMemoryError: The system keeps a part of one, or this is no Linux.
    """
    if sys.platform != "linux":
        raise FilesInMemoryError(
            "expected Linux, which takes files out of its memory when it is asked to, got "
            f"{sys.platform}; leave out --cold-files"
        )
    ends = time.monotonic() + SECONDS
    while True:
        for path, _ in model.resolved().files.values():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # What was not written yet would stay.
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        if not any(resident(path) for path, _ in model.resolved().files.values()):
            return
        if time.monotonic() > ends:
            expect_none_in_memory(model)
            return
        time.sleep(PAUSE)


def expect_none_in_memory(model: VerifiedModel) -> None:
    """Raise FilesInMemoryError where the system's memory holds a part of a model's files."""
    for name, (path, proof) in model.resolved().files.items():
        if found := resident(path):
            raise FilesInMemoryError(
                f"{name}: expected none of its {human(proof.size)} in memory after the system was "
                f"told to drop it, got {human(found)}; a file system that lies in memory keeps it "
                "there, and so does another process that has it mapped or reads it"
            )


def resident(path: Path) -> int:
    """Return how many bytes of a file the system's memory holds, in whole pages; Linux.

    Nothing is read for that. Of a file that this user may neither write nor owns, Linux says that
    all of it is there.

    Raises:
        OSError: The system does not tell.
    """
    size = path.stat().st_size
    if size == 0:
        return 0
    import ctypes
    import mmap

    # A private mapping, as ctypes takes the address of one alone that could be written to.
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(mapped)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            told = libc.mincore(
                ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages
            )
        finally:
            del first  # or the mapping could not be closed
        if told != 0:
            raise OSError(ctypes.get_errno(), f"mincore failed for {path}")
        return mmap.PAGESIZE * sum(page & 1 for page in pages)
