"""Defines the verified model, and the errors that say why a model is not available."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.cache.hashes import Proof, prove

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


UNCONFIRMED = (
    "unconfirmed: no host has said what its files must be, and they have the hashes that the hub "
    "cache names them by; to know, delete the repo's folder there and fetch it anew"
)
"""The explanation of an unconfirmed model; see `cache.evidence`."""


class ModelError(Exception):
    """There is no verified model; the subclasses say why.

    `cause` is the part of the message that errors of other models may share, so that it can be
    shown once for all of them; "" if the whole message is about this model.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class VerificationError(ModelError):
    """A file differs from what it must be, and could not be replaced."""


class Unavailable(ModelError):  # noqa: N818 - skips a test, and is no error of anybody's
    """The model cannot be fetched here and now; the message says what would help."""


class RepoError(ModelError):
    """The host has no such repo, revision or file, so the adapter's check map is wrong."""


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """The files of one model: the path of each, and its proof from when it was verified.

    `revision` is that of the check map, and `commit` is its commit: on the hub a git sha1; for a
    file by URL, and for a model that the project makes, a sha256. `listed_as` is the repo to which
    the hub redirected; "" if it is `repo`. For `unconfirmed` see `cache.evidence`.
    """

    repo: str
    revision: str
    commit: str
    files: Mapping[str, tuple[Path, Proof]]
    listed_as: str = ""
    unconfirmed: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(proof.size for _, proof in self.files.values())

    def resolved(self) -> Self:
        """Return the model with paths of the files themselves, in place of links to them."""
        found = {
            name: (Path(os.path.realpath(path)), proof)  # Path.resolve fails where links go round
            for name, (path, proof) in self.files.items()
        }
        return replace(self, files=found)

    def recheck(self) -> None:
        """Hash every file again; raise VerificationError for the first one that has changed."""
        for name, (path, proof) in self.files.items():
            check_file(f"{self.repo}@{self.commit[:12]} {name}", path, proof)


def check_file(subject: str, path: Path, expected: Proof) -> None:
    """Raise VerificationError unless a file has the expected size and hash; `subject` is its name.

    The size is compared first, as the file need not be read for that.
    """
    if not path.is_file():
        raise VerificationError(f"{subject}: expected {expected.size} bytes at {path}, got no file")
    if (size := path.stat().st_size) != expected.size:
        wrong = f"expected {expected.size} bytes, got {size}"
    elif (got := prove(path)) != expected:
        wrong = f"expected sha256 {expected.sha256}, got {got.sha256}"
    else:
        return
    raise VerificationError(f"{subject}: {wrong}; delete {path} and fetch it anew")
