"""Files that a check map names by URL and sha256: the store against a real web server."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base import ModelFiles
from fixtures.hub import Hub
from tests.helpers.harm import BASE, HARMS, content, flip_bit, link_other_blob, weights
from tests.helpers.stores import FAST, NOWHERE, fresh, offline, read, refusal, repo_folder
from tests.helpers.web_server import PORTAL, Trouble, WebServer
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.cache.repos import cached_repos
from whisper_speedtest.hub.store import Store

NAME = "weights.npz"
BODY = weights("tiny by URL")


@pytest.fixture(name="tiny")
def _tiny(server: WebServer) -> ModelFiles:
    """A file that the server serves."""
    return server.add(NAME, BODY)


@pytest.fixture(name="store")
def _store(hubless_store: Store) -> Store:
    """A store with an empty cache, for which there is no hub."""
    return hubless_store


def asked(server: WebServer) -> list[tuple[str, str]]:
    """Return method and path of each request, and forget them."""
    requests = [(each.method, each.path) for each in server.requests]
    server.requests.clear()
    return requests


def test_lies_in_the_hub_cache_as_any_model(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A file by URL is cached as a blob, a snapshot named by its sha256, and a manifest."""
    model = store.prepare(tiny)

    sha256 = hashlib.sha256(BODY).hexdigest()
    host = server.endpoint.removeprefix("http://")
    folder = store.settings.cache / f"models--{host}--models"
    pointer = folder / "snapshots" / sha256 / NAME
    assert (model.repo, model.commit) == (tiny.repo, sha256)
    assert model.files == {NAME: (pointer, prove(pointer))}
    assert pointer.readlink() == Path("..", "..", "blobs", sha256)
    assert pointer.read_bytes() == BODY
    assert set(Manifests(repo_folder(store, tiny)).verified_commits(sha256)) == {sha256}
    assert sorted(path.name for path in folder.iterdir()) == [".speedtest", "blobs", "snapshots"]
    path = f"/models/{sha256}/{NAME}"
    assert asked(server) == [("HEAD", path), ("GET", path)]


def test_what_is_there_takes_no_request(server: WebServer, tiny: ModelFiles, store: Store) -> None:
    """A file by URL that is cached takes no request, even without its manifest and its link."""
    model = store.prepare(tiny)
    folder = repo_folder(store, tiny)
    path = model.files[NAME][0]
    server.requests.clear()

    assert fresh(store).prepare(tiny) == offline(store).prepare(tiny) == model

    shutil.rmtree(folder.own)
    path.unlink()
    shutil.move(folder.blobs / model.commit, path)

    assert fresh(store).prepare(tiny) == offline(store).prepare(tiny) == model
    assert asked(server) == []


def test_files_of_one_folder_are_kept_beside_each_other(server: WebServer, store: Store) -> None:
    """Files by URL from one folder lie in one repo's folder, and each is a model of its own."""
    models = [server.add(NAME, weights(seed)) for seed in ("tiny", "base")]

    prepared = [store.prepare(files) for files in models]

    assert [model.files[NAME][0].read_bytes() for model in prepared] == [
        weights("tiny"),
        weights("base"),
    ]
    assert [offline(store).prepare(files) for files in models] == prepared
    assert len(list(store.settings.cache.iterdir())) == 1


