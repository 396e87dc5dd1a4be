"""What says which content a file must have; nothing that contradicts it is accepted."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.harm import BASE, QUANTISED, content, written
from tests.helpers.stores import fresh, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.hashes import is_sha256
from whisper_speedtest.cache.model import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

OTHER = content(QUANTISED)
"""Another model's files, under the same names."""


def etag_like(etag: str, body: bytes) -> str:
    """Return the etag of a content, of the same kind as another etag."""
    if is_sha256(etag):
        return hashlib.sha256(body).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def swap(pointer: Path, body: bytes) -> str:
    """Put a content in place of a file's, so that the cache agrees with itself; return its etag.

    The right blob goes, if there is one, and the link leads to one of the new content's own name.
    """
    blob = pointer.resolve()
    etag = etag_like(blob.name, body)
    blob.unlink(missing_ok=True)
    (other := blob.with_name(etag)).write_bytes(body)
    pointer.unlink()
    pointer.symlink_to(os.path.relpath(other, pointer.parent))
    return etag


def tree(store: Store, commit: str) -> Path:
    """Return where huggingface_hub keeps a commit's listing."""
    return repo_folder(store, BASE).root / "trees" / f"{commit}.json"


def snapshot(hub: Hub, store: Store) -> Path:
    """Fetch a repo as huggingface_hub does, which keeps its listing; return the snapshot."""
    from pathlib import Path

    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            BASE.repo, cache_dir=store.settings.cache, endpoint=hub.endpoint, token=False
        )
    )


@pytest.mark.parametrize("name", BASE.files)
def test_content_that_the_manifest_contradicts_is_corrupt_and_fetched_anew(
    hub: Hub, store: Store, name: str
) -> None:
    """Content that the manifest contradicts is corrupt, even if its blob is named by its hash."""
    model = store.prepare(BASE)
    manifest = repo_folder(store, BASE).manifest_path("main", model.commit)
    noted = manifest.read_text()
    got = swap(model.files[name][0], OTHER[name])
    hub.clear()

    state = fresh(store).inspect(BASE).state
    error = refusal(offline(store), BASE)
    after = manifest.read_text()
    repaired = fresh(store).prepare(BASE)

    assert state == "corrupt"
    assert isinstance(error, VerificationError)
    assert f"{name}: expected" in str(error)
    assert f"{hub.blob(BASE.repo, name).etag}" in str(error)
    assert "(as when it was verified), got " in str(error)
    assert got in str(error)
    assert after == noted
    assert read(repaired) == content(BASE)
    assert requested(hub) == [("info", None), ("resolve", name)]
    assert manifest.read_text() == noted


