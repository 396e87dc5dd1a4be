"""What verification costs, against fetching without it and against hashing alone."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.turns import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

MODELS = [ModelFiles(f"org/model-{number}", ("weights.npz", "config.json")) for number in range(8)]
LARGE = ModelFiles("org/large-model", MODELS[0].files)
SIZES = {**dict.fromkeys(MODELS, 8_000_000), LARGE: 64_000_000}
"""Bytes of the weights. The smallest real model has 20 MB: what is added to each shows here."""


@pytest.fixture(name="hub", scope="module")
def _hub() -> Iterator[Hub]:
    """A loopback hub with stand-ins for all models."""
    from huggingface_hub import close_session

    from fixtures.hub import Hub

    with pytest.MonkeyPatch.context() as patch, Hub() as hub:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
        close_session()
        for files, size in SIZES.items():
            weights = hashlib.shake_256(files.repo.encode()).digest(size)
            hub.add(files.repo, {"weights.npz": weights, "config.json": b"{}"})
        yield hub
        close_session()


@pytest.fixture(name="new_store")
def _new_store(hub: Hub, tmp_path: Path) -> Callable[[], Store]:
    """A function that returns a store with an empty cache."""
    from whisper_speedtest.hub.settings import HubSettings
    from whisper_speedtest.hub.store import Store

    def make() -> Store:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return Store(HubSettings(tmp_path / "cache", hub.endpoint))

    return make


def test_prefetch_and_snapshot_download(
    compare: Callable[..., None], hub: Hub, new_store: Callable[[], Store], tmp_path: Path
) -> None:
    """Fetching and verifying eight repos takes hardly longer than `snapshot_download` of each.

    Both fetch up to eight files at once: `snapshot_download` within one repo, the pre-fetch over
    all of them.
    """
    from huggingface_hub import snapshot_download

    from whisper_speedtest.hub.model import VerifiedModel

    def ours() -> None:
        store = new_store()
        outcomes = store.fetch(store.plan(MODELS))
        assert {type(outcome) for outcome in outcomes.values()} == {VerifiedModel}

    def theirs() -> None:
        cache = tmp_path / "theirs"
        shutil.rmtree(cache, ignore_errors=True)
        for files in MODELS:
            snapshot_download(files.repo, cache_dir=cache, endpoint=hub.endpoint, token=False)

    compare(
        ("pre-fetch of eight repos", timed(ours)),
        ("snapshot_download of each", timed(theirs)),
        limit=1.1,
        turns=25,
        # Else the system may still be writing one side's files to the disk in the other's turn.
        before_each=os.sync,
    )


@pytest.mark.parametrize("models", [[LARGE], MODELS], ids=["one", "eight"])
def test_cached_models_and_hashing_once(
    compare: Callable[..., None],
    hub: Hub,
    new_store: Callable[[], Store],
    models: list[ModelFiles],
) -> None:
    """Models that are in the cache take no request, and little longer than to hash them once."""
    store = new_store()
    fetched = store.fetch(store.plan(models))
    paths = [path for files in models for path, _ in store.prepare(files).files.values()]
    hub.clear()

    def ours() -> None:
        assert store.fetch(store.plan(models)) == fetched

    def theirs() -> None:
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256").hexdigest()

    compare(
        (f"pre-fetch of {len(models)} cached", timed(ours)),
        ("hashing the files once", timed(theirs)),
        limit=1.3,
        turns=25,
    )

    assert hub.requests == []
