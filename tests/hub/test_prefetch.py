"""The store against a real hub on the loopback: what it fetches, verifies, repairs and refuses."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.base import ModelFiles
from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.harm import (
    BASE,
    HARMS,
    QUANTISED,
    content,
    flip_bit,
    weights,
)
from tests.helpers.project import ROOT
from whisper_speedtest.hub.cache import RepoFolder
from whisper_speedtest.hub.model import (
    ModelError,
    Proof,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
    prove,
)
from whisper_speedtest.hub.plan import Plan
from whisper_speedtest.hub.remote import Retry
from whisper_speedtest.hub.sizes import flag, human
from whisper_speedtest.hub.store import Store

BINARY = {"Content-Type": "application/octet-stream"}
FAST = Retry(attempts=3, delay=0.01, longest=0.02)

FETCH = """
import sys
from pathlib import Path
from adapters.base import ModelFiles
from whisper_speedtest.hub.store import Store
cache, endpoint, repo, *files = sys.argv[1:]
Store(Path(cache), endpoint).prepare(ModelFiles(repo, tuple(files)))
"""
"""What a child process does: one pre-fetch."""


@pytest.fixture(name="hub")
def _hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that serves two variants of one size."""
    from huggingface_hub import close_session, constants

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    with Hub() as hub:
        hub.add(BASE.repo, content(BASE))
        hub.add(QUANTISED.repo, content(QUANTISED))
        yield hub
    close_session()


@pytest.fixture(name="store")
def _store(hub: Hub, tmp_path: Path) -> Store:
    """A store with an empty cache, whose hub is the loopback hub."""
    return Store(tmp_path / "cache", hub.endpoint, retry=FAST, timeout=5)


def offline(store: Store) -> Store:
    """Return the same store in another session, offline."""
    return replace(store, offline=True)


def fresh(store: Store) -> Store:
    """Return the same store in another session."""
    return replace(store)


def refusal(store: Store, files: ModelFiles) -> ModelError:
    """Return the error of preparing a model."""
    with pytest.raises(ModelError) as caught:
        store.prepare(files)
    return caught.value


def read(model: VerifiedModel) -> dict[str, bytes]:
    """Return the bytes of a model's files, once they were held against their proofs."""
    model.recheck()
    return {name: path.read_bytes() for name, (path, _) in model.files.items()}


def leftovers(store: Store) -> list[Path]:
    """Return all that a pre-fetch may leave behind, and should not."""
    return [
        path
        for path in store.cache.rglob("*")
        if path.name.endswith(".incomplete") or "staging-" in path.name
    ]


def held_files(store: Store, files: ModelFiles) -> list[Path]:
    """Return every file, and link, in a repo's folder."""
    folder = RepoFolder(store.cache, files.repo).root
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def requested(hub: Hub) -> list[tuple[str, str | None]]:
    """Return (kind, file) of each request since the log was cleared; redirects left out."""
    return [(each.kind, each.file) for each in hub.requests if each.kind != "cdn"]


def child(store: Store, files: ModelFiles, code: str = FETCH) -> "subprocess.Popen[str]":
    """Start a process that pre-fetches a model."""
    return subprocess.Popen(
        [sys.executable, "-c", code, store.cache, store.endpoint, files.repo, *files.files],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )


# What is fetched, and where it goes


def test_fetches_into_the_layout_of_the_hub_cache(hub: Hub, store: Store) -> None:
    """Blobs under their etags, a snapshot of links to them, and the ref; one request for each."""
    commit = hub.commit(BASE.repo)

    model = store.prepare(BASE)

    folder = RepoFolder(store.cache, BASE.repo).root
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
    """Also for small files, for which the hub announces git's sha1 only."""
    model = store.prepare(BASE)

    announced = {name: hub.blob(BASE.repo, name) for name in BASE.files}
    assert {name: proof for name, (_, proof) in model.files.items()} == {
        name: Proof(blob.size, blob.sha256) for name, blob in announced.items()
    }
    assert not announced["config.json"].lfs


def test_what_is_there_takes_no_request(hub: Hub, store: Store) -> None:
    """Nor would any be answered: every one would be refused."""
    first = store.prepare(BASE)
    hub.clear()
    hub.fault(Fault(status=500))

    again = fresh(store).prepare(BASE)

    assert (again, hub.requests) == (first, [])


def test_what_hf_downloaded_is_recognised(hub: Hub, store: Store) -> None:
    """A cache that huggingface_hub filled is as good; what was verified is then written down."""
    from huggingface_hub import snapshot_download

    snapshot_download(BASE.repo, cache_dir=store.cache, endpoint=hub.endpoint, token=False)
    hub.clear()

    model = store.prepare(BASE)

    assert (read(model), hub.requests) == (content(BASE), [])
    manifests = RepoFolder(store.cache, BASE.repo).manifests("main")
    assert {commit: set(files) for commit, files in manifests.items()} == {
        model.commit: set(BASE.files)
    }


