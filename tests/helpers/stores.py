"""Stores of the tests, what they return or refuse, and what they leave on the disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.model import ModelError
from whisper_speedtest.hub.store import Store
from whisper_speedtest.hub.tries import Retry

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.base import ModelFiles
    from fixtures.hub import Hub
    from whisper_speedtest.cache.model import VerifiedModel

FAST = Retry(attempts=3, delay=0.01, longest=0.02)
NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens."""


def fresh(store: Store, **settings: Any) -> Store:
    """Return the same store in another session, with some settings changed."""
    return Store(replace(store.settings, **settings))


def offline(store: Store) -> Store:
    """Return the same store in another session, offline."""
    return fresh(store, offline=True)


def refusal(store: Store, files: ModelFiles) -> ModelError:
    """Return the error of preparing a model."""
    with pytest.raises(ModelError) as caught:
        store.prepare(files)
    return caught.value


def read(model: VerifiedModel) -> dict[str, bytes]:
    """Return the bytes of a model's files, once they were compared with their proofs."""
    model.recheck()
    return {name: path.read_bytes() for name, (path, _) in model.files.items()}


def leftovers(store: Store) -> list[Path]:
    """Return all that a pre-fetch may leave behind, and should not."""
    return [
        path
        for path in store.settings.cache.rglob("*")
        if path.name.endswith(".incomplete") or "staging-" in path.name
    ]


def repo_folder(store: Store, files: ModelFiles) -> RepoFolder:
    """Return the folder of a model's repo in a store's cache."""
    return RepoFolder(store.settings.cache, files.repo)


def held_files(store: Store, files: ModelFiles) -> list[Path]:
    """Return every file, and link, in a repo's folder."""
    found = repo_folder(store, files).root.rglob("*")
    return sorted(path for path in found if path.is_symlink() or path.is_file())


def requested(hub: Hub) -> list[tuple[str, str | None]]:
    """Return (kind, file) of each request since the log was cleared; redirects left out."""
    return [(each.kind, each.file) for each in hub.requests if each.kind != "cdn"]
