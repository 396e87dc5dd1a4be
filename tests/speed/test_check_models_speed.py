"""What `--check-models` costs in a large hub cache, against huggingface_hub's own scan of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import all_cases, files_of
from tests.helpers.turns import timed

if TYPE_CHECKING:
    from collections.abc import Callable

REPOS = 1000
SIZE = "tiny"
LIBRARIES = ("lightning-whisper-mlx", "mlx-whisper", "faster-whisper", "transformers")
"""Those whose models are repos. A file by URL is known by its hash: no stand-in passes for it."""

FILE_SIZE = 4096  # bytes
CASES = [case for case in all_cases() if case.size == SIZE and case.adapter in LIBRARIES]


@pytest.fixture(name="large_cache", scope="module")
def _large_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache of 1,000 repos, those of one size among them, in huggingface_hub's layout."""
    cache = tmp_path_factory.mktemp("hub")
    models = [files_of(case) for case in CASES]
    repos = {files.repo: files.files for files in models}
    repos |= {f"someone/model-{n}": models[0].files for n in range(REPOS - len(repos))}
    for repo, names in repos.items():
        folder = cache / f"models--{repo.replace('/', '--')}"
        commit = hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
        snapshot = folder / "snapshots" / commit
        for made in (folder / "blobs", folder / "refs", snapshot):
            made.mkdir(parents=True)
        (folder / "refs" / "main").write_text(commit, encoding="utf-8")
        for name in names:
            content = hashlib.shake_256(f"{repo}/{name}".encode()).digest(FILE_SIZE)
            etag = hashlib.sha256(content).hexdigest()
            (folder / "blobs" / etag).write_bytes(content)
            (snapshot / name).symlink_to(Path("..", "..", "blobs", etag))
    return cache


def test_check_of_one_size_is_ten_times_as_fast_as_a_scan_of_the_cache(
    compare: Callable[..., None], large_cache: Path, tmp_path: Path
) -> None:
    """Checking the models of one size takes at most a tenth of a scan of a cache of 1,000 repos."""
    from huggingface_hub import scan_cache_dir

    from whisper_speedtest.hub.settings import HubSettings
    from whisper_speedtest.hub.store import Store
    from whisper_speedtest.session.models.model_status import all_complete, check

    store = Store(HubSettings(large_cache, "http://127.0.0.1:9"))

    def scan() -> None:
        assert len(scan_cache_dir(large_cache).repos) == REPOS

    def check_size() -> None:
        assert all_complete(check(CASES, store, tmp_path))

    compare(
        ("--check-models of one size", timed(check_size)),
        ("a scan of the whole cache", timed(scan)),
        limit=0.1,
        turns=11,
    )
