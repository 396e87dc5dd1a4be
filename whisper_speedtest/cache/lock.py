"""The lock of models, `models.lock`, which pins each repo's revision to a commit and hashes.

    {
      "format": "whisper-speedtest lock of models",
      "version": 1,
      "models": {
        "mlx-community/whisper-tiny@main": {
          "commit": "0123…",
          "files": {"config.json": {"size": 268, "sha256": "ab12…"}, …}
        }
      }
    }

A store with a lock requests the locked commit instead of the revision, and accepts only files with
the locked hashes. Models that the project makes itself are not locked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from whisper_speedtest.cache.hashes import is_etag
from whisper_speedtest.common.files import write_whole
from whisper_speedtest.common.text import short

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Self

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.inspection import Inspection
    from whisper_speedtest.cache.model import VerifiedModel

NAME = "models.lock"
FORMAT = "whisper-speedtest lock of models"
VERSION = 1


class LockError(Exception):
    """The lock of models is malformed, or cannot be read or written."""


class LockedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The size in bytes and the sha256 in hex that a file must have."""

    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]

    def __str__(self) -> str:
        """Return the hash and the size, as messages quote them."""
        return f"sha256 {self.sha256} of {self.size} bytes"


class LockedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The commit of a repo's revision, and what each of its files must be."""

    commit: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{40}|[0-9a-f]{64})\Z")]
    files: dict[str, LockedFile]

    @classmethod
    def of(cls, model: VerifiedModel) -> Self:
        """Return the entry of a verified model."""
        files = {
            name: LockedFile(proof.size, proof.sha256)
            for name, (_, proof) in sorted(model.files.items())
        }
        return cls(model.commit, files)

    def contradiction(self, proofs: Mapping[str, Proof]) -> str:
        """Return how files differ from their entries; "" if none differs, or none has an entry."""
        wrong = []
        for name, proof in proofs.items():
            locked, got = self.files.get(name), LockedFile(proof.size, proof.sha256)
            if locked not in {None, got}:
                wrong.append(f"{name}: expected {locked} (as {NAME} has it), got {got}")
        return "; ".join(wrong)

    def judged(self, found: Inspection) -> Inspection:
        """Return an inspection judged by the lock, which outranks the evidence in the hub cache.

        A file that differs from its entry is corrupt. A file that matches is complete and
        confirmed, even without other evidence; its etag is then its sha256.
        """
        findings = dict(found.findings)
        for name, each in found.findings.items():
            if each.state in {"complete", "unknown"} and each.proof and name in self.files:
                wrong = self.contradiction({name: each.proof})
                findings[name] = replace(
                    each,
                    state="corrupt" if wrong else "complete",
                    etag=each.etag or each.proof.sha256,
                    reason=wrong,
                    unconfirmed=False,
                )
        return replace(found, findings=findings)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["whisper-speedtest lock of models"]
    version: Literal[1]
    models: dict[str, LockedModel]

    def __post_init__(self) -> None:
        """Raise ValueError if an entry has another commit than its revision says."""
        for key, entry in self.models.items():
            revision = key.rpartition("@")[2]
            if is_etag(revision) and entry.commit != revision:
                wrong = f"{key} cannot be commit {entry.commit}"
                raise ValueError(wrong)


@dataclass(frozen=True, slots=True)
class Lock:
    """The locked models, by `repo@revision`."""

    models: Mapping[str, LockedModel] = field(default_factory=dict)

    def of(self, files: ModelFiles) -> LockedModel | None:
        """Return the entry of a model; None if the lock has none."""
        return self.models.get(str(files))

    def moved_to(self, commits: Mapping[ModelFiles, str]) -> Lock:
        """Return the lock with new commits for some models, but no hashes of their files yet."""
        entries = {str(files): LockedModel(commit, {}) for files, commit in commits.items()}
        return Lock({**self.models, **entries})

    def with_models(self, models: Iterable[VerifiedModel]) -> Lock:
        """Return the lock with further models, which replace older entries of theirs.

        Files of the same repo and commit are added to one entry, since several cases may need
        different files of one repo.
        """
        entries = dict(self.models)
        for model in models:
            key, entry = f"{model.repo}@{model.revision}", LockedModel.of(model)
            if (there := entries.get(key)) and there.commit == entry.commit:
                files = dict(sorted((there.files | entry.files).items()))
                entry = LockedModel(entry.commit, files)
            entries[key] = entry
        return Lock(dict(sorted(entries.items())))


def read_lock(path: Path) -> Lock:
    """Return the lock in a file; an empty one where there is no file.

    Raises:
        LockError: The file cannot be read, or is malformed; the message names what is wrong.
    """
    try:
        return Lock(msgspec.json.decode(path.read_bytes(), type=_File).models)
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise LockError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise LockError(
            f"{path}: expected a lock of models, as --lock-models writes it; {short(str(error))}; "
            "take the file back from version control, or delete it and write it anew"
        ) from error


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock to a file, whole or not at all.

    Raises:
        LockError: The file cannot be written.
    """
    models: Any = msgspec.to_builtins(lock.models)
    text = json.dumps({"format": FORMAT, "version": VERSION, "models": models}, indent=1) + "\n"
    try:
        write_whole({path: text.encode()})
    except OSError as error:
        raise LockError(f"{path}: cannot be written: {error.strerror or error}") from error
