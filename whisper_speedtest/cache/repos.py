"""Finds the repos that the hub cache has a folder of."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from whisper_speedtest.cache.folders import MODELS, RepoFolder
from whisper_speedtest.cache.manifests import Manifests

if TYPE_CHECKING:
    from pathlib import Path


def cached_repos(cache: Path) -> list[RepoFolder]:
    """Return the folders of the model repos in the cache, sorted by repo."""
    with suppress(OSError):
        names = os.listdir(cache)  # noqa: PTH208 - of a thousand entries only the names
        # A name that cannot be printed is no repo's.
        names = [name for name in names if name.startswith(MODELS) and name.isprintable()]
        folders = [RepoFolder(cache, _repo(cache, name), name) for name in names]
        return sorted(folders, key=lambda folder: folder.repo)
    return []


def _repo(cache: Path, name: str) -> str:
    """Return the repo of the folder called `name`. The scheme of a URL is read from a manifest."""
    repo = name.removeprefix(MODELS).replace("--", "/")
    owner, *names = repo.split("/")
    if len(names) < 2 and not {".", ":"} & set(owner):  # an id on the hub, and no host's name
        return repo
    likely = f"https://{repo}" if len(names) > 1 else repo
    manifests = Manifests(RepoFolder(cache, likely, name))
    return next((manifest.repo for manifest in manifests.all), likely)
