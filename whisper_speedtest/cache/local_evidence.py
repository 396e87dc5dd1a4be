"""What the hub cache itself has as evidence of what a repo's files must be.

For a file by URL that is its commit, which is its hash. For other files it is, in this order:
confirmed entries of our manifests, of any revision; huggingface_hub's listing of the commit;
unconfirmed entries of our manifests. Entries that contradict each other are ignored.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from whisper_speedtest.cache.evidence import ANY_SIZE, UNREADABLE, Listing, RemoteFile, Tree
from whisper_speedtest.cache.folders import read_small_file
from whisper_speedtest.cache.hashes import is_etag
from whisper_speedtest.cache.manifests import Manifests

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.cache.folders import RepoFolder


class LocalEvidence:
    """The evidence in a repo's folder. Manifests count as they were when this was made."""

    def __init__(self, folder: RepoFolder) -> None:
        """Read the manifests in a folder, which need not exist."""
        self.folder = folder
        self._manifests = Manifests(folder)

    def commits(self, files: ModelFiles) -> list[str]:
        """Return the commits that a model's revision may mean, the likeliest first.

        The commit that huggingface_hub noted comes first if there is evidence of its files. There
        is none if another tool has noted a newer commit, but fetched only a part of it or no
        listing; then the commits of our manifests come first. If a host has confirmed files of any
        of these commits, only confirmed commits are returned.
        """
        commits = list(self._manifests.verified_commits(files.revision))
        noted = self.folder.commit(files.revision)
        if noted:
            has_evidence = self.listing(noted, files) is not None
            commits = [noted, *commits] if has_evidence else [*commits, noted]
        commits = list(dict.fromkeys(commits))
        confirmed = [each for each in commits if self._is_confirmed(each, files)]
        return confirmed or commits

    def _is_confirmed(self, commit: str, files: ModelFiles) -> bool:
        """Return whether a host has confirmed some of a model's files at a commit."""
        known = (self.of_file(commit, name) for name in files.files)
        return any(each and not each.unconfirmed for each in known)

    def listing(self, commit: str, files: ModelFiles) -> Listing | None:
        """Return what a model's files must be at a commit; None without evidence of each file."""
        listed = {}
        for name in files.files:
            if not (known := self.of_file(commit, name)):
                return None
            listed[name] = known
        return Listing(self.listed_as(commit) or self.folder.repo, commit, listed)

    def listed_as(self, commit: str) -> str:
        """Return the repo to which the hub redirected for a commit; "" if none or not known."""
        return self._manifests.listed_as(commit)

    def of_file(self, commit: str, name: str) -> RemoteFile | None:
        """Return what a file of a commit must be, from other evidence than its own link; or None.

        Of several kinds of evidence the first counts, in the order of the module's docstring.
        """
        if self.folder.by_url:
            return RemoteFile(name, ANY_SIZE, commit)
        entries = self._manifests.entries(commit, name)
        confirmed = [entry for entry in entries if not entry.unconfirmed]
        if len(confirmed) == 1:
            return confirmed[0].remote(name)
        path = self.folder.listing_path(commit)
        with suppress(*UNREADABLE, KeyError):
            listed = msgspec.json.decode(read_small_file(path), type=Tree).files[name]
            if is_etag(etag := listed.lfs_sha256 or listed.blob_id):
                return RemoteFile(name, listed.size, etag, source=f"as {path} lists it")
        return next(iter(entries)).remote(name) if len(entries) == 1 else None

    def fault_of_manifests(self, commit: str, name: str) -> str:
        """Return how our manifests contradict each other, or why one is unreadable; or ""."""
        entries = self._manifests.entries(commit, name)
        if len(entries) < 2:
            return self._manifests.fault
        confirmed = {entry: path for entry, path in entries.items() if not entry.unconfirmed}
        got = " and ".join(
            f"{entry.remote(name)} ({path})" for entry, path in (confirmed or entries).items()
        )
        return (
            f"{name}: expected our manifests to agree on what it is at commit {commit[:12]}, got "
            f"{got}; what the hub lists decides"
        )
