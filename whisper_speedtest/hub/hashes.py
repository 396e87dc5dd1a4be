"""The hashes that files and commits are known by, and how to come to them."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from whisper_speedtest.hub.model import Proof

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_commit(text: str) -> bool:
    """Whether `text` can be the id of a commit on the hub."""
    return bool(_COMMIT.fullmatch(text))


def is_sha256(text: str) -> bool:
    """Whether `text` can be a sha256, in hex digits."""
    return bool(_SHA256.fullmatch(text))


def is_etag(text: str) -> bool:
    """Whether `text` can be a sha256 or a git sha1, in hex digits."""
    return is_sha256(text) or is_commit(text)


def hash_name(etag: str) -> str:
    """Return what kind of hash an etag is."""
    return "git sha1" if len(etag) == 40 else "sha256"


class FileDigest:
    """Hashes a file of a known size as its bytes come.

    `etag` is what it should come to; its length says whether that is a sha256 or git's sha1.
    """

    def __init__(self, size: int, etag: str) -> None:
        self.received = 0
        self._sha256 = hashlib.sha256()
        self._git = None
        if len(etag) == 40:
            self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add the next bytes."""
        self.received += len(chunk)
        self._sha256.update(chunk)
        if self._git:
            self._git.update(chunk)

    def result(self) -> tuple[Proof, str]:
        """Return what the file is, and the etag that it came to."""
        sha256 = self._sha256.hexdigest()
        return Proof(self.received, sha256), self._git.hexdigest() if self._git else sha256


def digest(path: Path, etag: str) -> tuple[Proof, str]:
    """Read a file once; return what it is, and its etag, in the form of `etag`."""
    with path.open("rb") as file:
        content = FileDigest(os.fstat(file.fileno()).st_size, etag)
        buffer = memoryview(bytearray(CHUNK))
        while size := file.readinto(buffer):
            content.update(buffer[:size])
    return content.result()