def test_variants_of_a_size_have_their_own_bytes(store: Store) -> None:
    """Base, then 4bit, then base again, in one session."""
    models = [store.prepare(files) for files in (BASE, QUANTISED, BASE)]

    assert [read(model) for model in models] == [
        content(BASE),
        content(QUANTISED),
        content(BASE),
    ]


def test_a_file_that_two_models_share_is_fetched_once(hub: Hub, store: Store) -> None:
    """Cases of one repo may need different files of it."""
    both = (BASE, replace(BASE, files=("config.json",)))

    outcomes = store.fetch(store.plan(both))

    assert [type(outcome) for outcome in outcomes.values()] == [VerifiedModel, VerifiedModel]
    assert [file for kind, file in requested(hub) if kind == "resolve"].count("config.json") == 1


def test_a_revision_other_than_main_is_its_own(hub: Hub, store: Store) -> None:
    """A branch with a slash in its name and a bare commit each get what they name."""
    branch = replace(BASE, revision="refs/pr/1")
    hub.add(BASE.repo, content(BASE, "pr"), revision="refs/pr/1")
    pinned = replace(BASE, revision=hub.commit(BASE.repo, "refs/pr/1"))

    models = [store.prepare(files) for files in (BASE, branch, pinned)]

    assert [read(model) for model in models] == [
        content(BASE),
        content(BASE, "pr"),
        content(BASE, "pr"),
    ]


def test_a_repo_in_xet_storage_is_read_over_http(store: Store) -> None:
    """Xet has a protocol of its own, which may lead nowhere; the hub serves its files as well."""
    with Hub(xet=True) as hub:
        hub.add(BASE.repo, content(BASE))

        model = replace(store, endpoint=hub.endpoint).prepare(BASE)

    assert read(model) == content(BASE)


