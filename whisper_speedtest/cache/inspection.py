"""The state of a model's files in one place: the hub cache, or where a library looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whisper_speedtest.cache.manifests import Record
from whisper_speedtest.cache.model import VerificationError, VerifiedModel

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.hashes import Proof

FileState = Literal["complete", "incomplete", "missing", "corrupt", "other model", "unknown"]
"""The state of one file, or of all files of a model in one place.

complete: every byte was hashed, and is right.
incomplete: some files are complete and the others are missing; only the state of a model.
missing: there is no such file.
corrupt: the file differs from what it must be, or cannot be read.
other model: the file has the content of another file in the hub cache.
unknown: the hub cache has no evidence of what the file must be, or it cannot be understood.
"""

_DECISIVE: tuple[FileState, ...] = ("other model", "corrupt", "unknown")
"""A model has such a state if one of its files has it; the first of these states wins."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of a repo in the hub cache. `commit` and `file` are "" for a blob without a link."""

    repo: str
    commit: str
    file: str

    def __str__(self) -> str:
        """Return `repo@commit file`."""
        commit = f"@{self.commit[:12]}" if self.commit else ""
        return f"{self.repo}{commit} {self.file or '(a file that no commit has now)'}"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one file.

    Attributes:
        name: The file's name in its repo.
        state: Any state but "incomplete", which only a whole model can have.
        path: The path of the file, whether it exists or not.
        etag: The hash that the file must have; "" without evidence.
        proof: Size and hash of the file; None if it is missing or cannot be read.
        reason: What is wrong with it; "" for a complete file.
        origin: The cached file that has this content, if one was searched for and found.
        unconfirmed: Whether it is complete, but only compared with the name of its own blob.
    """

    name: str
    state: FileState
    path: Path
    etag: str = ""
    proof: Proof | None = None
    reason: str = ""
    origin: CachedFile | None = None
    unconfirmed: bool = False

    def matches(self, file: RemoteFile) -> bool:
        """Return whether the file is complete and is the one that a host lists."""
        return self.state == "complete" and self.etag == file.etag


@dataclass(frozen=True, slots=True)
class Inspection:
    """The state of all files of a model in one place, by their names.

    `commit` is the commit of the revision, or None if it is not known. `listed_as` is the repo to
    which the hub redirected; "" if it did not.
    """

    files: ModelFiles
    commit: str | None
    findings: Mapping[str, Finding]
    listed_as: str = ""

    @property
    def state(self) -> FileState:
        """The state of the model as a whole."""
        states = {finding.state for finding in self.findings.values()}
        for state in _DECISIVE:
            if state in states:
                return state
        if states == {"complete"}:
            return "complete"
        return "incomplete" if "complete" in states else "missing"

    @property
    def size(self) -> int:
        """Bytes of the files that exist."""
        return sum(each.proof.size for each in self.findings.values() if each.proof)

    @property
    def records(self) -> dict[str, Record]:
        """The entries of a manifest for the files that exist."""
        return {
            name: Record(each.proof.size, each.proof.sha256, each.etag, each.unconfirmed)
            for name, each in self.findings.items()
            if each.proof
        }

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The files that are not complete."""
        return tuple(each for each in self.findings.values() if each.state != "complete")

    @property
    def unconfirmed(self) -> bool:
        """Whether some files were only compared with the names of their own blobs."""
        return any(each.unconfirmed for each in self.findings.values())

    def verified(self) -> VerifiedModel:
        """Return the model; raise VerificationError unless every file is complete."""
        if self.commit is None or self.state != "complete":
            faults = "; ".join(fault.reason for fault in self.faults) or "it names no file"
            raise VerificationError(f"{self.files}: expected every file complete, got: {faults}")
        return VerifiedModel(
            repo=self.files.repo,
            revision=self.files.revision,
            commit=self.commit,
            files={
                each.name: (each.path, each.proof) for each in self.findings.values() if each.proof
            },
            listed_as=self.listed_as,
            unconfirmed=self.unconfirmed,
        )
