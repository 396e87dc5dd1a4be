"""`--lock-models` writes the lock of models; `--refresh` looks for revisions that have moved.

The lock pins each model to a commit and the hashes of its files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.lock import Lock
    from whisper_speedtest.hub.hosted import FetchedModels
    from whisper_speedtest.hub.store import Store


def lock_path(config: pytest.Config) -> Path:
    """Return the path of the lock, at the top of the project."""
    from whisper_speedtest.cache.lock import NAME

    return config.rootpath / NAME


def lock_of(config: pytest.Config) -> Lock:
    """Return the project's lock of models; an empty one if there is no file.

    Raises:
        pytest.UsageError: The file is no lock.
    """
    from whisper_speedtest.cache.lock import LockError, read_lock

    try:
        return read_lock(lock_path(config))
    except LockError as error:
        raise pytest.UsageError(str(error)) from None


def pinned_line(store: Store, models: Iterable[ModelFiles]) -> str:
    """Return a line on how many models the lock pins, and which not; "" if there is no lock."""
    hosted = [files for files in models if not files.embedded]
    others = [str(files) for files in hosted if not store.lock.of(files)]
    if not hosted or not store.lock.models:
        return ""
    line = f"models.lock pins {len(hosted) - len(others)} of {len(hosted)} models"
    if others:
        line += f"; not in it, add with --lock-models: {', '.join(others)}"
    return line


def refresh(store: Store, models: Iterable[ModelFiles], *, take: bool) -> list[str]:
    """Return a line for each model whose revision now means another commit.

    If `take`, the store's lock has these commits from then on.
    """
    from whisper_speedtest.cache.model import ModelError

    models = list(models)
    moved = store.moved(models)
    lines = []
    taken: dict[ModelFiles, str] = {}
    for files, found in moved.items():
        if isinstance(found, ModelError):
            lines.append(f"not refreshed: {files}: {str(found).removeprefix(f'{files}: ')}")
            continue
        then, now = found
        taken[files] = now
        locked = "models.lock has" if store.lock.of(files) else "the cache has"
        following = "taken now" if take else "not followed; take it with --refresh --lock-models"
        lines.append(f"moved: {files} stands for {now[:12]} now, {locked} {then[:12]}: {following}")
    if take:
        store.lock = store.lock.moved_to(taken)
    if not moved:
        asked = sum(not (files.embedded or files.by_url) for files in models)
        none_moved = f"refreshed: of {asked} models none has moved"
        lines.append(none_moved if asked else "refreshed: nothing to ask")
    return lines


def write(config: pytest.Config, store: Store, outcomes: FetchedModels) -> str:
    """Write the verified models into the lock, and return a line that says so.

    A model that could not be verified keeps its former entry.
    """
    from whisper_speedtest.cache.lock import LockError, write_lock
    from whisper_speedtest.cache.model import VerifiedModel

    before = lock_of(config)
    verified = [
        model
        for files, model in outcomes.items()
        if isinstance(model, VerifiedModel) and not files.embedded
    ]
    path = lock_path(config)
    if not verified:
        return f"{path.name}: not written, as no model that could be locked was verified"
    lock = before.with_models(verified)
    try:
        write_lock(path, lock)
    except LockError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
    store.lock = lock
    kept = before.models.keys()
    new = len(lock.models.keys() - kept)
    changed = sum(before.models[key] != lock.models[key] for key in kept)
    return f"{path.name}: {len(lock.models)} locked, {new} of them new and {changed} changed"
