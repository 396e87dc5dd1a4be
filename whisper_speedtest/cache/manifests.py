"""Our manifests in the hub cache: what was verified of each commit of a repo.

A manifest is `.speedtest/<revision>@<commit>.json` in the folder of its repo. One that cannot be
read or understood, or belongs under another name, is bad: it counts as none, and is told.
"""

from __future__ import annotations

import os
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import msgspec

from whisper_speedtest.cache.evidence import UNREADABLE, RemoteFile, Size
from whisper_speedtest.cache.folders import folder_name, read_small_file
from whisper_speedtest.common.text import short

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.cache.folders import RepoFolder


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A manifest's entry for one file: its size and hashes when it was verified.

    `unconfirmed` means that it was only compared with the name of its own blob.
    """

    size: Size
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    etag: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64}|[0-9a-f]{40})\Z")]
    unconfirmed: bool = False

    def remote(self, name: str) -> RemoteFile:
        """Return what the file called `name` must be, according to this entry."""
        source = "as when it was first seen" if self.unconfirmed else "as when it was verified"
        return RemoteFile(name, self.size, self.etag, self.unconfirmed, self.sha256, source)


class Manifest(msgspec.Struct, frozen=True):
    """The verified files of one commit, by name.

    `listed_as` is the repo to which the hub redirected; "" if it is `repo`.
    """

    repo: str
    revision: str
    commit: str
    files: dict[str, Record]
    listed_as: str = ""


class Manifests:
    """The manifests in a repo's folder, as they were when this was made.

    Attributes:
        all: Every manifest that is not bad, the newest first.
        fault: What is wrong with the first bad one, in the order of their names; "" if none is bad.
    """

    def __init__(self, folder: RepoFolder) -> None:
        """Read all manifests in a folder, which need not exist."""
        self._folder = folder
        self.all, self.fault = _read_all(folder)

    def of_commit(self, commit: str) -> list[Manifest]:
        """Return the manifests of a commit, one for each of its revisions, the newest first."""
        right = self._folder.repo, commit
        return [each for each in self.all if (each.repo, each.commit) == right]

    def verified_commits(self, revision: str) -> dict[str, dict[str, Record]]:
        """Return each verified commit of a revision, the newest first, with its files' entries."""
        right = self._folder.repo, revision
        return {
            each.commit: each.files
            for each in self.all
            if (each.repo, each.revision) == right and self._folder.can_mean(revision, each.commit)
        }

    def records(self, revision: str, commit: str) -> dict[str, Record]:
        """Return the entries of a revision's commit, by file; none where it was not verified."""
        return self.verified_commits(revision).get(commit, {})

    def entries(self, commit: str, name: str) -> dict[Record, Path]:
        """Return each distinct entry for a file → its newest manifest; the newest entry first."""
        entries: dict[Record, Path] = {}
        for manifest in self.of_commit(commit):
            if entry := manifest.files.get(name):
                path = self._folder.manifest_path(manifest.revision, commit)
                entries.setdefault(entry, path)
        return entries

    def listed_as(self, commit: str) -> str:
        """Return the repo to which the hub redirected for a commit; "" if none or not known."""
        return next((manifest.listed_as for manifest in self.of_commit(commit)), "")


def _read_all(folder: RepoFolder) -> tuple[list[Manifest], str]:
    """Return the manifests in a folder, and what is wrong with the first bad one; see `Manifests`.

    Hidden files are left out: on foreign disks macOS writes `._NAME` beside a file.
    """
    found, fault = [], ""
    try:
        paths = sorted(path for path in folder.own.iterdir() if path.match("[!.]*@*.json"))
    except OSError as error:
        return [], _fault_of(folder.own, error)
    for path in paths:
        try:
            manifest = _read(folder, path)
            found.append((path.stat().st_mtime_ns, manifest))
        except UNREADABLE as error:
            fault = fault or _fault_of(path, error)
    found.sort(key=itemgetter(0), reverse=True)
    return [manifest for _, manifest in found], fault


def _read(folder: RepoFolder, path: Path) -> Manifest:
    """Return the manifest at a path in a folder; raise one of UNREADABLE if it is bad."""
    manifest = msgspec.json.decode(read_small_file(path), type=Manifest)
    right = folder.manifest_path(manifest.revision, manifest.commit)
    if (path, folder_name(manifest.repo)) != (right, folder.root.name):
        other = f"it is of {manifest.repo}@{manifest.revision}, {manifest.commit}"
        raise ValueError(other)
    return manifest


def _fault_of(path: Path, error: Exception) -> str:
    """Return why a manifest, or the folder of all, cannot be used; "" if it does not exist."""
    if not os.path.lexists(path):
        return ""
    return f"expected the manifest {path} to say what was verified, got none ({short(str(error))})"
