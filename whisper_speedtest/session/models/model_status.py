"""Finds out for `--check-models` where the files of models are, and whether they are right.

Each file is hashed in two places: in the hub cache, and where the library itself would look for it,
which is below the current folder, below the user's home or also in the hub cache. A file that
several cases share is hashed once. No request is made.

A model that the project makes itself is made first, unless it is there and intact; its folder takes
the place of the hub cache.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adapters import adapter_class, files_of
from whisper_speedtest.cache.hashes import digest, hash_name
from whisper_speedtest.cache.inspection import CachedFile, Finding, Inspection
from whisper_speedtest.cache.repos import cached_repos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapters.base import Case, ModelFiles
    from whisper_speedtest.cache.folders import RepoFolder
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.hub.store import Store

_THREADS = 8
_ANY_GIT_SHA1 = "0" * 40
"""Lets `digest` compute the git sha1 of a file as well, whatever that is."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The state of one case's model in the hub cache, and in the place where the library looks.

    Both may be the same place. `verified` is None unless the model is complete in the hub cache.
    """

    case: Case
    files: ModelFiles
    cache: Inspection
    own_place: Inspection
    verified: VerifiedModel | None

    @property
    def absent(self) -> bool:
        """Whether neither place has any file of the model."""
        return {self.cache.state, self.own_place.state} == {"missing"}


class _Place(NamedTuple):
    """Where a library looks for a file of a model, outside of the hub cache."""

    files: ModelFiles
    name: str
    path: Path


def check(cases: Iterable[Case], store: Store, folder: Path) -> list[ModelStatus]:
    """Return the status of each case's model; libraries are taken to be run in `folder`."""
    models: dict[Case, ModelFiles] = {}
    places: dict[Case, list[_Place]] = {}
    for case in cases:
        models[case] = files_of(case)
        places[case] = [
            _Place(models[case], name, path) for name, path in library_places(case, folder).items()
        ]
    cache = store.settings.cache
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="status") as pool:
        distinct = list(dict.fromkeys(models.values()))
        inspections = pool.map(lambda files: _in_cache(cache, store.inspect(files)), distinct)
        cached = dict(zip(distinct, inspections, strict=True))

        def look(place: _Place) -> Finding:
            in_cache = cached[place.files].findings[place.name]
            return _in_library(cache, place.files, place.path, in_cache)

        looked = list(dict.fromkeys(place for each in places.values() for place in each))
        found = dict(zip(looked, pool.map(look, looked), strict=True))
    statuses = []
    for case, files in models.items():
        in_cache = own_place = cached[files]
        if places[case]:
            findings = {place.name: found[place] for place in places[case]}
            own_place = replace(in_cache, findings=findings)
        verified = in_cache.verified() if in_cache.state == "complete" else None
        statuses.append(ModelStatus(case, files, in_cache, own_place, verified))
    return statuses


def library_places(case: Case, folder: Path) -> dict[str, Path]:
    """Return file name → where a case's library looks for it outside of the hub cache.

    That is below `folder`, where the library is run, or below the user's home.
    """
    places = adapter_class(case.adapter).place(case) or {}
    return {
        name: Path(place).expanduser() if place.startswith("~/") else folder / place
        for name, place in places.items()
    }


def _in_cache(cache: Path, inspection: Inspection) -> Inspection:
    """Return an inspection with the origin of each file that belongs to another model."""
    findings = dict(inspection.findings)
    for name, each in inspection.findings.items():
        if each.state not in {"corrupt", "unknown"} or each.proof is None:
            continue
        origin = find_origin(cache, each.path, each.proof.sha256, each.path)
        if origin and _is_other(origin, inspection.files, each):
            reason = f"{name}: is {origin}, at {each.path}"
            findings[name] = replace(each, state="other model", reason=reason, origin=origin)
    return replace(inspection, findings=findings)


def _in_library(cache: Path, files: ModelFiles, path: Path, cached: Finding) -> Finding:
    """Compare the file at `path` with the etag that the hub cache has for it, which may be ""."""
    name, etag = cached.name, cached.etag
    try:
        proof, got = digest(path, etag)
    except FileNotFoundError:
        return Finding(name, "missing", path, etag, reason=f"{name}: not at {path}")
    except OSError as error:
        return Finding(name, "corrupt", path, etag, reason=f"{name}: cannot be read: {error}")
    if got == etag:
        return Finding(name, "complete", path, etag, proof, unconfirmed=cached.unconfirmed)
    origin = find_origin(cache, path, proof.sha256, cached.path)
    if origin and _is_other(origin, files, cached):
        wrong = f"{name}: is {origin}, at {path}"
        return Finding(name, "other model", path, etag, proof, wrong, origin)
    got = f"{got} of {proof.size} bytes, at {path}"
    if etag:
        wrong = f"{name}: expected {hash_name(etag)} {etag}, got {got}"
        return Finding(name, "corrupt", path, etag, proof, wrong)
    wrong = f"{name}: nothing in the cache says what {files.revision} has here, at {path}"
    return Finding(name, "unknown", path, etag, proof, wrong, origin)


def _is_other(origin: CachedFile, files: ModelFiles, cached: Finding) -> bool:
    """Tell whether an origin is another file than the expected one.

    It is if its repo differs, or its name, or, where the right etag is known, its commit. A blob to
    which no snapshot links has no name, and does not count as another file.
    """
    if origin.repo != files.repo:
        return True
    return bool(origin.file) and (bool(cached.etag) or origin.file != cached.name)


def find_origin(cache: Path, path: Path, sha256: str, besides: Path) -> CachedFile | None:
    """Return the file of a cached repo whose blob has the hash of the file at `path`, or None.

    The link `besides` does not count, as it leads to the file in question.
    """
    repos = cached_repos(cache)
    return _blob_named(repos, sha256, besides) or _blob_named(
        repos, digest(path, _ANY_GIT_SHA1)[1], besides
    )


def _blob_named(repos: Sequence[RepoFolder], etag: str, besides: Path) -> CachedFile | None:
    """Return the first cached file with an etag; one that a snapshot links to is preferred."""
    unlinked = None
    for folder in repos:
        if (folder.blobs / etag).exists():
            snapshots = folder.root / "snapshots"
            for path in sorted(snapshots.rglob("*")):
                if path != besides and folder.linked_etag(path) == etag:
                    commit, *name = path.relative_to(snapshots).parts
                    return CachedFile(folder.repo, commit, "/".join(name))
            unlinked = unlinked or CachedFile(folder.repo, "", "")
    return unlinked


def all_complete(models: Sequence[ModelStatus]) -> bool:
    """Return whether every model is complete in the hub cache; False if there are no models."""
    return bool(models) and all(model.verified for model in models)
