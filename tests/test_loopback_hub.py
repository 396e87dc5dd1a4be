"""The loopback hub against the real `huggingface_hub` client, and what that client does in trouble.

The client runs in processes of its own: it reads HF_ENDPOINT and its time limits when it is
imported. Its waits between tries are noted, not slept. What it does with each fault is stated here
as a fact about huggingface_hub 2.4.0, since the rest of the suite is built on these facts.
"""

import gc
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead, RemoteDisconnected
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from fixtures.hub import CAPTIVE_PORTAL, Blob, Fault, Hub
from fixtures.hub.content import CHUNK, chunks
from fixtures.hub.tls import NEEDS_TRUSTME

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

ROOT = Path(__file__).parent.parent
WEIGHTS = bytes(range(256)) * 20
CONFIG = b'{"n_vocab": 51865}'
FILES = {"weights.npz": WEIGHTS, "config.json": CONFIG}
HUGGING_FACE = "https://huggingface.co"
ELSEWHERE = "https://models.example.org"
OTHERS = "hf_of_someone_else"
STALE = b"another model's weights"
LIMITS = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}  # seconds

_numbers = itertools.count()


@dataclass
class Outcome:
    """What a call in the client's process came to."""

    value: Any = None
    error: str | None = None
    waits: list[float] = field(default_factory=list)


Ask = Callable[..., Outcome]


# In the client's process


def _enter(env: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("HF_")]:
        del os.environ[name]
    os.environ.update(env)


def _attempt(call: Callable[..., object], args: tuple[object, ...], options: Any) -> Outcome:
    from unittest import mock

    outcome = Outcome()
    with mock.patch("time.sleep", outcome.waits.append):
        try:
            outcome.value = call(*args, **options)
        except Exception as error:  # noqa: BLE001 - which one it is, is the fact
            outcome.error = type(error).__name__
    return outcome


def _download(repo: str, file: str, **options: Any) -> bytes:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, file, **options)).read_bytes()


def _snapshot(repo: str, **options: Any) -> dict[str, bytes]:
    from huggingface_hub import snapshot_download

    root = Path(snapshot_download(repo, **options))
    files = (path for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _model_info(repo: str, **options: Any) -> dict[str, Any]:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo, files_metadata=True, **options)
    siblings = info.siblings or []
    return {
        "sha": info.sha,
        "gated": info.gated,
        "files": {
            file.rfilename: (file.size, file.blob_id, file.lfs and file.lfs.sha256)
            for file in siblings
        },
    }


def _tree(repo: str, path: str | None = None, **options: Any) -> dict[str, Any]:
    from huggingface_hub import HfApi

    entries = HfApi().list_repo_tree(repo, path, **options)
    return {entry.path: (type(entry).__name__, entry.last_commit is not None) for entry in entries}


def _paths_info(repo: str, paths: list[str]) -> dict[str, Any]:
    from huggingface_hub import HfApi

    return {entry.path: type(entry).__name__ for entry in HfApi().get_paths_info(repo, paths)}


def _verify(repo: str, **options: Any) -> dict[str, Any]:
    from huggingface_hub import HfApi

    result = HfApi().verify_repo_checksums(repo, **options)
    mismatches = [mismatch["path"] for mismatch in result.mismatches]
    return {
        "revision": result.revision,
        "checked": result.checked_count,
        "mismatches": mismatches,
        "missing": result.missing_paths,
    }


