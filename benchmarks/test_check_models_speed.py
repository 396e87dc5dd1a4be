"""What `--check-models` costs in a large hub cache, against huggingface_hub's own scan of it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, all_cases

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

REPOS = 1000
SIZE = "tiny"
FILE_SIZE = 4096  # bytes
MIN_RATIO = 10
CASES = [case for case in all_cases() if case.size == SIZE]


@pytest.fixture(name="large_cache", scope="module")
def _large_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache of 1,000 repos, those of one size among them, in huggingface_hub's layout."""
    cache = tmp_path_factory.mktemp("hub")
    models = [adapter_class(case.adapter).check_map[case.size][case.variant] for case in CASES]
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
    benchmark: BenchmarkFixture, large_cache: Path, tmp_path: Path
) -> None:
    """Seconds to check one size among 1,000 repos; every round comes after a scan of them all."""
    from huggingface_hub import scan_cache_dir

    from hub.status import all_complete, check

    scans: list[float] = []
    checks: list[float] = []

    def scan() -> None:
        start = time.perf_counter()
        found = scan_cache_dir(large_cache)
        scans.append(time.perf_counter() - start)
        assert len(found.repos) == REPOS

    def timed_check() -> None:
        start = time.perf_counter()
        models = check(CASES, large_cache, tmp_path)
        checks.append(time.perf_counter() - start)
        assert all_complete(models)

    benchmark.pedantic(timed_check, setup=scan, rounds=5, warmup_rounds=1)

    ratio = median(scans) / median(checks)
    benchmark.extra_info["ratio"] = ratio
    assert ratio >= MIN_RATIO, f"expected {MIN_RATIO} times as fast as a scan, got {ratio:.1f}"
