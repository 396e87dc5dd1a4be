"""The manifests of what was verified: how far they are believed, and which of them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import ModelFiles
from tests.cache.by_hand import NEW, OLD, note, sha256
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit, written
from tests.helpers.stores import fresh, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.lock import Lock
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import Unavailable, VerificationError
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fixtures.hub import Hub


def corrupt_manifest(text: str | bytes) -> Callable[[Path], None]:
    """Return what writes `text` over a manifest."""
    body = text if isinstance(text, bytes) else text.encode()

    def write(path: Path) -> None:
        path.write_bytes(body)

    return write


def edit_manifest(**changes: Any) -> Callable[[Path], None]:
    """Return what changes keys of a manifest."""

    def edit(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what puts something else in place of a manifest."""

    def put(path: Path) -> None:
        path.unlink()
        make(path)

    return put


ILLEGIBLE: dict[str, Callable[[Path], None]] = {
    "pipe": instead(os.mkfifo),
    "folder": instead(Path.mkdir),
    "link to nothing": instead(lambda path: path.symlink_to("nowhere")),
    "endless": instead(lambda path: path.symlink_to("/dev/zero")),
    "empty": corrupt_manifest(""),
    "garbage": corrupt_manifest(b"\xff\x00PK"),
    "list": corrupt_manifest("[]"),
    "deep": corrupt_manifest("[" * 100_000),
    "deep-in-another-key": corrupt_manifest('{"x":' + "[" * 100_000),
    "other-keys": corrupt_manifest('{"files": {"weights.npz": {"hash": 1}}}'),
    "other-repo": edit_manifest(repo=QUANTISED.repo),
    "other-revision": edit_manifest(revision="v2"),
    "other-commit": edit_manifest(commit="0" * 40),
}
"""What makes something of a manifest that cannot be understood."""


def name_by_content(store: Store, body: bytes) -> None:
    """Put other weights under their own hash, so that the cache agrees with itself."""
    folder = repo_folder(store, BASE)
    link = folder.pointer(folder.commit("main") or "", "weights.npz")
    link.resolve().unlink()
    (blob := folder.blobs / hashlib.sha256(body).hexdigest()).write_bytes(body)
    link.unlink()
    link.symlink_to(os.path.relpath(blob, link.parent))


@pytest.mark.parametrize("harm", ILLEGIBLE.values(), ids=ILLEGIBLE)
def test_manifest_that_cannot_be_understood_leaves_its_files_unknown_offline(
    store: Store, harm: Callable[[Path], None]
) -> None:
    """Offline, a manifest that cannot be understood makes files unknown, and is left alone."""
    model = store.prepare(BASE)
    harm(path := repo_folder(store, BASE).manifest_path("main", model.commit))
    before = written(path)

    found = fresh(store).inspect(BASE)
    error = refusal(offline(store), BASE)

    assert (found.state, found.commit) == ("unknown", model.commit)
    reason = f"expected the manifest {path} to say what was verified, got none ("
    for name in BASE.files:
        assert found.findings[name].reason.startswith(reason)
        assert found.findings[name].etag == ""
    assert str(error).startswith(f"{BASE}: {reason}")
    assert str(error).count(reason) == 1, "expected the reason once for all files"
    assert type(error) is Unavailable
    assert "offline (--offline or HF_HUB_OFFLINE); run once without that" in str(error)
    assert written(path) == before


@pytest.mark.parametrize("harm", ILLEGIBLE.values(), ids=ILLEGIBLE)
def test_manifest_that_cannot_be_understood_is_replaced_by_a_listing(
    hub: Hub, store: Store, harm: Callable[[Path], None]
) -> None:
    """A manifest that cannot be understood is replaced by the hub's listing without a download."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    good = path.read_text()
    harm(path)
    hub.clear()

    if path.is_dir():
        assert f"move {path} away, which is a folder where a" in str(refusal(fresh(store), BASE))
        path.rmdir()
        path.touch()

    assert fresh(store).prepare(BASE) == model
    assert {kind for kind, _ in requested(hub)} <= {"info"}
    assert path.read_text() == good
    assert offline(store).prepare(BASE) == model


@pytest.mark.parametrize("harm", ILLEGIBLE.values(), ids=ILLEGIBLE)
def test_manifest_that_cannot_be_understood_lets_no_other_weights_in(
    hub: Hub, store: Store, harm: Callable[[Path], None]
) -> None:
    """A manifest that cannot be understood lets no other weights in: they are fetched anew."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    name_by_content(store, content(QUANTISED)["weights.npz"])
    harm(path)
    hub.clear()

    assert f"{BASE}: expected the manifest " in str(refusal(offline(store), BASE))
    if path.is_dir():
        path.rmdir()
        path.touch()
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert requested(hub) == [("info", None), ("resolve", "weights.npz")]


