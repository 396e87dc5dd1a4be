"""Files in the cache that are not what they are taken for: found offline, replaced online."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, HARMS, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, leftovers, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import Unavailable, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whisper_speedtest.hub.store import Store


@pytest.mark.parametrize("name", BASE.files)
@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_found_and_repaired(
    hub: Hub, store: Store, harm: Callable[[Path], None], name: str
) -> None:
    """A harmed file is reported offline with both hashes, and online no other file is fetched."""
    model = store.prepare(BASE)
    harm(model.files[name][0])
    path = model.files[name][0]
    blob = hub.blob(BASE.repo, name)
    hub.clear()

    error = refusal(offline(store), BASE)
    repaired = fresh(store).prepare(BASE)

    assert isinstance(error, VerificationError)
    assert f"{name}: expected" in str(error)
    assert blob.etag in str(error) or blob.sha256 in str(error)
    assert str(path) in str(error)
    assert "offline" in str(error)
    assert (read(repaired), repaired.commit) == (content(BASE), model.commit)
    assert {file for kind, file in requested(hub) if kind == "resolve"} <= {name}
    assert leftovers(store) == []


@pytest.mark.parametrize("harm", HARMS)
def test_nothing_is_removed_to_be_replaced(
    store: Store, harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harmed file is not removed before it is replaced."""
    harm(store.prepare(BASE).files["weights.npz"][0])
    removed: list[str] = []
    unlink = os.unlink

    def note(path: os.PathLike[str] | str, *, dir_fd: int | None = None) -> None:
        if dir_fd is None and "staging-" not in str(path):
            removed.append(str(path))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", note)
    monkeypatch.setattr(os, "remove", note)

    fresh(store).prepare(BASE)

    assert removed == []


def test_files_without_links_are_compared_with_the_manifest(hub: Hub, store: Store) -> None:
    """Files without links are complete by the manifest alone, and unknown without it."""
    model = store.prepare(BASE)
    path, proof = model.files["weights.npz"]
    blob = path.resolve()
    path.unlink()
    blob.rename(path)
    manifest = repo_folder(store, BASE).manifest_path("main", model.commit)
    hub.clear()

    assert offline(store).prepare(BASE) == model

    model.files["config.json"][0].unlink()
    repaired = fresh(store).prepare(BASE)

    assert repaired == model
    assert repaired.files["weights.npz"] == (path, proof)
    assert not path.is_symlink()
    assert requested(hub) == [("info", None)]

    manifest.unlink()

    error = refusal(offline(store), BASE)
    assert isinstance(error, Unavailable)
    assert "weights.npz: expected a hash to compare with" in str(error)
    assert "not in the cache" not in str(error)
    hub.clear()
    assert fresh(store).prepare(BASE) == repaired
    assert requested(hub) == [("info", None)]
    assert offline(store).prepare(BASE) == repaired


def test_harm_that_cannot_be_repaired_is_an_error(hub: Hub, store: Store) -> None:
    """A harmed file that cannot be fetched anew is a verification error, and no skip."""
    path, proof = store.prepare(BASE).files["weights.npz"]
    flip_bit(path)
    hub.fault(Fault(status=503))

    error = refusal(fresh(store), BASE)

    assert isinstance(error, VerificationError)
    assert proof.sha256 in str(error)
    assert prove(path).sha256 in str(error)
    assert "503" in str(error)


def test_a_deleted_file_is_missing(hub: Hub, store: Store) -> None:
    """A deleted blob is reported as missing offline, and online it alone is fetched."""
    model = store.prepare(BASE)
    model.files["weights.npz"][0].resolve().unlink()
    hub.clear()

    error = refusal(offline(store), BASE)

    assert isinstance(error, Unavailable)
    assert "not in the cache: weights.npz" in str(error)
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert [file for kind, file in requested(hub) if kind == "resolve"] == ["weights.npz"]


def test_a_deleted_link_is_put_back_without_a_download(hub: Hub, store: Store) -> None:
    """A deleted link is put back from its blob without a download."""
    store.prepare(BASE).files["weights.npz"][0].unlink()
    hub.clear()

    model = fresh(store).prepare(BASE)

    assert read(model) == content(BASE)
    assert requested(hub) == [("info", None)]


def test_a_blob_in_the_store_shared_by_repos_is_read_and_not_written_to(
    hub: Hub, store: Store
) -> None:
    """A blob that repos share is read, and not written to when it is corrupt."""
    pointer, proof = store.prepare(BASE).files["weights.npz"]
    blob = repo_folder(store, BASE).blobs / hub.blob(BASE.repo, "weights.npz").etag
    shared = store.settings.cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    hub.clear()

    intact = fresh(store).prepare(BASE)
    flip_bit(shared)
    corrupt = prove(shared)
    repaired = fresh(store).prepare(BASE)

    assert intact.files["weights.npz"] == (pointer, proof)
    assert read(repaired) == content(BASE)
    assert not blob.is_symlink()
    assert prove(shared) == corrupt


def test_model_is_not_told_as_one_that_is_like_itself(store: Store) -> None:
    """A model with a missing file is not named as a repo that is similar to it."""
    store.prepare(BASE).files["weights.npz"][0].resolve().unlink()
    store.prepare(QUANTISED)

    error = str(refusal(offline(store), BASE))

    assert "not in the cache: weights.npz" in error
    assert f"the cache holds {QUANTISED.repo}, never used in its place" in error


def test_repos_that_are_like_it_are_told_nearest_first_and_no_more_than_five(
    store: Store,
) -> None:
    """A refusal names at most five similar cached repos, the most similar first."""
    names = ["org/whisper-tiny-mlx-8bit", *(f"org/whisper-tiny-mlx-v{n}" for n in range(7)), "a/b"]
    for name in names:
        snapshot = RepoFolder(store.settings.cache, name).root / "snapshots" / ("c" * 40)
        snapshot.mkdir(parents=True)

    error = str(refusal(offline(store), ModelFiles("org/whisper-tiny-mlx-4bit", ("w.npz",))))

    told = error.partition("; the cache holds ")[2].removesuffix(", never used in its place")
    assert told.split(", ")[0] == "org/whisper-tiny-mlx-8bit"
    assert len(told.split(", ")) == 5
    assert "a/b" not in told


def test_file_without_a_blob_is_known_in_a_newer_commit(hub: Hub, store: Store) -> None:
    """A file without a link that did not change is not fetched anew for a newer commit."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    blob = path.resolve()
    path.unlink()
    blob.rename(path)
    newer = {**content(BASE), "config.json": b"{}"}
    hub.move(BASE.repo, "main", newer)
    path.with_name("config.json").unlink()
    hub.clear()

    assert read(fresh(store).prepare(BASE)) == newer
    assert requested(hub) == [("info", None), ("resolve", "config.json")]
    assert path.read_bytes() == newer["weights.npz"]