def test_huggingface_hub_reads_the_cache_as_before(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """huggingface_hub's scan and `hf cache ls` list a file by URL without a warning."""
    from huggingface_hub import scan_cache_dir

    model = store.prepare(tiny)
    server.trouble(Trouble(flip=0), "GET")
    refusal(store, server.add("other.bin", weights("other")))

    scan = scan_cache_dir(store.settings.cache)
    listed = subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", "cache", "ls", "--format", "json"],
        env={"HF_HUB_CACHE": str(store.settings.cache), "HF_HUB_DISABLE_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    repo = tiny.repo.removeprefix("http://")
    assert (scan.warnings, scan.incomplete_files) == ([], frozenset())
    assert [(each.repo_id, each.size_on_disk) for each in scan.repos] == [(repo, model.size)]
    assert repo in listed.stdout
    assert "arning" not in listed.stderr


# A server in trouble


@pytest.mark.parametrize(
    ("trouble", "method", "kind", "says"),
    [
        (Trouble(404), "HEAD", RepoError, "fix the adapter's check map"),
        (Trouble(410), None, RepoError, "fix the adapter's check map"),
        (Trouble(404), "GET", Unavailable, "has said a moment ago how long that is; try again"),
        (Trouble(401), "HEAD", Unavailable, "no token is sent"),
        (Trouble(403), None, Unavailable, "no token is sent"),
        (Trouble(405), "HEAD", Unavailable, "to say how long weights.npz is, without sending i"),
        (Trouble(503), None, Unavailable, "the server answered 503 Service Unavailable, after 3"),
        (Trouble(429), "GET", Unavailable, "the server answered 429"),
        (Trouble(hang=True), None, Unavailable, "cannot reach http://127.0.0.1:"),
        (Trouble(hang=True), "GET", Unavailable, ": ReadTimeout: timed out, after 3 tries"),
        (Trouble(headers={"Content-Length": None}), "HEAD", RepoError, "(Content-Length), got ''"),
        (PORTAL, None, Unavailable, "answered with something else than a file; it looks"),
        (PORTAL, "GET", Unavailable, "captive portal"),
        (Trouble(cut=0), "GET", Unavailable, "RemoteProtocolError"),
        (Trouble(end=1000), "GET", VerificationError, "expected 300000 bytes, got 1000"),
        (Trouble(end=1000), None, VerificationError, "of 1000 bytes, got "),
        (Trouble(flip=7), "GET", VerificationError, "after 3 tries"),
        (
            Trouble(body=weights("longer", 400_000)),
            "GET",
            VerificationError,
            "bytes or more, after 3 tries",
        ),
        ("refused", None, Unavailable, "cannot reach http://127.0.0.1:9 ("),
        ("offline", None, Unavailable, "--offline"),
    ],
    ids=(
        "404 410 404-of-the-file 401 403 405 503 429 hang hang-in-body no-length portal "
        "portal-in-body cut short shorter-as-a-whole flipped other refused offline"
    ).split(),
)
def test_trouble_is_named_and_leaves_nothing(
    server: WebServer,
    tiny: ModelFiles,
    store: Store,
    trouble: Trouble | str,
    method: str | None,
    kind: type[ModelError],
    says: str,
) -> None:
    """A trouble with a file by URL is reported with URL, hash and remedy, and leaves no file."""
    session = fresh(store, timeout=0.2, offline=trouble == "offline")
    files = replace(tiny, repo=f"{NOWHERE}/models") if trouble == "refused" else tiny
    if isinstance(trouble, Trouble):
        server.trouble(trouble, method)

    error = refusal(session, files)

    assert type(error) is kind
    assert str(error).startswith(str(files))
    assert says in str(error)
    assert "the hub" not in str(error)
    assert [
        path for path in store.settings.cache.rglob("*") if path.is_file() or path.is_symlink()
    ] == []
    server.heal()
    if trouble != "refused":
        assert fresh(store).prepare(tiny).files[NAME][0].read_bytes() == BODY


def test_wrong_bytes_show_both_hashes(server: WebServer, tiny: ModelFiles, store: Store) -> None:
    """Bytes of a file by URL that have the right size and a wrong hash show both hashes."""
    changed = bytearray(BODY)
    changed[7] ^= 1
    server.trouble(Trouble(flip=7), "GET")

    error = str(refusal(store, tiny))

    assert f"expected sha256 {tiny.revision} of 300000 bytes" in error
    assert f"got {hashlib.sha256(changed).hexdigest()} of 300000 bytes" in error


@pytest.mark.parametrize(
    ("trouble", "method"),
    [
        (Trouble(503), "HEAD"),
        (Trouble(429, {"Retry-After": "0"}), "HEAD"),
        (Trouble(408), "GET"),
        (Trouble(hang=True), "HEAD"),
        (Trouble(hang=True), "GET"),
        (Trouble(flip=0), "GET"),
        (Trouble(cut=1000), "GET"),
    ],
    ids="503 429 408 hang hang-in-body flipped cut".split(),
)
def test_a_passing_trouble_is_outlived(
    server: WebServer, tiny: ModelFiles, store: Store, trouble: Trouble, method: str
) -> None:
    """A trouble with a file by URL that passes after two tries is outlived."""
    server.trouble(trouble, method, times=2)

    model = fresh(store, timeout=0.3).prepare(tiny)

    assert model.files[NAME][0].read_bytes() == BODY


def test_a_cut_download_goes_on_where_it_stopped(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A download by URL that is cut off asks for the rest of the file only."""
    server.trouble(Trouble(cut=100_000), "GET", times=1)

    store.prepare(tiny)

    ranges = [each.headers.get("range") for each in server.requests if each.method == "GET"]
    assert ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (Trouble(206, {"Content-Range": "bytes 50000-299999/300000"}, BODY[50_000:]), [None]),
        (Trouble(206, {"Content-Range": "bytes 0-299999/300000"}, BODY), [None]),
        (Trouble(206, {}, b""), ["bytes=100000-"]),
        (Trouble(200, {}, b""), [None]),
        (Trouble(200, {"Content-Encoding": "gzip"}, gzip.compress(BODY)), []),
        (Trouble(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10**6))), [None]),
    ],
    ids="other-range whole-as-range no-range no-body gzip gzip-of-another".split(),
)
def test_rest_that_is_another_part_or_packed_does_no_harm(
    server: WebServer, tiny: ModelFiles, store: Store, answer: Trouble, more: list[str | None]
) -> None:
    """The rest of a file that is another part or packed does no harm: the file comes out right."""
    server.trouble(Trouble(cut=100_000), "GET", times=1)
    server.trouble(answer, "GET", times=1)

    assert read(store.prepare(tiny)) == {NAME: BODY}

    ranges = [each.headers.get("range") for each in server.requests if each.method == "GET"]
    assert ranges == [None, "bytes=100000-", *more]


def test_file_that_is_hypertext_is_no_sign_in_page(server: WebServer, store: Store) -> None:
    """A file whose name ends in .html may be hypertext; another name's is a captive portal's."""
    page = {"Content-Type": "text/html"}
    server.trouble(Trouble(headers=page))

    assert read(store.prepare(server.add("card.html", BODY))) == {"card.html": BODY}
    assert "captive portal" in str(refusal(store, server.add("card.html.npz", BODY[1:])))


def test_part_that_nobody_asked_for_is_no_beginning(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A server that sends the end of a file first costs a request more, and the file is right."""
    server.trouble(Trouble(206, {}, BODY[100_000:]), "GET", times=1)

    assert read(store.prepare(tiny)) == {NAME: BODY}

    ranges = [each.headers.get("range") for each in server.requests if each.method == "GET"]
    assert ranges == [None, "bytes=200000-", None]


def test_each_host_is_out_of_reach_alone(server: WebServer, tiny: ModelFiles, store: Store) -> None:
    """A host that is out of reach costs no file of another host."""
    with Hub() as hub, WebServer() as other:
        hub.add(BASE.repo, content(BASE))
        near = other.add(NAME, weights("near"))
        far = [replace(tiny, revision=f"{number:064x}") for number in range(20)]
        server.trouble(Trouble(hang=True))
        models = [*far, near, BASE]

        without_server = fresh(store, endpoint=hub.endpoint, timeout=0.1)
        first = without_server.fetch(without_server.plan(models))
        met = len(server.requests)
        server.heal()
        without_hub = fresh(store)
        second = without_hub.fetch(without_hub.plan([replace(BASE, repo="org/other"), tiny]))

    for files in far:
        assert f"{files}: cannot reach {server.endpoint} (" in str(first[files])
    assert met == FAST.attempts
    assert isinstance(first[near], VerifiedModel)
    assert isinstance(first[BASE], VerifiedModel)
    assert f"cannot reach {NOWHERE}" in str(second[replace(BASE, repo="org/other")])
    assert isinstance(second[tiny], VerifiedModel)


def test_nobody_is_told_who_asks(
    server: WebServer, tiny: ModelFiles, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No web server is sent the hub's token or a cookie, not even after a redirect."""
    token = "hf_" + "of_somebody"
    monkeypatch.setenv("HF_TOKEN", token)
    with Hub(token=token) as hub, WebServer() as mirror:
        hub.add(BASE.repo, content(BASE), access="private")
        elsewhere = mirror.add(NAME, BODY)
        address = f"{elsewhere.repo}/{elsewhere.revision}/{NAME}"
        server.trouble(Trouble(302, {"Location": address}), "GET", times=1)
        session = fresh(store, endpoint=hub.endpoint, token=hub.token)

        session.prepare(BASE)
        session.prepare(tiny)

    assert any(request.token for request in hub.requests)
    assert [len(server.requests), len(mirror.requests)] == [2, 1]
    for request in (*server.requests, *mirror.requests):
        assert not {"authorization", "cookie"} & set(request.headers)
        assert token not in str(request)


# What is on the disk is compared with the check map alone


@pytest.mark.parametrize("harm", HARMS)
def test_harm_is_found_and_repaired(
    server: WebServer, tiny: ModelFiles, store: Store, harm: Callable[[Path], None]
) -> None:
    """A harmed file by URL is reported offline with both hashes, and replaced online."""
    model = store.prepare(tiny)
    harm(model.files[NAME][0])
    got = prove(model.files[NAME][0])

    error = refusal(offline(store), tiny)
    repaired = fresh(store).prepare(tiny)

    assert isinstance(error, VerificationError)
    assert f"{NAME}: expected sha256 {tiny.revision}" in str(error)
    assert f"got {got.sha256} of {got.size} bytes" in str(error)
    assert repaired.files[NAME][0].read_bytes() == BODY
    assert [method for method, _ in asked(server)].count("GET") <= 2


def test_another_file_of_the_folder_is_never_taken_for_it(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """Another file of the same folder is not taken for a file by URL, by link or by manifest."""
    base = server.add(NAME, weights("base"))
    other = store.prepare(base)
    path = store.prepare(tiny).files[NAME][0]
    folder = repo_folder(store, tiny)
    (folder.blobs / tiny.revision).unlink()
    path.unlink()
    path.symlink_to(other.files[NAME][0].resolve())

    linked = refusal(offline(store), tiny)

    shutil.rmtree(path.parent)
    forged = json.loads(folder.manifest_path(base.revision, base.revision).read_text())
    forged["revision"] = tiny.revision
    folder.manifest_path(tiny.revision, base.revision).write_text(json.dumps(forged))
    (folder.root / "refs").mkdir()
    (folder.root / "refs" / tiny.revision).write_text(base.revision)

    noted = refusal(offline(store), tiny)

    assert isinstance(linked, VerificationError)
    assert f"expected sha256 {tiny.revision}" in str(linked)
    assert f"not in the cache: {NAME}" in str(noted)
    assert fresh(store).prepare(tiny).files[NAME][0].read_bytes() == BODY
    assert offline(store).prepare(base) == other


def test_a_wrong_manifest_accuses_no_right_file(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A wrong manifest does not make a right file by URL corrupt, and is corrected."""
    store.prepare(base := server.add(NAME, weights("base")))
    model = store.prepare(tiny)
    path = repo_folder(store, tiny).manifest_path(tiny.revision, tiny.revision)
    manifest = json.loads(path.read_text())
    manifest["files"][NAME].update(sha256=base.revision, etag=base.revision)
    path.write_text(json.dumps(manifest))

    assert offline(store).prepare(tiny) == model
    assert base.revision not in path.read_text()


def test_the_load_is_guarded_as_any(tiny: ModelFiles, store: Store) -> None:
    """A file by URL that changed after its verification is found by the last check."""
    model = store.prepare(tiny)
    flip_bit(model.files[NAME][0])

    with pytest.raises(VerificationError, match=f"{tiny.repo}@{tiny.revision[:12]} {NAME}"):
        model.recheck()


def test_a_link_to_another_blob_is_repaired_without_a_download(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A link to another blob than the URL's file is repaired without a download."""
    link_other_blob(store.prepare(tiny).files[NAME][0])
    server.requests.clear()

    model = fresh(store).prepare(tiny)

    assert model.files[NAME][0].read_bytes() == BODY
    assert [method for method, _ in asked(server)] == ["HEAD"]


# Limits


def test_limits_count_files_by_url_among_the_rest(server: WebServer, store: Store) -> None:
    """Room under --max-download goes to the smallest models, be they by URL or of the hub."""
    with Hub() as hub:
        hub.add(BASE.repo, content(BASE, size=200_000))
        small = server.add("small.bin", weights("small", 100_000))
        large = server.add("large.bin", weights("large", 300_000))
        session = fresh(store, endpoint=hub.endpoint)

        plan = session.plan([large, BASE, small], max_download=350_000)
        outcomes = session.fetch(plan)

    assert [model.files for model in plan.to_fetch] == [BASE, small]
    assert isinstance(outcomes[small], VerifiedModel)
    assert f"{large}: 300.0 kB to download do not fit into the 350.0 kB" in str(outcomes[large])
    assert not any("large.bin" in path for method, path in asked(server) if method == "GET")


def test_more_than_the_memory_is_not_fetched(
    server: WebServer, tiny: ModelFiles, store: Store
) -> None:
    """A file by URL that exceeds the memory or the disk is refused before its first byte."""
    memory = refusal(fresh(store, memory=1000), tiny)
    server.trouble(Trouble(headers={"Content-Length": str(10**18)}), "HEAD")
    disk = refusal(store, tiny)

    assert "more than this machine's 1.0 kB of memory" in str(memory)
    assert "1000000.0 TB to download" in str(disk)
    assert {method for method, _ in asked(server)} == {"HEAD"}


# What the check map has wrong


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"revision": "main"}, "expected the file's sha256, 64 hex digits"),
        ({"revision": "a" * 40}, "expected the file's sha256, 64 hex digits"),
        ({"revision": "A" * 64}, "expected the file's sha256, 64 hex digits"),
        ({"files": ("a.bin", "b.bin")}, "expected one file"),
        ({"files": ()}, "expected the names of the files"),
        ({"files": ("../a.bin",)}, "expected the names of the files"),
        ({"repo": "http://127.0.0.1/models/"}, "expected the URL of a folder"),
        ({"repo": "http://user:secret@127.0.0.1/models"}, "expected the URL of a folder"),
        ({"repo": "http://127.0.0.1/models?key=1"}, "expected the URL of a folder"),
        ({"repo": "https://"}, "expected the URL of a folder"),
    ],
    ids=("branch commit upper-case two-files no-file unsafe-file slash user query no-host").split(),
)
@pytest.mark.parametrize("session", [fresh, offline])
def test_an_entry_that_proves_nothing_is_an_error(
    server: WebServer,
    tiny: ModelFiles,
    store: Store,
    session: Callable[[Store], Store],
    changes: dict[str, object],
    says: str,
) -> None:
    """A file by URL whose check map entry proves nothing is an error before any request."""
    error = refusal(session(store), replace(tiny, **changes))  # type: ignore[arg-type]

    assert isinstance(error, RepoError)
    assert says in str(error)
    assert "fix the adapter's check map" in str(error)
    assert asked(server) == []
    assert not store.settings.cache.exists()


# Names


def test_repos_in_the_cache_have_the_names_of_the_check_map(
    tiny: ModelFiles, store: Store, tmp_path: Path
) -> None:
    """A cached file by URL is listed with its URL; without a manifest https is assumed."""
    store.prepare(tiny)
    for folder in (
        "models--org--name",
        "models--name",
        "models--org.x--name",
        "models--example.org--whisper--models",
        "datasets--org--name",
    ):
        (tmp_path / "cache" / folder).mkdir()

    found = cached_repos(store.settings.cache)
    assert [each.repo for each in found] == sorted(
        [tiny.repo, "org/name", "name", "org.x/name", "https://example.org/whisper/models"]
    )
    for each in found:
        assert each.root.is_dir()
        assert RepoFolder(store.settings.cache, each.repo).root == each.root
