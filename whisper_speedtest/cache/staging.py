"""Puts files into the hub cache: they are written beside it, moved in at once, and read back.

On a file system without symbolic links, a file is hard-linked or moved to the place of the link. On
one without locks, the leftovers of other runs are not removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from adapters.errors import advice_on_limit
from whisper_speedtest.cache.folders import matches
from whisper_speedtest.cache.hashes import digest, hash_name
from whisper_speedtest.cache.manifests import Manifest, Manifests
from whisper_speedtest.cache.model import VerificationError
from whisper_speedtest.common.files import existing, flock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.folders import RepoFolder
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.inspection import Inspection
    from whisper_speedtest.cache.manifests import Record

_PREFIX = "staging-"
_PART = "part-"
_LOCK = "lock"
_CONTENT = "content"

PARTS_KEPT = 14 * 24 * 3600
"""Seconds for which a partial download is kept that no run continues."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
"""The errors of a disk, or of a quota, that has no room left."""

_Locking = Literal["locked", "lost", "impossible"]
"""What became of the attempt to lock a folder.

locked: this run holds the lock.
lost: another run holds the lock, or has removed the folder.
impossible: the file system has no locks, or the folder belongs to another user.
"""


@contextmanager
def staging(folder: RepoFolder) -> Iterator[Staging]:
    """Yield a folder for a repo's downloads, which is removed when the block ends.

    The leftovers of killed runs are removed first. Folders of running ones are locked, and stay.
    """
    # Without snapshots/, huggingface_hub's tools take the folder for a broken repo.
    for path in (folder.root / "snapshots", folder.blobs, folder.own):
        path.mkdir(parents=True, exist_ok=True)
    _require_writable(folder.own)
    _remove_leftovers(folder)
    while True:
        path = Path(tempfile.mkdtemp(dir=folder.own, prefix=_PREFIX))
        with _lock(path) as locking:
            if locking == "lost":
                continue  # before it was locked, another run took it for a leftover
            try:
                yield Staging(folder, path)
            finally:
                _remove(path)
            return


def _remove_leftovers(folder: RepoFolder) -> None:
    """Remove the staging folders of runs that were killed, and old partial downloads."""
    kept = [(path, 0) for path in matches(folder.own, f"{_PREFIX}*")]
    kept += [(path, PARTS_KEPT) for path in matches(folder.own, f"{_PART}*")]
    for path, seconds in kept:
        with _lock(path) as locking:
            if locking == "locked" and path.stat().st_mtime <= time.time() - seconds:
                _remove(path)


def record(folder: RepoFolder, found: Inspection) -> None:
    """Write the manifest of a complete model that has none."""
    recorded = Manifests(folder).records(found.files.revision, found.commit or "")
    if found.records.items() <= recorded.items():
        return
    # A read-only cache can be used without a manifest: each run hashes the files anyway.
    with suppress(OSError), staging(folder) as stage:
        stage.write_manifest(found)


def advice_on_folder(error: OSError, folder: Path) -> str:
    """Return what to do about a folder that could not be written to."""
    path = error.filename2 or error.filename or folder
    return {
        **dict.fromkeys(_FULL, "make room on its disk (hf cache ls, hf cache rm)"),
        **dict.fromkeys((errno.EMFILE, errno.ENFILE), advice_on_limit(error)),
        errno.EROFS: "mount its file system for writing",
        errno.EIO: "check its disk, which fails",
        errno.EACCES: f"make {path} writable",
        errno.EPERM: f"make {path} writable",
        errno.EISDIR: f"move {path} away, which is a folder where a file belongs",
        errno.EXDEV: f"move {path} to the disk on which the other folders of its repo are",
        errno.EEXIST: f"repair {path}, which is no folder, or a link to none: is its disk there?",
        errno.ENOTDIR: f"repair {path}, of which a part is no folder",
    }.get(error.errno or 0, f"repair {path}")


