"""What verification costs, against huggingface_hub and hashing, and against hashing alone."""

from __future__ import annotations

import hashlib
import os
import shutil
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.turns import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

MODELS = [ModelFiles(f"org/model-{number}", ("weights.npz", "config.json")) for number in range(8)]
LARGE = ModelFiles("org/large-model", MODELS[0].files)
SIZES = {**dict.fromkeys(MODELS, 8_000_000), LARGE: 64_000_000}
"""Bytes of the weights. The smallest real model has 20 MB: what is added to each shows here."""


def _add_models(hub: Hub) -> None:
    """Add stand-ins for all models to a loopback hub."""
    for files, size in SIZES.items():
        weights = hashlib.shake_256(files.repo.encode()).digest(size)
        hub.add(files.repo, {"weights.npz": weights, "config.json": b"{}"})


def _serve(tests: Connection) -> None:
    """Serve the models until the tests end: the process of the `endpoint` fixture."""
    from fixtures.hub import Hub

    with Hub() as hub:
        _add_models(hub)
        tests.send(hub.endpoint)
        tests.recv()


@pytest.fixture(name="client", autouse=True, scope="module")
def _client() -> Iterator[None]:
    """huggingface_hub's client, online, whatever the shell says, and without progress bars."""
    from huggingface_hub import close_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
        close_session()
        yield
        close_session()


@pytest.fixture(name="endpoint")
def _endpoint() -> Iterator[str]:
    """The address of a loopback hub in a process of its own.

    In this process it would take its turns at the interpreter's lock among those who download, and
    how many of them there are at once is what the two sides differ in.
    """
    context = get_context("spawn")
    tests, server = context.Pipe()
    process = context.Process(target=_serve, args=(server,), daemon=True)
    process.start()
    assert tests.poll(60), "the loopback hub's process did not start within 60 s"
    yield tests.recv()
    tests.send("stop")
    process.join(60)
    assert process.exitcode == 0


@pytest.fixture(name="hub")
def _hub() -> Iterator[Hub]:
    """A loopback hub in this process, which records the requests."""
    from fixtures.hub import Hub

    with Hub() as hub:
        _add_models(hub)
        yield hub


def _new_store(endpoint: str, cache: Path) -> Store:
    """Return a store with an empty cache."""
    from whisper_speedtest.hub.settings import HubSettings
    from whisper_speedtest.hub.store import Store

    shutil.rmtree(cache, ignore_errors=True)
    return Store(HubSettings(cache, endpoint))


def _hash(paths: Iterable[Path]) -> None:
    """Hash each file once."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256").hexdigest()


def test_prefetch_and_snapshot_download(
    compare: Callable[..., None], endpoint: str, tmp_path: Path
) -> None:
    """Fetching and verifying eight repos takes hardly longer than fetching and hashing them.

    Both fetch up to eight files at once: `snapshot_download` within one repo, the pre-fetch over
    all of them. huggingface_hub hashes nothing, so the files are hashed after it, once.
    """
    from huggingface_hub import snapshot_download

    from whisper_speedtest.cache.model import VerifiedModel

    def ours() -> None:
        store = _new_store(endpoint, tmp_path / "cache")
        outcomes = store.fetch(store.plan(MODELS))
        assert {type(outcome) for outcome in outcomes.values()} == {VerifiedModel}

    def theirs() -> None:
        cache = tmp_path / "theirs"
        shutil.rmtree(cache, ignore_errors=True)
        for files in MODELS:
            snapshot_download(files.repo, cache_dir=cache, endpoint=endpoint, token=False)
        _hash(cache.glob("models--*/blobs/*"))

    compare(
        ("pre-fetch of eight repos", timed(ours)),
        ("snapshot_download and a hash of each", timed(theirs)),
        limit=1.1,
        turns=25,
        # Else the system may still be writing one side's files to the disk in the other's turn.
        before_each=os.sync,
    )


@pytest.mark.parametrize("models", [[LARGE], MODELS], ids=["one", "eight"])
def test_cached_models_and_hashing_once(
    compare: Callable[..., None], hub: Hub, models: list[ModelFiles], tmp_path: Path
) -> None:
    """Models that are in the cache take no request, and little longer than to hash them once."""
    store = _new_store(hub.endpoint, tmp_path / "cache")
    fetched = store.fetch(store.plan(models))
    paths = [path for files in models for path, _ in store.prepare(files).files.values()]
    hub.clear()

    def ours() -> None:
        assert store.fetch(store.plan(models)) == fetched

    compare(
        (f"pre-fetch of {len(models)} cached", timed(ours)),
        ("hashing the files once", timed(lambda: _hash(paths))),
        limit=1.3,
        turns=25,
    )

    assert hub.requests == []