def test_listing_of_huggingface_hub_replaces_a_manifest_that_cannot_be_understood(
    hub: Hub, store: Store
) -> None:
    """huggingface_hub's listing replaces a manifest that cannot be understood, even offline."""
    from huggingface_hub import snapshot_download

    where: Any = {"cache_dir": store.settings.cache, "endpoint": hub.endpoint, "token": False}
    snapshot_download(BASE.repo, **where)
    model = offline(store).prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    good = path.read_text()
    path.write_text("{")

    assert offline(store).prepare(BASE) == model
    assert path.read_text() == good

    path.write_text("{")
    name_by_content(store, content(QUANTISED)["weights.npz"])

    assert isinstance(refusal(offline(store), BASE), VerificationError)
    assert path.read_text() == "{"


@pytest.mark.parametrize("harm", ["no folder", "closed", "link to nothing"])
def test_folder_of_manifests_that_cannot_be_read_is_no_empty_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """A folder of manifests that cannot be read makes its model unavailable offline."""
    store.prepare(BASE)
    own = repo_folder(store, BASE).own
    if harm == "closed":
        _close_to_reading(own, monkeypatch)
    else:
        shutil.rmtree(own)
        own.touch() if harm == "no folder" else own.symlink_to("nowhere")

    error = refusal(offline(store), BASE)

    assert type(error) is Unavailable
    assert f"{BASE}: expected the manifest {own} to say what was verified, got none" in str(error)


