"""The hub cache as the store: what lies there, what it must be, and how a file gets in.

    models--org--name/
      blobs/<etag>                      a file's bytes; 64 hex digits: sha256, 40: git's sha1
      snapshots/<commit>/<file>         a link to its blob
      refs/<revision>                   the commit that a branch or tag stood for
      .speedtest/<revision>@<commit>.json   our manifest of what was verified
      .speedtest/staging-*/             downloads under way, locked by the run that they are of

The first three are huggingface_hub's own layout, so that its tools see the files; they look at
nothing else. A blob may itself be a link into huggingface_hub's store of blobs shared by repos:
what is hashed is what is read, and what is replaced is the link.

A file by URL lies there in the same way, in `models--host--path`, without a ref: its commit is its
revision, which is its sha256.
Source: huggingface_hub 2.4.0, file_download.py, utils/_cache_manager.py and utils/_shared_blobs.py.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from whisper_speedtest.hub.hashes import digest, hash_name, is_commit, is_etag, is_sha256
from whisper_speedtest.hub.model import VerificationError, VerifiedModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.model import Proof

State = Literal["complete", "incomplete", "corrupt", "missing"]

_MALFORMED = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_MODELS = "models--"
_OWN = ".speedtest"
_STAGING = "staging-"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub lists it; `etag` is its sha256 (in LFS, by URL) or git's sha1, in hex."""

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one file found.

    `state` is complete (every byte hashed, and right), corrupt or missing. `path` is where the file
    lies or would lie, `etag` what it had to hash to, "" where nothing says. `proof` is what it is,
    None for a missing file. `reason` says what is wrong, "" for a complete one.
    """

    name: str
    state: State
    path: Path
    etag: str
    proof: Proof | None
    reason: str

    def proves(self, file: RemoteFile) -> bool:
        """Whether the file is there, and is the one that the hub lists."""
        return self.state == "complete" and self.etag == file.etag


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the cache holds of a model, every byte hashed, without any request.

    `commit` is the one that the revision stood for when it was last fetched; None where nothing in
    the cache says.
    """

    files: ModelFiles
    commit: str | None
    findings: Mapping[str, Finding]

    @property
    def state(self) -> State:
        """One word for all files: a corrupt one makes it corrupt, no file at all missing."""
        states = {finding.state for finding in self.findings.values()}
        if states == {"complete"}:
            return "complete"
        if "corrupt" in states:
            return "corrupt"
        return "incomplete" if "complete" in states else "missing"

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The files that are not complete."""
        return tuple(each for each in self.findings.values() if each.state != "complete")

    def verified(self) -> VerifiedModel:
        """Return the model; raise VerificationError unless every file is complete."""
        if self.commit is None or self.state != "complete":
            faults = "; ".join(fault.reason for fault in self.faults) or "it names no file"
            raise VerificationError(f"{self.files}: expected every file complete, got: {faults}")
        return VerifiedModel(
            self.files.repo,
            self.commit,
            {
                name: (finding.path, finding.proof)
                for name, finding in self.findings.items()
                if finding.proof
            },
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A manifest's line on one file: what it was when it was verified."""

    size: int
    sha256: str
    etag: str


def inspect(cache: Path, files: ModelFiles) -> Inspection:
    """Find and hash a model's files in the hub cache `cache`; makes no request, changes nothing.

    A revision stands for the commit that huggingface_hub noted, or, where that lacks a file, for
    the last of those in our manifests that has them all: another tool, or another model of the same
    repo, may have gone on to a newer commit.
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


def cached_repos(cache: Path) -> list[str]:
    """Return the model repos that have a folder in the cache: their ids, or URLs."""
    with suppress(OSError):
        return sorted(
            _repo_in(cache / name)
            for name in os.listdir(cache)  # noqa: PTH208 - of a thousand entries only the names
            if name.startswith(_MODELS)
        )
    return []


def _folder_name(repo: str) -> str:
    return _MODELS + repo.rpartition("://")[2].replace("/", "--")


def _repo_in(folder: Path) -> str:
    """Return the repo whose folder this is; of a URL, our manifests know the scheme."""
    repo = folder.name.removeprefix(_MODELS).replace("--", "/")
    owner, *names = repo.split("/")
    if len(names) < 2 and not {".", ":"} & set(owner):  # an id on the hub, and no host's name
        return repo
    for path in (folder / _OWN).glob("*@*.json"):
        with suppress(*_MALFORMED):
            noted = json.loads(path.read_text(encoding="utf-8"))["repo"]
            if _folder_name(noted) == folder.name:
                return str(noted)
    return f"https://{repo}" if len(names) > 1 else repo


def is_safe(name: str) -> bool:
    """Whether a file of this name in a repo stays inside the folder that it is put in."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts) or "\\" in name or "\0" in name)


