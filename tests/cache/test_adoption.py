"""Files outside of the cache: right ones among them are not downloaded."""

from __future__ import annotations

import errno
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import BASE, content, failing, flip_bit, truncate
from tests.helpers.stores import (
    fresh,
    held_files,
    leftovers,
    offline,
    read,
    refusal,
    repo_folder,
    requested,
)
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.model import ModelError, Unavailable, VerificationError, VerifiedModel
from whisper_speedtest.cache.plan import MARGIN
from whisper_speedtest.cache.staging import staging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fixtures.hub import Hub
    from whisper_speedtest.cache.planning import OtherPlaces
    from whisper_speedtest.hub.store import Store


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Path:
    """A library's own folder, in which the right files lie."""
    (folder := tmp_path / "library").mkdir()
    for name, body in content(BASE).items():
        (folder / name).write_bytes(body)
    return folder


@pytest.fixture(name="places")
def _places(library: Path) -> Mapping[ModelFiles, OtherPlaces]:
    """Where the library looks for each file."""
    return {BASE: {name: (library / name,) for name in BASE.files}}


def outcome(store: Store, places: Mapping[ModelFiles, OtherPlaces]) -> VerifiedModel | ModelError:
    """Return what becomes of the model, where its files may lie in some places."""
    return store.fetch(store.plan([BASE], places=places))[BASE]


def empty(store: Store) -> None:
    """Remove what the cache has of the model's files, and leave what it knows of them."""
    for name in ("blobs", "snapshots"):
        shutil.rmtree(repo_folder(store, BASE).root / name)


def by_manifest(hub: Hub, store: Store) -> None:  # noqa: ARG001
    """Let the cache know the files from a manifest."""
    store.prepare(BASE)


def by_tree(hub: Hub, store: Store) -> None:
    """Let the cache know the files from huggingface_hub's listing."""
    from huggingface_hub import snapshot_download

    cache = store.settings.cache
    snapshot_download(BASE.repo, cache_dir=cache, endpoint=hub.endpoint, token=False)


@pytest.mark.parametrize("known", [by_manifest, by_tree])
def test_offline_right_files_in_another_place_are_known_by_what_the_cache_notes(
    hub: Hub,
    store: Store,
    places: Mapping[ModelFiles, OtherPlaces],
    known: Callable[[Hub, Store], None],
) -> None:
    """Offline, right files outside of the cache complete a model that the cache has noted."""
    known(hub, store)
    empty(store)
    hub.clear()

    model = outcome(offline(store), places)

    assert isinstance(model, VerifiedModel), str(model)
    assert model.commit == hub.commit(BASE.repo)
    assert read(model) == content(BASE)
    assert offline(store).prepare(BASE) == model
    assert hub.requests == []


def test_offline_nothing_in_another_place_is_right_that_the_cache_knows_nothing_of(
    hub: Hub, store: Store, places: Mapping[ModelFiles, OtherPlaces]
) -> None:
    """Offline, files outside of the cache are not taken where no hash says what they must be."""
    refused = outcome(offline(store), places)

    assert type(refused) is Unavailable
    assert str(refused).startswith(f"{BASE}: offline (--offline or HF_HUB_OFFLINE); run once")
    assert "not in the cache: weights.npz, config.json" in str(refused)
    assert hub.requests == []
    assert not repo_folder(store, BASE).root.exists()


@pytest.mark.parametrize("harm", [flip_bit, truncate, Path.unlink])
def test_offline_a_model_of_which_one_file_is_not_right_is_not_completed(
    store: Store,
    places: Mapping[ModelFiles, OtherPlaces],
    library: Path,
    harm: Callable[[Path], object],
) -> None:
    """Offline, a model of which one file outside of the cache is wrong is refused as a whole."""
    store.prepare(BASE)
    empty(store)
    before = held_files(store, BASE)
    harm(library / "weights.npz")

    refused = outcome(offline(store), places)

    assert type(refused) is Unavailable
    assert "offline" in str(refused)
    assert held_files(store, BASE) == before


