"""What huggingface_hub 2.4.0 does: which requests it makes, what it keeps, and what it verifies.

The client runs in a process of its own, against the loopback hub. Its waits between tries are
noted, not slept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Fault, Hub
from tests.helpers.client import (
    FILES,
    LIMITS,
    STALE,
    WEIGHTS,
    client_of,
    download,
    model_info,
    snapshot,
    submit,
    verify,
)
from tests.helpers.project import child_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.client import Ask


# Downloads


@pytest.mark.parametrize("place", ["local_dir", "cache_dir"])
def test_download_asks_the_hub_for_the_head_and_the_cdn_for_the_body(
    hub: Hub, ask: Ask, repo: str, folder: Path, place: str
) -> None:
    """huggingface_hub fetches an LFS file by a HEAD at the hub and, tokenless, a GET at the CDN."""
    got = ask(download, repo, "weights.npz", token=hub.token, **{place: str(folder)})

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
    """huggingface_hub names its blobs by sha256 for files in LFS, and by git's sha1 for others."""
    ask(snapshot, repo, cache_dir=str(folder))

    weights, config = hub.blob(repo, "weights.npz"), hub.blob(repo, "config.json")
    assert {path.name for path in folder.rglob("blobs/*")} == {weights.sha256, config.oid}


def test_snapshot_asks_for_every_file_at_one_commit(hub: Hub, ask: Ask, folder: Path) -> None:
    """`snapshot_download` asks for every file at the one commit that it resolved first."""
    files = FILES | {f"deep/er/{n}.npz": bytes([n]) * 100 for n in range(20)}
    sha = hub.add("org/many", files)

    got = ask(snapshot, "org/many", cache_dir=str(folder))

    assert got.value == files
    assert hub.downloads() == {("org/many", sha, name) for name in files}
    assert [r.kind for r in hub.requests[:2]] == ["info", "tree"]


def test_cut_download_of_a_large_file_goes_on_with_a_range(
    hub: Hub, ask: Ask, folder: Path, tmp_path: Path
) -> None:
    """huggingface_hub keeps whole chunks of 10 MiB of a cut download, and asks for the rest."""
    chunk = 10 << 20
    body = tmp_path / "large"
    body.write_bytes(os.urandom(1 << 20) * 12)
    hub.add("org/large", {"weights.npz": body})
    hub.fault(Fault(after=11 << 20, end="close"), kind="cdn", times=1)

    got = ask(download, "org/large", "weights.npz", local_dir=str(folder))

    assert got.value == body.read_bytes()
    assert [(r.range, r.status) for r in hub.requests if r.kind == "cdn"] == [
        (None, 200),
        (f"bytes={chunk}-", 206),
    ]


def test_a_range_that_is_ignored_starts_the_file_anew(hub: Hub, ask: Ask, folder: Path) -> None:
    """huggingface_hub starts a file anew where its range is ignored."""
    body = os.urandom(1 << 20) * 12
    hub.add("org/no-range", {"weights.npz": body})
    hub.fault(Fault(after=11 << 20, end="close"), kind="cdn", times=1)
    hub.fault(Fault(status=200), kind="cdn")

    got = ask(download, "org/no-range", "weights.npz", local_dir=str(folder))

    assert got.value == body
    assert [r.status for r in hub.requests if r.kind == "cdn"] == [200, 200]


def test_main_that_moves_between_two_files_mixes_two_commits(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """Files that are fetched one by one while main moves are of two commits, a snapshot of one."""
    new = {name: content[::-1] for name, content in FILES.items()}
    move = Fault(do=lambda request: hub.move(str(request.repo), "main", new))
    hub.fault(move, repo=repo, file="config.json", method="HEAD")
    hub.add(f"{repo}-snapshot", FILES)
    hub.fault(move, repo=f"{repo}-snapshot", kind="resolve", times=1)

    single = {name: ask(download, repo, name, local_dir=str(folder)).value for name in FILES}
    whole = ask(snapshot, f"{repo}-snapshot", cache_dir=str(folder)).value

    assert single == {"weights.npz": WEIGHTS, "config.json": new["config.json"]}
    assert whole == FILES


# Verification


def test_verify_agrees_with_the_hub_and_sees_one_flipped_bit(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """`verify_repo_checksums` agrees with the hub, and sees one flipped bit in each file."""
    ask(snapshot, repo, local_dir=str(folder))

    good = ask(verify, repo, local_dir=str(folder)).value
    for name in FILES:
        path = folder / name
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    bad = ask(verify, repo, local_dir=str(folder)).value

    assert good == {"revision": "main", "checked": 2, "mismatches": [], "missing": []}
    assert bad["mismatches"] == ["config.json", "weights.npz"]
    assert hub.blob(repo, "weights.npz").lfs
    assert not hub.blob(repo, "config.json").lfs


def test_verify_of_nothing_counts_as_success(ask: Ask, repo: str, folder: Path) -> None:
    """`verify_repo_checksums` of an empty folder finds no mismatch, only what is missing."""
    folder.mkdir()

    got = ask(verify, repo, local_dir=str(folder)).value

    missing = ["config.json", "weights.npz"]
    assert got == {"revision": "main", "checked": 0, "mismatches": [], "missing": missing}


def test_hf_program_downloads_and_verifies(hub: Hub, repo: str, tmp_path: Path) -> None:
    """`hf download` fills the cache; `hf cache verify` passes, then fails on a corrupt file."""
    env = child_environment(**hub.env(home=tmp_path), **LIMITS)

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
    """huggingface_hub distinguishes an unknown repo, revision and file by its errors."""
    where = {"local_dir": str(folder)}

    assert ask(download, "org/none", "config.json", **where).error == "RepositoryNotFoundError"
    assert ask(download, repo, "none.json", **where).error == "RemoteEntryNotFoundError"
    assert (
        ask(download, repo, "config.json", revision="none", **where).error
        == "RevisionNotFoundError"
    )
    assert ask(model_info, "org/none").error == "RepositoryNotFoundError"
    assert ask(model_info, repo, revision="none").error == "RevisionNotFoundError"


# Xet


def test_xet_is_announced_only_if_asked_for(ask: Ask, repo: str, folder: Path) -> None:
    """With HF_HUB_DISABLE_XET=1 a repo with Xet comes by plain HTTP."""
    with Hub(xet=True) as hub:
        hub.add(repo, FILES)
        where = {"local_dir": str(folder), "endpoint": hub.endpoint}
        got = ask(download, repo, "weights.npz", **where)
        kinds = [r.kind for r in hub.requests]

    assert got.value == WEIGHTS
    # Not to the CDN at once: with Xet announced the client asks for the redirect again.
    assert kinds == ["resolve", "resolve", "cdn"]


def test_xet_has_no_way_back_to_http(repo: str, folder: Path, tmp_path: Path) -> None:
    """huggingface_hub asks for a Xet token unless Xet is off, and gives up without one."""
    pytest.importorskip("hf_xet")
    with Hub(xet=True) as hub:
        hub.add(repo, FILES)
        env = hub.env(home=tmp_path) | LIMITS | {"HF_HUB_DISABLE_XET": "0"}
        with client_of(env) as client:
            asked = submit(client, download, repo, "weights.npz", local_dir=str(folder))
            got = asked.result(timeout=30)
        last = hub.requests[-1]

    assert got.error is not None
    assert (last.kind, "xet-read-token" in last.path) == ("other", True)