class RepoFolder:
    """One repo's folder in the hub cache; a repo may be the URL of a folder on a web server."""

    def __init__(self, cache: Path, repo: str) -> None:
        """Name the folder; it need not exist."""
        self.repo = repo
        self.by_url = "://" in repo
        self.root = cache / _folder_name(repo)
        self.blobs = self.root / "blobs"
        self.own = self.root / _OWN

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
        """Whether a revision can stand for a commit; that of a file by URL is the commit itself."""
        return is_sha256(commit) and commit == revision if self.by_url else is_commit(commit)

    def look(self, commit: str, name: str, record: Record | None) -> Finding:
        """Hash one file of a commit, and hold it against its etag.

        The etag is the name of the blob that the file is a link to. A file that is no such link has
        only the manifest's `record` to be held against. Where the record names another blob than
        the link does, the link is believed, unless that other blob is there, too. The etag of a
        file by URL is its commit, whatever link or manifest say.
        """
        path = self.pointer(commit, name)
        etag = commit if self.by_url else self.linked(path)
        expected = etag or (record.sha256 if record else "")

        def found(state: State, proof: Proof | None, reason: str) -> Finding:
            known_as = etag or (record.etag if record else "")
            return Finding(name, state, path, known_as, proof, reason and f"{name}: {reason}")

        try:
            proof, got = digest(path, expected)
        except FileNotFoundError:
            return found("missing", None, "not in the cache")
        except OSError as error:
            return found("corrupt", None, f"cannot be read: {error}")
        if got != expected:
            wanted = (
                f"{hash_name(expected)} {expected}" if expected else "a hash to hold it against"
            )
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

        They say what files were, and are never taken for what files are. What is not well-formed or
        of this repo counts as not there.
        """
        found = []
        for path in self.own.glob(f"{quote(revision, safe='')}@*.json"):
            with suppress(*_MALFORMED):
                commit = path.stem.rpartition("@")[2]
                read = json.loads(path.read_text(encoding="utf-8"))
                records = {name: Record(**record) for name, record in read["files"].items()}
                if (
                    [read["repo"], read["revision"], read["commit"]]
                    == [self.repo, revision, commit]
                    and self._may_be(revision, commit)
                    and all(is_sha256(record.sha256) for record in records.values())
                    and all(is_etag(record.etag) for record in records.values())
                ):
                    found.append((path.stat().st_mtime_ns, commit, records))
        return {
            commit: records for _, commit, records in sorted(found, key=itemgetter(0), reverse=True)
        }

    def manifest_path(self, revision: str, commit: str) -> Path:
        """Return where the manifest of a revision's commit lies, or would."""
        return self.own / f"{quote(revision, safe='')}@{commit}.json"

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """Give a folder for downloads, which goes with all that is in it when the block ends.

        First removes what killed runs left behind; that of running ones stays.
        """
        # Without snapshots/, huggingface_hub's tools take the folder for a broken repo.
        for folder in (self.root / "snapshots", self.blobs, self.own):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self.own.glob(f"{_STAGING}*"):
            with _locked(left) as abandoned:
                if abandoned:
                    _remove(left)
        while True:
            path = Path(tempfile.mkdtemp(dir=self.own, prefix=_STAGING))
            with _locked(path) as ours:
                if ours:  # until it was locked, another run could take it for a leftover
                    try:
                        yield Staging(self, path)
                    finally:
                        _remove(path)
                    return


class Staging:
    """A folder of one run's own, on the cache's file system, from which files are moved in.

    What is moved appears at once and whole, and what it replaces is there until then.
    """

    def __init__(self, folder: RepoFolder, path: Path) -> None:
        """Use `path`, which exists and is locked."""
        self._folder = folder
        self._path = path

    def new(self) -> Path:
        """Return a path for a new file."""
        return self._path / secrets.token_hex(8)

    def publish(self, staged: Path, etag: str) -> None:
        """Move a verified file among the blobs."""
        staged.replace(self._folder.blobs / etag)

    def link(self, commit: str, name: str, etag: str) -> Path:
        """Make a file of a commit a link to its blob; return the link."""
        pointer = self._folder.pointer(commit, name)
        if self._folder.linked(pointer) != etag:
            pointer.parent.mkdir(parents=True, exist_ok=True)
            link = self.new()
            link.symlink_to(os.path.relpath(self._folder.blobs / etag, pointer.parent))
            link.replace(pointer)
        return pointer

    def refer(self, revision: str, commit: str) -> None:
        """Note which commit a revision stands for, as huggingface_hub does."""
        if self._folder.commit(revision) != commit:
            self._write(self._folder.root / "refs" / revision, commit)

    def note(self, revision: str, commit: str, records: Mapping[str, Record]) -> None:
        """Write a manifest, adding to one of the same commit."""
        kept = self._folder.manifests(revision).get(commit, {})
        manifest = {
            "repo": self._folder.repo,
            "revision": revision,
            "commit": commit,
            "files": {name: asdict(record) for name, record in sorted({**kept, **records}.items())},
        }
        self._write(self._folder.manifest_path(revision, commit), json.dumps(manifest, indent=2))

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.new()
        new.write_text(text, encoding="utf-8")
        new.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a staging folder while the block runs; False where another run has it or removed it.

    The lock goes with the process that holds it, however that ends.
    """
    lock = folder / _LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat())
    except (BlockingIOError, FileNotFoundError):
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a staging folder. Another run may be doing so, too; what stays is for the next one."""
    shutil.rmtree(folder, ignore_errors=True)
