"""Plans one model: compares what its files must be with what is on this machine.

What they must be is a host's listing or, offline, what the cache itself has evidence of.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from whisper_speedtest.cache.inspecting import find_content
from whisper_speedtest.cache.local_evidence import LocalEvidence
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.cache.plan import PlannedModel
from whisper_speedtest.cache.staging import advice_on_folder, begun
from whisper_speedtest.common.text import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from whisper_speedtest.cache.evidence import Listing
    from whisper_speedtest.cache.folders import RepoFolder
    from whisper_speedtest.cache.inspection import Inspection

    OtherPlaces = Mapping[str, Sequence[Path]]
    """Name of a file → where else it may lie. What is there is hashed before it is used."""


def plan_by_listing(
    local: Inspection, folder: RepoFolder, listing: Listing, places: OtherPlaces
) -> PlannedModel:
    """Plan a model by comparing the files on this machine with a listing.

    `local` is the state of the model in `folder`, its repo's folder in the hub cache.

    Raises:
        RepoError: The hub leads to another repo, of which nothing was confirmed before.
    """
    files, commit = local.files, listing.commit
    listed_as = listing.repo if listing.repo != files.repo else ""
    records = Manifests(folder).records(files.revision, commit).values()
    is_known = commit == files.revision or any(not each.unconfirmed for each in records)
    if listed_as and not is_known:
        raise RepoError(
            f"{files}: expected this repo, the hub leads to {short(listed_as)} (commit "
            f"{commit[:12]}); if that is the model that is meant, name it in the adapter's "
            "check map"
        )
    required, held, parts, copied = [], {}, {}, {}
    for name in files.files:
        file, finding = listing.files[name], local.findings[name]
        pointer = folder.pointer(commit, name)
        if finding.path == pointer and finding.matches(file) and finding.proof:
            held[name] = (pointer, finding.proof)
        elif found := find_content(folder, commit, file, places.get(name, ())):
            held[name] = found
        if name in held:
            path, proof = held[name]
            file = replace(file, size=proof.size)  # the listing may have had ANY_SIZE
            if not folder.is_place_of(path, commit, file) and not folder.may_link(path):
                copied[file.etag] = file.size
        parts[file.etag] = min(begun(folder, file.etag), file.size)
        required.append(file)
    return PlannedModel(files, local, commit, tuple(required), held, parts, copied, listed_as)


def plan_offline(local: Inspection, folder: RepoFolder, places: OtherPlaces) -> PlannedModel:
    """Plan a model without asking a host, if the cache has evidence of all its files.

    `local` is the state of the model in `folder`, its repo's folder in the hub cache.

    Raises:
        Unavailable: Something of the model is lacking. If a file contradicts the evidence, the
            model is not planned either, as no host can decide which of the two is right.
    """
    files = local.files
    evidence = LocalEvidence(folder)
    for commit in evidence.commits(files) if local.state != "corrupt" else ():
        if listing := evidence.listing(commit, files):
            model = plan_by_listing(local, folder, listing, places)
            if not model.download:
                return model
    for path in (folder.root.parent, folder.root, folder.root / "snapshots", folder.blobs):
        # Path.is_dir raises PermissionError for what lies in a folder this user may not enter.
        if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112
            step = advice_on_folder(FileExistsError(errno.EEXIST, "", str(path)), path)
            raise Unavailable(
                f"{files}: expected a folder of the hub cache at {path}, got none; {step}, or "
                "set HF_HUB_CACHE to another folder"
            )
    raise Unavailable(f"{files}: offline (--offline or HF_HUB_OFFLINE); run once without that")
