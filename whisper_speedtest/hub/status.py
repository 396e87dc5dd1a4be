"""What `--check-models` says of a model: where its files lie, and whether they are the right ones.

Each file is hashed, in the hub cache and in the place where the library itself would look: below
the current folder, below the user's home or, again, in the hub cache. What several cases have in
common is hashed once. No request is made. `as_json` gives what `--check-models=json` prints:

    cache                  the hub cache
    complete               whether every model is complete there
    models[]               in the order of the tests
      adapter, size, variant
      repo, revision       on the hub; or a folder's URL, and the sha256 of the one file
      commit               what the revision stood for when it was last fetched, or null
      files                the names of the files that are needed, in the repo
      cache, library       the two places, which may be the same, each with
        state              a State, of all files together
        bytes              of the files that are there
        files[]            name, path, state, bytes and sha256 (null for a missing file),
                           reason (what is wrong, or ""),
                           origin (repo, commit and file whose bytes these are instead, or null)
      loads                null but for --check-models=load: "loads", "not tried", or why not
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adapters import adapter_class, files_of
from whisper_speedtest.hub import embedded
from whisper_speedtest.hub.cache import RepoFolder, cached_repos, inspect
from whisper_speedtest.hub.hashes import digest, hash_name
from whisper_speedtest.hub.model import ModelError, VerifiedModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from adapters.base import Case, ModelFiles
    from whisper_speedtest.hub.cache import Finding

State = Literal["complete", "incomplete", "corrupt", "other model", "missing", "unknown"]
"""Unknown: there is a file, and nothing in the cache says what it must be."""

_BY_WEIGHT: tuple[State, ...] = ("other model", "corrupt", "unknown")
"""One file in such a state gives the whole its state; the first of these wins."""

_THREADS = 8
_GIT = "0" * 40  # has the form of a git sha1


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of a cached repo that some bytes are; `commit` and `file` "" where no link says."""

    repo: str
    commit: str
    file: str

    def __str__(self) -> str:
        """Return `repo@commit file`."""
        commit = f"@{self.commit[:12]}" if self.commit else ""
        return f"{self.repo}{commit} {self.file or '(a file that no commit has now)'}"


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file in one place; `size` in bytes."""

    name: str
    path: Path
    state: State
    size: int | None
    sha256: str | None
    reason: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """All files of a model in one place."""

    files: tuple[FileStatus, ...]

    @property
    def state(self) -> State:
        """One word for all files."""
        states = {file.state for file in self.files}
        for state in _BY_WEIGHT:
            if state in states:
                return state
        if states == {"complete"}:
            return "complete"
        return "incomplete" if "complete" in states else "missing"

    @property
    def size(self) -> int:
        """Bytes of the files that are there."""
        return sum(file.size or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One case's model, in the hub cache and in the library's own place, which may be the same.

    `verified` is None unless it is complete in the hub cache.
    """

    case: Case
    files: ModelFiles
    commit: str | None
    cache: Place
    own_place: Place
    verified: VerifiedModel | None

    @property
    def absent(self) -> bool:
        """Whether no file of it is in either place, with nothing more to say of it."""
        places = {self.cache.state, self.own_place.state}
        return places == {"missing"} and not self.files.embedded


@dataclass(frozen=True, slots=True)
class _Known:
    """What the cache says of a model; `etags` are what its files have to hash to, "" if unknown."""

    commit: str | None
    place: Place
    verified: VerifiedModel | None
    etags: Mapping[str, str]


def check(cases: Iterable[Case], cache: Path, folder: Path) -> list[ModelStatus]:
    """Look each case up in the hub cache `cache` and where its library looks from `folder`."""
    models: dict[Case, ModelFiles] = {}
    own: dict[Case, list[tuple[ModelFiles, str, Path]]] = {}
    for case in cases:
        adapter = adapter_class(case.adapter)
        models[case] = files_of(case)
        own[case] = [
            (models[case], name, _expanded(folder, place))
            for name, place in (adapter.place(case) or {}).items()
        ]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="status") as pool:
        distinct = list(dict.fromkeys(models.values()))
        looks = pool.map(lambda files: _known(files, cache), distinct)
        known = dict(zip(distinct, looks, strict=True))

        def look(files: ModelFiles, name: str, path: Path) -> FileStatus:
            return _in_library(cache, files, name, path, known[files].etags[name])

        places = list(dict.fromkeys(place for places in own.values() for place in places))
        found = dict(zip(places, pool.map(lambda place: look(*place), places), strict=True))
    return [
        ModelStatus(
            case,
            files,
            known[files].commit,
            known[files].place,
            Place(tuple(found[place] for place in own[case])) if own[case] else known[files].place,
            known[files].verified,
        )
        for case, files in models.items()
    ]


def _expanded(folder: Path, place: str) -> Path:
    return Path(place).expanduser() if place.startswith("~/") else folder / place


