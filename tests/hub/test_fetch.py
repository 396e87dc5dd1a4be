"""What the store fetches, where it puts it, and what it takes no request for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.stores import fresh, leftovers, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import RepoError, Unavailable, VerificationError, VerifiedModel
from whisper_speedtest.hub.hosted import Watcher

if TYPE_CHECKING:
    from whisper_speedtest.hub.store import Store


def test_fetches_into_the_layout_of_the_hub_cache(hub: Hub, store: Store) -> None:
    """A fetched model lies in the cache as blobs, links and a ref, by one request for each file."""
    commit = hub.commit(BASE.repo)

    model = store.prepare(BASE)

    folder = repo_folder(store, BASE).root
    assert (model.repo, model.commit, read(model)) == (BASE.repo, commit, content(BASE))
    for name in BASE.files:
        pointer = folder / "snapshots" / commit / name
        assert model.files[name][0] == pointer
        assert pointer.readlink() == Path("..", "..", "blobs", hub.blob(BASE.repo, name).etag)
    assert (folder / "refs" / "main").read_text() == commit
    assert sorted(requested(hub), key=str) == [
        ("info", None),
        ("resolve", "config.json"),
        ("resolve", "weights.npz"),
    ]
    assert hub.downloads() == {(BASE.repo, commit, name) for name in BASE.files}
    assert leftovers(store) == []


def test_proofs_are_size_and_sha256_of_every_file(hub: Hub, store: Store) -> None:
    """The proof of every file is its size and sha256, even if the hub announces git's sha1."""
    model = store.prepare(BASE)

    announced = {name: hub.blob(BASE.repo, name) for name in BASE.files}
    assert {name: proof for name, (_, proof) in model.files.items()} == {
        name: Proof(blob.size, blob.sha256) for name, blob in announced.items()
    }
    assert not announced["config.json"].lfs


def test_what_is_there_takes_no_request(hub: Hub, store: Store) -> None:
    """A model that is in the cache takes no request."""
    first = store.prepare(BASE)
    hub.clear()
    hub.fault(Fault(status=500))

    again = fresh(store).prepare(BASE)

    assert (again, hub.requests) == (first, [])


def test_what_hf_downloaded_is_recognised(hub: Hub, store: Store) -> None:
    """A cache that huggingface_hub filled is taken without a request, and a manifest is written."""
    from huggingface_hub import snapshot_download

    snapshot_download(BASE.repo, cache_dir=store.settings.cache, endpoint=hub.endpoint, token=False)
    hub.clear()

    model = store.prepare(BASE)

    assert (read(model), hub.requests) == (content(BASE), [])
    manifests = Manifests(repo_folder(store, BASE)).verified_commits("main")
    assert {commit: set(files) for commit, files in manifests.items()} == {
        model.commit: set(BASE.files)
    }


def test_variants_of_a_size_have_their_own_bytes(store: Store) -> None:
    """Two variants of a size that are fetched in turn keep their own bytes."""
    models = [store.prepare(files) for files in (BASE, QUANTISED, BASE)]

    assert [read(model) for model in models] == [
        content(BASE),
        content(QUANTISED),
        content(BASE),
    ]


def test_a_file_that_two_models_share_is_fetched_once(hub: Hub, store: Store) -> None:
    """A file that two models of one repo share is fetched once."""
    both = (BASE, replace(BASE, files=("config.json",)))

    outcomes = store.fetch(store.plan(both))

    assert [type(outcome) for outcome in outcomes.values()] == [VerifiedModel, VerifiedModel]
    assert [file for kind, file in requested(hub) if kind == "resolve"].count("config.json") == 1


def test_a_revision_other_than_main_is_its_own(hub: Hub, store: Store) -> None:
    """A branch with a slash in its name and a bare commit each bring what they name."""
    branch = replace(BASE, revision="refs/pr/1")
    hub.add(BASE.repo, content(BASE, "pr"), revision="refs/pr/1")
    pinned = replace(BASE, revision=hub.commit(BASE.repo, "refs/pr/1"))

    models = [store.prepare(files) for files in (BASE, pinned, branch)]

    assert [read(model) for model in models] == [
        content(BASE),
        content(BASE, "pr"),
        content(BASE, "pr"),
    ]
    refs = repo_folder(store, BASE).root / "refs"
    noted = {str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file()}
    assert noted == {"main", "refs/pr/1"}, "expected no ref for a commit"


def test_a_repo_in_xet_storage_is_read_over_http(store: Store) -> None:
    """A repo in Xet storage is read over plain HTTP."""
    with Hub(xet=True) as hub:
        hub.add(BASE.repo, content(BASE))

        model = fresh(store, endpoint=hub.endpoint).prepare(BASE)

    assert read(model) == content(BASE)


def test_progress_comes_to_the_size_of_each_file(hub: Hub, store: Store) -> None:
    """The progress of each file comes to its size, even if a try was in vain."""
    hub.fault(Fault(flip=5), times=1, file="weights.npz", kind="cdn")
    seen: dict[str, list[int]] = {}

    class Noted(Watcher):
        def start(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            seen[file] = [size, 0, 0]

        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            seen[file][1] += size

        def finish(self, repo: str, file: str) -> None:  # noqa: ARG002
            seen[file][2] += 1

    store.prepare(BASE, Noted())

    sizes = {name: len(body) for name, body in content(BASE).items()}
    assert seen == {name: [size, size, 1] for name, size in sizes.items()}


def test_nothing_verified_is_an_error(store: Store) -> None:
    """A model of no files is an error of the check map."""
    error = refusal(store, replace(BASE, files=()))

    assert isinstance(error, RepoError)
    assert "expected the names of the files" in str(error)


def test_an_empty_folder_is_no_model(hub: Hub, store: Store) -> None:
    """A snapshot without files is no model."""
    folder = repo_folder(store, BASE)
    (folder.root / "snapshots" / hub.commit(BASE.repo)).mkdir(parents=True)
    (folder.root / "refs").mkdir()
    (folder.root / "refs" / "main").write_text(hub.commit(BASE.repo))

    assert store.inspect(BASE).state == "missing"
    assert isinstance(refusal(offline(store), BASE), Unavailable)
    with pytest.raises(VerificationError, match="expected every file complete"):
        store.inspect(BASE).verified()
    assert read(store.prepare(BASE)) == content(BASE)


def test_a_required_file_that_the_repo_lacks_is_named(store: Store) -> None:
    """A required file that the repo lacks is named, with the files that the repo lists."""
    error = refusal(store, replace(BASE, files=("weights.npz", "model.bin")))

    assert isinstance(error, RepoError)
    assert "expected the files model.bin" in str(error)
    assert "lists config.json, weights.npz" in str(error)
    assert "check map" in str(error)


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a/../../x", "a\\x", "a//x", "x\0"])
def test_names_that_lead_out_of_the_folder_are_refused(hub: Hub, store: Store, name: str) -> None:
    """File names that lead out of the cache are refused before anything is written."""
    hub.add(BASE.repo, {**content(BASE), name: b"{}"})

    listed = refusal(store, BASE)
    asked = refusal(store, replace(BASE, files=(name,)))

    assert isinstance(listed, RepoError)
    assert isinstance(asked, RepoError)
    assert "unsafe file name" in str(listed)
    assert repr(name.replace("\0", "?")) in str(listed)
    assert not store.settings.cache.exists()
