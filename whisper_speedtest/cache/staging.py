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
from typing import TYPE_CHECKING

import msgspec

from adapters.errors import limit_behind
from whisper_speedtest.cache.evidence import Manifest
from whisper_speedtest.cache.folders import matches
from whisper_speedtest.cache.hashes import digest, hash_name
from whisper_speedtest.cache.model import VerificationError
from whisper_speedtest.cache.whole import existing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.folders import RepoFolder
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.inspection import Inspection

_PREFIX = "staging-"
_PART = "part-"
_LOCK = "lock"
_CONTENT = "content"

PARTS_KEPT = 14 * 24 * 3600
"""Seconds for which a partial download is kept that no run continues."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def staging(folder: RepoFolder) -> Iterator[Staging]:
    """Yield a folder for a repo's downloads, which is removed when the block ends.

    The leftovers of killed runs are removed first. Folders of running ones are locked, and stay.
    """
    # Without snapshots/, huggingface_hub's tools take the folder for a broken repo.
    for path in (folder.root / "snapshots", folder.blobs, folder.own):
        path.mkdir(parents=True, exist_ok=True)
    _require_writable(folder.own)
    for left in [*matches(folder.own, f"{_PREFIX}*"), *matches(folder.own, f"{_PART}*")]:
        with _locked(left) as abandoned:
            kept = 0 if left.name.startswith(_PREFIX) else PARTS_KEPT
            if abandoned and left.stat().st_mtime <= time.time() - kept:
                _remove(left)
    while True:
        path = Path(tempfile.mkdtemp(dir=folder.own, prefix=_PREFIX))
        with _locked(path) as ours:
            if ours is not False:  # until it was locked, another run could take it for a leftover
                try:
                    yield Staging(folder, path)
                finally:
                    _remove(path)
                return


def next_step(error: OSError, folder: Path) -> str:
    """Return what to do about a folder that could not be written to."""
    path = error.filename2 or error.filename or folder
    return {
        **dict.fromkeys(_FULL, "make room on its disk (hf cache ls, hf cache rm)"),
        **dict.fromkeys((errno.EMFILE, errno.ENFILE), limit_behind(error)),
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
        places = [folder.root / "refs" / revision, folder.manifest_path(revision, commit)]
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
            with suppress(FileExistsError):  # mkdir's exist_ok fails where it goes meanwhile
                folder.mkdir()
            with _locked(folder) as ours:
                odd = content.is_symlink() or (content.exists() and not content.is_file())
                if ours and not odd:
                    try:
                        with suppress(OSError):  # it says how old the part is, and nothing else
                            os.utime(folder)
                        yield content
                    finally:
                        if not begun(self._folder, etag):
                            _remove(folder)
                    return
            if ours is None:
                _remove(folder)
            if ours is not False or not wait(begun(self._folder, etag)):
                break
        yield self.new()

    def publish(self, staged: Path, etag: str) -> Proof:
        """Move a verified file to the blobs, read it back, and return its proof.

        Raises:
            VerificationError: The disk has not kept what was written.
        """
        return self._placed(staged, self._folder.blobs / etag, etag)

    def adopt(self, path: Path, etag: str) -> Proof:
        """Copy or link a file from outside the cache to the blobs, as `publish` moves one."""
        staged = self.new()
        try:
            os.link(path.resolve(), staged)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, staged)
        return self.publish(staged, etag)

    def _placed(self, staged: Path, path: Path, etag: str) -> Proof:
        """Move a file to `path`, and read it back."""
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
        if self._folder.linked(pointer) == etag:
            return pointer
        pointer.parent.mkdir(parents=True, exist_ok=True)
        link, blob = self.new(), self._folder.blobs / etag
        try:
            link.symlink_to(os.path.relpath(blob, pointer.parent))
            link.readlink()  # fails where a file was made in place of it
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
        self._placed(staged, pointer, etag)

    def refer(self, revision: str, commit: str) -> None:
        """Write the commit of a revision to its ref, as huggingface_hub does."""
        if self._folder.commit(revision) != commit:
            self._write(self._folder.root / "refs" / revision, commit.encode())

    def note(self, found: Inspection) -> None:
        """Write the verified files to the manifest of their revision and commit.

        Its other entries are kept. Confirmed entries also replace those of the same files in the
        manifests of other revisions of the commit. Those manifests keep their times of writing, as
        these show which commit of a revision is the newest.
        """
        revision, commit = found.files.revision, found.commit or ""
        files = self._folder.manifests(revision).get(commit, {}) | found.records
        self._note(Manifest(self._folder.repo, revision, commit, files, found.listed_as))
        confirmed = {name: each for name, each in found.records.items() if not each.unconfirmed}
        for other in self._folder.manifests_of(commit):
            right = {name: each for name, each in confirmed.items() if name in other.files}
            if not right.items() <= other.files.items():
                path = self._folder.manifest_path(other.revision, commit)
                before = path.stat()
                self._note(msgspec.structs.replace(other, files=other.files | right))
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _note(self, manifest: Manifest) -> None:
        manifest = msgspec.structs.replace(manifest, files=dict(sorted(manifest.files.items())))
        text = msgspec.json.format(msgspec.json.encode(manifest))
        self._write(self._folder.manifest_path(manifest.revision, manifest.commit), text)

    def _write(self, path: Path, content: bytes) -> None:
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
def _locked(folder: Path) -> Iterator[bool | None]:
    """Lock a folder while the block runs, and yield whether that succeeded.

    Yields False if another run holds or has removed the folder, and None if it cannot be locked:
    the file system has no locks, or the folder is another user's. The system releases the lock when
    the process ends.
    """
    lock = folder / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    except OSError as error:  # removed, or nothing that can be locked
        yield False if isinstance(error, FileNotFoundError) else None
        return
    held: bool | None = None
    try:
        if flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            held = lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat())
    except (BlockingIOError, FileNotFoundError):
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)


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


def _remove(folder: Path) -> None:
    """Remove a staging folder, as far as possible; another run may be removing it, too."""
    shutil.rmtree(folder, ignore_errors=True)
