"""Reads the hub cache: which files are there, and whether they are what they must be.

    models--org--name/
      blobs/<etag>                      a file's bytes; 64 hex digits: sha256, 40: git's sha1
      snapshots/<commit>/<file>         a link to its blob
      refs/<revision>                   the commit of a branch or tag
      trees/<commit>.json               the hub's listing of a commit, kept by `snapshot_download`
      .speedtest/<revision>@<commit>.json   our manifest of what was verified
      .speedtest/staging-*/             a run's downloads under way, locked by that run
      .speedtest/part-<etag>/           a download under way or cut off, locked likewise

All but `.speedtest` is huggingface_hub's layout, so that its tools find the files; they ignore
`.speedtest`. On a file system without links, the snapshot has the file itself. A blob may be a link
into a store of blobs that huggingface_hub shares between repos; then the file in the store is
hashed, and only the link is ever replaced.

A file by URL is kept in the same way, in `models--host--path`, but without a ref: its commit and
its revision are both its sha256.
Source: huggingface_hub 2.4.0, file_download.py, _tree_cache.py, utils/_cache_manager.py and
utils/_shared_blobs.py.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from adapters.base import EMBEDDED
from whisper_speedtest.cache.evidence import (
    ANY_SIZE,
    LONGEST_LISTING,
    UNREADABLE,
    Listing,
    Manifest,
    RemoteFile,
    Tree,
)
from whisper_speedtest.cache.hashes import digest, is_etag, is_sha1, is_sha256, open_file
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.common.files import existing
from whisper_speedtest.common.text import human, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.evidence import Record
    from whisper_speedtest.cache.hashes import Proof

_MODELS = "models--"
"""How the name of each model repo's folder begins."""


def _read(path: Path) -> bytes:
    """Return the content of a small file; raise ValueError if it is longer than LONGEST_LISTING."""
    with open_file(path) as file:
        text = file.read(LONGEST_LISTING + 1)
    if len(text) > LONGEST_LISTING:
        wrong = f"expected at most {human(LONGEST_LISTING)}"
        raise ValueError(wrong)
    return text


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return the paths in a folder that match a pattern; none if the folder cannot be read."""
    with suppress(OSError):
        return list(folder.glob(pattern))
    return []


def folder_name(repo: str) -> str:
    """Return the name of a repo's folder in a hub cache.

    For a repo on the hub it is the name that huggingface_hub uses. A URL, a model that the project
    makes, and an id that is impossible on the hub get names of the same form.
    """
    if "://" not in repo and not repo.startswith(EMBEDDED):
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.file_download import repo_folder_name

        with suppress(HFValidationError):
            return repo_folder_name(repo_id=repo, repo_type="model")
    return _MODELS + repo.rpartition("://")[2].replace("/", "--")


def inspect(cache: Path, files: ModelFiles) -> Inspection:
    """Find and hash a model's files in the hub cache `cache`; make no request, change nothing.

    Of the commits that the revision may mean (see `RepoFolder.commits`), it takes the first that
    has all of the files, or else the first of all. It takes no unconfirmed commit in place of a
    verified one whose files have changed or are missing.
    """
    folder = RepoFolder(cache, files.repo)
    inspections: list[Inspection] = []
    commits = folder.commits(files)
    for commit in commits:
        findings = {name: folder.inspect_file(commit, name) for name in files.files}
        found = Inspection(files, commit, findings, folder.listed_as(commit))
        harmed = any(each.state == "corrupt" for each in inspections)
        if found.state == "complete" and not (harmed and found.unconfirmed):
            return found
        inspections.append(found)
    if not inspections:
        nothing = {
            name: Finding(name, "missing", folder.root, reason=f"{name}: not in the cache")
            for name in files.files
        }
        return Inspection(files, None, nothing)
    first, noted = inspections[0], folder.commit(files.revision)
    if noted and noted not in commits:
        return folder.with_unknown_files(first, noted)
    return first


def cached_repos(cache: Path) -> list[RepoFolder]:
    """Return the folders of the model repos in the cache, sorted by repo."""
    with suppress(OSError):
        names = os.listdir(cache)  # noqa: PTH208 - of a thousand entries only the names
        # A name that cannot be printed is no repo's.
        names = [name for name in names if name.startswith(_MODELS) and name.isprintable()]
        folders = [RepoFolder(cache, "", name) for name in names]
        return sorted(folders, key=lambda folder: folder.repo)
    return []


def is_safe(name: str) -> bool:
    """Return whether a file of this name stays inside its folder, so has no `..`, for example."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts) or "\\" in name or "\0" in name)


