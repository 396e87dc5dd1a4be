"""What says which content a file in the hub cache must have, and how one differs from that.

Our manifests say it, and huggingface_hub's listings of commits. Where there is neither, a file that
a link leads to is still named by a hash. That proves that it is what somebody has put there under
that name, and not that a host has it so. Such files are `unconfirmed`, and people are told so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from whisper_speedtest.hub.hashes import hash_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whisper_speedtest.hub.hashes import Proof

UNREADABLE = (OSError, ValueError, RecursionError)
"""What reading a JSON file raises that is not there, or is something else."""

_Size = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""Bytes of a file."""


LONGEST_LISTING = 16_000_000
"""Bytes of what is read of a listing or a manifest, wherever it is from; those of the repos that
models come from are a thousandth of that."""

ANY_SIZE = -1
"""The size of a file of which the hash alone is known."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a file must be, as its host lists it or as something on this machine says.

    `size` is in bytes, or ANY_SIZE. `etag` is the sha256 of a file in LFS or by URL, else git's
    sha1, in hex; `sha256` is "" where only that one is said. `source` is who says it; "" where that
    is the host. `unconfirmed` is for what no host has said, see above.
    """

    name: str
    size: int
    etag: str
    unconfirmed: bool = False
    sha256: str = ""
    source: str = ""

    def contradiction(self, proof: Proof, etag: str) -> str:
        """Return how a file differs, with both sides; "" where it is the right one."""
        if (
            etag == self.etag
            and self.sha256 in {"", proof.sha256}
            and self.size in {ANY_SIZE, proof.size}
        ):
            return ""
        source = f" ({self.source})" if self.source else ""
        got = f"{_hashes(etag, self.sha256 and proof.sha256)} of {proof.size} bytes"
        return f"expected {self}{source}, got {got}"

    def __str__(self) -> str:
        """Return its hashes and its size, as messages say them."""
        size = f" of {self.size} bytes" if self.size != ANY_SIZE else ""
        return f"{hash_name(self.etag)} {_hashes(self.etag, self.sha256)}{size}"


def _hashes(etag: str, sha256: str) -> str:
    return etag if sha256 in {"", etag} else f"{etag} and sha256 {sha256}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repo at one commit, by name; `repo` is what the host calls that repo."""

    repo: str
    commit: str
    files: Mapping[str, RemoteFile]


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A manifest's entry for one file: what it was when it was verified.

    `unconfirmed` means that it was compared with the name of its own blob alone.
    """

    size: _Size
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    etag: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64}|[0-9a-f]{40})\Z")]
    unconfirmed: bool = False

    def remote(self, name: str) -> RemoteFile:
        """Return what a file of that name must be."""
        source = "as when it was first seen" if self.unconfirmed else "as when it was verified"
        return RemoteFile(name, self.size, self.etag, self.unconfirmed, self.sha256, source)


class Manifest(msgspec.Struct, frozen=True):
    """Files of one commit, by name, as they were when they were verified.

    `listed_as` is the repo that the hub led to; "" where that is `repo`.
    """

    repo: str
    revision: str
    commit: str
    files: dict[str, Record]
    listed_as: str = ""


class _Listed(msgspec.Struct):
    """What huggingface_hub's listing of a commit has of one file."""

    size: _Size
    blob_id: str
    lfs_sha256: str | None = None


class Tree(msgspec.Struct):
    """huggingface_hub's listing of a commit."""

    format_version: Literal[1]
    files: dict[str, _Listed]
