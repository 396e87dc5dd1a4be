"""Recognises and computes the hashes of files and commits."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader

CHUNK = 1 << 20
"""How many bytes are read, written or hashed at once."""

_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Proof:
    """Identifies the content of a file: its size in bytes, and its sha256 in hex."""

    size: int
    sha256: str


def is_sha1(text: str) -> bool:
    """Return whether `text` has the form of a git sha1, as commits on the hub have, in hex."""
    return bool(_SHA1.fullmatch(text))


def is_sha256(text: str) -> bool:
    """Return whether `text` has the form of a sha256 in hex digits."""
    return bool(_SHA256.fullmatch(text))


def is_etag(text: str) -> bool:
    """Return whether `text` has the form of a file's hash on the hub: a sha256 or a git sha1."""
    return is_sha256(text) or is_sha1(text)


def hash_name(etag: str) -> str:
    """Return the name of the kind of hash that an etag is."""
    return "git sha1" if is_sha1(etag) else "sha256"


class FileDigest:
    """Hashes a file of a known size, piece by piece.

    `etag` is the hash that the file should have. If it is a git sha1, that is computed, too.
    """

    def __init__(self, size: int, etag: str) -> None:
        self.received = 0
        self._sha256 = hashlib.sha256()
        self._git = None
        if is_sha1(etag):
            self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add the next bytes."""
        self.received += len(chunk)
        self._sha256.update(chunk)
        if self._git:
            self._git.update(chunk)

    def result(self) -> tuple[Proof, str]:
        """Return the proof of the bytes, and their etag: the git sha1 if it was computed."""
        sha256 = self._sha256.hexdigest()
        return Proof(self.received, sha256), self._git.hexdigest() if self._git else sha256


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; raise OSError for a pipe, device or folder, which may never end."""
    if not S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.open("rb")


def digest(path: Path, etag: str) -> tuple[Proof, str]:
    """Read a file once; return its proof, and its etag of the same kind as `etag`."""
    with open_file(path) as file:
        content = FileDigest(os.fstat(file.fileno()).st_size, etag)
        buffer = memoryview(bytearray(CHUNK))
        while size := file.readinto(buffer):
            content.update(buffer[:size])
    return content.result()


def prove(path: Path) -> Proof:
    """Read a file once; return its proof."""
    return digest(path, "")[0]