class RepoFolder:
    """The folder of one repo in the hub cache; a repo may be the URL of a folder on a server."""

    def __init__(self, cache: Path, repo: str, name: str = "") -> None:
        """Describe the folder of `repo`, or the folder called `name`; it need not exist."""
        self.root = cache / (name or folder_name(repo))
        self.blobs = self.root / "blobs"
        self.own = self.root / ".speedtest"
        self.repo = repo or self._repo()
        self.by_url = "://" in self.repo

    def _repo(self) -> str:
        """Return the repo whose folder this is. The scheme of a URL is read from a manifest."""
        repo = self.root.name.removeprefix(_MODELS).replace("--", "/")
        owner, *names = repo.split("/")
        if len(names) < 2 and not {".", ":"} & set(owner):  # an id on the hub, and no host's name
            return repo
        for noted in (manifest.repo for manifest in self.manifests()):
            if folder_name(noted) == self.root.name:
                return noted
        return f"https://{repo}" if len(names) > 1 else repo

    def pointer(self, commit: str, name: str) -> Path:
        """Return the path of a file in a commit's snapshot, whether it exists or not."""
        return self.root / "snapshots" / commit / name

    def commit(self, revision: str) -> str | None:
        """Return the commit of a revision, as huggingface_hub noted it; None if it did not."""
        if self._can_mean(revision, revision):
            return revision
        with suppress(OSError, ValueError):
            noted = _read(self.root / "refs" / revision).decode().strip()
            return noted if self._can_mean(revision, noted) else None
        return None

    def commits(self, files: ModelFiles) -> list[str]:
        """Return the commits that a model's revision may mean, the likeliest first.

        The commit that huggingface_hub noted comes first if there is evidence of its files. There
        is none if another tool has noted a newer commit, but fetched only a part of it or no
        listing; then the commits of our manifests come first. If a host has confirmed files of any
        of these commits, only confirmed commits are returned.
        """
        commits = list(self.verified_commits(files.revision))
        noted = self.commit(files.revision)
        if noted:
            has_evidence = self.listing(noted, files) is not None
            commits = [noted, *commits] if has_evidence else [*commits, noted]
        commits = list(dict.fromkeys(commits))
        confirmed = [each for each in commits if self._is_confirmed(each, files)]
        return confirmed or commits

    def _is_confirmed(self, commit: str, files: ModelFiles) -> bool:
        """Return whether a host has confirmed some of a model's files at a commit."""
        known = (self.evidence(commit, name) for name in files.files)
        return any(each and not each.unconfirmed for each in known)

    def with_unknown_files(self, found: Inspection, noted: str) -> Inspection:
        """Return an inspection in which missing files are unknown if another commit has them.

        `noted` is that commit: huggingface_hub noted it for the revision, but no host confirmed it.
        """
        said = (
            f"expected commit {found.commit}, which was verified, got commit {noted}, which no "
            "host has confirmed"
        )
        findings = {
            name: replace(each, state="unknown", reason=said)
            if each.state == "missing" and os.path.lexists(self.pointer(noted, name))
            else each
            for name, each in found.findings.items()
        }
        return replace(found, findings=findings)

    def listing(self, commit: str, files: ModelFiles) -> Listing | None:
        """Return what a model's files must be at a commit; None without evidence of each file."""
        listed = {}
        for name in files.files:
            if not (known := self.evidence(commit, name)):
                return None
            listed[name] = known
        return Listing(self.listed_as(commit) or self.repo, commit, listed)

    def _can_mean(self, revision: str, commit: str) -> bool:
        """Return whether a revision can mean a commit. For a file by URL they must be equal."""
        return is_sha256(commit) and commit == revision if self.by_url else is_sha1(commit)

    def evidence(self, commit: str, name: str) -> RemoteFile | None:
        """Return what a file of a commit must be, from other evidence than its own link; or None.

        For a file by URL the etag is the commit. For other files the evidence is, in this order:
        confirmed entries of our manifests, of any revision; huggingface_hub's listing of the
        commit; unconfirmed entries of our manifests. Entries that contradict each other are
        ignored.
        """
        if self.by_url:
            return RemoteFile(name, ANY_SIZE, commit)
        entries = self._entries(commit, name)
        confirmed = [entry for entry in entries if not entry.unconfirmed]
        if len(confirmed) == 1:
            return confirmed[0].remote(name)
        tree = self.root / "trees" / f"{commit}.json"
        with suppress(*UNREADABLE, KeyError):
            listed = msgspec.json.decode(_read(tree), type=Tree).files[name]
            if is_etag(etag := listed.lfs_sha256 or listed.blob_id):
                return RemoteFile(name, listed.size, etag, source=f"as {tree} lists it")
        return next(iter(entries)).remote(name) if len(entries) == 1 else None

    def _entries(self, commit: str, name: str) -> dict[Record, Path]:
        """Return each distinct entry for a file → its newest manifest; the newest entry first."""
        entries: dict[Record, Path] = {}
        for manifest in self.manifests(commit):
            if entry := manifest.files.get(name):
                entries.setdefault(entry, self.manifest_path(manifest.revision, commit))
        return entries

    def _fault_of_manifests(self, commit: str, name: str) -> str:
        """Return how our manifests contradict each other, or why one is unreadable; or ""."""
        entries = self._entries(commit, name)
        if len(entries) < 2:
            return self._read_manifests()[1]
        confirmed = {entry: path for entry, path in entries.items() if not entry.unconfirmed}
        got = " and ".join(
            f"{entry.remote(name)} ({path})" for entry, path in (confirmed or entries).items()
        )
        return (
            f"{name}: expected our manifests to agree on what it is at commit {commit[:12]}, got "
            f"{got}; what the hub lists decides"
        )

    def inspect_file(self, commit: str, name: str) -> Finding:
        """Hash one file of a commit, and compare it with the evidence.

        Without evidence, a link to a blob is compared with the name of that blob, and is
        unconfirmed if they match. The file is `unknown` if it is no link, or if manifests
        contradict each other or cannot be understood.
        """
        path = self.pointer(commit, name)
        evidence, fault = self.evidence(commit, name), ""
        if not evidence:
            fault = self._fault_of_manifests(commit, name)
            if linked := self.linked_etag(path):
                evidence = RemoteFile(name, ANY_SIZE, linked, unconfirmed=True)
        etag = evidence.etag if evidence else ""
        try:
            proof, got = digest(path, etag)
        except FileNotFoundError:
            return Finding(name, "missing", path, etag, reason=f"{name}: not in the cache")
        except OSError as error:
            return Finding(name, "corrupt", path, etag, reason=f"{name}: cannot be read: {error}")
        if evidence and (wrong := evidence.contradiction(proof, got)):
            return Finding(name, "corrupt", path, etag, proof, f"{name}: {wrong} at {path}")
        if fault or not evidence:
            no_hash = (
                f"{name}: expected a hash to compare with, from a link to a blob, a manifest or "
                f"trees/, got none for sha256 {got} of {proof.size} bytes at {path}"
            )
            return Finding(name, "unknown", path, proof=proof, reason=fault or no_hash)
        return Finding(name, "complete", path, etag, proof, unconfirmed=evidence.unconfirmed)

    def find_content(
        self, commit: str, file: RemoteFile, places: Iterable[Path]
    ) -> tuple[Path, Proof] | None:
        """Return a path with the content of a commit's file, and its proof; None if there is none.

        The path may be its blob, its snapshot, one of `places` or the snapshot of another commit.
        """
        snapshots = (path / file.name for path in matches(self.root, "snapshots/*"))
        blob, pointer = self.blobs / file.etag, self.pointer(commit, file.name)
        for path in (blob, pointer, *places, *snapshots):
            with suppress(OSError):
                # A link to a blob is passed over: its blob is looked at first, or has other bytes.
                if self.linked_etag(path) or not path.is_file():
                    continue
                if file.size in {ANY_SIZE, path.stat().st_size}:
                    proof, etag = digest(path, file.etag)
                    if etag == file.etag:
                        return path, proof
        return None

    def is_place_of(self, path: Path, commit: str, file: RemoteFile) -> bool:
        """Return whether `path` is the place in the cache where a commit's file belongs."""
        return path in {self.blobs / file.etag, self.pointer(commit, file.name)}

    def may_link(self, path: Path) -> bool:
        """Return whether a file is on the same disk as the blobs; if not, it has to be copied."""
        return existing(self.blobs).stat().st_dev == path.stat().st_dev

    def linked_etag(self, path: Path) -> str:
        """Return the etag of this repo's blob to which `path` is a link; "" if it is no such link.

        It is the blob's name, and nobody has compared the blob's content with it.
        """
        with suppress(OSError):  # no link, or one into nowhere
            target = path.parent / path.readlink()
            if is_etag(target.name) and target.parent.samefile(self.blobs):
                return target.name
        return ""

    def listed_as(self, commit: str) -> str:
        """Return the repo to which the hub redirected for a commit; "" if none or not known."""
        return next((manifest.listed_as for manifest in self.manifests(commit)), "")

    def manifests(self, commit: str = "") -> list[Manifest]:
        """Return our manifests, or only those of one commit, the newest first."""
        return [
            manifest
            for manifest in self._read_manifests()[0]
            if not commit or (manifest.repo, manifest.commit) == (self.repo, commit)
        ]

    def _read_manifests(self) -> tuple[list[Manifest], str]:
        """Return our manifests, the newest first, and the fault of the first bad one, or "".

        A bad manifest cannot be read or understood, or belongs under another name; it is left out.
        So are hidden files: on foreign disks macOS writes `._NAME` beside a file.
        """
        found, fault = [], ""
        try:
            paths = sorted(path for path in self.own.iterdir() if path.match("[!.]*@*.json"))
        except OSError as error:
            return [], _fault_of_manifest(self.own, error)
        for path in paths:
            try:
                manifest = self._read_manifest(path)
                found.append((path.stat().st_mtime_ns, manifest))
            except UNREADABLE as error:
                fault = fault or _fault_of_manifest(path, error)
        found.sort(key=itemgetter(0), reverse=True)
        return [manifest for _, manifest in found], fault

    def _read_manifest(self, path: Path) -> Manifest:
        """Return one of our manifests; raise one of UNREADABLE if it is bad."""
        manifest = msgspec.json.decode(_read(path), type=Manifest)
        right = self.manifest_path(manifest.revision, manifest.commit)
        if (path, folder_name(manifest.repo)) != (right, self.root.name):
            other = f"it is of {manifest.repo}@{manifest.revision}, {manifest.commit}"
            raise ValueError(other)
        return manifest

    def verified_commits(self, revision: str) -> dict[str, dict[str, Record]]:
        """Return each verified commit of a revision, the newest first, with its files' entries."""
        return {
            manifest.commit: manifest.files
            for manifest in self.manifests()
            if (manifest.repo, manifest.revision) == (self.repo, revision)
            and self._can_mean(revision, manifest.commit)
        }

    def manifest_path(self, revision: str, commit: str) -> Path:
        """Return the path of the manifest of a revision's commit, whether it exists or not."""
        return self.own / f"{quote(revision, safe='')}@{commit}.json"


def _fault_of_manifest(path: Path, error: Exception) -> str:
    """Return why a manifest, or the folder of all, cannot be used; "" if it does not exist."""
    if not os.path.lexists(path):
        return ""
    return f"expected the manifest {path} to say what was verified, got none ({short(str(error))})"
