"""A verified model, and the errors that say why there is none."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.hub.hashes import Proof, prove

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


UNCONFIRMED = (
    "unconfirmed: no host has said what its files must be, and they have the hashes that the hub "
    "cache names them by; to know, delete the repo's folder there and fetch it anew"
)
"""What is said of an unconfirmed model; see `hub.evidence`."""


class ModelError(Exception):
    """There is no verified model; the subclasses say why.

    `cause` is the part of the message that other models may share, so that it can be said once for
    all of them; "" where the whole message is about this model.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class VerificationError(ModelError):
    """A file has other content than it must have, and could not be replaced."""


class Unavailable(ModelError):  # noqa: N818 - skips a test, and is no error of anybody's
    """The model cannot be had here and now; the message says what would help."""


class RepoError(ModelError):
    """The host has no such repo, revision or file, so the adapter's check map is wrong."""


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """The files of one model: where each lies, and what it was when it was verified.

    `revision` is what the check map names, and `commit` what that stood for: on the hub a git sha1;
    for a file by URL, and for a model that the project makes, a sha256. `listed_as` is the repo
    that the hub led to; "" where that is `repo`. It is `unconfirmed` where nothing but the names of
    the hub cache says that some of the files are right; see `hub.evidence`.
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
        """Return the model with each path the file itself, whatever befalls the links to it."""
        found = {
            name: (Path(os.path.realpath(path)), proof)  # Path.resolve fails where links go round
            for name, (path, proof) in self.files.items()
        }
        return replace(self, files=found)

    def recheck(self) -> None:
        """Hash every file again; raise VerificationError for the first that has changed."""
        for name, (path, proof) in self.files.items():
            check_file(f"{self.repo}@{self.commit[:12]} {name}", path, proof)


def check_file(subject: str, path: Path, expected: Proof) -> None:
    """Raise VerificationError unless a file has the expected size and hash; `subject` is its name.

    The size is compared first, since that takes no reading.
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
