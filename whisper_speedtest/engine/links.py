"""Makes the links through which a library finds the verified files, and notices changes to them.

A file that is exchanged during a load and then put back has the right bytes before and after. But
the system notes when a file was last changed (ctime), and no program can set that time back. Both
writing to a file and moving it change its ctime.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from whisper_speedtest.cache.folders import folder_name
from whisper_speedtest.engine.environment import HF_HOME

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from whisper_speedtest.cache.model import VerifiedModel


def begin_cache(folder: Path, model: VerifiedModel) -> dict[str, str]:
    """Make a hub cache for one model in an engine's folder; return file name → its place there."""
    repo = f"{HF_HOME}/hub/{folder_name(model.repo)}"
    reference = folder / repo / "refs" / model.revision
    reference.parent.mkdir(parents=True)
    reference.write_text(model.commit, encoding="utf-8")
    return {file: f"{repo}/snapshots/{model.commit}/{file}" for file in model.files}


class Link:
    """A link at `place` in an engine's folder to a verified `file`, which is no link itself."""

    def __init__(self, folder: Path, place: str, file: Path) -> None:
        """Make the link, and the folders above it."""
        self._place = place
        self._link = folder / place
        self._file = file
        self._link.parent.mkdir(parents=True, exist_ok=True)
        self._link.symlink_to(self._file)
        self._before = self._statuses()

    def change(self) -> str:
        """Return how the link or the file was changed since the link was made; "" if it was not."""
        if not self._link.is_symlink() or self._link.readlink() != self._file:
            return (
                f"{self._place} changed during the load: expected a link to the verified "
                f"{self._file}, got {self._link.resolve()}"
            )
        after = self._statuses()
        for path, before in self._before.items():
            if _touched(before, after[path], folder=path in self._file.parents):
                return (
                    f"{path} was changed during the load: expected no change since "
                    f"{_time_of_change(before)}, got one at {_time_of_change(after[path])}; let "
                    "nothing write to it, move it or set its permissions meanwhile"
                )
        return ""

    def _statuses(self) -> dict[Path, os.stat_result]:
        """Return the status of the link, of the file, and of each folder above the file."""
        folders = {folder: folder.stat() for folder in self._file.parents}
        return {self._link: self._link.lstat(), self._file: self._link.stat()} | folders


def _touched(before: os.stat_result, after: os.stat_result, *, folder: bool) -> bool:
    """Tell whether a file was written to or moved, or a folder was moved, even if moved back.

    Files that are added to or removed from a folder do not count; they also set its mtime.
    """
    if before.st_ctime_ns == after.st_ctime_ns:
        return False
    only_its_entries = folder and before.st_mtime_ns != after.st_mtime_ns
    return not only_its_entries


def _time_of_change(status: os.stat_result) -> str:
    """Return the time of the last change, in UTC, for messages."""
    return datetime.fromtimestamp(status.st_ctime, UTC).isoformat(" ", "microseconds")
