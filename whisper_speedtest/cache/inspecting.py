"""Looks into the hub cache: which files are there, and whether they are what they must be.

Each file is hashed, and compared with the evidence that the cache itself has or with what a host
lists. Nothing is changed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from whisper_speedtest.cache.evidence import ANY_SIZE, RemoteFile
from whisper_speedtest.cache.folders import RepoFolder, matches
from whisper_speedtest.cache.hashes import digest
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.local_evidence import LocalEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.hashes import Proof


def inspect(cache: Path, files: ModelFiles) -> Inspection:
    """Find and hash a model's files in the hub cache `cache`; make no request, change nothing.

    Of the commits that the revision may mean (see `LocalEvidence.commits`), it takes the first that
    has all of the files, or else the first of all. It takes no unconfirmed commit in place of a
    verified one whose files have changed or are missing.
    """
    folder = RepoFolder(cache, files.repo)
    evidence = LocalEvidence(folder)
    inspections: list[Inspection] = []
    commits = evidence.commits(files)
    for commit in commits:
        findings = {name: inspect_file(evidence, commit, name) for name in files.files}
        found = Inspection(files, commit, findings, evidence.listed_as(commit))
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
        return _with_unknown_files(folder, first, noted)
    return first


def _with_unknown_files(folder: RepoFolder, found: Inspection, noted: str) -> Inspection:
    """Return an inspection in which missing files are unknown if another commit has them.

    `noted` is that commit: huggingface_hub noted it for the revision, but no host confirmed it.
    """
    said = (
        f"expected commit {found.commit}, which was verified, got commit {noted}, which no "
        "host has confirmed"
    )
    findings = {
        name: replace(each, state="unknown", reason=said)
        if each.state == "missing" and os.path.lexists(folder.pointer(noted, name))
        else each
        for name, each in found.findings.items()
    }
    return replace(found, findings=findings)


def inspect_file(evidence: LocalEvidence, commit: str, name: str) -> Finding:
    """Hash one file of a commit, and compare it with the evidence.

    Without evidence, a link to a blob is compared with the name of that blob, and is
    unconfirmed if they match. The file is `unknown` if it is no link, or if manifests
    contradict each other or cannot be understood.
    """
    path = evidence.folder.pointer(commit, name)
    known, fault = evidence.of_file(commit, name), ""
    if not known:
        fault = evidence.fault_of_manifests(commit, name)
        if linked := evidence.folder.linked_etag(path):
            known = RemoteFile(name, ANY_SIZE, linked, unconfirmed=True)
    etag = known.etag if known else ""
    try:
        proof, got = digest(path, etag)
    except FileNotFoundError:
        return Finding(name, "missing", path, etag, reason=f"{name}: not in the cache")
    except OSError as error:
        return Finding(name, "corrupt", path, etag, reason=f"{name}: cannot be read: {error}")
    if known and (wrong := known.contradiction(proof, got)):
        return Finding(name, "corrupt", path, etag, proof, f"{name}: {wrong} at {path}")
    if fault or not known:
        no_hash = (
            f"{name}: expected a hash to compare with, from a link to a blob, a manifest or "
            f"trees/, got none for sha256 {got} of {proof.size} bytes at {path}"
        )
        return Finding(name, "unknown", path, proof=proof, reason=fault or no_hash)
    return Finding(name, "complete", path, etag, proof, unconfirmed=known.unconfirmed)


def find_content(
    folder: RepoFolder, commit: str, file: RemoteFile, places: Iterable[Path]
) -> tuple[Path, Proof] | None:
    """Return a path with the content of a commit's file, and its proof; None if there is none.

    The path may be its blob, its snapshot, one of `places` or the snapshot of another commit.
    """
    snapshots = (path / file.name for path in matches(folder.root, "snapshots/*"))
    blob, pointer = folder.blobs / file.etag, folder.pointer(commit, file.name)
    for path in (blob, pointer, *places, *snapshots):
        with suppress(OSError):
            # A link to a blob is passed over: its blob is looked at first, or has other bytes.
            if folder.linked_etag(path) or not path.is_file():
                continue
            if file.size in {ANY_SIZE, path.stat().st_size}:
                proof, etag = digest(path, file.etag)
                if etag == file.etag:
                    return path, proof
    return None
