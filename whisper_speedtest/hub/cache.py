"""The hub cache: what lies there, and what it must be.

    models--org--name/
      blobs/<etag>                      a file's bytes; 64 hex digits: sha256, 40: git's sha1
      snapshots/<commit>/<file>         a link to its blob
      refs/<revision>                   the commit that a branch or tag stood for
      .speedtest/<revision>@<commit>.json   our manifest of what was verified
      .speedtest/staging-*/             downloads under way, locked by the run that they are of
      .speedtest/part-<etag>/           a download under way or cut off, locked likewise

The first three are huggingface_hub's own layout, so that its tools see the files; they look at
nothing else. A blob may itself be a link into huggingface_hub's store of blobs shared by repos:
what is hashed is what is read, and what is replaced is the link.

A file by URL lies there in the same way, in `models--host--path`, without a ref: its commit is its
revision, which is its sha256.
Source: huggingface_hub 2.4.0, file_download.py, utils/_cache_manager.py and utils/_shared_blobs.py.
"""

from __future__ import annotations

import os
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import msgspec

from adapters.base import EMBEDDED
from whisper_speedtest.hub.hashes import digest, hash_name, is_etag, is_sha1, is_sha256
from whisper_speedtest.hub.inspection import Finding, Inspection

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.hub.hashes import Proof
    from whisper_speedtest.hub.inspection import FileState
    from whisper_speedtest.hub.remote import RemoteFile

_MODELS = "models--"


class Record(msgspec.Struct, frozen=True):
    """A manifest's entry for one file: what it was when it was verified."""

    size: int
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    etag: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64}|[0-9a-f]{40})\Z")]


class Manifest(msgspec.Struct, frozen=True):
    """Files of one commit, by name, as they were when they were verified."""

    repo: str
    revision: str
    commit: str
    files: dict[str, Record]


def folder_name(repo: str) -> str:
    """Return the name of a repo's folder in a hub cache.

    For a repo on the hub it is huggingface_hub's own. A URL, a model that the project makes, and an
    id that the hub could not have get one of the same form.
    """
    if "://" not in repo and not repo.startswith(EMBEDDED):
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.file_download import repo_folder_name

        with suppress(HFValidationError):
            return repo_folder_name(repo_id=repo, repo_type="model")
    return _MODELS + repo.rpartition("://")[2].replace("/", "--")


def inspect(cache: Path, files: ModelFiles) -> Inspection:
    """Find and hash a model's files in the hub cache `cache`; makes no request, changes nothing.

    A revision stands for the commit that huggingface_hub noted. Another tool, or another model of
    the same repo, may have gone on to a newer commit that lacks some of the files: then it stands
    for the commit that was verified last, of those in our manifests that have them all.
    """
    folder = RepoFolder(cache, files.repo)
    manifests = folder.manifests(files.revision)
    noted = folder.commit(files.revision)
    inspections = []
    for commit in dict.fromkeys([noted, *manifests] if noted else manifests):
        records = manifests.get(commit, {})
        findings = {name: folder.look(commit, name, records.get(name)) for name in files.files}
        inspections.append(Inspection(files, commit, findings))
        if inspections[-1].state == "complete":
            return inspections[-1]
    if inspections:
        return inspections[0]
    nothing = {
        name: Finding(name, "missing", folder.root, "", None, f"{name}: not in the cache")
        for name in files.files
    }
    return Inspection(files, None, nothing)


def cached_repos(cache: Path) -> list[RepoFolder]:
    """Return the folders of the model repos in the cache, by the names of their repos."""
    with suppress(OSError):
        names = os.listdir(cache)  # noqa: PTH208 - of a thousand entries only the names
        folders = [RepoFolder(cache, "", name) for name in names if name.startswith(_MODELS)]
        return sorted(folders, key=lambda folder: folder.repo)
    return []