def test_progress_comes_to_the_size_of_each_file(hub: Hub, store: Store) -> None:
    """Also where a try was in vain, whose bytes are taken back."""
    hub.fault(Fault(flip=5), times=1, file="weights.npz", kind="cdn")
    seen: dict[str, list[int]] = {}

    class Noted:
        def start(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            seen[file] = [size, 0, 0]

        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            seen[file][1] += size

        def finish(self, repo: str, file: str) -> None:  # noqa: ARG002
            seen[file][2] += 1

    store.prepare(BASE, Noted())

    sizes = {name: len(body) for name, body in content(BASE).items()}
    assert seen == {name: [size, size, 1] for name, size in sizes.items()}


# A hub in trouble, with another variant on the disk


@pytest.mark.parametrize(
    ("trouble", "kind", "says"),
    [
        ("offline", Unavailable, "--offline"),
        ("refused", Unavailable, "cannot reach"),
        (Fault(status=503), Unavailable, "503"),
        (Fault(status=429), Unavailable, "429"),
        (Fault(status=401), Unavailable, "HF_TOKEN"),
        (Fault(status=403), Unavailable, "HF_TOKEN"),
        (Fault(status=404), RepoError, "check map"),
        (Fault(end="hang"), Unavailable, "Timeout"),
        (Fault(end="close"), Unavailable, "cannot reach"),
        (CAPTIVE_PORTAL, Unavailable, "captive portal"),
    ],
    ids="offline refused 503 429 401 403 404 timeout dropped captive-portal".split(),
)
def test_base_on_disk_and_4bit_asked(
    hub: Hub, store: Store, trouble: Fault | str, kind: type[ModelError], says: str
) -> None:
    """The error names both repos and the reason; nothing is taken for the other, or harmed."""
    store.prepare(BASE)
    session = replace(store, timeout=0.2, offline=trouble == "offline")
    if trouble == "refused":
        session.__dict__.update(vars(replace(session, endpoint=closed_endpoint())))
    if isinstance(trouble, Fault):
        hub.fault(trouble)

    error = refusal(session, QUANTISED)

    assert type(error) is kind
    assert str(QUANTISED) in str(error)
    assert f"holds {BASE.repo}, never used in its place" in str(error)
    assert says in str(error)
    assert held_files(store, QUANTISED) == []
    assert read(session.prepare(BASE)) == content(BASE)


def closed_endpoint() -> str:
    """Return an address at which nothing listens."""
    with Hub() as hub:
        return hub.endpoint


def test_what_a_failed_fetch_left_is_not_offered(hub: Hub, store: Store) -> None:
    """Only repos of which the cache holds something are named in an error."""
    hub.fault(Fault(status=404), kind="cdn")
    refusal(store, BASE)

    assert BASE.repo not in str(refusal(offline(store), QUANTISED)).replace(QUANTISED.repo, "")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(hub: Hub, store: Store, status: int) -> None:
    """To ask again would change nothing."""
    hub.fault(Fault(status=status))

    refusal(store, BASE)

    assert len(hub.requests) == 1


def test_gated_repo_says_what_to_accept(hub: Hub, store: Store) -> None:
    """Its files are listed to everybody, and given to whoever accepted the licence."""
    hub.add(BASE.repo, content(BASE), access="gated")

    error = refusal(store, BASE)

    assert isinstance(error, Unavailable)
    assert f"accept its licence at {hub.endpoint}/{BASE.repo}" in str(error)
    assert read(replace(store, token=hub.token).prepare(BASE)) == content(BASE)


def test_a_hub_that_is_not_there_is_found_once(hub: Hub, store: Store) -> None:
    """Thirty models take no longer than one, and each says why; a new session tries again."""
    hub.fault(Fault(end="hang"))
    models = [replace(BASE, repo=f"org/model-{number}") for number in range(30)]
    session = replace(store, timeout=0.1)

    outcomes = session.fetch(session.plan(models))

    assert len(hub.requests) == FAST.attempts
    for files, outcome in outcomes.items():
        assert isinstance(outcome, Unavailable)
        assert f"{files}: cannot reach {hub.endpoint}" in str(outcome)
    hub.heal()
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_a_hub_that_goes_away_in_between_is_remembered(store: Store) -> None:
    """What was fetched by then stays."""
    store.prepare(BASE)
    gone = replace(store, endpoint=closed_endpoint())
    gone._hub._reached = True

    first, second = (refusal(gone, QUANTISED) for _ in range(2))

    assert "cannot reach" in str(first)
    assert str(second) == str(first)
    assert read(gone.prepare(BASE)) == content(BASE)


# Files that are not what they are taken for


@pytest.mark.parametrize("name", BASE.files)
@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_found_and_mended(
    hub: Hub, store: Store, harm: Callable[[Path], None], name: str
) -> None:
    """Offline an error that shows both hashes; online that one file is fetched anew, or found."""
    model = store.prepare(BASE)
    harm(model.files[name][0])
    path = model.files[name][0]
    blob = hub.blob(BASE.repo, name)
    hub.clear()

    error = refusal(offline(store), BASE)
    mended = fresh(store).prepare(BASE)

    assert isinstance(error, VerificationError)
    assert f"{name}: expected" in str(error)
    assert blob.etag in str(error) or blob.sha256 in str(error)
    assert str(path) in str(error)
    assert "offline" in str(error)
    assert (read(mended), mended.commit) == (content(BASE), model.commit)
    assert {file for kind, file in requested(hub) if kind == "resolve"} <= {name}
    assert leftovers(store) == []


@pytest.mark.parametrize("harm", HARMS)
def test_nothing_is_removed_to_be_replaced(
    store: Store, harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no moment is a file absent that was there: the new one is renamed over it."""
    harm(store.prepare(BASE).files["weights.npz"][0])
    removed: list[str] = []
    unlink = os.unlink

    def note(path: "os.PathLike[str] | str", *, dir_fd: int | None = None) -> None:
        if dir_fd is None and "staging-" not in str(path):
            removed.append(str(path))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", note)
    monkeypatch.setattr(os, "remove", note)

    fresh(store).prepare(BASE)

    assert removed == []


def test_files_without_links_are_held_against_the_manifest(hub: Hub, store: Store) -> None:
    """A cache that was copied without its links is good; without its manifest it is not."""
    model = store.prepare(BASE)
    path, proof = model.files["weights.npz"]
    blob = path.resolve()
    path.unlink()
    blob.rename(path)
    manifest = RepoFolder(store.cache, BASE.repo).manifest_path("main", model.commit)
    hub.clear()

    assert offline(store).prepare(BASE) == model

    model.files["config.json"][0].unlink()
    mended = fresh(store).prepare(BASE)

    assert mended == model
    assert mended.files["weights.npz"] == (path, proof)
    assert not path.is_symlink()
    assert requested(hub) == [("info", None)]

    manifest.unlink()

    assert "a hash to hold it against" in str(refusal(offline(store), BASE))
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_harm_that_cannot_be_mended_is_an_error(hub: Hub, store: Store) -> None:
    """Not a skip: what is on the disk is wrong, whatever the network does."""
    path, proof = store.prepare(BASE).files["weights.npz"]
    flip_bit(path)
    hub.fault(Fault(status=503))

    error = refusal(fresh(store), BASE)

    assert isinstance(error, VerificationError)
    assert proof.sha256 in str(error)
    assert prove(path).sha256 in str(error)
    assert "503" in str(error)


def test_a_deleted_file_is_missing(hub: Hub, store: Store) -> None:
    """Offline the model cannot be had; online only the blob that is gone is fetched."""
    model = store.prepare(BASE)
    model.files["weights.npz"][0].resolve().unlink()
    hub.clear()

    error = refusal(offline(store), BASE)

    assert isinstance(error, Unavailable)
    assert "not in the cache: weights.npz" in str(error)
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert [file for kind, file in requested(hub) if kind == "resolve"] == ["weights.npz"]


def test_a_deleted_link_is_put_back_without_a_download(hub: Hub, store: Store) -> None:
    """The blob is still there, and right."""
    store.prepare(BASE).files["weights.npz"][0].unlink()
    hub.clear()

    model = fresh(store).prepare(BASE)

    assert read(model) == content(BASE)
    assert requested(hub) == [("info", None)]


def test_a_blob_in_the_store_shared_by_repos_is_read_and_not_written_to(
    hub: Hub, store: Store
) -> None:
    """huggingface_hub may keep blobs once for all repos; one that is corrupt is only left."""
    pointer, proof = store.prepare(BASE).files["weights.npz"]
    blob = RepoFolder(store.cache, BASE.repo).blobs / hub.blob(BASE.repo, "weights.npz").etag
    shared = store.cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(os.path.relpath(shared, blob.parent))
    hub.clear()

    intact = fresh(store).prepare(BASE)
    flip_bit(shared)
    corrupt = prove(shared)
    mended = fresh(store).prepare(BASE)

    assert intact.files["weights.npz"] == (pointer, proof)
    assert read(mended) == content(BASE)
    assert not blob.is_symlink()
    assert prove(shared) == corrupt


# Manifests


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


def wrong_hashes(path: Path) -> None:
    """Put hashes into a manifest that no file has."""
    manifest = json.loads(path.read_text())
    for record in manifest["files"].values():
        record.update(sha256="0" * 64, etag="0" * 64, size=1)
    path.write_text(json.dumps(manifest))


MANIFESTS: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": corrupt_manifest(""),
    "garbage": corrupt_manifest(b"\xff\x00PK"),
    "list": corrupt_manifest("[]"),
    "deep": corrupt_manifest("[" * 100_000),
    "other-keys": corrupt_manifest('{"files": {"weights.npz": {"hash": 1}}}'),
    "other-repo": edit_manifest(repo=QUANTISED.repo),
    "other-revision": edit_manifest(revision="v2"),
    "other-commit": edit_manifest(commit="0" * 40),
    "wrong-hashes": wrong_hashes,
}


@pytest.mark.parametrize("session", [fresh, offline])
@pytest.mark.parametrize("harm", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_is_never_trusted(
    hub: Hub, store: Store, session: Callable[[Store], Store], harm: Callable[[Path], None]
) -> None:
    """Files are verified by what the cache's layout says they are, and it is written anew."""
    model = store.prepare(BASE)
    path = RepoFolder(store.cache, BASE.repo).manifest_path("main", model.commit)
    good = path.read_text()
    harm(path)
    hub.clear()

    again = session(store).prepare(BASE)

    assert (again, hub.requests, path.read_text()) == (model, [], good)


@pytest.mark.parametrize("harm", MANIFESTS.values(), ids=MANIFESTS)
def test_no_manifest_hides_harm(store: Store, harm: Callable[[Path], None]) -> None:
    """Corrupt weights are found whatever the manifest says."""
    model = store.prepare(BASE)
    flip_bit(model.files["weights.npz"][0])
    harm(RepoFolder(store.cache, BASE.repo).manifest_path("main", model.commit))

    assert isinstance(refusal(offline(store), BASE), VerificationError)


def test_another_tool_that_goes_on_to_a_newer_commit_loses_no_model(hub: Hub, store: Store) -> None:
    """It fetched one file of the newer commit, and so the ref stands for half a model."""
    from huggingface_hub import hf_hub_download

    model = store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    hf_hub_download(
        BASE.repo, "config.json", cache_dir=store.cache, endpoint=hub.endpoint, token=False
    )
    hub.clear()

    assert offline(store).prepare(BASE) == model
    assert fresh(store).prepare(BASE) == model
    assert hub.requests == []


def test_models_of_one_repo_may_be_of_different_commits(hub: Hub, store: Store) -> None:
    """Fetching one after main has moved loses none that were fetched before."""
    one, other = (ModelFiles("org/many", (f"{name}/weights.npz",)) for name in ("one", "other"))
    hub.add(one.repo, content(one) | content(other))
    first = store.prepare(one)
    hub.move(one.repo, "main", content(one, "newer") | content(other, "newer"))

    second = store.prepare(other)

    assert first.commit != second.commit
    assert offline(store).prepare(one) == first
    assert offline(store).prepare(other) == second


# Downloads that go wrong


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (Fault(after=1000, end="close"), {"kind": "cdn"}),
        (Fault(after=1000, end="reset"), {"kind": "cdn"}),
        (Fault(end="reset"), {"kind": "cdn"}),
        (Fault(truncate=1000), {"kind": "cdn"}),
        (Fault(flip=0), {"kind": "cdn"}),
        (Fault(status=503), {"kind": "cdn"}),
        (Fault(status=503), {"kind": "resolve"}),
        (Fault(status=503), {"kind": "info"}),
        (Fault(status=408), {"kind": "info"}),
        (Fault(status=429, headers={"Retry-After": "0"}), {"kind": "info"}),
        (Fault(after=1000, end="hang"), {"kind": "cdn"}),
        (Fault(end="reset"), {"kind": "info"}),
    ],
    ids=(
        "cut reset-in-body reset short wrong-byte 503-body 503-file 503-list 408 429 hang "
        "reset-list"
    ).split(),
)
def test_a_passing_trouble_is_outlived(hub: Hub, store: Store, fault: Fault, where: Any) -> None:
    """Twice wrong, then good, is good with three tries."""
    hub.fault(fault, times=2, **where)

    model = replace(store, timeout=0.3).prepare(BASE)

    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, store: Store) -> None:
    """It asks for the rest only."""
    hub.fault(Fault(after=100_000, end="close"), times=1, kind="cdn")

    assert read(store.prepare(BASE)) == content(BASE)

    ranges = [each.range for each in hub.requests if each.kind == "cdn"]
    assert ranges == [None, "bytes=100000-"]