def test_offline_what_is_corrupt_is_told(
    store: Store, places: Mapping[ModelFiles, OtherPlaces]
) -> None:
    """Corrupt files are reported offline, even if right ones lie outside of the cache."""
    found = store.prepare(BASE).files
    paths = [found[name][0] for name in BASE.files]
    for path in paths:
        flip_bit(path)

    refused = outcome(offline(store), places)

    assert type(refused) is VerificationError
    assert f"at {paths[-1]}; not replaced, since: {BASE}: offline" in str(refused)
    assert all(f" bytes at {path}; " in str(refused) for path in paths), (
        "expected the error to name each file"
    )
    assert isinstance(outcome(fresh(store), places), VerifiedModel)


def test_offline_a_file_whose_link_is_gone_is_linked_again(hub: Hub, store: Store) -> None:
    """Offline, a link that was deleted is made anew where its blob is still there."""
    model = store.prepare(BASE)
    for path, _ in model.files.values():
        path.unlink()
    hub.clear()

    assert store.inspect(BASE).state == "missing"
    assert offline(store).prepare(BASE) == model
    assert store.inspect(BASE).state == "complete"
    assert hub.requests == []


def test_offline_a_revision_is_the_commit_of_which_all_files_are_there(
    hub: Hub, store: Store, places: Mapping[ModelFiles, OtherPlaces]
) -> None:
    """Offline, a revision is that verified commit whose files are found outside of the cache."""
    older = store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    assert fresh(store).prepare(BASE) == older, "expected the cached commit while it is whole"
    shutil.rmtree(repo_folder(store, BASE).own)
    (repo_folder(store, BASE).root / "refs" / "main").unlink()
    newer = fresh(store).prepare(BASE)
    with staging(repo_folder(store, BASE)) as stage:
        findings = {
            name: Finding(name, "complete", path, proof.sha256, proof, "")
            for name, (path, proof) in older.files.items()
        }
        stage.write_manifest(Inspection(BASE, older.commit, findings))
    empty(store)

    model = outcome(offline(store), places)

    assert isinstance(model, VerifiedModel), str(model)
    assert (newer.commit != older.commit, model.commit) == (True, older.commit)


def test_offline_a_file_by_url_is_known_by_its_hash_alone(
    hubless_store: Store, library: Path
) -> None:
    """Offline, a file by URL outside of the cache is adopted by its hash in the check map alone."""
    body = content(BASE)["weights.npz"]
    files = ModelFiles("https://models.example/tiny", ("tiny.pt",), sha256(body).hexdigest())
    (library / "tiny.pt").write_bytes(body)
    session = offline(hubless_store)

    plan = session.plan([files], places={files: {"tiny.pt": (library / "tiny.pt",)}})
    model = session.fetch(plan)[files]

    assert [planned.size for planned in plan.models] == [len(body)]
    assert isinstance(model, VerifiedModel), str(model)
    assert read(model) == {"tiny.pt": body}
    assert offline(hubless_store).prepare(files) == model


def test_offline_more_than_the_memory_is_not_adopted(store: Store, library: Path) -> None:
    """Offline, a file outside of the cache that is larger than the memory is not adopted."""
    body = content(BASE)["weights.npz"]
    files = ModelFiles("https://models.example/tiny", ("weights.npz",), sha256(body).hexdigest())
    session = fresh(store, offline=True, memory=len(body) - 1)

    plan = session.plan([files], places={files: {"weights.npz": (library / "weights.npz",)}})

    assert "300.0 kB of files, more than this machine's" in str(plan.models[0].problem)


# Online


