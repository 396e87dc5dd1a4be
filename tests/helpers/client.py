"""The real huggingface_hub client, and others, in processes of their own; what they came to.

A client reads HF_ENDPOINT and its time limits when huggingface_hub is imported, so that each hub
needs a process of its own. Its waits between tries are noted, not slept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.helpers.project import child_environment

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

    from fixtures.hub import Hub

WEIGHTS = bytes(range(256)) * 20
CONFIG = b'{"n_vocab": 51865}'
FILES = {"weights.npz": WEIGHTS, "config.json": CONFIG}
"""A model: one file in LFS, one that is not."""

STALE = b"another model's weights"
"""What lies in a folder before a download."""

OTHERS = "hf_of_someone_else"
"""A token that no loopback hub knows."""

LIMITS = {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}  # seconds


@dataclass
class Outcome:
    """What a call in the client's process came to: value or error, and its waits in seconds."""

    value: Any = None
    error: str | None = None
    waits: list[float] = field(default_factory=list)


Ask = Callable[..., Outcome]
"""Makes a call in the client's process, and waits for its outcome."""


def client_of(env: Mapping[str, str]) -> ProcessPoolExecutor:
    """Return a process with this environment, and no other variable of huggingface_hub's."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(1, get_context("spawn"), _enter, (env,))


def submit(
    client: ProcessPoolExecutor, call: Callable[..., object], *args: object, **options: object
) -> Future[Outcome]:
    """Make a call in the client's process."""
    return client.submit(_attempt, call, args, options)


def _enter(env: Mapping[str, str]) -> None:
    wanted = child_environment(**env)
    os.environ.clear()
    os.environ.update(wanted)


def _attempt(call: Callable[..., object], args: tuple[object, ...], options: Any) -> Outcome:
    from unittest import mock

    outcome = Outcome()
    with mock.patch("time.sleep", outcome.waits.append):
        try:
            outcome.value = call(*args, **options)
        except Exception as error:  # noqa: BLE001 - which one it is, is the fact
            outcome.error = type(error).__name__
    return outcome


# What is called in the client's process


def download(repo: str, file: str, **options: Any) -> bytes:
    """Return the bytes that `hf_hub_download` gives."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, file, **options)).read_bytes()


def snapshot(repo: str, **options: Any) -> dict[str, bytes]:
    """Return the bytes of each file that `snapshot_download` gives."""
    from huggingface_hub import snapshot_download

    root = Path(snapshot_download(repo, **options))
    files = (path for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def model_info(repo: str, **options: Any) -> dict[str, Any]:
    """Return the commit, the gate, and (size, git's sha1, sha256) of each file."""
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


def list_tree(repo: str, path: str | None = None, **options: Any) -> dict[str, Any]:
    """Return (type, whether its last commit is told) of each entry of a folder."""
    from huggingface_hub import HfApi

    entries = HfApi().list_repo_tree(repo, path, **options)
    return {entry.path: (type(entry).__name__, entry.last_commit is not None) for entry in entries}


def paths_info(repo: str, paths: list[str]) -> dict[str, Any]:
    """Return the type of each path that is there."""
    from huggingface_hub import HfApi

    return {entry.path: type(entry).__name__ for entry in HfApi().get_paths_info(repo, paths)}


def verify(repo: str, **options: Any) -> dict[str, Any]:
    """Return what `verify_repo_checksums` finds."""
    from huggingface_hub import HfApi

    result = HfApi().verify_repo_checksums(repo, **options)
    mismatches = [mismatch["path"] for mismatch in result.mismatches]
    return {
        "revision": result.revision,
        "checked": result.checked_count,
        "mismatches": mismatches,
        "missing": result.missing_paths,
    }


def whoami(token: str) -> str:
    """Return the name of a token's account."""
    from huggingface_hub import HfApi

    return str(HfApi().whoami(token=token)["name"])


def by_urllib(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Return status and body of what urllib gets."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers=headers, method=method)) as response:  # noqa: S310
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def by_requests(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Return status and body of what requests gets."""
    response = import_module("requests").request(method, url, headers=headers, timeout=10)
    return response.status_code, response.content


def by_httpx2(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Return status and body of what httpx2 gets."""
    import httpx2

    response = httpx2.request(method, url, headers=headers, follow_redirects=True)
    return response.status_code, response.content


# What is called in the test's own process


def put_stale(folder: Path) -> None:
    """Make a folder with another model's weights in it."""
    folder.mkdir()
    (folder / "weights.npz").write_bytes(STALE)


def get(hub: Hub, path: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body of one request to a hub."""
    with closing(HTTPConnection(urlsplit(hub.endpoint).netloc)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