def test_a_hub_that_ignores_ranges_is_read_from_the_start(hub: Hub, store: Store) -> None:
    """Nothing is put behind the first piece that does not belong there, and no try is lost."""
    hub.fault(Fault(after=100_000, end="close"), times=1, kind="cdn")
    hub.fault(Fault(status=200), times=1, kind="cdn")

    assert read(store.prepare(BASE)) == content(BASE)
    assert [each.kind for each in hub.requests].count("cdn") == 2


def test_tries_that_get_on_are_not_counted(hub: Hub, store: Store) -> None:
    """A large file outlives any number of cuts, as long as each try brings a good piece."""
    hub.fault(Fault(after=30_000, end="close"), times=9, kind="cdn")

    model = replace(store, retry=replace(FAST, progress=20_000)).prepare(BASE)

    assert read(model) == content(BASE)


def test_waits_grow_and_are_bounded(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as long each time, up to the longest; a hub that asks for more gets no more."""
    retry = Retry(attempts=6, delay=1, longest=5)
    waits: list[float] = []
    wait = Retry.wait

    def note(self: Retry, attempt: int, asked: float) -> float:
        waits.append(wait(self, attempt, asked))
        return 0

    monkeypatch.setattr(Retry, "wait", note)
    hub.fault(Fault(status=503), times=2)
    hub.fault(Fault(status=429, headers={"Retry-After": "3"}), times=1)
    hub.fault(Fault(status=429, headers={"Retry-After": "3600"}))

    refusal(replace(store, retry=retry), BASE)

    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(after=1000, end="close"), Unavailable, "RemoteProtocolError"),
        (Fault(truncate=1000), VerificationError, "expected 300000 bytes, got 3000"),
        (Fault(flip=0), VerificationError, "expected sha256"),
        (
            Fault(status=200, body=weights("other"), headers=BINARY),
            VerificationError,
            "expected sha256",
        ),
        (
            Fault(status=200, body=weights("longer", 400_000), headers=BINARY),
            VerificationError,
            "or more",
        ),
        (CAPTIVE_PORTAL, Unavailable, "captive portal"),
        (Fault(status=404), RepoError, "weights.npz"),
    ],
    ids="cut short wrong-byte other longer captive-portal gone".split(),
)
def test_a_lasting_trouble_stages_nothing_and_leaves_the_earlier_model(
    hub: Hub, store: Store, fault: Fault, kind: type[ModelError], says: str
) -> None:
    """The error names repo, revision, commit and file; a commit is never there in part."""
    earlier = store.prepare(BASE)
    newer = replace(BASE, revision="v2")
    commit = hub.add(BASE.repo, content(BASE, "newer"), revision="v2")
    etag = hub.blob(BASE.repo, "weights.npz", "v2").etag
    hub.fault(fault, kind="cdn")

    error = refusal(store, newer)

    folder = RepoFolder(store.cache, BASE.repo)
    assert type(error) is kind
    assert f"{newer} (commit {commit[:12]}) weights.npz" in str(error)
    assert says in str(error)
    assert not (folder.root / "snapshots" / commit).exists()
    assert not (folder.root / "refs" / "v2").exists()
    assert not (folder.blobs / etag).exists()
    assert leftovers(store) == []
    assert offline(store).prepare(BASE) == earlier
    hub.heal()
    assert read(fresh(store).prepare(newer)) == content(BASE, "newer")


def test_a_wrong_hash_shows_both_and_the_tries(hub: Hub, store: Store) -> None:
    """Right size, wrong content."""
    wrong = bytearray(content(BASE)["weights.npz"])
    wrong[0] ^= 1
    hub.fault(Fault(flip=0), kind="cdn")

    error = str(refusal(store, BASE))

    assert hub.blob(BASE.repo, "weights.npz").sha256 in error
    assert hashlib.sha256(wrong).hexdigest() in error
    assert "after 3 tries" in error


def test_main_moves_between_two_files(hub: Hub, store: Store) -> None:
    """What was resolved first is what is fetched, whole; the mix of two is never seen."""
    first = hub.commit(BASE.repo)
    move = Fault(do=lambda _: hub.move(BASE.repo, "main", content(BASE, "newer")))
    hub.fault(move, times=1, kind="resolve", file="config.json")

    model = store.prepare(BASE)

    assert (model.commit, read(model)) == (first, content(BASE))
    assert hub.commit(BASE.repo) != first


def test_one_models_failure_is_no_others(hub: Hub, store: Store) -> None:
    """All the rest of the plan is fetched."""
    hub.fault(Fault(status=404), repo=QUANTISED.repo)

    outcomes = store.fetch(store.plan([QUANTISED, BASE]))

    assert isinstance(outcomes[QUANTISED], RepoError)
    assert isinstance(outcomes[BASE], VerifiedModel)


# Runs that end early, and runs at the same time


def test_a_killed_run_leaves_nothing_that_the_next_does_not_remove(hub: Hub, store: Store) -> None:
    """SIGKILL in the middle of the weights."""
    hub.fault(Fault(after=100_000, end="hang"), kind="cdn")
    killed = child(store, BASE)
    hub.wait_for(kind="cdn", held=True)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = leftovers(store)
    hub.heal()

    model = store.prepare(BASE)

    assert left != []
    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_a_running_run_keeps_what_it_has_staged(hub: Hub, store: Store) -> None:
    """Two pre-fetches at once both pass, though the second sweeps and ends in the first's midst."""
    hub.fault(Fault(after=100_000, end="hang"), times=1, kind="cdn")
    slow = child(store, BASE)
    hub.wait_for(kind="cdn", held=True)

    model = store.prepare(BASE)
    hub.heal()
    _, errors = slow.communicate()

    assert (slow.returncode, errors) == (0, "")
    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_two_repairs_at_once_leave_no_moment_without_the_file(hub: Hub, store: Store) -> None:
    """Somebody who reads all the time finds a file each time, the old one or the new one."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    flip_bit(path)
    known = {prove(path).sha256, hub.blob(BASE.repo, "weights.npz").sha256}
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                seen.add(prove(path).sha256)
            except OSError as error:
                seen.add(str(error))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        fetchers = [child(store, BASE), child(store, BASE)]
        errors = [fetcher.communicate()[1] for fetcher in fetchers]
    finally:
        done.set()
        watcher.join()

    assert errors == ["", ""]
    assert [fetcher.returncode for fetcher in fetchers] == [0, 0]
    assert seen == known
    assert read(offline(store).prepare(BASE)) == content(BASE)
    assert leftovers(store) == []


def test_an_interrupt_ends_all_downloads(hub: Hub, store: Store) -> None:
    """Ctrl-C does not wait for gigabytes to come."""
    hub.fault(Fault(rate=50_000), kind="cdn")

    class Impatient:
        def start(self, repo: str, file: str, size: int) -> None:
            pass

        def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

        def finish(self, repo: str, file: str) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        store.fetch(store.plan([BASE, QUANTISED]), Impatient())

    assert leftovers(store) == []


# What the check map or the hub has wrong


def test_nothing_verified_is_an_error(store: Store) -> None:
    """A model of no files would be complete in any folder."""
    error = refusal(store, replace(BASE, files=()))

    assert isinstance(error, RepoError)
    assert "expected the names of the files" in str(error)


def test_an_empty_folder_is_no_model(hub: Hub, store: Store) -> None:
    """Nor is a snapshot without files."""
    folder = RepoFolder(store.cache, BASE.repo)
    (folder.root / "snapshots" / hub.commit(BASE.repo)).mkdir(parents=True)
    (folder.root / "refs").mkdir()
    (folder.root / "refs" / "main").write_text(hub.commit(BASE.repo))

    assert store.inspect(BASE).state == "missing"
    assert isinstance(refusal(offline(store), BASE), Unavailable)
    with pytest.raises(VerificationError, match="expected every file complete"):
        store.inspect(BASE).verified()
    assert read(store.prepare(BASE)) == content(BASE)


def test_a_required_file_that_the_repo_lacks_is_named(store: Store) -> None:
    """So is what there is, and what to mend."""
    error = refusal(store, replace(BASE, files=("weights.npz", "model.bin")))

    assert isinstance(error, RepoError)
    assert "expected the files model.bin" in str(error)
    assert "lists config.json, weights.npz" in str(error)
    assert "check map" in str(error)


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a/../../x", "a\\x", "a//x", "x\0"])
def test_names_that_lead_out_of_the_folder_are_refused(hub: Hub, store: Store, name: str) -> None:
    """From the hub or from a check map, before anything is written."""
    hub.add(BASE.repo, {**content(BASE), name: b"{}"})

    listed = refusal(store, BASE)
    asked = refusal(store, replace(BASE, files=(name,)))

    assert isinstance(listed, RepoError)
    assert isinstance(asked, RepoError)
    assert "unsafe file name" in str(listed)
    assert repr(name) in str(listed)
    assert not store.cache.exists()


# What is decided before the first byte


def downloads(plan: Plan) -> list[str]:
    """Return the repos of a plan that will be fetched."""
    return [model.files.repo for model in plan.to_fetch]


@pytest.fixture(name="sizes")
def _sizes(hub: Hub) -> list[ModelFiles]:
    """Models of 3, 1 and 2 MB, in that order."""
    models = [ModelFiles(f"org/model-{size}", ("weights.npz",)) for size in (3, 1, 2)]
    for files, size in zip(models, (3, 1, 2), strict=True):
        hub.add(files.repo, {"weights.npz": weights(files.repo, size * 1_000_000)})
    return models


def test_plan_says_what_is_there_and_what_has_to_come(
    hub: Hub, store: Store, sizes: list[ModelFiles]
) -> None:
    """In bytes, with no byte fetched."""
    store.prepare(sizes[1])
    hub.clear()

    plan = store.plan(sizes)

    assert [model.files for model in plan.complete] == [sizes[1]]
    assert [model.files for model in plan.to_fetch] == [sizes[0], sizes[2]]
    assert plan.download_size == 5_000_000
    assert [model.size for model in plan.models] == [3_000_000, 1_000_000, 2_000_000]
    assert plan.free == pytest.approx(shutil.disk_usage(store.cache).free, rel=0.1)
    assert {each.kind for each in hub.requests} == {"info"}


def test_max_download_goes_to_the_smallest_first(
    hub: Hub, store: Store, sizes: list[ModelFiles]
) -> None:
    """What does not fit says which option to raise, and to what."""
    plan = store.plan(sizes, max_download=4_000_000)
    outcomes = store.fetch(plan)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    assert isinstance(outcomes[sizes[0]], Unavailable)
    assert "3.0 MB to download do not fit into the 4.0 MB" in str(outcomes[sizes[0]])
    assert "--max-download 6.0MB" in str(outcomes[sizes[0]])
    assert not any(each.repo == "org/model-3" for each in hub.requests if each.kind != "info")


def test_what_is_there_counts_for_nothing(store: Store, sizes: list[ModelFiles]) -> None:
    """A limit on downloads leaves cached models alone."""
    store.prepare(sizes[0])

    assert len(store.plan(sizes[:1], max_download=0).complete) == 1


def test_a_disk_without_room_is_said_before_the_first_byte(
    hub: Hub, store: Store, sizes: list[ModelFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With numbers; the smaller ones still come."""
    usage = shutil.disk_usage(store.cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_500_000))

    plan = store.plan(sizes)

    assert downloads(plan) == ["org/model-1", "org/model-2"]
    (problem,) = plan.unavailable
    assert "3.0 MB to download, 6.0 MB with the smaller models" in str(problem.problem)
    assert "3.5 MB free" in str(problem.problem)
    assert all(each.kind == "info" for each in hub.requests)