@pytest.mark.parametrize("linked", [True, False], ids=["one disk", "another disk"])
def test_right_file_in_another_place_is_not_downloaded(
    hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    """A right file outside of the cache becomes a blob by a link or a copy, with no download."""
    if not linked:
        monkeypatch.setattr(os, "link", failing(errno.EXDEV))
    (folder := tmp_path / "library").mkdir()
    for name, body in content(BASE).items():
        (folder / name).write_bytes(body)
    (folder / "wrong").write_bytes(bytes(len(content(BASE)["weights.npz"])))
    places = {
        "weights.npz": (folder / "none", folder / "wrong", folder / "weights.npz"),
        "config.json": (folder, folder / "link"),
    }
    (folder / "link").symlink_to(folder / "config.json")

    outcome = store.fetch(store.plan([BASE], places={BASE: places}))[BASE]
    kept = {name: (folder / name).stat() for name in BASE.files}

    assert requested(hub) == [("info", None)]
    assert outcome == offline(store).prepare(BASE)
    for name, (path, _) in outcome.files.items():
        assert path.is_symlink()
        assert not (path.parent / path.readlink()).is_symlink(), (
            "expected a blob that is no link, as a link may go with its owner"
        )
        assert (path.stat().st_ino == kept[name].st_ino) == linked
    assert {name: (folder / name).read_bytes() for name in BASE.files} == content(BASE)


def test_disk_that_is_too_full_for_a_copy_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk too full for a copy of a file says so, and no part of the copy stays."""
    for name, body in content(BASE).items():
        (tmp_path / name).write_bytes(body)
    monkeypatch.setattr(os, "link", failing(errno.EXDEV))
    monkeypatch.setattr(shutil, "copyfile", failing(errno.ENOSPC))
    places = {BASE: {name: (tmp_path / name,) for name in BASE.files}}

    outcome = store.fetch(store.plan([BASE], places=places))[BASE]

    assert isinstance(outcome, Unavailable)
    assert "make room on its disk" in str(outcome)
    assert leftovers(store) == []


def test_corrupt_file_is_replaced_by_a_right_one_from_another_place(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A corrupt file is replaced by a right one outside of the cache, and nothing is downloaded."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    shutil.copyfile(path, tmp_path / "saved")
    path.write_bytes(b"harmed")
    hub.clear()
    session = fresh(store)

    outcome = session.fetch(
        session.plan([BASE], places={BASE: {"weights.npz": (tmp_path / "saved",)}})
    )[BASE]

    assert outcome == offline(store).prepare(BASE)
    assert read(offline(store).prepare(BASE)) == content(BASE)
    assert requested(hub) == [("info", None)]


def test_cache_without_links_and_listing_is_known_by_its_content(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files put in the cache without links and listing are unknown offline, and proven online."""
    from huggingface_hub import constants, hf_hub_download

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    cache = store.settings.cache
    paths = {
        name: Path(
            hf_hub_download(BASE.repo, name, cache_dir=cache, endpoint=hub.endpoint, token=False)
        )
        for name in BASE.files
    }
    hub.clear()

    before = store.inspect(BASE).state
    error = refusal(offline(store), BASE)
    model = fresh(store).prepare(BASE)

    assert before == "unknown"
    assert isinstance(error, Unavailable)
    assert "offline" in str(error)
    assert requested(hub) == [("info", None)]
    assert {name: path for name, (path, _) in model.files.items()} == paths
    assert not any(path.is_symlink() for path in paths.values())
    assert offline(store).prepare(BASE) == model


# Room


def room_for(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let each disk say that it has so many bytes free, beside those that are left alone."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=MARGIN + free))


def test_room_for_a_copy_from_another_disk_is_looked_for_before_it_is_made(
    store: Store, library: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy from another disk needs room to the last byte; a link within a disk takes none."""
    size = sum(len(body) for body in content(BASE).values())
    shutil.copytree(library, other_disk, dirs_exist_ok=True)
    far = {BASE: {name: (other_disk / name,) for name in BASE.files}}
    near = {BASE: {name: (library / name,) for name in BASE.files}}

    room_for(monkeypatch, size - 1)
    refused = outcome(store, far)
    linked = store.plan([BASE], places=near, max_download=0)
    room_for(monkeypatch, size)
    copied = store.plan([BASE], places=far, max_download=0)

    assert type(refused) is Unavailable
    assert f"{BASE}: 300.1 kB to download or copy from another disk, 300.1 kB with" in str(refused)
    assert "50.3 MB free, with 50.0 MB to spare; make room" in str(refused)
    assert not repo_folder(store, BASE).root.exists()
    assert [linked.models[0].room, linked.models[0].problem] == [{}, None]
    assert sum(copied.models[0].room.values()) == size
    assert (copied.models[0].problem, copied.download_size) == (None, 0)
    assert isinstance(store.fetch(copied)[BASE], VerifiedModel)


def test_blob_that_is_a_link_to_another_disk_takes_no_room(store: Store, other_disk: Path) -> None:
    """A blob that is a link to another disk takes no room when only its own link is to be made."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    blob = path.resolve()
    shutil.move(blob, other_disk / "shared")
    blob.symlink_to(other_disk / "shared")
    path.unlink()

    plan = fresh(store).plan([BASE])

    assert plan.models[0].room == {}
    assert isinstance(fresh(store).prepare(BASE), VerifiedModel)
    assert blob.is_symlink()