def _known(files: ModelFiles, cache: Path) -> _Known:
    if files.embedded:
        in_cache, verified = _embedded(files)
        etags = {file.name: file.sha256 or "" for file in in_cache.files}
        return _Known(verified.commit if verified else None, in_cache, verified, etags)
    inspection = inspect(cache, files)
    found = inspection.findings
    return _Known(
        inspection.commit,
        Place(tuple(_in_cache(cache, finding) for finding in found.values())),
        inspection.verified() if inspection.state == "complete" else None,
        {name: finding.etag for name, finding in found.items()},
    )


def _embedded(files: ModelFiles) -> tuple[Place, VerifiedModel | None]:
    """Return the project's own export of a model, made now where there is none."""
    try:
        model = embedded.make(files)
    except (ModelError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        state: State = "missing" if missing else "corrupt"
        return Place(
            tuple(
                FileStatus(name, embedded.CACHE, state, None, None, str(error))
                for name in files.files
            )
        ), None
    return Place(
        tuple(
            FileStatus(name, path, "complete", proof.size, proof.sha256, "")
            for name, (path, proof) in model.files.items()
        )
    ), model


def _in_cache(cache: Path, finding: Finding) -> FileStatus:
    state: State = finding.state
    reason, origin, proof = finding.reason, None, finding.proof
    if state == "corrupt" and proof and (origin := find_origin(cache, finding.path, proof.sha256)):
        state = "other model"
        reason = f"{finding.name}: is {origin}, at {finding.path}"
    return FileStatus(
        finding.name,
        finding.path,
        state,
        proof.size if proof else None,
        proof.sha256 if proof else None,
        reason,
        origin,
    )


def _in_library(cache: Path, files: ModelFiles, name: str, path: Path, etag: str) -> FileStatus:
    """Hold the file at `path` against the `etag` that the hub cache knows it by, "" if none."""
    try:
        proof, got = digest(path, etag)
    except FileNotFoundError:
        return FileStatus(name, path, "missing", None, None, f"{name}: not at {path}")
    except OSError as error:
        return FileStatus(name, path, "corrupt", None, None, f"{name}: cannot be read: {error}")
    state: State = "complete"
    reason, origin = "", None
    if got != etag:
        origin = find_origin(cache, path, proof.sha256)
        if origin and (etag or (origin.repo, origin.file) != (files.repo, name)):
            state, reason = "other model", f"is {origin}"
        elif etag:
            state = "corrupt"
            reason = f"expected {hash_name(etag)} {etag}, got {got} of {proof.size} bytes"
        else:
            state = "unknown"
            reason = f"nothing in the cache says what {files.revision} has here"
        reason = f"{name}: {reason}, at {path}"
    return FileStatus(name, path, state, proof.size, proof.sha256, reason, origin)


def find_origin(cache: Path, path: Path, sha256: str) -> Origin | None:
    """Return the cached repo's file whose bytes are those at `path`, known by its blob's name."""
    repos = cached_repos(cache)
    return _blob_named(cache, repos, sha256) or _blob_named(cache, repos, digest(path, _GIT)[1])


def _blob_named(cache: Path, repos: Sequence[str], etag: str) -> Origin | None:
    for repo in repos:
        folder = RepoFolder(cache, repo)
        if (folder.blobs / etag).exists():
            snapshots = folder.root / "snapshots"
            for path in sorted(snapshots.rglob("*")):
                if folder.linked(path) == etag:
                    commit, *name = path.relative_to(snapshots).parts
                    return Origin(repo, commit, "/".join(name))
            return Origin(repo, "", "")
    return None


def all_complete(models: Sequence[ModelStatus]) -> bool:
    """Whether every model is complete in the hub cache; of none at all, nothing can be said."""
    return bool(models) and all(model.verified for model in models)


def as_json(
    models: Sequence[ModelStatus], cache: Path, loads: dict[Case, str] | None = None
) -> dict[str, Any]:
    """Return the document that this module's docstring describes."""
    return {
        "cache": str(cache),
        "complete": all_complete(models),
        "models": [
            {
                **asdict(model.case),
                "repo": model.files.repo,
                "revision": model.files.revision,
                "commit": model.commit,
                "files": list(model.files.files),
                "cache": _place_as_json(model.cache),
                "library": _place_as_json(model.own_place),
                "loads": loads[model.case] if loads else None,
            }
            for model in models
        ],
    }


def _place_as_json(place: Place) -> dict[str, Any]:
    return {
        "state": place.state,
        "bytes": place.size,
        "files": [
            {
                "name": file.name,
                "path": str(file.path),
                "state": file.state,
                "bytes": file.size,
                "sha256": file.sha256,
                "reason": file.reason,
                "origin": asdict(file.origin) if file.origin else None,
            }
            for file in place.files
        ],
    }