class Staging:
    """One run's folder on the cache's file system, from which files are moved into the cache.

    A moved file appears as a whole, and the file that it replaces exists until then.
    """

    def __init__(self, folder: RepoFolder, path: Path) -> None:
        """Use `path`, which exists and is locked."""
        self._folder = folder
        self._path = path
        self._moved: dict[str, Path] = {}

    def require(self, revision: str, commit: str, files: Iterable[RemoteFile]) -> None:
        """Raise OSError, before a download, if a file could not be moved to its place."""
        folder = self._folder
        places = [folder.ref_path(revision), folder.manifest_path(revision, commit)]
        for file in files:
            places += [folder.blobs / file.etag, folder.pointer(commit, file.name)]
        for place in places:
            if place.is_dir() and not place.is_symlink():
                raise _error(errno.EISDIR, place)
        for above in {existing(place.parent) for place in places}:
            _require_writable(above)
            if above.stat().st_dev != self._path.stat().st_dev:
                raise _error(errno.EXDEV, above)

    def new(self) -> Path:
        """Return a path for a new file."""
        return self._path / secrets.token_hex(8)

    @contextmanager
    def part(self, etag: str, wait: Callable[[int], bool]) -> Iterator[Path]:
        """Yield the path that a blob is downloaded to. If the block fails, the file is kept.

        Only one run has the file at a time. Other runs call `wait` with its size in bytes until
        they get the file, or `wait` returns False. Then, and on file systems without locks, they
        get a file of their own, which is not kept.
        """
        folder = _part(self._folder, etag)
        content = folder / _CONTENT
        while True:
            with suppress(FileExistsError):  # exist_ok=True raises if another run removes it now
                folder.mkdir()
            with _lock(folder) as locking:
                no_file = content.is_symlink() or (content.exists() and not content.is_file())
                if locking == "locked" and not no_file:
                    try:
                        with suppress(OSError):  # the time only says how old the part is
                            os.utime(folder)
                        yield content
                    finally:
                        if not begun(self._folder, etag):
                            _remove(folder)
                    return
            if locking == "impossible":
                _remove(folder)
            if locking != "lost" or not wait(begun(self._folder, etag)):
                break
        yield self.new()

    def publish(self, staged: Path, etag: str) -> Proof:
        """Move a verified file to the blobs, read it back, and return its proof.

        Raises:
            VerificationError: The disk has not kept what was written.
        """
        return self._move(staged, self._folder.blobs / etag, etag)

    def adopt(self, path: Path, etag: str) -> Proof:
        """Copy or link a file from outside the cache to the blobs, as `publish` moves one."""
        staged = self.new()
        try:
            os.link(path.resolve(), staged)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, staged)
        return self.publish(staged, etag)

    def _move(self, staged: Path, path: Path, etag: str) -> Proof:
        """Move a file to `path`, read it back, and return its proof; see `publish`."""
        staged.replace(path)
        proof, got = digest(path, etag)
        if got != etag:
            path.unlink()
            raise VerificationError(
                f"{self._folder.repo}: expected {hash_name(etag)} {etag} to be read back from "
                f"{path}, got {got} of {proof.size} bytes; check the disk, which does not keep "
                "what is written to it, or set HF_HUB_CACHE to a folder on another disk"
            )
        return proof

    def link(self, commit: str, name: str, etag: str) -> Path:
        """Link a snapshot's file to its blob, or put the content there; return the path."""
        pointer = self._folder.pointer(commit, name)
        if self._folder.linked_etag(pointer) == etag:
            return pointer
        pointer.parent.mkdir(parents=True, exist_ok=True)
        link, blob = self.new(), self._folder.blobs / etag
        try:
            link.symlink_to(os.path.relpath(blob, pointer.parent))
            link.readlink()  # raises OSError if the file system has made a file instead
        except OSError:
            self._put_without_link(blob, pointer, etag)
        else:
            link.replace(pointer)
        return pointer

    def _put_without_link(self, blob: Path, pointer: Path, etag: str) -> None:
        """Put a blob's content into a snapshot without a symbolic link.

        If it cannot be hard-linked, the blob itself is moved there, as huggingface_hub does.
        """
        staged = self.new()
        try:
            os.link(blob, staged)
        except OSError:
            if etag in self._moved:
                shutil.copyfile(self._moved[etag], staged)
            else:
                blob.replace(staged)
                self._moved[etag] = pointer
        self._move(staged, pointer, etag)

    def write_ref(self, revision: str, commit: str) -> None:
        """Write the commit of a revision to its ref, as huggingface_hub does."""
        if self._folder.commit(revision) != commit:
            self._write_file(self._folder.ref_path(revision), commit.encode())

    def write_manifest(self, found: Inspection) -> None:
        """Add the verified files to the manifest of their revision and commit.

        Its other entries are kept. The manifests of other revisions of the same commit are
        corrected where they have other entries for files that a host has confirmed.
        """
        revision, commit = found.files.revision, found.commit or ""
        files = Manifests(self._folder).records(revision, commit) | found.records
        self._write(Manifest(self._folder.repo, revision, commit, files, found.listed_as))
        confirmed = {name: each for name, each in found.records.items() if not each.unconfirmed}
        for other in Manifests(self._folder).of_commit(commit):
            right = {name: each for name, each in confirmed.items() if name in other.files}
            if not right.items() <= other.files.items():
                self._correct(other, right)

    def _correct(self, manifest: Manifest, right: dict[str, Record]) -> None:
        """Replace some entries of a manifest, but keep its time of writing.

        The times show which commit of a revision is the newest.
        """
        path = self._folder.manifest_path(manifest.revision, manifest.commit)
        before = path.stat()
        self._write(msgspec.structs.replace(manifest, files=manifest.files | right))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _write(self, manifest: Manifest) -> None:
        """Write a manifest with its entries in the order of their names."""
        manifest = msgspec.structs.replace(manifest, files=dict(sorted(manifest.files.items())))
        text = msgspec.json.format(msgspec.json.encode(manifest))
        self._write_file(self._folder.manifest_path(manifest.revision, manifest.commit), text)

    def _write_file(self, path: Path, content: bytes) -> None:
        """Write a small file beside its place, and move it there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.new()
        new.write_bytes(content)
        new.replace(path)


def _require_writable(folder: Path) -> None:
    """Raise OSError unless files can be written to a folder."""
    if not folder.is_dir():
        raise _error(errno.ENOTDIR, folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise _error(errno.EROFS if read_only else errno.EACCES, folder)


def _error(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def begun(folder: RepoFolder, etag: str) -> int:
    """Return how many bytes of a blob an earlier or another run has downloaded so far."""
    with suppress(OSError):
        content = _part(folder, etag) / _CONTENT
        return content.stat().st_size if content.is_file() else 0
    return 0


def _part(folder: RepoFolder, etag: str) -> Path:
    return folder.own / f"{_PART}{etag}"


@contextmanager
def _lock(folder: Path) -> Iterator[_Locking]:
    """Try to lock a folder while the block runs, and yield what became of that.

    Should this process be killed, the system releases the lock.
    """
    lock = folder / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        yield "lost"
        return
    except OSError:
        yield "impossible"
        return
    try:
        yield _try_lock(descriptor, lock)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, lock: Path) -> _Locking:
    """Lock an open file; another run may have removed or replaced it at its path, `lock`."""
    try:
        if not flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return "impossible"
        same = os.path.samestat(os.fstat(descriptor), lock.stat())
    except (BlockingIOError, FileNotFoundError, NotADirectoryError):
        return "lost"
    return "locked" if same else "lost"


def _remove(folder: Path) -> None:
    """Remove a staging folder, as far as possible; another run may be removing it, too."""
    shutil.rmtree(folder, ignore_errors=True)