def is_safe(name: str) -> bool:
    """Return whether a file of this name stays inside the folder that it is put in."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts) or "\\" in name or "\0" in name)


class RepoFolder:
    """One repo's folder in the hub cache; a repo may be the URL of a folder on a web server."""

    def __init__(self, cache: Path, repo: str, name: str = "") -> None:
        """Describe the folder of `repo`, or the one called `name`; it need not exist."""
        self.root = cache / (name or folder_name(repo))
        self.blobs = self.root / "blobs"
        self.own = self.root / ".speedtest"
        self.repo = repo or self._repo()
        self.by_url = "://" in self.repo

    def _repo(self) -> str:
        """Return the repo whose folder this is. Of a URL, the manifests know the scheme."""
        repo = self.root.name.removeprefix(_MODELS).replace("--", "/")
        owner, *names = repo.split("/")
        if len(names) < 2 and not {".", ":"} & set(owner):  # an id on the hub, and no host's name
            return repo
        for path in self.own.glob("*@*.json"):
            with suppress(OSError, ValueError):
                noted = msgspec.json.decode(path.read_bytes(), type=Manifest).repo
                if folder_name(noted) == self.root.name:
                    return noted
        return f"https://{repo}" if len(names) > 1 else repo

    def pointer(self, commit: str, name: str) -> Path:
        """Return where a file of a commit lies, or would."""
        return self.root / "snapshots" / commit / name

    def commit(self, revision: str) -> str | None:
        """Return the commit that a revision stands for, as far as huggingface_hub noted it."""
        if self._may_be(revision, revision):
            return revision
        with suppress(OSError, UnicodeDecodeError):
            noted = (self.root / "refs" / revision).read_text(encoding="utf-8").strip()
            return noted if self._may_be(revision, noted) else None
        return None

    def _may_be(self, revision: str, commit: str) -> bool:
        """Return whether a revision can stand for a commit; by URL they are the same sha256."""
        return is_sha256(commit) and commit == revision if self.by_url else is_sha1(commit)

    def look(self, commit: str, name: str, record: Record | None) -> Finding:
        """Hash one file of a commit, and compare that with the etag that it must have.

        The etag is the name of the blob that the file is a link to. A file that is no such link has
        only the manifest's `record` to be compared with. Where the record names another blob than
        the link does, the link is believed, unless that other blob is there too. The etag of a file
        by URL is its commit, whatever link or manifest say.
        """
        path = self.pointer(commit, name)
        etag = commit if self.by_url else self.linked(path)
        expected = etag or (record.sha256 if record else "")

        def found(state: FileState, proof: Proof | None, reason: str) -> Finding:
            known_as = etag or (record.etag if record else "")
            return Finding(name, state, path, known_as, proof, reason and f"{name}: {reason}")

        try:
            proof, got = digest(path, expected)
        except FileNotFoundError:
            return found("missing", None, "not in the cache")
        except OSError as error:
            return found("corrupt", None, f"cannot be read: {error}")
        if got != expected:
            wanted = f"{hash_name(expected)} {expected}" if expected else "a hash to compare with"
            size = f" of {record.size} bytes" if record else ""
            return found(
                "corrupt",
                proof,
                f"expected {wanted}{size}, got {got} of {proof.size} bytes at {path}",
            )
        linked = etag and not self.by_url
        if record and linked and record.etag != etag and (self.blobs / record.etag).exists():
            return found(
                "corrupt",
                proof,
                f"expected a link to blob {record.etag}, as when it was verified, "
                f"got one to blob {etag} at {path}",
            )
        return found("complete", proof, "")

    def holds(self, file: RemoteFile) -> Proof | None:
        """Return the proof of a file's blob, if it is there and right, whatever links to it."""
        blob = self.blobs / file.etag
        with suppress(OSError):
            if blob.stat().st_size == file.size:
                proof, etag = digest(blob, file.etag)
                return proof if etag == file.etag else None
        return None

    def linked(self, path: Path) -> str:
        """Return the etag of the blob of this repo that `path` is a link to, "" if it is none."""
        with suppress(OSError):  # no link, or one into nowhere
            target = path.parent / path.readlink()
            if is_etag(target.name) and target.parent.samefile(self.blobs):
                return target.name
        return ""

    def manifests(self, revision: str) -> dict[str, dict[str, Record]]:
        """Return each commit of a revision that was verified, the last first, with its files.

        They say what files were, and are never taken for what files are. What is no manifest, or
        not one of this repo, revision and commit, counts as not there.
        """
        found = []
        for path in self.own.glob(f"{quote(revision, safe='')}@*.json"):
            with suppress(OSError, ValueError):
                manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
                if (
                    (manifest.repo, manifest.revision) == (self.repo, revision)
                    and path == self.manifest_path(revision, manifest.commit)
                    and self._may_be(revision, manifest.commit)
                ):
                    found.append((path.stat().st_mtime_ns, manifest))
        found.sort(key=itemgetter(0), reverse=True)
        return {manifest.commit: manifest.files for _, manifest in found}

    def manifest_path(self, revision: str, commit: str) -> Path:
        """Return where the manifest of a revision's commit lies, or would."""
        return self.own / f"{quote(revision, safe='')}@{commit}.json"
