"""A model whose every byte is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ModelError(Exception):
    """There is no verified model; which of the errors below it is says why.

    `cause` is the same for all models that lack for the same reason, "" where each has its own.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class VerificationError(ModelError):
    """A file is not the one that it is taken for."""


class Unavailable(ModelError):  # noqa: N818 - a state that skips a test, not an error
    """A model that cannot be had here and now; the message says which, why, and what would help."""


class RepoError(ModelError):
    """The hub, or server, has no such repo, revision or file: the check map is at fault."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file must be: its size in bytes and the hex SHA-256 of its content."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """The files of one model, each with where it lies and what it was verified to be."""

    repo: str
    commit: str
    files: Mapping[str, tuple[Path, Proof]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(proof.size for _, proof in self.files.values())

    def recheck(self) -> None:
        """Hash every file once more; raise VerificationError for the first that differs."""
        for name, (path, proof) in self.files.items():
            check_file(f"{self.repo}@{self.commit[:12]} {name}", path, proof)


def prove(path: Path) -> Proof:
    """Return the size and hash of a file as it is now."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Proof(path.stat().st_size, digest)


def check_file(subject: str, path: Path, expected: Proof) -> None:
    """Raise VerificationError unless the file is what `expected` says; size first, it is free."""
    if not path.is_file():
        raise VerificationError(f"{subject}: expected {expected.size} bytes at {path}, got no file")
    if (size := path.stat().st_size) != expected.size:
        raise VerificationError(
            f"{subject}: expected {expected.size} bytes, got {size}; "
            f"delete {path} and fetch it anew"
        )
    if (got := prove(path)) != expected:
        raise VerificationError(
            f"{subject}: expected sha256 {expected.sha256}, got {got.sha256}; "
            f"delete {path} and fetch it anew"
        )