def _by_urllib(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers=headers, method=method)) as response:  # noqa: S310
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def _by_requests(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    response = import_module("requests").request(method, url, headers=headers, timeout=10)
    return response.status_code, response.content


def _by_httpx2(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    import httpx2

    response = httpx2.request(method, url, headers=headers, follow_redirects=True)
    return response.status_code, response.content


def _whoami(token: str) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().whoami(token=token)["name"])


# Fixtures


@pytest.fixture(name="running_hub", scope="module")
def _running_hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(name="hub")
def _hub(running_hub: Hub) -> Iterator[Hub]:
    running_hub.clear()
    yield running_hub
    running_hub.heal()


@pytest.fixture(name="client", scope="module")
def _client(
    running_hub: Hub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["ProcessPoolExecutor"]:
    env = running_hub.env(home=tmp_path_factory.mktemp("home")) | LIMITS
    with _child(env) as pool:
        yield pool


@pytest.fixture(name="trustme", scope="module")
def _trustme() -> None:
    """Skips what needs a certificate where none can be made."""
    pytest.importorskip("trustme", reason=NEEDS_TRUSTME)


@pytest.fixture(name="running_proxy", scope="module")
def _running_proxy(trustme: None) -> Iterator[Hub]:  # noqa: ARG001
    with Hub(https=True) as hub:
        yield hub


@pytest.fixture(name="proxy")
def _proxy(running_proxy: Hub) -> Iterator[Hub]:
    """A hub that intercepts HTTPS, with FILES as org/model."""
    running_proxy.clear()
    running_proxy.add("org/model", FILES)
    yield running_proxy
    running_proxy.heal()


@pytest.fixture(name="intercepted", scope="module")
def _intercepted(
    running_proxy: Hub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["ProcessPoolExecutor"]:
    env = running_proxy.env(home=tmp_path_factory.mktemp("home")) | LIMITS
    with _child(env) as pool:
        yield pool


@pytest.fixture(name="ask_out")
def _ask_out(intercepted: "ProcessPoolExecutor") -> Ask:
    """As `ask`, in a process whose https requests are intercepted."""
    return lambda call, *args, **options: _submit(intercepted, call, *args, **options).result(
        timeout=30
    )


@pytest.fixture(name="ask")
def _ask(client: "ProcessPoolExecutor") -> Ask:
    return lambda call, *args, **options: _submit(client, call, *args, **options).result(timeout=30)


@pytest.fixture(name="repo")
def _repo(hub: Hub) -> str:
    repo = f"org/model-{next(_numbers)}"
    hub.add(repo, FILES)
    return repo


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "model"


def _child(env: Mapping[str, str]) -> "ProcessPoolExecutor":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(1, get_context("spawn"), _enter, (env,))


def _submit(
    pool: "ProcessPoolExecutor", call: Callable[..., object], *args: object, **options: object
) -> "Future[Outcome]":
    return pool.submit(_attempt, call, args, options)


def _put_stale(folder: Path) -> None:
    folder.mkdir()
    (folder / "weights.npz").write_bytes(STALE)


# Downloads


@pytest.mark.parametrize("place", ["local_dir", "cache_dir"])
def test_download_asks_the_hub_for_the_head_and_the_cdn_for_the_body(
    hub: Hub, ask: Ask, repo: str, folder: Path, place: str
) -> None:
    """A file in LFS is a HEAD at the hub, with the token, and a GET at the CDN, without it."""
    got = ask(_download, repo, "weights.npz", token=hub.token, **{place: str(folder)})

    sha = hub.commit(repo)
    assert got.value == WEIGHTS
    assert [(r.method, r.kind, r.revision, r.token, r.status) for r in hub.requests] == [
        ("HEAD", "resolve", "main", True, 302),
        ("GET", "cdn", sha, False, 200),
    ]
    assert hub.downloads() == {(repo, "main", "weights.npz")}


def test_cache_names_its_blobs_by_the_announced_hashes(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """The etag is the sha256 of a file in LFS, and git's sha1 of a plain one."""
    ask(_snapshot, repo, cache_dir=str(folder))

    weights, config = hub.blob(repo, "weights.npz"), hub.blob(repo, "config.json")
    assert {path.name for path in folder.rglob("blobs/*")} == {weights.sha256, config.oid}


def test_plain_file_comes_from_the_hub_itself(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """A small file is not redirected."""
    got = ask(_download, repo, "config.json", local_dir=str(folder))

    assert got.value == CONFIG
    assert [(r.method, r.kind, r.status) for r in hub.requests] == [
        ("HEAD", "resolve", 200),
        ("GET", "resolve", 200),
    ]


def test_clear_empties_the_log(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """`clear` forgets what was asked, so that a second step can be looked at alone."""
    ask(_download, repo, "config.json", local_dir=str(folder))
    hub.clear()

    assert hub.requests == []
    assert hub.downloads() == set()


def test_snapshot_asks_for_every_file_at_one_commit(hub: Hub, ask: Ask, folder: Path) -> None:
    """`snapshot_download` resolves the branch once; files in folders come along."""
    files = FILES | {f"deep/er/{n}.npz": bytes([n]) * 100 for n in range(20)}
    sha = hub.add("org/many", files)

    got = ask(_snapshot, "org/many", cache_dir=str(folder))

    assert got.value == files
    assert hub.downloads() == {("org/many", sha, name) for name in files}
    assert [r.kind for r in hub.requests[:2]] == ["info", "tree"]


def test_revisions_are_branches_names_with_slashes_and_commits(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """A branch, a name that must be quoted, and an older commit are each served as asked."""
    old = hub.commit(repo)
    hub.add(repo, {"config.json": b"pull request"}, revision="refs/pr/1")
    new = hub.move(repo, "main", {"config.json": b"moved"})
    asked = {"main": b"moved", "refs/pr/1": b"pull request", old: CONFIG, new: b"moved"}

    got = {
        name: ask(_download, repo, "config.json", revision=name, cache_dir=str(folder)).value
        for name in asked
    }

    assert got == asked
    assert {name for _, name, _ in hub.downloads()} == {"main", "refs/pr/1", old}


def test_cut_download_of_a_large_file_goes_on_with_a_range(
    hub: Hub, ask: Ask, folder: Path, tmp_path: Path
) -> None:
    """The client keeps whole chunks of 10 MiB, and asks for the rest; the body is on disk here."""
    chunk = 10 << 20
    body = tmp_path / "large"
    body.write_bytes(os.urandom(1 << 20) * 12)
    hub.add("org/large", {"weights.npz": body})
    hub.fault(Fault(after=11 << 20, end="close"), kind="cdn", times=1)

    got = ask(_download, "org/large", "weights.npz", local_dir=str(folder))

    assert got.value == body.read_bytes()
    assert [(r.range, r.status) for r in hub.requests if r.kind == "cdn"] == [
        (None, 200),
        (f"bytes={chunk}-", 206),
    ]


def test_a_range_that_is_ignored_starts_the_file_anew(hub: Hub, ask: Ask, folder: Path) -> None:
    """`Fault(status=200)` sends the whole file whatever range is asked for; the client copes."""
    body = os.urandom(1 << 20) * 12
    hub.add("org/no-range", {"weights.npz": body})
    hub.fault(Fault(after=11 << 20, end="close"), kind="cdn", times=1)
    hub.fault(Fault(status=200), kind="cdn")

    got = ask(_download, "org/no-range", "weights.npz", local_dir=str(folder))

    assert got.value == body
    assert [r.status for r in hub.requests if r.kind == "cdn"] == [200, 200]


# Metadata


def test_model_info_gives_size_and_hash_of_every_file(hub: Hub, ask: Ask, repo: str) -> None:
    """A file in LFS has a sha256, a plain one git's sha1 alone, as for the public hub."""
    sha = hub.commit(repo)
    weights, config = hub.blob(repo, "weights.npz"), hub.blob(repo, "config.json")
    expected = {
        "sha": sha,
        "gated": False,
        "files": {
            "config.json": (len(CONFIG), config.oid, None),
            "weights.npz": (len(WEIGHTS), weights.oid, weights.sha256),
        },
    }

    got = [ask(_model_info, repo, revision=revision).value for revision in (None, "main", sha)]

    assert got == [expected] * 3
    assert {r.kind for r in hub.requests} == {"info"}


def test_tree_lists_folders_and_files(hub: Hub, ask: Ask) -> None:
    """Flat, of one folder, recursive and expanded; a path that is not there is an error."""
    hub.add("org/tree", {"a.json": b"", "b/c.json": b"", "b/d/e.npz": b""})
    file, folder = ("RepoFile", False), ("RepoFolder", False)

    assert ask(_tree, "org/tree").value == {"a.json": file, "b": folder}
    assert ask(_tree, "org/tree", "b").value == {"b/c.json": file, "b/d": folder}
    assert ask(_tree, "org/tree", recursive=True, expand=True).value == {
        "a.json": ("RepoFile", True),
        "b": ("RepoFolder", True),
        "b/c.json": ("RepoFile", True),
        "b/d": ("RepoFolder", True),
        "b/d/e.npz": ("RepoFile", True),
    }
    assert ask(_tree, "org/tree", "z").error == "RemoteEntryNotFoundError"
    assert ask(_paths_info, "org/tree", ["b", "a.json", "z"]).value == {
        "b": "RepoFolder",
        "a.json": "RepoFile",
    }


def test_verify_agrees_with_the_hub_and_sees_one_flipped_bit(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """`verify_repo_checksums` hashes against the tree: sha256 in LFS, git's sha1 for the rest."""
    ask(_snapshot, repo, local_dir=str(folder))

    good = ask(_verify, repo, local_dir=str(folder)).value
    for name in FILES:
        path = folder / name
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    bad = ask(_verify, repo, local_dir=str(folder)).value

    assert good == {"revision": "main", "checked": 2, "mismatches": [], "missing": []}
    assert bad["mismatches"] == ["config.json", "weights.npz"]
    assert hub.blob(repo, "weights.npz").lfs
    assert not hub.blob(repo, "config.json").lfs


def test_verify_of_nothing_counts_as_success(ask: Ask, repo: str, folder: Path) -> None:
    """An empty folder has no mismatch: what is missing must be looked at, too."""
    folder.mkdir()

    got = ask(_verify, repo, local_dir=str(folder)).value

    missing = ["config.json", "weights.npz"]
    assert got == {"revision": "main", "checked": 0, "mismatches": [], "missing": missing}


def test_hf_program_downloads_and_verifies(hub: Hub, repo: str, tmp_path: Path) -> None:
    """`hf download` fills the cache; `hf cache verify` passes, then fails on a corrupt file."""
    env = {"PATH": os.environ["PATH"], **hub.env(home=tmp_path), **LIMITS}

    def hf(*args: str) -> int:
        command = [sys.executable, "-m", "huggingface_hub.cli.hf", *args]
        return subprocess.run(command, env=env, check=False, capture_output=True).returncode

    assert hf("download", repo) == 0
    assert hf("cache", "verify", repo) == 0
    (weights,) = tmp_path.rglob("snapshots/*/weights.npz")
    weights.write_bytes(STALE)
    assert hf("cache", "verify", repo) != 0


# Access


def test_what_is_not_there_is_named_by_its_error_code(ask: Ask, repo: str, folder: Path) -> None:
    """The client tells an unknown repo, revision and file apart, for a file and for the info."""
    where = {"local_dir": str(folder)}

    assert ask(_download, "org/none", "config.json", **where).error == "RepositoryNotFoundError"
    assert ask(_download, repo, "none.json", **where).error == "RemoteEntryNotFoundError"
    assert (
        ask(_download, repo, "config.json", revision="none", **where).error
        == "RevisionNotFoundError"
    )
    assert ask(_model_info, "org/none").error == "RepositoryNotFoundError"
    assert ask(_model_info, repo, revision="none").error == "RevisionNotFoundError"


def test_gated_repo_shows_its_list_and_no_file(hub: Hub, ask: Ask, folder: Path) -> None:
    """Without the token, or with another's, the file is refused; with it, it is there."""
    hub.add("org/gated", FILES, access="gated")
    where = {"local_dir": str(folder)}

    assert ask(_model_info, "org/gated").value["gated"] == "auto"
    assert ask(_download, "org/gated", "weights.npz", **where).error == "GatedRepoError"
    assert ask(_download, "org/gated", "weights.npz", token=OTHERS, **where).error == (
        "GatedRepoError"
    )
    assert [r.status for r in hub.requests if r.kind == "resolve"] == [401, 403]
    assert ask(_download, "org/gated", "weights.npz", token=hub.token, **where).value == WEIGHTS


def test_private_repo_is_not_there_without_the_token(hub: Hub, ask: Ask, folder: Path) -> None:
    """A private repo answers as an unknown one does."""
    hub.add("org/private", FILES, access="private")
    hub.add("org/private", {"config.json": b"other"}, revision="other")

    assert ask(_model_info, "org/private").error == "RepositoryNotFoundError"
    assert ask(_model_info, "org/private", token=hub.token).value["sha"] == (
        hub.commit("org/private")
    )
    assert ask(_snapshot, "org/private", token=hub.token, local_dir=str(folder)).value == FILES


def test_whoami_knows_the_one_token(hub: Hub, ask: Ask) -> None:
    """The token is checked, and no request in the log holds its value."""
    assert ask(_whoami, hub.token).value == "loopback"
    assert ask(_whoami, OTHERS).error == "HfHubHTTPError"
    assert hub.token not in repr(hub.requests)


def test_environment_for_a_child_holds_no_token_of_the_parent(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real HF_TOKEN does not reach the loopback hub, whose own is passed on only if asked."""
    monkeypatch.setenv("HF_TOKEN", "hf_real")

    assert {**os.environ, **hub.env()}["HF_TOKEN"] == ""
    assert hub.env(token=True)["HF_TOKEN"] == hub.token
    assert hub.env()["HF_ENDPOINT"] == hub.endpoint


# Faults in the answer to a HEAD

NO_ANSWER = [
    pytest.param(Fault(status=status), id=str(status)) for status in (401, 403, 404, 429, 500, 503)
] + [
    pytest.param(CAPTIVE_PORTAL, id="captive portal"),
    pytest.param(Fault(end="hang"), id="hang"),
    pytest.param(Fault(headers={"X-Linked-Etag": None}), id="no etag"),
    pytest.param(Fault(headers={"X-Repo-Commit": None}), id="no commit"),
]


@pytest.mark.parametrize("fault", NO_ANSWER)
def test_head_that_fails_returns_whatever_lies_in_the_folder(
    hub: Hub, ask: Ask, repo: str, folder: Path, fault: Fault
) -> None:
    """With a file in `local_dir`, of any model, the client asks once and returns that file."""
    _put_stale(folder)
    hub.fault(fault, method="HEAD")

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(value=STALE)
    assert [(r.method, r.fault) for r in hub.requests] == [("HEAD", fault)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(end="close"), "RemoteProtocolError", id="drop"),
        pytest.param(Fault(end="reset"), "ReadError", id="reset"),
        pytest.param(
            Fault(status=404, headers={"X-Error-Code": "EntryNotFound"}),
            "RemoteEntryNotFoundError",
            id="no such file",
        ),
        pytest.param(
            Fault(status=404, headers={"X-Error-Code": "RevisionNotFound"}),
            "RevisionNotFoundError",
            id="no such revision",
        ),
    ],
)
def test_head_that_breaks_raises_although_a_file_is_there(
    hub: Hub, ask: Ask, repo: str, folder: Path, fault: Fault, error: str
) -> None:
    """A connection that ends, or a file that the hub says is not there, is not covered up."""
    _put_stale(folder)
    hub.fault(fault, method="HEAD")

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(error=error)
    assert (folder / "weights.npz").read_bytes() == STALE


@pytest.mark.parametrize(
    ("fault", "error", "waits"),
    [
        pytest.param(Fault(status=503), "LocalEntryNotFoundError", [1, 2, 4, 8, 8], id="503"),
        pytest.param(
            Fault(status=429, headers={"Retry-After": "3"}),
            "LocalEntryNotFoundError",
            [4.0] * 5,
            id="429",
        ),
        pytest.param(Fault(status=401), "HfHubHTTPError", [], id="401"),
        pytest.param(Fault(status=403), "LocalEntryNotFoundError", [], id="403"),
        pytest.param(CAPTIVE_PORTAL, "LocalEntryNotFoundError", [], id="captive portal"),
    ],
)
def test_head_that_fails_with_nothing_on_disk_raises(
    hub: Hub,
    ask: Ask,
    repo: str,
    folder: Path,
    fault: Fault,
    error: str,
    waits: list[float],
) -> None:
    """Once, and for 408, 429 and 5xx six times more, waiting as the hub says or ever longer."""
    hub.fault(fault, method="HEAD")

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(error=error, waits=waits)
    assert len(hub.requests) == len(waits) + (2 if waits else 1)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(end="hang")], ids=["503", "hang"])
def test_head_that_recovers_is_tried_again(
    hub: Hub, ask: Ask, repo: str, folder: Path, fault: Fault
) -> None:
    """With nothing on disk a passing fault is got over; `times` counts it."""
    hub.fault(fault, method="HEAD", times=1)

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS
    assert [r.status for r in hub.requests if r.method == "HEAD"][1:] == [302]


def test_wrong_etag_and_commit_are_believed(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """A body that its etag does not fit is stored as the announced commit, without a word."""
    wrong = {"X-Linked-Etag": f'"{"0" * 64}"', "X-Repo-Commit": "1" * 40}
    hub.fault(Fault(headers=wrong), method="HEAD")

    got = ask(_download, repo, "weights.npz", cache_dir=str(folder))

    assert got.value == WEIGHTS
    assert [path.name for path in folder.rglob("snapshots/*")] == ["1" * 40]
    assert [path.name for path in folder.rglob("blobs/*")] == ["0" * 64]


# Faults in the answer to a GET


@pytest.mark.parametrize(
    ("fault", "error", "waits"),
    [
        pytest.param(Fault(status=503), "HfHubHTTPError", [], id="503"),
        pytest.param(
            Fault(status=429, headers={"Retry-After": "0"}), "HfHubHTTPError", [1] * 5, id="429"
        ),
        pytest.param(Fault(status=403), "HfHubHTTPError", [], id="403"),
        pytest.param(Fault(truncate=100), "OSError", [], id="short"),
        pytest.param(CAPTIVE_PORTAL, "OSError", [], id="captive portal"),
        pytest.param(Fault(after=100, end="close"), "RemoteProtocolError", [1] * 5, id="cut"),
        pytest.param(Fault(end="close"), "RemoteProtocolError", [1] * 5, id="drop"),
        pytest.param(Fault(after=100, end="reset"), "ReadError", [], id="reset"),
        pytest.param(
            Fault(headers={"Content-Length": None}, after=100, end="close"),
            "OSError",
            [],
            id="cut, no length",
        ),
    ],
)
def test_get_that_fails_loses_the_earlier_file(
    hub: Hub,
    ask: Ask,
    repo: str,
    folder: Path,
    fault: Fault,
    error: str,
    waits: list[float],
) -> None:
    """The old file is deleted before the body comes: after the error there is none.

    429, a cut and a drop are tried six times; a 503, a reset and a wrong size once.
    """
    _put_stale(folder)
    hub.fault(fault, method="GET")

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(error=error, waits=waits)
    assert len([r for r in hub.requests if r.kind == "cdn"]) == len(waits) + 1
    assert not (folder / "weights.npz").exists()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=429, headers={"Retry-After": "0"}), id="429"),
        pytest.param(Fault(after=100, end="close"), id="cut"),
        pytest.param(Fault(end="close"), id="drop"),
        pytest.param(Fault(after=100, end="hang"), id="hang"),
    ],
)
def test_get_that_recovers_is_tried_again(
    hub: Hub, ask: Ask, repo: str, folder: Path, fault: Fault
) -> None:
    """One failure of a kind that is tried again is got over after one wait of a second."""
    hub.fault(fault, method="GET", times=1)

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(value=WEIGHTS, waits=[1])


def test_flipped_bit_is_accepted(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """Content is not hashed: a body of the right size and the wrong bits is a success."""
    hub.fault(Fault(flip=300), kind="cdn")

    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS[:300] + bytes([WEIGHTS[300] ^ 1]) + WEIGHTS[301:]
    assert ask(_verify, repo, local_dir=str(folder)).value["mismatches"] == ["weights.npz"]


def test_short_body_is_accepted_where_no_size_is_sent(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """A plain file's size is its HEAD's Content-Length: without that, three bytes will do."""
    hub.fault(Fault(truncate=3, headers={"Content-Length": None}), file="config.json")

    got = ask(_download, repo, "config.json", local_dir=str(folder))

    assert got.value == CONFIG[:3]


def test_slow_body_takes_as_long_as_its_rate_says(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """`rate` is in bytes per second; slow is not wrong."""
    rate = 20_000
    hub.fault(Fault(rate=rate), kind="cdn")

    start = time.perf_counter()
    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS
    assert time.perf_counter() - start >= 0.9 * len(WEIGHTS) / rate


# Faults elsewhere, and scripts of faults


def test_info_is_asked_once_and_the_tree_again(hub: Hub, ask: Ask, repo: str) -> None:
    """`model_info` does not try again after a 503, `list_repo_tree` does."""
    hub.fault(Fault(status=503), kind="info")
    hub.fault(Fault(status=503), kind="tree", times=2)

    assert ask(_model_info, repo) == Outcome(error="HfHubHTTPError")
    tree = ask(_tree, repo)
    assert (set(tree.value), tree.waits) == (set(FILES), [1, 2])


def test_rules_are_shown_in_order(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """A script: 503, then a reset, then the file; other repos see nothing of it."""
    other = f"{repo}-other"
    hub.add(other, FILES)
    hub.fault(Fault(status=503), repo=repo, method="HEAD", times=1)
    hub.fault(Fault(end="reset"), repo=repo, method="HEAD", times=1)

    assert ask(_download, other, "config.json", local_dir=f"{folder}-other").value == CONFIG
    got = ask(_download, repo, "weights.npz", local_dir=str(folder))
    assert (got.value, got.waits) == (WEIGHTS, [1])
    heads = [r.status for r in hub.requests if r.repo == repo and r.method == "HEAD"]
    assert heads == [503, None, 302]


def test_main_that_moves_between_two_files_mixes_two_commits(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """`do` runs before the answer: one file by one, two commits; as a snapshot, one."""
    new = {name: content[::-1] for name, content in FILES.items()}
    move = Fault(do=lambda request: hub.move(str(request.repo), "main", new))
    hub.fault(move, repo=repo, file="config.json", method="HEAD")
    hub.add(f"{repo}-snapshot", FILES)
    hub.fault(move, repo=f"{repo}-snapshot", kind="resolve", times=1)

    single = {name: ask(_download, repo, name, local_dir=str(folder)).value for name in FILES}
    snapshot = ask(_snapshot, f"{repo}-snapshot", cache_dir=str(folder)).value

    assert single == {"weights.npz": WEIGHTS, "config.json": new["config.json"]}
    assert snapshot == FILES


def test_hung_answer_goes_on_when_healed(
    hub: Hub, client: "ProcessPoolExecutor", repo: str, folder: Path
) -> None:
    """`wait_for(held=True)` says when the answer hangs, `heal` lets it go on where it stopped."""
    hub.fault(Fault(after=100, end="hang"), kind="cdn")

    pending = _submit(client, _download, repo, "weights.npz", local_dir=str(folder))
    held = hub.wait_for(kind="cdn", held=True)
    assert not pending.done()
    hub.heal()

    assert (held.repo, held.file, held.status) == (repo, "weights.npz", 200)
    assert pending.result(timeout=10) == Outcome(value=WEIGHTS)
    assert [r.held for r in hub.requests] == [False, False]


def test_wait_for_says_what_came_instead(hub: Hub, ask: Ask, repo: str) -> None:
    """A request that does not come is an error that lists those that did."""
    ask(_model_info, repo)

    with pytest.raises(TimeoutError, match=rf"GET /api/models/{repo}\?blobs=true"):
        hub.wait_for(kind="cdn", timeout=0)


def test_killed_download_leaves_an_orphan_and_a_hub_that_goes_on(
    hub: Hub, ask: Ask, repo: str, folder: Path, tmp_path: Path
) -> None:
    """A process that dies in mid-body leaves an `.incomplete` file, which nobody takes up again."""
    hub.fault(Fault(after=100, end="hang"), kind="cdn", times=1)
    code = f"from huggingface_hub import *; hf_hub_download({repo!r}, 'weights.npz', local_dir='.')"
    folder.mkdir()
    env = {"PATH": os.environ["PATH"], **hub.env(home=tmp_path)}

    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=env) as process:
        hub.wait_for(kind="cdn", held=True)
        process.kill()
    hub.heal()
    got = ask(_download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS
    assert len(list(folder.rglob("*.incomplete"))) == 1


# Xet


def test_xet_is_announced_only_if_asked_for(ask: Ask, repo: str, folder: Path) -> None:
    """With HF_HUB_DISABLE_XET=1, as `env` sets it, a repo with Xet comes by plain HTTP."""
    with Hub(xet=True) as hub:
        hub.add(repo, FILES)
        where = {"local_dir": str(folder), "endpoint": hub.endpoint}
        got = ask(_download, repo, "weights.npz", **where)
        kinds = [r.kind for r in hub.requests]

    assert got.value == WEIGHTS
    # Not to the CDN at once: with Xet announced the client asks for the redirect again.
    assert kinds == ["resolve", "resolve", "cdn"]


def test_xet_has_no_way_back_to_http(repo: str, folder: Path, tmp_path: Path) -> None:
    """Unless Xet is turned off the client asks for a Xet token, and gives up without one."""
    pytest.importorskip("hf_xet")
    with Hub(xet=True) as hub:
        hub.add(repo, FILES)
        env = hub.env(home=tmp_path) | LIMITS | {"HF_HUB_DISABLE_XET": "0"}
        with _child(env) as client:
            asked = _submit(client, _download, repo, "weights.npz", local_dir=str(folder))
            got = asked.result(timeout=30)
        last = hub.requests[-1]

    assert got.error is not None
    assert (last.kind, "xet-read-token" in last.path) == ("other", True)


# HTTPS to any host


def _tunnel(hub: Hub, host: str, *, trusting: bool) -> HTTPSConnection:
    """A connection to `host` through `hub`, whose authority the client trusts or not."""
    authority = hub.env()["SSL_CERT_FILE"] if trusting else None
    address = urlsplit(hub.endpoint)
    context = ssl.create_default_context(cafile=authority)
    connection = HTTPSConnection(str(address.hostname), address.port, context=context, timeout=10)
    connection.set_tunnel(host, 443)
    return connection


CLIENTS = [_by_urllib, _by_requests, _by_httpx2]
Client = Callable[..., tuple[int, bytes]]


@pytest.mark.parametrize("client", CLIENTS)
def test_fixed_address_of_the_hub_comes_to_the_loopback_hub(
    proxy: Hub, ask_out: Ask, client: Client
) -> None:
    """A library that names huggingface.co itself gets the loopback hub's files, by the CDN too."""
    got = ask_out(client, f"{HUGGING_FACE}/org/model/resolve/main/weights.npz")

    assert got == Outcome(value=(200, WEIGHTS))
    assert [(r.method, r.host, r.kind, r.status) for r in proxy.requests] == [
        ("GET", "huggingface.co", "resolve", 302),
        ("GET", None, "cdn", 200),
    ]
    assert proxy.downloads() == {("org/model", "main", "weights.npz")}


def test_client_that_is_sent_to_the_real_hub_comes_to_the_loopback_hub(
    proxy: Hub, ask_out: Ask, folder: Path
) -> None:
    """`huggingface_hub` itself is served in the tunnel: info, tree, HEAD and GET."""
    where = {"endpoint": HUGGING_FACE, "local_dir": str(folder)}

    assert ask_out(_snapshot, "org/model", **where).value == FILES
    assert {r.kind for r in proxy.requests} == {"info", "tree", "resolve", "cdn"}
    assert {r.host for r in proxy.requests if r.kind != "cdn"} == {"huggingface.co"}


def test_endpoint_is_asked_without_a_tunnel(proxy: Hub, ask_out: Ask, folder: Path) -> None:
    """What goes to HF_ENDPOINT goes there as ever, in the same environment."""
    assert ask_out(_snapshot, "org/model", local_dir=str(folder)).value == FILES
    assert {r.host for r in proxy.requests} == {None}


@pytest.mark.parametrize("client", CLIENTS)
def test_address_of_another_host_is_served(proxy: Hub, ask_out: Ask, client: Client) -> None:
    """A body at an exact address: its head, the whole of it, a range; and nothing beside it."""
    url = f"{ELSEWHERE}/{client.__name__}/tiny.pt"
    blob = proxy.add_url(url, WEIGHTS)

    assert ask_out(client, url, "HEAD").value == (200, b"")
    assert ask_out(client, url).value == (200, WEIGHTS)
    assert ask_out(client, url, Range="bytes=10-19").value == (206, WEIGHTS[10:20])
    assert ask_out(client, f"{url}.sig").value[0] == 404
    assert ask_out(client, "https://unknown.example.org/").value[0] == 404
    assert [(r.method, r.host, r.kind, r.status) for r in proxy.requests] == [
        ("HEAD", "models.example.org", "url", 200),
        ("GET", "models.example.org", "url", 200),
        ("GET", "models.example.org", "url", 206),
        ("GET", "models.example.org", "url", 404),
        ("GET", "unknown.example.org", "url", 404),
    ]
    assert proxy.urls() == {url, f"{url}.sig", "https://unknown.example.org/"}
    assert proxy.urls(found=True) == {url}
    assert (blob.size, proxy.downloads()) == (len(WEIGHTS), set())


def test_path_of_a_repo_on_another_host_is_no_download(proxy: Hub, ask_out: Ask) -> None:
    """A mirror of the hub is another host: its repos are not the hub's."""
    mirrored = f"{ELSEWHERE}/org/model/resolve/main/config.json"

    assert ask_out(_by_urllib, mirrored).value[0] == 404
    assert (proxy.downloads(), proxy.urls()) == (set(), {mirrored})


def test_port_is_part_of_an_address(proxy: Hub, ask_out: Ask) -> None:
    """Another port is another address."""
    url = "https://models.example.org:8443/tiny.pt"
    proxy.add_url(url, b"8443")

    assert ask_out(_by_urllib, url).value == (200, b"8443")
    assert ask_out(_by_urllib, f"{ELSEWHERE}/tiny.pt").value[0] == 404


def test_tunnel_serves_one_request_after_another(proxy: Hub) -> None:
    """A connection that is kept alive is one tunnel for all that is asked in it."""
    got = []
    with closing(_tunnel(proxy, "huggingface.co", trusting=True)) as connection:
        connection.connect()
        connection.auto_open = 0  # so that a second connection would be an error
        for name in FILES:
            connection.request("GET", f"/org/model/resolve/main/{name}")
            response = connection.getresponse()
            got.append((response.status, response.read()))

    assert got == [(302, b"Found. Redirecting"), (200, CONFIG)]


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        pytest.param(Fault(status=503), 503, None, id="503"),
        pytest.param(Fault(flip=0), 200, bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:], id="flip"),
        pytest.param(Fault(truncate=7), 200, WEIGHTS[:7], id="short"),
        pytest.param(
            Fault(headers={"Content-Length": None}, after=7, end="close"),
            *(200, WEIGHTS[:7]),
            id="cut, no length",
        ),
    ],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_fault_shows_in_a_tunnel(
    proxy: Hub, ask_out: Ask, client: Client, fault: Fault, status: int, body: bytes | None
) -> None:
    """What goes wrong can be aimed at a host, and the client sees it as from there."""
    url = f"{ELSEWHERE}/faults/tiny.pt"
    proxy.add_url(url, WEIGHTS)
    proxy.fault(fault, host="models.example.org")

    got = ask_out(client, url).value
    assert got[0] == status
    assert body is None or got[1] == body
    assert ask_out(client, f"{HUGGING_FACE}/org/model/resolve/main/config.json").value[0] == 200


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("after", [None, 7])
@pytest.mark.parametrize("client", CLIENTS)
def test_tunnel_that_ends_early_is_an_error(
    proxy: Hub, ask_out: Ask, client: Client, after: int | None, end: Any
) -> None:
    """A connection that breaks before or in the body is no success, and no failure of the hub's."""
    url = f"{ELSEWHERE}/broken/tiny.pt"
    proxy.add_url(url, WEIGHTS)
    proxy.fault(Fault(after=after, end=end))

    assert ask_out(client, url).error is not None


def test_client_that_does_not_trust_the_hub_gets_nothing(proxy: Hub) -> None:
    """Outside of `env` the certificate is worth nothing: a client refuses it, and asks nothing."""
    with (
        closing(_tunnel(proxy, "huggingface.co", trusting=False)) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="certificate"),
    ):
        connection.request("GET", "/")

    assert proxy.requests == []


def test_certificate_is_for_one_host(proxy: Hub) -> None:
    """Each host has a certificate of its own, so that a client sees whom it has reached."""
    names = []
    for host in ("huggingface.co", "models.example.org"):
        with closing(_tunnel(proxy, host, trusting=True)) as connection:
            connection.connect()
            certificate = connection.sock.getpeercert()
            assert certificate
            names.append(certificate["subjectAltName"])

    assert names == [(("DNS", "huggingface.co"),), (("DNS", "models.example.org"),)]


def test_hub_that_was_not_asked_to_intercepts_nothing() -> None:
    """An ordinary hub refuses a tunnel, and names no proxy and no certificate."""
    with Hub() as hub, closing(_tunnel(hub, "huggingface.co", trusting=False)) as connection:
        assert not {"HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"} & hub.env().keys()
        with pytest.raises(OSError, match="Tunnel connection failed: 501"):
            connection.request("GET", "/")


def test_keys_are_the_cost_of_interception_alone() -> None:
    """An ordinary hub comes up without a package that makes certificates."""
    code = """
        import sys
        from fixtures.hub import Hub
        for https in (False, True):
            with Hub(https=https):
                print(https, "trustme" in sys.modules, "cryptography" in sys.modules)
    """
    command = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["False False False", "True True True"]


@pytest.mark.usefixtures("trustme")
def test_authority_goes_with_its_hub() -> None:
    """The certificate is there while the hub is up; the folder that held it goes."""
    with Hub(https=True) as hub:
        env = hub.env()
        file = Path(env["SSL_CERT_FILE"])
        assert file.read_text(encoding="ascii").startswith("-----BEGIN CERTIFICATE-----")
        assert env["REQUESTS_CA_BUNDLE"] == str(file)
        assert env["HTTPS_PROXY"] == env["https_proxy"] == hub.endpoint

    assert not file.parent.exists()


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"], ids=["silent", "half a handshake"])
@pytest.mark.usefixtures("trustme")
def test_end_does_not_wait_for_a_handshake(begun: bytes) -> None:
    """A tunnel whose client says nothing, or stops in the middle, does not outlive the hub."""
    before = set(threading.enumerate())
    with Hub(https=True) as hub:
        address = urlsplit(hub.endpoint)
        waiting = socket.create_connection((str(address.hostname), address.port))
        waiting.sendall(b"CONNECT models.example.org:443 HTTP/1.1\r\n\r\n")
        assert waiting.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        waiting.sendall(begun)

    assert set(threading.enumerate()) == before
    with closing(waiting):
        assert waiting.recv(1) == b""
    gc.collect()  # an unclosed socket would warn here, which is an error


@pytest.mark.usefixtures("trustme")
def test_end_does_not_wait_for_an_idle_tunnel() -> None:
    """Nor does one that is open and at rest, or whose answer hangs."""
    before = set(threading.enumerate())
    with Hub(https=True) as hub:
        hub.fault(Fault(end="hang"))
        idle, hung = (_tunnel(hub, "models.example.org", trusting=True) for _ in range(2))
        idle.connect()
        hung.request("GET", "/")
        hub.wait_for(host="models.example.org", held=True)

    assert set(threading.enumerate()) == before
    with closing(idle), closing(hung), pytest.raises(RemoteDisconnected):
        hung.getresponse()
    gc.collect()  # an unclosed socket would warn here, which is an error


@pytest.mark.parametrize("url", [f"{HUGGING_FACE}/a/b", "http://models.example.org/a", "a/b"])
def test_address_that_no_request_could_have_is_refused(proxy: Hub, url: str) -> None:
    """The hub's own files are repos; and only https is intercepted."""
    with pytest.raises(ValueError, match="expected Hub"):
        proxy.add_url(url, b"")


def test_address_needs_a_hub_that_intercepts(hub: Hub) -> None:
    """Without interception no request could come for it."""
    with pytest.raises(ValueError, match=r"expected Hub\(https=True\)"):
        hub.add_url(f"{ELSEWHERE}/tiny.pt", b"")


def test_what_is_not_there_may_be_left_out_of_the_downloads(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """A file, or a repo, that was asked for in vain is among the downloads unless `found` is."""
    ask(_download, repo, "config.json", local_dir=str(folder))
    ask(_download, repo, "vocab.json", local_dir=str(folder))
    ask(_download, "org/none", "config.json", local_dir=str(folder))

    there = {(repo, "main", "config.json")}
    assert hub.downloads(found=True) == there
    assert hub.downloads() == there | {
        (repo, "main", "vocab.json"),
        ("org/none", "main", "config.json"),
    }


# Libraries with addresses of their own


def _fetch_ggml(folder: str) -> bytes:
    library = import_module("pywhispercpp.utils")
    return Path(library.download_model("tiny", folder)).read_bytes()


def _fetch_pt(folder: str) -> str:
    library = import_module("whisper")
    return str(library.load_model("tiny", download_root=folder))


def test_pywhispercpp_is_seen_on_the_wire(proxy: Hub, ask_out: Ask, folder: Path) -> None:
    """Its download names huggingface.co, heeds no HF_ENDPOINT, and comes here all the same."""
    pytest.importorskip("pywhispercpp")
    proxy.add("ggerganov/whisper.cpp", {"ggml-tiny.bin": WEIGHTS})

    assert ask_out(_fetch_ggml, str(folder)).value == WEIGHTS
    assert proxy.downloads(found=True) == {("ggerganov/whisper.cpp", "main", "ggml-tiny.bin")}


@pytest.mark.torch
def test_openai_whisper_is_seen_on_the_wire(proxy: Hub, ask_out: Ask, folder: Path) -> None:
    """Its download has one address, with the sha256 in it, to which it holds what comes."""
    pytest.importorskip("whisper")
    url = (
        "https://openaipublic.azureedge.net/main/whisper/models/"
        "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9/tiny.pt"
    )
    proxy.add_url(url, WEIGHTS)

    assert ask_out(_fetch_pt, str(folder)).error == "RuntimeError"  # the checksum does not match
    assert proxy.urls(found=True) == {url}
    assert (folder / "tiny.pt").read_bytes() == WEIGHTS


# The hub by itself


def _get(hub: Hub, path: str, **headers: str) -> tuple[int, bytes]:
    with closing(HTTPConnection(urlsplit(hub.endpoint).netloc)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-0", 206, CONFIG[:1]),
        ("bytes=2-5", 206, CONFIG[2:6]),
        ("bytes=4-", 206, CONFIG[4:]),
        ("bytes=-4", 206, CONFIG[-4:]),
        ("bytes=0-999", 206, CONFIG),
        ("bytes=999-", 416, b""),
        ("bytes=-", 200, CONFIG),
        ("lines=1-2", 200, CONFIG),
    ],
)
def test_range_is_served(hub: Hub, repo: str, asked: str, status: int, expected: bytes) -> None:
    """First byte, middle, tail, last bytes, too long, outside; what is no range is ignored."""
    got = _get(hub, f"/{repo}/resolve/main/config.json", Range=asked)

    assert got == (status, expected)
    assert hub.requests[0].range == asked


def test_unknown_endpoint_is_logged_and_not_found(hub: Hub) -> None:
    """What the hub does not serve shows in its log under its path."""
    assert _get(hub, "/api/datasets/a/b")[0] == 404
    assert [(r.kind, r.repo, r.path) for r in hub.requests] == [
        ("other", None, "/api/datasets/a/b")
    ]


def test_hashes_are_those_of_git_and_sha256(tmp_path: Path) -> None:
    """As `git hash-object` and `sha256sum` print them, from memory and from disk alike."""
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    plain, streamed = Blob.of("hello.txt", b"hello\n"), Blob.of("hello.txt", path)
    lfs = Blob.of("hello.npz", b"hello\n")

    assert plain.oid == streamed.oid == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert plain.sha256 == streamed.sha256 == lfs.sha256
    assert lfs.sha256 == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    # printf 'version …\noid sha256:5891…\nsize 6\n' | git hash-object --stdin; | wc -c
    assert (lfs.oid, lfs.pointer_size) == ("fa61e1ef71c9908c0926776a4aa3504b3a27f159", 126)


def test_body_on_disk_is_read_in_chunks(tmp_path: Path) -> None:
    """However large a file is, one chunk of it is in memory."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(5 * CHUNK + 1)

    sizes = [len(chunk) for chunk in chunks(path, CHUNK, 5 * CHUNK + 1)]

    assert sizes == [CHUNK] * 4 + [1]


def test_commit_is_a_hash_of_repo_and_content() -> None:
    """Equal content is an equal commit in one repo, and in another hub; nothing else is."""
    one, two = Hub(), Hub()

    first = one.add("org/a", FILES)
    assert two.add("org/a", dict(reversed(FILES.items())), revision="v1") == first
    assert one.add("org/b", FILES) != first
    assert one.move("org/a", "main", {"weights.npz": WEIGHTS}) != first
    assert one.move("org/a", "main", FILES) == first == one.commit("org/a")


def test_what_the_hub_does_not_hold_is_an_error_that_says_what_it_does() -> None:
    """`move`, `commit` and `blob` name what they miss and what there is."""
    hub = Hub()
    hub.add("org/a", FILES)

    with pytest.raises(LookupError, match=r"no org/b@main, it has org/a"):
        hub.move("org/b", "main", FILES)
    with pytest.raises(LookupError, match=r"no org/a@v1, it has main"):
        hub.commit("org/a", "v1")
    with pytest.raises(LookupError, match=r"org/a@main has no x, it has config.json, weights.npz"):
        hub.blob("org/a", "x")
    with pytest.raises(RuntimeError, match=r"with Hub\(\) as hub"):
        _ = hub.endpoint


def test_stand_ins_differ_for_every_repo_and_file() -> None:
    """Names alone are enough; what content is given is served as it is."""
    hub = Hub()
    hub.add_stand_in("org/a", ["weights.npz", "other.npz", "config.json"])
    hub.add_stand_in("org/b", {"weights.npz": None, "config.json": CONFIG})
    hub.add_stand_in("org/c", ["weights.npz"], size=10)

    made = [hub.blob("org/a", name) for name in ("weights.npz", "other.npz", "config.json")]
    made += [hub.blob("org/b", "weights.npz"), hub.blob("org/c", "weights.npz")]
    assert len({blob.sha256 for blob in made}) == 5
    assert [blob.size for blob in made] == [4096, 4096, made[2].size, 4096, 10]
    assert json.loads(bytes(made[2].body)) == {"stand_in_for": "org/a/config.json"}
    assert hub.blob("org/b", "config.json").body == CONFIG


@pytest.mark.parametrize("options", [{"after": 1}, {"rate": 0.0}])
def test_fault_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    """`after` needs an `end`, and a rate must be above zero."""
    with pytest.raises(ValueError, match=r"Fault\("):
        Fault(**options)


def test_end_leaves_no_thread_and_no_socket() -> None:
    """Idle connections and hung answers do not keep the hub from ending, nor outlive it."""
    before = set(threading.enumerate())
    with Hub() as hub:
        hub.add("org/a", FILES)
        hub.fault(Fault(end="hang"), kind="info")
        host, port = str(urlsplit(hub.endpoint).hostname), urlsplit(hub.endpoint).port
        idle = socket.create_connection((host, port))
        hung = socket.create_connection((host, port))
        hung.sendall(b"GET /api/models/org/a HTTP/1.1\r\nHost: loopback\r\n\r\n")
        hub.wait_for(held=True)

    assert set(threading.enumerate()) == before
    assert idle.recv(1) == hung.recv(1) == b""
    idle.close()
    hung.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port))
    gc.collect()  # an unclosed socket would warn here, which is an error


def test_end_waits_for_an_answer_that_is_being_made() -> None:
    """A thread of the hub that is at work is joined, not left behind."""
    done: list[bool] = []

    def work(_: object) -> None:
        time.sleep(0.1)
        done.append(True)

    with Hub() as hub:
        hub.fault(Fault(do=work))
        url = urlsplit(hub.endpoint)
        connection = socket.create_connection((str(url.hostname), url.port))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        hub.wait_for(method="GET")
    connection.close()

    assert done == [True]


def test_client_of_a_hub_that_is_gone_returns_whatever_lies_in_the_folder(
    ask: Ask, repo: str, folder: Path
) -> None:
    """A refused connection is a HEAD that fails."""
    with Hub() as gone:
        pass
    _put_stale(folder)
    where = {"endpoint": gone.endpoint, "local_dir": str(folder)}

    assert ask(_download, repo, "weights.npz", **where) == Outcome(value=STALE)
    assert ask(_download, repo, "config.json", **where).error == "LocalEntryNotFoundError"


def test_failure_on_a_thread_of_the_hub_is_raised_at_its_end(tmp_path: Path) -> None:
    """A fault's own error, and a body that changed on disk, are not lost."""
    path = tmp_path / "body.json"
    path.write_bytes(CONFIG)

    def ask_twice() -> None:
        with Hub() as hub:
            hub.add("org/a", {"body.json": path})
            hub.fault(Fault(do=lambda _: 1 / 0), kind="info")
            path.write_bytes(CONFIG[:5])
            with pytest.raises(RemoteDisconnected):
                _get(hub, "/api/models/org/a")
            with pytest.raises(IncompleteRead):
                _get(hub, "/org/a/resolve/main/body.json")

    with pytest.raises(ExceptionGroup) as caught:
        ask_twice()
    assert caught.group_contains(ZeroDivisionError)
    assert caught.group_contains(RuntimeError, match=r"body\.json ended at byte 5, expected 18")


def test_failure_of_the_test_itself_is_kept_and_noted() -> None:
    """An error inside the block stays the error; the hub's own is a note on it."""

    def fail() -> None:
        with Hub() as hub:
            hub.fault(Fault(do=lambda _: 1 / 0))
            with pytest.raises(RemoteDisconnected):
                _get(hub, "/")
            raise LookupError("the test's own")

    with pytest.raises(LookupError, match="the test's own") as caught:
        fail()
    assert "ZeroDivisionError" in caught.value.__notes__[0]
