"""What a look at a model's files found: in the hub cache, or where a library looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whisper_speedtest.hub.evidence import Record
from whisper_speedtest.hub.model import VerificationError, VerifiedModel

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.hub.evidence import RemoteFile
    from whisper_speedtest.hub.hashes import Proof

FileState = Literal["complete", "incomplete", "missing", "corrupt", "other model", "unknown"]
"""The state of one file, or of all files of a model in one place.

complete: every byte was hashed, and is right.
incomplete: of a model only; some of its files are complete and the others are missing.
missing: there is no such file.
corrupt: the file has other content than it must have, or cannot be read.
other model: the file has the content of another file in the hub cache.
unknown: nothing in the hub cache says what the file must be, or what says it cannot be understood.
"""

_DECISIVE: tuple[FileState, ...] = ("other model", "corrupt", "unknown")
"""One file in such a state gives the whole model its state; the first of these wins."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of a repo in the hub cache; `commit` and `file` are "" where no link leads to it."""

    repo: str
    commit: str
    file: str

    def __str__(self) -> str:
        """Return `repo@commit file`."""
        commit = f"@{self.commit[:12]}" if self.commit else ""
        return f"{self.repo}{commit} {self.file or '(a file that no commit has now)'}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one file found.

    Attributes:
        name: The file's name in its repo.
        state: Any but "incomplete".
        path: Where the file lies or would lie.
        etag: The hash that the file must have; "" where nothing says.
        proof: What the file is; None where it is missing or cannot be read.
        reason: What is wrong with it; "" for a complete file.
        origin: The cached file that has this content, where that was looked for and found.
        unconfirmed: It is complete, and nothing but its own blob's name says that it is right.
    """

    name: str
    state: FileState
    path: Path
    etag: str
    proof: Proof | None
    reason: str
    origin: CachedFile | None = None
    unconfirmed: bool = False

    def matches(self, file: RemoteFile) -> bool:
        """Return whether the file is complete, and is the one that a host lists."""
        return self.state == "complete" and self.etag == file.etag


@dataclass(frozen=True, slots=True)
class Inspection:
    """All files of a model in one place, by their names.

    `commit` is the one that the revision stands for; None where the place does not know.
    `listed_as` is the repo that the hub led to for it; "" where that is the one asked for.
    """

    files: ModelFiles
    commit: str | None
    findings: Mapping[str, Finding]
    listed_as: str = ""

    @property
    def state(self) -> FileState:
        """One word for all files."""
        states = {finding.state for finding in self.findings.values()}
        for state in _DECISIVE:
            if state in states:
                return state
        if states == {"complete"}:
            return "complete"
        return "incomplete" if "complete" in states else "missing"

    @property
    def size(self) -> int:
        """Bytes of the files that are there."""
        return sum(each.proof.size for each in self.findings.values() if each.proof)

    @property
    def records(self) -> dict[str, Record]:
        """What a manifest has of the files that are there."""
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
        """Whether nothing but the names of the cache itself says that some files are right."""
        return any(each.unconfirmed for each in self.findings.values())

    def verified(self) -> VerifiedModel:
        """Return the model; raise VerificationError unless every file is complete."""
        if self.commit is None or self.state != "complete":
            faults = "; ".join(fault.reason for fault in self.faults) or "it names no file"
            raise VerificationError(f"{self.files}: expected every file complete, got: {faults}")
        files = {
            each.name: (each.path, each.proof) for each in self.findings.values() if each.proof
        }
        wanted = self.files
        return VerifiedModel(
            *(wanted.repo, wanted.revision, self.commit, files, self.listed_as),
            unconfirmed=self.unconfirmed,
        )
