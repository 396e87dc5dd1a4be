"""What the tests of the cache share: a hub, stores that use it, an empty folder, another disk."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.cache.by_hand import REPO
from tests.helpers.hub_fixtures import hub, hubless_store, loopback, store
from whisper_speedtest.cache.folders import RepoFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["hub", "hubless_store", "loopback", "store"]


@pytest.fixture(name="other_disk")
def _other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than the cache."""
    memory = Path("/dev/shm")  # noqa: S108 - no other path is in memory
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no other disk that any user may write to")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> RepoFolder:
    """The folder of a repo, which is empty."""
    folder = RepoFolder(tmp_path, REPO)
    for made in (folder.blobs, folder.own, folder.root / "refs"):
        made.mkdir(parents=True)
    return folder
