"""Guards the folder for code that libraries compile while they run, shared by a case's engines.

A compiler that is killed leaves a half-written file under its final name. mlx loads it all the same
(seen with 0.32.4 on a CPU): an empty file is an error, a torn one ends the process, and one that
only lacks its end is computed with. So an engine that fails removes the files that were written
since all were last known to be whole.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.engine.environment import COMPILED

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stamp(NamedTuple):
    """Values that change when a file is written to or replaced."""

    inode: int
    size: int
    modified: int
    """Nanoseconds."""


class Compiled:
    """The shared folder of one engine, which uses it through links in its own folder."""

    def __init__(self, folder: Path, shared: Path | None) -> None:
        """Take the engine's folder and the shared one; None: the engine shares nothing."""
        self.shared = shared
        self._folder = folder
        self._whole: Mapping[Path, Stamp] | None = None

    def note_whole(self) -> None:
        """Take note that every file is whole now, as no engine of the case is computing."""
        self._whole = self._stamps()

    def take_back(self) -> None:
        """Remove files written since every file was whole; the engine's process must have ended."""
        if self._whole is None:  # It was never started.
            return
        # The links go first, as a compiler that is being killed may still write through them.
        for place in COMPILED:
            if (link := self._folder / place).is_symlink():
                link.unlink()
        for path, stamp in self._stamps().items():
            if self._whole.get(path) != stamp:
                path.unlink(missing_ok=True)

    def _stamps(self) -> Mapping[Path, Stamp]:
        """Return the stamp of each file in the shared folder."""
        found = {}
        for folder, _, names in os.walk(self.shared) if self.shared else ():
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):  # A library's own files may come and go.
                    status = path.lstat()
                    found[path] = Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
        return found