@pytest.mark.parametrize("cached", [False, True])
def test_a_model_larger_than_the_memory_is_not_fetched(
    hub: Hub, store: Store, sizes: list[ModelFiles], cached: bool
) -> None:
    """Nor loaded from the cache."""
    if cached:
        store.prepare(sizes[0])
    hub.clear()

    error = refusal(replace(store, memory=2_500_000), sizes[0])

    assert isinstance(error, Unavailable)
    assert "3.0 MB of files, more than this machine's 2.5 MB of memory" in str(error)
    assert all(each.kind == "info" for each in hub.requests)


@pytest.mark.parametrize(
    ("size", "for_people", "for_an_option"),
    [(0, "0 bytes", "0kB"), (1500, "1.5 kB", "2kB"), (4_010_000_000, "4.0 GB", "4.1GB")],
)
def test_sizes_are_rounded_up_where_they_have_to_suffice(
    size: int, for_people: str, for_an_option: str
) -> None:
    """A limit raised to what a message says is high enough."""
    assert (human(size), flag(size)) == (for_people, for_an_option)


# Caches in odd places


@pytest.mark.parametrize(
    "name", ["with some spaces", "Modèle-Zwischenspeicher-模型", "a'b\"c$d%20"]
)
def test_a_cache_path_may_have_any_name(store: Store, tmp_path: Path, name: str) -> None:
    """Fetched, found again offline, harmed, mended."""
    session = replace(store, cache=tmp_path / name / "hub")

    model = session.prepare(BASE)
    flip_bit(model.files["weights.npz"][0])

    assert isinstance(refusal(offline(session), BASE), VerificationError)
    assert fresh(session).prepare(BASE) == model
    assert offline(session).prepare(BASE) == model


