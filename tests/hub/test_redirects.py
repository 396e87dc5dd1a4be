"""A repo that the hub leads away from: to another name, or to another model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fixtures.hub import Fault
from tests.helpers.client import get
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, held_files, offline, read, refusal, repo_folder
from whisper_speedtest.cache.manifests import Manifests
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.session.models.model_report import fetched_lines, plan_lines

if TYPE_CHECKING:
    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

JSON = {"Content-Type": "application/json"}
OLD = replace(BASE, repo="mlx-community/whisper-base")


@pytest.mark.parametrize("target", [BASE, QUANTISED], ids=["renamed", "sibling"])
def test_repo_that_leads_to_another_is_refused_with_both_names(
    hub: Hub, store: Store, target: object
) -> None:
    """A repo that the hub leads to another is refused with both names, and nothing is fetched."""
    assert isinstance(target, type(BASE))
    hub.rename(OLD.repo, target.repo)

    error = refusal(store, OLD)

    commit = hub.commit(target.repo)
    assert type(error) is RepoError
    assert str(error).startswith(
        f"{OLD}: expected this repo, the hub leads to {target.repo} (commit {commit[:12]}); "
        "if that is the model that is meant, name it in the adapter's check map"
    )
    assert held_files(store, OLD) == []
    assert not [request for request in hub.requests if request.kind == "resolve"]


@pytest.mark.parametrize("name", ["MLX-Community/whisper-base-mlx", "whisper-base-mlx"])
def test_name_in_other_letters_is_another_name(hub: Hub, store: Store, name: str) -> None:
    """A repo's name in another spelling than the hub's is refused as another name."""
    hub.rename(name, BASE.repo)

    assert f"the hub leads to {BASE.repo} (" in str(refusal(store, replace(BASE, repo=name)))


def test_listing_of_another_repo_is_refused_without_a_redirect(hub: Hub, store: Store) -> None:
    """A listing of another repo is refused, even without a redirect."""
    listing = b'{"id": "org/other", "sha": "%s", "siblings": []}' % (b"a" * 40)
    siblings = ", ".join(
        f'{{"rfilename": "{name}", "size": 1, "blobId": "{"b" * 40}"}}' for name in BASE.files
    )
    body = listing.replace(b"[]", f"[{siblings}]".encode())
    hub.fault(Fault(status=200, body=body, headers={"Content-Type": "application/json"}))

    assert "expected this repo, the hub leads to org/other (commit aaaaaaaaaaaa)" in str(
        refusal(store, BASE)
    )


def test_repo_that_is_pinned_to_a_commit_may_have_another_name_now(hub: Hub, store: Store) -> None:
    """A repo that is pinned to a commit may have another name now, and both names are shown."""
    hub.rename(OLD.repo, BASE.repo)
    pinned = replace(OLD, revision=hub.commit(BASE.repo))

    plan = store.plan([pinned])
    outcomes = store.fetch(plan)

    model = store.prepare(pinned)
    both = f"{pinned} (which the hub calls {BASE.repo} now, at the same commit)"
    assert f"  fetch      {both}: " in "\n".join(plan_lines(plan, 200))
    assert fetched_lines(plan, outcomes) == [(f"  verified   {both}", True)]
    assert getattr(outcomes[pinned], "listed_as", None) == BASE.repo
    assert (model.repo, read(model)) == (OLD.repo, content(BASE))


def test_repo_that_was_verified_at_that_commit_may_have_another_name_now(
    hub: Hub, store: Store
) -> None:
    """A harmed file of a renamed repo is repaired at its commit, and no newer commit is taken."""
    commit = hub.add(OLD.repo, content(BASE))
    path, _ = store.prepare(OLD).files["weights.npz"]
    assert hub.add(BASE.repo, content(BASE)) != commit  # an id is part of it, on this hub alone
    hub._state.site.repos[BASE.repo].commits[commit] = hub._state.site.repos[OLD.repo].commits[
        commit
    ]
    hub._state.site.repos[BASE.repo].branches["main"] = commit
    hub.rename(OLD.repo, BASE.repo)
    flip_bit(path)

    repaired = fresh(store).prepare(OLD)

    assert (repaired.commit, repaired.listed_as) == (commit, BASE.repo)
    hub.add(BASE.repo, content(BASE, "newer"))
    flip_bit(path)
    assert "expected this repo, the hub leads to" in str(refusal(fresh(store), OLD))


def test_other_name_is_known_offline_and_by_any_revision(hub: Hub, store: Store) -> None:
    """The name that a hub gave a renamed repo is known offline, for each revision of its commit."""
    hub.rename(OLD.repo, BASE.repo)
    commit = hub.commit(BASE.repo)
    pinned = replace(OLD, revision=commit)
    store.prepare(pinned)
    ref = repo_folder(store, OLD).root / "refs" / "v1"
    ref.parent.mkdir()
    ref.write_text(commit)

    again = offline(store).prepare(pinned)
    tagged = offline(store).prepare(replace(OLD, revision="v1"))

    assert (again.repo, again.listed_as) == (OLD.repo, BASE.repo)
    assert (tagged.revision, tagged.listed_as) == ("v1", BASE.repo)
    for revision in (commit, "v1"):
        manifest = json.loads(repo_folder(store, OLD).manifest_path(revision, commit).read_bytes())
        assert (manifest["repo"], manifest["listed_as"]) == (OLD.repo, BASE.repo)


def test_name_that_a_repo_has_again_is_noted(hub: Hub, store: Store) -> None:
    """A repo that has its old name again on the hub is noted under no other name."""
    hub.rename(OLD.repo, BASE.repo)
    pinned = replace(OLD, revision=hub.commit(BASE.repo))
    path, _ = store.prepare(pinned).files["weights.npz"]
    hub._state.site.renamed.clear()
    hub._state.site.repos[OLD.repo] = replace(hub._state.site.repos[BASE.repo], id=OLD.repo)
    flip_bit(path)

    assert fresh(store).prepare(pinned).listed_as == ""
    assert offline(store).prepare(pinned).listed_as == ""


def test_manifest_of_a_time_without_other_names_is_read(store: Store) -> None:
    """A manifest without its `listed_as` field is read as complete."""
    model = store.prepare(BASE)
    path = repo_folder(store, BASE).manifest_path("main", model.commit)
    manifest = json.loads(path.read_text())
    assert manifest.pop("listed_as") == ""
    path.write_text(json.dumps(manifest))

    assert offline(store).prepare(BASE) == model
    assert set(Manifests(repo_folder(store, BASE)).verified_commits("main")) == {model.commit}


def test_repo_of_its_own_name_has_no_other(store: Store) -> None:
    """A repo that has its own name on the hub is reported under no other."""
    plan = store.plan([BASE])

    assert store.prepare(BASE).listed_as == ""
    assert "which the hub calls" not in "\n".join(plan_lines(plan, 200))


def test_host_that_lists_another_commit_than_the_pinned_one_is_refused(
    hub: Hub, store: Store
) -> None:
    """A host that lists another commit than the pinned one is refused."""
    pinned = replace(BASE, revision="1" * 40)
    listing = get(hub, f"/api/models/{BASE.repo}/revision/main?blobs=true")[1]
    hub.fault(Fault(status=200, body=listing, headers=JSON), kind="info")

    error = refusal(store, pinned)

    assert type(error) is Unavailable
    assert str(error).startswith(
        f"{pinned}: expected the commit {'1' * 40} from the hub, got {hub.commit(BASE.repo)!r}; "
        "check HF_ENDPOINT"
    )
    assert hub.downloads() == set()


def test_commit_that_nobody_confirmed_vouches_for_no_other_name(hub: Hub, store: Store) -> None:
    """A commit that nobody confirmed does not vouch for a repo's other name."""
    other = store.prepare(QUANTISED)
    hub.rename(BASE.repo, QUANTISED.repo)
    folder = repo_folder(store, BASE)
    shutil.copytree(repo_folder(store, QUANTISED).root, folder.root, symlinks=True)
    shutil.rmtree(folder.own)
    assert offline(store).prepare(BASE).unconfirmed
    folder.pointer(other.commit, "config.json").unlink()

    error = refusal(fresh(store), BASE)

    assert type(error) is RepoError
    assert f"expected this repo, the hub leads to {QUANTISED.repo} (commit " in str(error)
