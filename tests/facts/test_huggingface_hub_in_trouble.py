"""What huggingface_hub 2.4.0 does in trouble: what it covers up, loses, accepts and tries again.

The client runs in a process of its own, against the loopback hub. Its waits between tries are
noted, not slept.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.client import (
    CONFIG,
    FILES,
    STALE,
    WEIGHTS,
    Outcome,
    download,
    list_tree,
    model_info,
    put_stale,
    verify,
)
from tests.helpers.project import child_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.client import Ask


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
    """A HEAD that fails makes huggingface_hub return whatever file lies in `local_dir`."""
    put_stale(folder)
    hub.fault(fault, method="HEAD")

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

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
    """A HEAD that breaks, or says that there is no file, is raised although a file is there."""
    put_stale(folder)
    hub.fault(fault, method="HEAD")

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

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
    """A HEAD that fails with nothing on disk is raised, for 429 and 503 after further tries."""
    hub.fault(fault, method="HEAD")

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(error=error, waits=waits)
    assert len(hub.requests) == len(waits) + (2 if waits else 1)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(end="hang")], ids=["503", "hang"])
def test_head_that_recovers_is_tried_again(
    hub: Hub, ask: Ask, repo: str, folder: Path, fault: Fault
) -> None:
    """A HEAD that fails once, with nothing on disk, is tried again."""
    hub.fault(fault, method="HEAD", times=1)

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS
    assert [r.status for r in hub.requests if r.method == "HEAD"][1:] == [302]


def test_wrong_etag_and_commit_are_believed(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """huggingface_hub believes a wrong etag and commit, and stores the body under them."""
    wrong = {"X-Linked-Etag": f'"{"0" * 64}"', "X-Repo-Commit": "1" * 40}
    hub.fault(Fault(headers=wrong), method="HEAD")

    got = ask(download, repo, "weights.npz", cache_dir=str(folder))

    assert got.value == WEIGHTS
    assert [path.name for path in folder.rglob("snapshots/*")] == ["1" * 40]
    assert [path.name for path in folder.rglob("blobs/*")] == ["0" * 64]


def test_client_of_a_hub_that_is_gone_returns_whatever_lies_in_the_folder(
    ask: Ask, repo: str, folder: Path
) -> None:
    """A hub that is gone makes huggingface_hub return whatever file lies in `local_dir`."""
    with Hub() as gone:
        pass
    put_stale(folder)
    where = {"endpoint": gone.endpoint, "local_dir": str(folder)}

    assert ask(download, repo, "weights.npz", **where) == Outcome(value=STALE)
    assert ask(download, repo, "config.json", **where).error == "LocalEntryNotFoundError"


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
    """A GET that fails loses the earlier file in `local_dir`.

    429, a cut and a drop are tried six times; a 503, a reset and a wrong size once.
    """
    put_stale(folder)
    hub.fault(fault, method="GET")

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

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
    """A GET that fails once in a way that may pass is tried again after a second."""
    hub.fault(fault, method="GET", times=1)

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

    assert got == Outcome(value=WEIGHTS, waits=[1])


def test_flipped_bit_is_accepted(hub: Hub, ask: Ask, repo: str, folder: Path) -> None:
    """huggingface_hub accepts a flipped bit, as it does not hash content."""
    hub.fault(Fault(flip=300), kind="cdn")

    got = ask(download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS[:300] + bytes([WEIGHTS[300] ^ 1]) + WEIGHTS[301:]
    assert ask(verify, repo, local_dir=str(folder)).value["mismatches"] == ["weights.npz"]


def test_short_body_is_accepted_where_no_size_is_sent(
    hub: Hub, ask: Ask, repo: str, folder: Path
) -> None:
    """huggingface_hub accepts a short body where no size is sent."""
    hub.fault(Fault(truncate=3, headers={"Content-Length": None}), file="config.json")

    got = ask(download, repo, "config.json", local_dir=str(folder))

    assert got.value == CONFIG[:3]


def test_killed_download_leaves_an_orphan_and_a_hub_that_goes_on(
    hub: Hub, ask: Ask, repo: str, folder: Path, tmp_path: Path
) -> None:
    """A killed download leaves an `.incomplete` file, which huggingface_hub does not take up."""
    hub.fault(Fault(after=100, end="hang"), kind="cdn", times=1)
    code = f"from huggingface_hub import *; hf_hub_download({repo!r}, 'weights.npz', local_dir='.')"
    folder.mkdir()
    env = child_environment(**hub.env(home=tmp_path))

    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=env) as process:
        hub.wait_for(kind="cdn", held=True)
        process.kill()
    hub.heal()
    got = ask(download, repo, "weights.npz", local_dir=str(folder))

    assert got.value == WEIGHTS
    assert len(list(folder.rglob("*.incomplete"))) == 1


# Faults elsewhere


def test_info_is_asked_once_and_the_tree_again(hub: Hub, ask: Ask, repo: str) -> None:
    """`model_info` does not try again after a 503, and `list_repo_tree` does."""
    hub.fault(Fault(status=503), kind="info")
    hub.fault(Fault(status=503), kind="tree", times=2)

    assert ask(model_info, repo) == Outcome(error="HfHubHTTPError")
    tree = ask(list_tree, repo)
    assert (set(tree.value), tree.waits) == (set(FILES), [1, 2])