def test_a_cache_may_be_a_link(store: Store, tmp_path: Path) -> None:
    """Also where the link's target moves to another place with all that is in it."""
    (tmp_path / "disk").mkdir()
    store.cache.symlink_to(tmp_path / "disk")
    model = store.prepare(BASE)
    (tmp_path / "disk").rename(tmp_path / "other disk")
    store.cache.unlink()
    store.cache.symlink_to(tmp_path / "other disk")

    assert offline(store).prepare(BASE) == model
    assert read(model) == content(BASE)


READ_ONLY = """
import os, sys, tempfile
from pathlib import Path
from adapters.base import ModelFiles
from whisper_speedtest.hub.model import Unavailable
from whisper_speedtest.hub.store import Store
cache, endpoint, *repos = sys.argv[1:]
with tempfile.TemporaryDirectory() as scratch:  # imports all there is, while it may be read
    Store(Path(scratch), endpoint).prepare(ModelFiles(repos[0], ("weights.npz", "config.json")))
if os.geteuid() == 0:  # to whom permissions do not apply
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for repo in repos:
    store = Store(Path(cache), endpoint, memory=None)
    try:
        print(store.prepare(ModelFiles(repo, ("weights.npz", "config.json"))).commit)
    except Unavailable as error:
        print(error)
"""