def _close_to_reading(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody, not even root, list a folder or open a file."""
    iterdir, opened = Path.iterdir, Path.open

    def refused(path: Path) -> None:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def list_(path: Path) -> Iterator[Path]:
        refused(path)
        return iterdir(path)

    def open_(path: Path, *how: Any, **more: Any) -> Any:
        refused(path)
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "iterdir", list_)
    monkeypatch.setattr(Path, "open", open_)


def test_manifest_that_may_not_be_read_is_told_as_such(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that may not be read is reported with the system's reason."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    _close_to_reading(path, monkeypatch)

    assert f"{path} to say what was verified, got none ([Errno 13] Permission denied" in str(
        refusal(offline(store), BASE)
    )


def test_manifest_of_another_commit_that_cannot_be_understood_counts_for_this_one_too(
    hub: Hub, store: Store
) -> None:
    """A manifest of another commit that cannot be understood makes this commit unknown, too."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    folder.manifest_path("main", model.commit).write_text("{")
    folder.pointer(model.commit, "").rename(folder.pointer("d" * 40, ""))
    (folder.root / "refs" / "main").write_text("d" * 40)
    hub.clear()

    assert fresh(store).inspect(BASE).state == "unknown"
    assert isinstance(refusal(offline(store), BASE), Unavailable)
    assert fresh(store).prepare(BASE) == model
    assert requested(hub) == [("info", None)]


def put_unconfirmed(store: Store, commit: str) -> None:
    """Move main to a commit of other weights, of which nothing but its links says what it is."""
    folder = repo_folder(store, BASE)
    for name in BASE.files:
        link = folder.pointer(commit, name)
        link.parent.mkdir(exist_ok=True)
        body = content(QUANTISED)[name]
        (blob := folder.blobs / hashlib.sha256(body).hexdigest()).write_bytes(body)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (folder.root / "refs" / "main").write_text(commit)


def test_commit_that_nobody_confirmed_does_not_stand_in_for_a_harmed_one(store: Store) -> None:
    """A commit that nobody confirmed does not stand in for a verified one that was harmed."""
    model = store.prepare(BASE)
    put_unconfirmed(store, "d" * 40)
    flip_bit(model.files["weights.npz"][0])

    found = fresh(store).inspect(BASE)

    assert (found.state, found.commit) == ("corrupt", model.commit)
    assert isinstance(refusal(offline(store), BASE), VerificationError)


@pytest.mark.parametrize("noted", [False, True], ids=["not noted", "noted"])
def test_commit_that_nobody_confirmed_does_not_stand_in_for_one_that_is_gone(
    hub: Hub, store: Store, noted: bool
) -> None:
    """A commit that nobody confirmed does not stand in for a verified one whose files are gone."""
    model = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    put_unconfirmed(store, "d" * 40)
    if noted:
        manifest = folder.manifest_path("main", model.commit)
        verified = manifest.read_bytes()
        manifest.unlink()
        assert offline(store).prepare(BASE).unconfirmed
        manifest.write_bytes(verified)
        os.utime(manifest, (0, 0))
    for name in BASE.files:
        (pointer := folder.pointer(model.commit, name)).resolve().unlink()
        pointer.unlink()
    hub.clear()

    found = fresh(store).inspect(BASE)
    error = refusal(offline(store), BASE)

    assert (found.state, found.commit) == ("unknown", model.commit)
    assert type(error) is Unavailable
    assert str(error).startswith(
        f"{BASE}: expected commit {model.commit}, which was verified, got commit {'d' * 40}, which "
        f"no host has confirmed; {BASE}: offline (--offline or HF_HUB_OFFLINE); run once without"
    )
    assert hub.requests == []
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert offline(store).prepare(BASE).commit == model.commit


def test_newer_commit_that_huggingface_hub_fetched_is_confirmed_by_one_request(
    hub: Hub, store: Store
) -> None:
    """A newer commit that huggingface_hub fetched is confirmed by one request, with no download."""
    from huggingface_hub import hf_hub_download

    model = store.prepare(BASE)
    newer = hub.move(BASE.repo, "main", content(BASE, "newer"))
    where: Any = {"cache_dir": store.settings.cache, "endpoint": hub.endpoint, "token": False}
    for name in BASE.files:
        hf_hub_download(BASE.repo, name, **where)
        (pointer := repo_folder(store, BASE).pointer(model.commit, name)).resolve().unlink()
        pointer.unlink()
    hub.clear()

    found = fresh(store).prepare(BASE)

    assert (found.commit, found.unconfirmed) == (newer, False)
    assert requested(hub) == [("info", None)]


def test_unconfirmed_commit_does_not_stand_in_for_one_that_was_seen_otherwise(
    store: Store,
) -> None:
    """An unconfirmed commit does not stand in for one that is no longer as it was first seen."""
    model = store.prepare(BASE)
    shutil.rmtree(repo_folder(store, BASE).own)
    assert offline(store).prepare(BASE).unconfirmed
    put_unconfirmed(store, "d" * 40)
    flip_bit(model.files["weights.npz"][0])

    found = fresh(store).inspect(BASE)

    assert (found.state, found.commit) == ("corrupt", model.commit)
    assert "(as when it was first seen), got " in found.findings["weights.npz"].reason


def test_commits_that_nobody_ever_confirmed_stand_in_for_each_other(store: Store) -> None:
    """Commits that nobody ever confirmed stand in for each other, and stay unconfirmed."""
    model = store.prepare(BASE)
    shutil.rmtree(repo_folder(store, BASE).own)
    assert offline(store).prepare(BASE).unconfirmed
    put_unconfirmed(store, "d" * 40)
    shutil.rmtree(repo_folder(store, BASE).pointer(model.commit, ""))

    found = offline(store).prepare(BASE)

    assert (found.commit, found.unconfirmed) == ("d" * 40, True)


def test_notes_of_macos_on_a_manifest_are_no_manifest(store: Store) -> None:
    """A file that macOS writes beside a manifest, with `._` before its name, is no manifest."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    path.rename(path.with_name(f"._{path.name}")).write_bytes(b"\0\x05\x16\x07")

    assert offline(store).prepare(BASE) == replace(model, unconfirmed=True)


# Manifests that contradict each other


def contradict(store: Store, commit: str, *, newer: bool, **changes: Any) -> Path:
    """Write a manifest of the same commit as `v1`, whose weights are the other variant's."""
    folder = repo_folder(store, BASE)
    manifest = json.loads(folder.manifest_path("main", commit).read_text())
    body = content(QUANTISED)["weights.npz"]
    sha256 = hashlib.sha256(body).hexdigest()
    manifest["revision"] = "v1"
    manifest["files"]["weights.npz"] = {"size": len(body), "sha256": sha256, "etag": sha256}
    manifest["files"]["weights.npz"] |= changes
    path = folder.manifest_path("v1", commit)
    path.write_text(json.dumps(manifest))
    age = 10**9 if newer else -(10**9)
    written_at = folder.manifest_path("main", commit).stat().st_mtime_ns + age
    os.utime(path, ns=(written_at, written_at))
    return path


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize("exchanged", [True, False])
def test_manifests_that_contradict_each_other_prove_nothing_offline(
    store: Store, newer: bool, exchanged: bool
) -> None:
    """Offline, manifests that contradict each other leave a file unknown, and both are reported."""
    model = store.prepare(BASE)
    other = contradict(store, model.commit, newer=newer)
    right = model.files["weights.npz"][1].sha256
    if exchanged:
        name_by_content(store, content(QUANTISED)["weights.npz"])

    found = fresh(store).inspect(BASE)
    error = refusal(offline(store), BASE)

    states = {name: each.state for name, each in found.findings.items()}
    assert states == {"weights.npz": "unknown", "config.json": "complete"}
    assert (found.state, found.commit, type(error)) == ("unknown", model.commit, Unavailable)
    main = repo_folder(store, BASE).manifest_path("main", model.commit)
    wrong = hashlib.sha256(content(QUANTISED)["weights.npz"]).hexdigest()
    by_main = f"sha256 {right} of 300000 bytes ({main})"
    by_other = f"sha256 {wrong} of 300000 bytes ({other})"
    said = [by_other, by_main] if newer else [by_main, by_other]
    assert str(error).startswith(
        f"{BASE}: weights.npz: expected our manifests to agree on what it is at commit "
        f"{model.commit[:12]}, got {' and '.join(said)}; what the hub "
        f"lists decides; {BASE}: offline (--offline or HF_HUB_OFFLINE); run once without that"
    )


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize("exchanged", [True, False])
def test_listing_decides_between_manifests_that_contradict_each_other(
    hub: Hub, store: Store, newer: bool, exchanged: bool
) -> None:
    """The hub's listing decides between contradicting manifests, and the wrong one is corrected.

    A corrected manifest keeps its time, so that a revision stands for the commit that it stood for.
    """
    model = store.prepare(BASE)
    good = repo_folder(store, BASE).manifest_path("main", model.commit).read_text()
    other = contradict(store, model.commit, newer=newer)
    if exchanged:
        name_by_content(store, content(QUANTISED)["weights.npz"])
    age = other.stat().st_mtime_ns
    hub.clear()

    assert fresh(store).prepare(BASE) == model

    fetched = [("resolve", "weights.npz")] if exchanged else []
    assert requested(hub) == [("info", None), *fetched]
    assert json.loads(other.read_text()) == json.loads(good) | {"revision": "v1"}
    assert other.stat().st_mtime_ns == age
    assert offline(store).prepare(BASE) == model
    assert offline(store).prepare(replace(BASE, revision="v1")).files == model.files


@pytest.mark.parametrize("newer", [True, False])
def test_listing_of_huggingface_hub_decides_between_manifests(
    hub: Hub, store: Store, newer: bool
) -> None:
    """A listing that huggingface_hub kept decides between contradicting manifests."""
    from huggingface_hub import snapshot_download

    where: Any = {"cache_dir": store.settings.cache, "endpoint": hub.endpoint, "token": False}
    snapshot_download(BASE.repo, **where)
    model = store.prepare(BASE)
    contradict(store, model.commit, newer=newer)

    assert offline(store).prepare(BASE) == model

    name_by_content(store, content(QUANTISED)["weights.npz"])
    error = refusal(offline(store), BASE)
    assert isinstance(error, VerificationError)
    assert f" (as {repo_folder(store, BASE).root / 'trees' / model.commit}.json lists it), " in str(
        error
    )


def test_lock_decides_between_manifests(store: Store) -> None:
    """A lock decides between manifests that contradict each other."""
    model = store.prepare(BASE)
    contradict(store, model.commit, newer=True)
    lock = Lock().with_models([model])
    settings = replace(store.settings, offline=True)

    assert Store(settings, lock).prepare(BASE) == model

    name_by_content(store, content(QUANTISED)["weights.npz"])
    assert isinstance(refusal(Store(settings, lock), BASE), VerificationError)


def test_manifests_contradict_each_other_only_where_both_have_it_from_a_host(store: Store) -> None:
    """A manifest with unconfirmed records contradicts none with confirmed ones."""
    model = store.prepare(BASE)
    contradict(store, model.commit, newer=True, unconfirmed=True)

    assert offline(store).prepare(BASE) == model

    main = repo_folder(store, BASE).manifest_path("main", model.commit)
    recorded = json.loads(main.read_text())
    recorded["files"]["weights.npz"]["unconfirmed"] = True
    main.write_text(json.dumps(recorded))
    contradict(store, model.commit, newer=True, unconfirmed=True)
    assert "expected our manifests to agree on what it is" in str(refusal(offline(store), BASE))


# Caches of which nobody has ever recorded anything


@pytest.mark.parametrize("session", [fresh, offline])
def test_cache_without_any_record_is_taken_at_its_word_and_told_as_unconfirmed(
    hub: Hub, store: Store, session: Callable[[Store], Store]
) -> None:
    """A cache without any record is taken at its word, and reported and recorded as unconfirmed."""
    from huggingface_hub import hf_hub_download

    where: Any = {"cache_dir": store.settings.cache, "endpoint": hub.endpoint, "token": False}
    for name in BASE.files:
        hf_hub_download(BASE.repo, name, **where)
    hub.clear()

    for _ in range(2):  # once without a manifest, and once with ours
        (model,) = session(store).plan([BASE]).complete
        assert model.local.unconfirmed
        assert model.local.verified().unconfirmed
    assert hub.requests == []
    path = repo_folder(store, BASE).manifest_path("main", hub.commit(BASE.repo))
    recorded = json.loads(path.read_text())["files"]
    assert [recorded[name]["unconfirmed"] for name in BASE.files] == [True, True]


def test_exchange_after_a_cache_was_first_seen_is_found(hub: Hub, store: Store) -> None:
    """An exchange of weights is found if the cache was seen and recorded before it."""
    model = store.prepare(BASE)
    (path := repo_folder(store, BASE).manifest_path("main", model.commit)).unlink()
    assert offline(store).prepare(BASE) == replace(model, unconfirmed=True)
    name_by_content(store, content(QUANTISED)["weights.npz"])

    error = refusal(offline(store), BASE)

    assert "of 300000 bytes (as when it was first seen), got " in str(error)
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert "unconfirmed" not in path.read_text()
    assert not fresh(store).inspect(BASE).unconfirmed
    assert hub.requests != []


def test_what_nobody_confirmed_is_not_confirmed_by_being_completed_offline(store: Store) -> None:
    """Unconfirmed files stay unconfirmed when a deleted link among them is made anew offline."""
    model = store.prepare(BASE)
    repo_folder(store, BASE).manifest_path("main", model.commit).unlink()
    offline(store).prepare(BASE)
    model.files["weights.npz"][0].unlink()

    (planned,) = offline(store).plan([BASE]).to_fetch
    assert planned.unconfirmed, "expected a plan that marks the model as unconfirmed"
    assert offline(store).prepare(BASE) == replace(model, unconfirmed=True)
    assert fresh(store).inspect(BASE).unconfirmed


@pytest.mark.parametrize("right", [True, False])
def test_listing_of_huggingface_hub_outranks_a_record_of_what_nobody_confirmed(
    hub: Hub, store: Store, right: bool
) -> None:
    """huggingface_hub's listing outranks an unconfirmed record: files are confirmed or corrupt."""
    from huggingface_hub import snapshot_download

    model = store.prepare(BASE)
    if not right:
        name_by_content(store, content(QUANTISED)["weights.npz"])
    (path := repo_folder(store, BASE).manifest_path("main", model.commit)).unlink()
    offline(store).prepare(BASE)
    assert '"unconfirmed": true' in path.read_text()
    where: Any = {"endpoint": hub.endpoint, "token": False}
    snapshot_download(BASE.repo, cache_dir=store.settings.cache / "new", **where)
    trees = store.settings.cache / "new" / path.parents[1].name / "trees"
    shutil.copytree(trees, path.parents[1] / "trees")

    found = fresh(store).inspect(BASE)

    assert (found.state, found.unconfirmed) == ("complete" if right else "corrupt", False)
    if right:
        assert offline(store).prepare(BASE) == model
        assert "unconfirmed" not in path.read_text()


def test_listing_confirms_what_nobody_had_confirmed(hub: Hub, store: Store) -> None:
    """Unconfirmed files are confirmed by the listing that is asked for with another file."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    good = path.read_text()
    path.unlink()
    offline(store).prepare(BASE)
    assert path.read_text() != good
    model.files["config.json"][0].resolve().unlink()

    (planned,) = fresh(store).plan([BASE]).to_fetch
    assert not planned.unconfirmed
    assert fresh(store).prepare(BASE) == model
    assert path.read_text() == good
    assert requested(hub)[-2:] == [("info", None), ("resolve", "config.json")]


@pytest.mark.parametrize("harm", [Path.unlink, *ILLEGIBLE.values()], ids=["missing", *ILLEGIBLE])
def test_no_manifest_hides_harm(store: Store, harm: Callable[[Path], None]) -> None:
    """Corrupt weights are found whatever the manifest says."""
    model = store.prepare(BASE)
    flip_bit(model.files["weights.npz"][0])
    harm(repo_folder(store, BASE).manifest_path("main", model.commit))

    assert isinstance(refusal(offline(store), BASE), VerificationError)


def test_another_tool_that_goes_on_to_a_newer_commit_loses_no_model(hub: Hub, store: Store) -> None:
    """A model stays complete when another tool has fetched a part of a newer commit."""
    from huggingface_hub import hf_hub_download

    model = store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    hf_hub_download(
        BASE.repo, "config.json", cache_dir=store.settings.cache, endpoint=hub.endpoint, token=False
    )
    hub.clear()

    assert offline(store).prepare(BASE) == model
    assert fresh(store).prepare(BASE) == model
    assert hub.requests == []


def test_models_of_one_repo_may_be_of_different_commits(hub: Hub, store: Store) -> None:
    """Models of one repo may be of different commits, and fetching one loses no other."""
    one, other = (ModelFiles("org/many", (f"{name}/weights.npz",)) for name in ("one", "other"))
    hub.add(one.repo, content(one) | content(other))
    first = store.prepare(one)
    hub.move(one.repo, "main", content(one, "newer") | content(other, "newer"))

    second = store.prepare(other)

    assert first.commit != second.commit
    assert offline(store).prepare(one) == first
    assert offline(store).prepare(other) == second


def test_file_without_a_byte_is_one_of_the_manifest(hub: Hub, store: Store) -> None:
    """A file of no bytes is recorded in the manifest and found again offline."""
    files = ModelFiles("org/with-an-empty-file", ("weights.npz", "vocab.txt"))
    hub.add(files.repo, {"weights.npz": b"weights", "vocab.txt": b""})

    model = store.prepare(files)

    (found,) = Manifests(repo_folder(store, files)).verified_commits("main").values()
    assert {name: record.size for name, record in found.items()} == {
        "vocab.txt": 0,
        "weights.npz": 7,
    }
    assert offline(store).prepare(files) == model


# Manifests written by hand


@pytest.mark.parametrize(
    "changes",
    [
        {"repo": "org/other"},
        {"revision": "v2"},
        {"commit": NEW},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 63, "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64, "etag": "0" * 41}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64 + "\n", "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": "1", "sha256": "0" * 64, "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64}}},
        {"files": ["a.npz"]},
    ],
    ids=(
        "repo revision commit short-sha256 odd-etag newline-in-sha256 size-as-text no-etag list"
    ).split(),
)
def test_manifest_of_something_else_counts_as_none(
    folder: RepoFolder, changes: dict[str, Any]
) -> None:
    """A manifest with another repo, revision or commit than its name, or odd hashes, is ignored."""
    path = note(folder, OLD, 100, a_npz=b"a")
    assert list(Manifests(folder).verified_commits("main")) == [OLD]

    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")

    assert Manifests(folder).verified_commits("main") == {}


def test_manifest_of_a_revision_with_a_slash_has_a_name_of_its_own(folder: RepoFolder) -> None:
    """The manifest of a revision with a slash is one file, whose name escapes the slash."""
    path = folder.manifest_path("refs/pr/1", OLD)

    assert path.parent == folder.own
    assert path.name == f"refs%2Fpr%2F1@{OLD}.json"
    assert Manifests(folder).verified_commits("refs/pr/1") == {}


def test_manifest_of_what_a_revision_cannot_mean_does_not_count(
    folder: RepoFolder, tmp_path: Path
) -> None:
    """A commit on the hub is a sha1, and that of a file by URL is its revision itself."""
    note(folder, OLD, 1, a_npz=b"a")
    note(folder, "odd", 2, a_npz=b"b")
    by_url = RepoFolder(tmp_path, "https://example.org/models")
    by_url.own.mkdir(parents=True)
    right, wrong = sha256(b"right"), sha256(b"wrong")
    for commit in (right, wrong):
        manifest = {"repo": by_url.repo, "revision": right, "commit": commit, "files": {}}
        by_url.manifest_path(right, commit).write_text(json.dumps(manifest), encoding="utf-8")

    assert list(Manifests(folder).verified_commits("main")) == [OLD]
    assert list(Manifests(by_url).verified_commits(right)) == [right]
