"""How files get into the hub cache: downloaded beside it, verified, and then moved in at once."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from whisper_speedtest.hub.cache import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whisper_speedtest.hub.cache import Record, RepoFolder

_PREFIX = "staging-"
_PART = "part-"
_LOCK = "lock"
_CONTENT = "content"

PARTS_KEPT = 14 * 24 * 3600
"""Seconds that a part of a file is kept in which no run goes on with it."""


@contextmanager
def staging(folder: RepoFolder) -> Iterator[Staging]:
    """Give a folder for a repo's downloads, which is removed when the block ends.

    First removes what killed runs left behind. The folders of runs that go on are locked, and stay.
    """
    # Without snapshots/, huggingface_hub's tools take the folder for a broken repo.
    for needed in (folder.root / "snapshots", folder.blobs, folder.own):
        needed.mkdir(parents=True, exist_ok=True)
    for left in [*folder.own.glob(f"{_PREFIX}*"), *folder.own.glob(f"{_PART}*")]:
        with _locked(left) as abandoned:
            kept = 0 if left.name.startswith(_PREFIX) else PARTS_KEPT
            if abandoned and left.stat().st_mtime <= time.time() - kept:
                _remove(left)
    while True:
        path = Path(tempfile.mkdtemp(dir=folder.own, prefix=_PREFIX))
        with _locked(path) as ours:
            if ours:  # until it was locked, another run could take it for a leftover
                try:
                    yield Staging(folder, path)
                finally:
                    _remove(path)
                return


class Staging:
    """A folder of one run's own, on the cache's file system, from which files are moved in.

    What is moved appears at once and whole, and what it replaces is there until then.
    """

    def __init__(self, folder: RepoFolder, path: Path) -> None:
        """Use `path`, which exists and is locked."""
        self._folder = folder
        self._path = path

    def new(self) -> Path:
        """Return a path for a new file."""
        return self._path / secrets.token_hex(8)

    @contextmanager
    def part(self, etag: str, wait: Callable[[int], bool]) -> Iterator[Path]:
        """Give the file that a blob is downloaded into. If that fails, it is kept for the next run.

        One run has it at a time. The others call `wait`, with its size in bytes, until it is theirs
        or that is false: then they get a file of their own, which is not kept.
        """
        folder = _part(self._folder, etag)
        content = folder / _CONTENT
        while True:
            folder.mkdir(exist_ok=True)
            with _locked(folder) as ours:
                if ours:
                    try:
                        os.utime(folder)
                        yield content
                    finally:
                        if not begun(self._folder, etag):
                            _remove(folder)
                    return
            if not wait(begun(self._folder, etag)):
                break
        yield self.new()

    def publish(self, staged: Path, etag: str) -> None:
        """Move a verified file among the blobs."""
        staged.replace(self._folder.blobs / etag)

    def link(self, commit: str, name: str, etag: str) -> Path:
        """Make a file of a commit a link to its blob; return the link."""
        pointer = self._folder.pointer(commit, name)
        if self._folder.linked(pointer) != etag:
            pointer.parent.mkdir(parents=True, exist_ok=True)
            link = self.new()
            link.symlink_to(os.path.relpath(self._folder.blobs / etag, pointer.parent))
            link.replace(pointer)
        return pointer

    def refer(self, revision: str, commit: str) -> None:
        """Note which commit a revision stands for, as huggingface_hub does."""
        if self._folder.commit(revision) != commit:
            self._write(self._folder.root / "refs" / revision, commit.encode())

    def note(self, revision: str, commit: str, records: Mapping[str, Record]) -> None:
        """Write a manifest, adding to one of the same commit."""
        files = {**self._folder.manifests(revision).get(commit, {}), **records}
        manifest = Manifest(self._folder.repo, revision, commit, dict(sorted(files.items())))
        text = msgspec.json.format(msgspec.json.encode(manifest))
        self._write(self._folder.manifest_path(revision, commit), text)

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.new()
        new.write_bytes(content)
        new.replace(path)


def begun(folder: RepoFolder, etag: str) -> int:
    """Return how many bytes of a blob an earlier run has left, or another run has by now."""
    with suppress(OSError):
        return (_part(folder, etag) / _CONTENT).stat().st_size
    return 0


def _part(folder: RepoFolder, etag: str) -> Path:
    return folder.own / f"{_PART}{etag}"


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block runs; False where another run has it or removed it.

    The lock goes with the process that holds it, however that ends.
    """
    lock = folder / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat())
    except (BlockingIOError, FileNotFoundError):
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a staging folder. Another run may be doing so, too; what stays is for the next one."""
    shutil.rmtree(folder, ignore_errors=True)