def edit(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return what changes one key of each record of a manifest."""

    def change(manifest: dict[str, Any]) -> None:
        for record in manifest["files"].values():
            record[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edit("size", 299_999), "of 299999 bytes (as when it was verified), got"),
        (edit("sha256", "0" * 64), f"and sha256 {'0' * 64}"),
        (edit("etag", "0" * 64), f"expected sha256 {'0' * 64}"),
        (edit("etag", "0" * 40), f"expected git sha1 {'0' * 40}"),
    ],
    ids="size sha256 etag git".split(),
)
def test_manifest_that_contradicts_is_replaced_by_a_listing_alone(
    hub: Hub, store: Store, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    """A wrong manifest makes files corrupt offline; online the hub's listing corrects it."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    good = path.read_text()
    change(manifest := json.loads(good))
    path.write_text(json.dumps(manifest))
    hub.clear()

    error = refusal(offline(store), BASE)

    assert isinstance(error, VerificationError)
    assert says in str(error)
    assert json.loads(path.read_text()) == manifest
    assert fresh(store).prepare(BASE) == model
    assert requested(hub) == [("info", None)]
    assert path.read_text() == good


def test_manifest_of_another_revision_of_the_commit_is_evidence(hub: Hub, store: Store) -> None:
    """A manifest counts for its commit by whatever revision the commit is asked for."""
    model = store.prepare(BASE)
    swap(model.files["weights.npz"][0], OTHER["weights.npz"])
    by_commit = replace(BASE, revision=model.commit)
    hub.clear()

    assert isinstance(refusal(offline(store), by_commit), VerificationError)
    assert read(fresh(store).prepare(by_commit)) == content(BASE)
    assert requested(hub) == [("info", None), ("resolve", "weights.npz")]


def test_ref_that_was_moved_to_a_commit_without_evidence_is_not_followed(store: Store) -> None:
    """A ref that was moved to a commit without evidence gives way to the verified commit."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    for name in BASE.files:
        etag = etag_like(folder.linked_etag(model.files[name][0]), OTHER[name])
        (folder.blobs / etag).write_bytes(OTHER[name])
        link = folder.pointer("d" * 40, name)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(folder.blobs / etag, link.parent))
    (folder.root / "refs" / "main").write_text("d" * 40)

    assert offline(store).prepare(BASE) == model
    assert fresh(store).prepare(BASE) == model


def test_listing_of_huggingface_hub_proves_what_no_manifest_does(hub: Hub, store: Store) -> None:
    """A listing that huggingface_hub kept proves right files, and makes others corrupt."""
    folder = snapshot(hub, store)
    hub.clear()
    model = offline(store).prepare(BASE)
    (manifest := repo_folder(store, BASE).manifest_path("main", folder.name)).unlink()
    got = swap(folder / "weights.npz", OTHER["weights.npz"])

    error = refusal(offline(store), BASE)

    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert isinstance(error, VerificationError)
    expected = hub.blob(BASE.repo, "weights.npz").sha256
    source = f"of 300000 bytes (as {tree(store, folder.name)} lists it)"
    assert f"weights.npz: expected sha256 {expected} {source}, got {got} of 300000" in str(error)
    assert requested(hub) == [("info", None), ("resolve", "weights.npz")]
    assert manifest.exists()
    assert offline(store).prepare(BASE) == model


def test_cache_without_links_is_proven_by_the_listing_of_huggingface_hub(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache without links is proven by huggingface_hub's listing, and no request is made."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    folder = snapshot(hub, store)
    assert not any(path.is_symlink() for path in folder.iterdir())
    hub.clear()

    model = fresh(store).prepare(BASE)
    tree(store, folder.name).unlink()

    assert {name: path for name, (path, _) in model.files.items()} == {
        name: folder / name for name in BASE.files
    }
    assert hub.requests == []
    assert read(offline(store).prepare(BASE)) == content(BASE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"format_version": 1, "x": ' + "[" * 100_000,
        '{"format_version": 1, "files": []}',
        '{"format_version": 1, "files": {}}',
        '{"format_version": 2, "files": {"weights.npz": {"size": 1, "blob_id": "%s"}}}'
        % ("0" * 40),
        '{"format_version": 1, "files": {"weights.npz": {"size": 1, "blob_id": "00"}}}',
        '{"format_version": 1, "files": {"weights.npz": {"size": "1", "blob_id": null}}}',
    ],
    ids="empty list deep deep-in-key files-list no-file newer-format no-hash other-types".split(),
)
def test_what_is_no_listing_counts_for_nothing(hub: Hub, store: Store, text: str) -> None:
    """A listing that cannot be understood counts for nothing, and the model is complete."""
    folder = snapshot(hub, store)
    tree(store, folder.name).write_text(text)
    hub.clear()

    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert hub.requests == []


def test_manifest_outranks_the_listing_of_huggingface_hub(hub: Hub, store: Store) -> None:
    """A manifest outranks the listing that huggingface_hub kept, and no request is made."""
    folder = snapshot(hub, store)
    model = store.prepare(BASE)
    path = tree(store, folder.name)
    listing = json.loads(path.read_text())
    listing["files"]["weights.npz"]["lfs_sha256"] = "0" * 64
    path.write_text(json.dumps(listing))
    hub.clear()

    assert fresh(store).prepare(BASE) == model
    assert hub.requests == []


def test_manifest_of_a_complete_model_is_not_written_again(store: Store) -> None:
    """The manifest of a complete model is not written again."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    before = written(path)

    fresh(store).prepare(BASE)

    assert written(path) == before
