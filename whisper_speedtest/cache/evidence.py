"""Which content a file in the hub cache must have, according to a host, a listing or a manifest.

Our manifests of verified models know the hash of each file, and so do huggingface_hub's listings of
commits. Where there is neither, only the name of a file's blob holds its hash. A match with that
proves that the file is undamaged, but not that its host has the same file, since anyone can put a
blob into the cache. Such a file is `unconfirmed`, and the user is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from whisper_speedtest.cache.hashes import hash_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whisper_speedtest.cache.hashes import Proof

UNREADABLE = (OSError, ValueError, RecursionError)
"""What reading a JSON file raises if the file is missing or malformed."""

Size = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""The size of a file, in bytes."""

LONGEST_LISTING = 16_000_000
"""The longest listing or manifest that is read, in bytes. Real ones have a thousandth of that."""

ANY_SIZE = -1
"""Stands for the size of a file if only its hash is known."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """The size and hashes that a file must have.

    Attributes:
        name: The file's path in its repo.
        size: Bytes, or ANY_SIZE.
        etag: In hex, the sha256 of a file in LFS or by URL, else git's sha1.
        unconfirmed: Whether no host has confirmed the hash (see the module's docstring).
        sha256: In hex; "" if only the etag is known.
        source: Where on this machine these are from, as messages say it; "" if from the host.
    """

    name: str
    size: int
    etag: str
    unconfirmed: bool = False
    sha256: str = ""
    source: str = ""

    def contradiction(self, proof: Proof, etag: str) -> str:
        """Return what was expected and what was found; "" if the file is the right one."""
        if (
            etag == self.etag
            and self.sha256 in {"", proof.sha256}
            and self.size in {ANY_SIZE, proof.size}
        ):
            return ""
        source = f" ({self.source})" if self.source else ""
        sha256 = proof.sha256 if self.sha256 else ""
        return f"expected {self}{source}, got {_hashes(etag, sha256)} of {proof.size} bytes"

    def __str__(self) -> str:
        """Return the hashes and the size, as messages quote them."""
        size = f" of {self.size} bytes" if self.size != ANY_SIZE else ""
        return f"{hash_name(self.etag)} {_hashes(self.etag, self.sha256)}{size}"


def _hashes(etag: str, sha256: str) -> str:
    """Return the etag and the sha256 for messages, or one of them if both say the same."""
    return etag if sha256 in {"", etag} else f"{etag} and sha256 {sha256}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repo at one commit, by name. `repo` is the host's own name for the repo."""

    repo: str
    commit: str
    files: Mapping[str, RemoteFile]


class _Listed(msgspec.Struct):
    """The entry for one file in huggingface_hub's listing of a commit."""

    size: Size
    blob_id: str
    lfs_sha256: str | None = None


class Tree(msgspec.Struct):
    """huggingface_hub's listing of a commit, as it lies in the hub cache."""

    format_version: Literal[1]
    files: dict[str, _Listed]
