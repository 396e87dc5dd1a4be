"""Our manifests of what was verified: how far they are believed, and which of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, offline, refusal, repo_folder
from whisper_speedtest.hub.model import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store


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


MANIFESTS: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
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


@pytest.mark.parametrize("session", [fresh, offline])
@pytest.mark.parametrize("harm", MANIFESTS.values(), ids=MANIFESTS)
def test_what_is_no_manifest_of_the_commit_counts_for_nothing(
    hub: Hub, store: Store, session: Callable[[Store], Store], harm: Callable[[Path], None]
) -> None:
    """Files are verified by what the cache's layout says they are, and it is written anew."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
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
    harm(repo_folder(store, BASE).manifest_path("main", model.commit))

    assert isinstance(refusal(offline(store), BASE), VerificationError)


def test_another_tool_that_goes_on_to_a_newer_commit_loses_no_model(hub: Hub, store: Store) -> None:
    """It fetched one file of the newer commit, and so the ref stands for half a model."""
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
    """Fetching one after main has moved loses none that were fetched before."""
    one, other = (ModelFiles("org/many", (f"{name}/weights.npz",)) for name in ("one", "other"))
    hub.add(one.repo, content(one) | content(other))
    first = store.prepare(one)
    hub.move(one.repo, "main", content(one, "newer") | content(other, "newer"))

    second = store.prepare(other)

    assert first.commit != second.commit
    assert offline(store).prepare(one) == first
    assert offline(store).prepare(other) == second