def test_a_read_only_cache_serves_what_it_holds(hub: Hub, store: Store) -> None:
    """For the rest the error says what is needed. Tried by a user who may really not write."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to other users
        session = replace(store, cache=Path(place, "hub"))
        commit = session.prepare(BASE).commit
        RepoFolder(session.cache, BASE.repo).manifest_path("main", commit).unlink()
        folders = [Path(place), *(path for path in Path(place).rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            run = subprocess.run(
                [
                    *(sys.executable, "-c", READ_ONLY, session.cache),
                    *(hub.endpoint, BASE.repo, QUANTISED.repo),
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        finally:
            for folder in folders:
                folder.chmod(0o755)

    got, refused = run.stdout.splitlines()
    assert got == commit
    assert str(QUANTISED) in refused
    assert f"cannot write to the hub cache {session.cache}" in refused
    assert os.strerror(errno.EACCES) in refused
    assert "HF_HUB_CACHE" in refused


def hf(store: Store, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run huggingface_hub's own command on the cache."""
    return subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", *arguments],
        env={
            **os.environ,
            "HF_HUB_CACHE": str(store.cache),
            "HF_ENDPOINT": store.endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_TOKEN": "",
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_hf_agrees_about_a_cache_that_the_store_filled(hub: Hub, store: Store) -> None:
    """`hf cache ls` lists the repo and complains of nothing; `hf cache verify` finds what we do."""
    from huggingface_hub import scan_cache_dir

    model = store.prepare(BASE)
    refused = QUANTISED
    hub.fault(Fault(flip=0), kind="cdn", repo=refused.repo)
    refusal(store, refused)

    listed = hf(store, "cache", "ls", "--format", "json")
    intact = hf(store, "cache", "verify", BASE.repo, "--fail-on-missing-files")
    flip_bit(model.files["weights.npz"][0])
    corrupt = hf(store, "cache", "verify", BASE.repo, "--fail-on-missing-files")
    scan = scan_cache_dir(store.cache)

    assert BASE.repo in listed.stdout
    assert (intact.returncode, corrupt.returncode) == (0, 1)
    assert f"expected {hub.blob(BASE.repo, 'weights.npz').sha256}" in corrupt.stdout
    assert store.inspect(BASE).state == "corrupt"
    assert scan.warnings == []
    assert scan.incomplete_files == frozenset()
    sizes = {repo.repo_id: repo.size_on_disk for repo in scan.repos}
    assert sizes == {BASE.repo: model.size, refused.repo: 0}


# Secrets


def test_the_token_is_never_shown(
    hub: Hub, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in an error, a traceback with its arguments, a log, a repr or on the screen."""
    secret = f"hf_{os.getpid()}_of_somebody"  # in no line of source that a traceback shows
    caplog.set_level("DEBUG")
    hub.add(BASE.repo, content(BASE), access="private")
    hub.add(QUANTISED.repo, content(QUANTISED), access="gated")
    session = replace(store, token=secret, timeout=0.2)
    shown = [repr(session)]

    for trouble in (None, Fault(status=503), Fault(end="reset"), CAPTIVE_PORTAL):
        if trouble:
            hub.fault(trouble)
        for files in (BASE, QUANTISED):
            with pytest.raises(ModelError) as caught:
                fresh(session).prepare(files)
            shown.append(str(caught.getrepr(style="long", funcargs=True, chain=True)))
        hub.heal()

    assert any(request.token for request in hub.requests)
    assert not [text for text in (*shown, caplog.text, *capfd.readouterr()) if secret in text]


def test_the_token_goes_to_the_hub_alone(hub: Hub, store: Store) -> None:
    """Weights come from another host, to which the hub redirects."""
    hub.add(BASE.repo, content(BASE), access="gated")

    replace(store, token=hub.token).prepare(BASE)

    assert {(each.kind, each.token) for each in hub.requests} == {
        ("info", True),
        ("resolve", True),
        ("cdn", False),
    }


def test_environment_describes_the_store(tmp_path: Path) -> None:
    """Every variable of huggingface_hub that says where things are; and they are read late."""
    code = (
        "from hub.store import Store; s = Store.from_environment();"
        "print(s.cache, s.endpoint, s.token, s.offline, s.memory > 0, s, sep='\\n')"
    )
    variables = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_TOKEN": "hf_secret",
        "HF_HUB_OFFLINE": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}

    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    *said, shown = run.stdout.splitlines()
    assert said == [
        str(tmp_path / "home" / "hub"),
        "http://127.0.0.1:9",
        "hf_secret",
        "True",
        "True",
    ]
    assert "hf_secret" not in shown
