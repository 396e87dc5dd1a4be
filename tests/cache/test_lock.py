"""The lock of models: the commits and bytes that a store is held to, whatever main is by now."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.base import ModelFiles
from fixtures.hub import Fault
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, offline, read, refusal, repo_folder, requested
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.lock import (
    Lock,
    LockedFile,
    LockedModel,
    LockError,
    read_lock,
    write_lock,
)
from whisper_speedtest.cache.model import Unavailable, VerificationError, VerifiedModel
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from fixtures.hub import Hub

OTHER = ModelFiles(BASE.repo, ("vocab.json",))
EMBEDDED = ModelFiles("embedded/micro", ("weights.npz",))
BY_URL = ModelFiles("https://127.0.0.1/models", ("tiny.pt",), revision="c" * 64)


def locked(store: Store, *models: VerifiedModel) -> Store:
    """Return the same store in another session, held to what these models are."""
    return Store(store.settings, Lock().with_models(models))


def model(files: ModelFiles = BASE, commit: str = "a" * 40, **proofs: Proof) -> VerifiedModel:
    """Return a verified model with files of these proofs."""
    found = {name: (Path(name), proof) for name, proof in proofs.items()}
    return VerifiedModel(files.repo, files.revision, commit, found)


ONE, TWO = Proof(1, "1" * 64), Proof(2, "2" * 64)


def test_locked_commit_is_fetched_after_main_has_moved(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A locked commit is fetched after main has moved, under the name of the revision."""
    then = store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    elsewhere = Store(
        replace(store.settings, cache=tmp_path / "another"), Lock().with_models([then])
    )

    model = elsewhere.prepare(BASE)

    assert (model.commit, model.revision) == (then.commit, "main")
    assert elsewhere.inspect(BASE).files == BASE, (
        "expected the model as it was asked for, by its revision"
    )
    assert elsewhere.plan([BASE]).models[0].local.files == BASE
    assert read(model) == content(BASE)


def test_without_a_lock_a_moved_main_is_followed(hub: Hub, store: Store, tmp_path: Path) -> None:
    """Without a lock, an empty cache gets the commit that main stands for now."""
    store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    elsewhere = Store(replace(store.settings, cache=tmp_path / "another"))

    assert read(elsewhere.prepare(BASE)) == content(BASE, "newer")


def test_locked_model_in_the_cache_needs_no_request(hub: Hub, store: Store) -> None:
    """A locked model in the cache is found by its commit, and needs no request."""
    then = store.prepare(BASE)
    hub.move(BASE.repo, "main", content(BASE, "newer"))
    follower = Store(store.settings, Lock().moved_to({BASE: hub.commit(BASE.repo)}))
    assert follower.prepare(BASE).commit == hub.commit(BASE.repo)
    hub.clear()

    model = offline(locked(store, then)).prepare(BASE)
    held = locked(store, then).prepare(BASE)

    assert model.commit == held.commit == then.commit
    assert hub.requests == []


@pytest.mark.parametrize("there", [True, False], ids=["in the cache", "to be downloaded"])
def test_other_bytes_than_the_locked_ones_are_refused(
    hub: Hub, store: Store, tmp_path: Path, there: bool
) -> None:
    """Bytes other than the locked ones are refused, whether cached or on the hub."""
    model = store.prepare(BASE)
    right = model.files["weights.npz"][1]
    entry = LockedModel.of(replace(model, files={"weights.npz": (Path(), Proof(7, "d" * 64))}))
    settings = store.settings if there else replace(store.settings, cache=tmp_path / "another")
    held = Store(settings, Lock({str(BASE): entry}))
    hub.clear()

    error = refusal(held, BASE)

    assert type(error) is VerificationError
    assert str(error).startswith(
        f"{BASE}: weights.npz: expected sha256 {'d' * 64} of 7 bytes (as models.lock has it), got "
        f"sha256 {right.sha256} of {right.size} bytes; if the lock is wrong, take this model out"
    )
    assert not hub.downloads(), "bytes were fetched that the lock refuses"


@pytest.mark.parametrize("lacking", [False, True], ids=["whole", "to be linked"])
def test_lock_confirms_what_only_the_hub_cache_names(hub: Hub, store: Store, lacking: bool) -> None:
    """A lock confirms the cached files offline where their manifests are gone."""
    then = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    shutil.rmtree(folder.own)
    assert offline(store).prepare(BASE).unconfirmed
    if lacking:
        shutil.rmtree(folder.pointer(then.commit, ""))
    hub.clear()
    held = Store(offline(store).settings, Lock().with_models([then]))

    (planned,) = held.plan([BASE]).models

    assert planned.problem is None
    assert not planned.unconfirmed
    assert not held.prepare(BASE).unconfirmed
    assert not held.inspect(BASE).unconfirmed
    assert hub.requests == []


def test_lock_says_what_files_without_links_must_be(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock says offline what files without links must be, with no manifest and no listing."""
    from huggingface_hub import constants, hf_hub_download

    then = store.prepare(BASE)
    shutil.rmtree(repo_folder(store, BASE).root)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    for name in BASE.files:
        cache, endpoint = store.settings.cache, hub.endpoint
        hf_hub_download(BASE.repo, name, cache_dir=cache, endpoint=endpoint, token=False)
    hub.clear()
    held = Store(offline(store).settings, Lock().with_models([then]))

    assert offline(store).inspect(BASE).state == "unknown"
    model = held.prepare(BASE)
    assert (model.unconfirmed, read(model)) == (False, content(BASE))
    assert offline(store).prepare(replace(BASE, revision=then.commit)).files == model.files
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    flip_bit(model.files["weights.npz"][0])
    assert "(as when it was verified), got " in str(refusal(held, BASE))
    shutil.rmtree(repo_folder(store, BASE).own)
    assert "(as models.lock has it), got " in str(refusal(held, BASE))
    assert hub.requests == []


def test_locked_model_that_cannot_be_had_says_why(hub: Hub, store: Store, tmp_path: Path) -> None:
    """A locked model that cannot be had offline is reported with that reason."""
    then = store.prepare(BASE)
    hub.clear()
    elsewhere = replace(store.settings, cache=tmp_path / "another", offline=True)

    (planned,) = Store(elsewhere, Lock().with_models([then])).plan([BASE]).unavailable

    assert type(planned.problem) is Unavailable
    assert "offline (--offline or HF_HUB_OFFLINE)" in str(planned.problem)
    assert hub.requests == []


def test_lock_confirms_no_file_that_it_does_not_name(store: Store) -> None:
    """A lock confirms no file that it does not name."""
    then = store.prepare(BASE)
    shutil.rmtree(repo_folder(store, BASE).own)
    entry = LockedModel.of(then)
    part = LockedModel(entry.commit, {"weights.npz": entry.files["weights.npz"]})
    held = Store(offline(store).settings, Lock({str(BASE): part}))

    assert held.prepare(BASE).unconfirmed
    states = held.inspect(BASE).findings
    assert {name: each.unconfirmed for name, each in states.items()} == {
        "weights.npz": False,
        "config.json": True,
    }


def test_file_that_a_lock_confirms_is_known_by_the_hash_that_it_has_on_the_hub(
    hub: Hub, store: Store
) -> None:
    """The manifest of a locked model has each file's etag on the hub, which the lock lacks."""
    then = store.prepare(BASE)
    manifest = repo_folder(store, BASE).manifest_path("main", then.commit)
    noted = json.loads(manifest.read_text())
    shutil.rmtree(repo_folder(store, BASE).own)

    locked(store, then).prepare(BASE)

    by_commit = manifest.with_name(f"{then.commit}@{then.commit}.json")
    assert json.loads(by_commit.read_text())["files"] == noted["files"]
    assert noted["files"]["config.json"]["etag"] == hub.blob(BASE.repo, "config.json").etag


def test_locked_file_that_was_harmed_is_fetched_anew(hub: Hub, store: Store) -> None:
    """A locked file that was harmed in the cache is fetched anew."""
    then = store.prepare(BASE)
    flip_bit(then.files["weights.npz"][0])
    hub.clear()

    assert read(locked(store, then).prepare(BASE)) == content(BASE)
    assert requested(hub) == [("info", None), ("resolve", "weights.npz")]


def test_locked_file_that_was_exchanged_is_fetched_anew(hub: Hub, store: Store) -> None:
    """A locked file whose link and blob were exchanged is corrupt, and fetched anew."""
    then = store.prepare(BASE)
    folder = repo_folder(store, BASE)
    shutil.rmtree(folder.own)
    body = content(QUANTISED)["weights.npz"]
    (link := then.files["weights.npz"][0]).resolve().unlink()
    link.unlink()
    (blob := folder.blobs / hashlib.sha256(body).hexdigest()).write_bytes(body)
    link.symlink_to(os.path.relpath(blob, link.parent))
    hub.clear()

    held = locked(store, then)
    state = held.inspect(BASE).state
    error = refusal(Store(offline(store).settings, held.lock), BASE)

    assert state == "corrupt"
    assert type(error) is VerificationError
    assert f"{then.files['weights.npz'][1].sha256} of 300000 bytes (as models.lock has it)" in str(
        error
    )
    assert "not replaced, since: " in str(error)
    assert read(held.prepare(BASE)) == content(BASE)
    assert requested(hub) == [("info", None), ("resolve", "weights.npz")]


def test_small_file_unlike_the_lock_is_refused_once_it_is_there(hub: Hub, store: Store) -> None:
    """A small file unlike the lock is refused by its sha256 once it is downloaded."""
    files = {"config.json": LockedFile(3, "e" * 64)}
    entry = LockedModel(hub.commit(BASE.repo), files)
    held = Store(store.settings, Lock({str(BASE): entry}))

    error = refusal(held, BASE)

    assert type(error) is VerificationError
    assert f"config.json: expected sha256 {'e' * 64} of 3 bytes (as models.lock has it)" in str(
        error
    )
    assert held.inspect(BASE).state == "corrupt"
    assert held.inspect(BASE).findings["weights.npz"].state == "complete"
    assert "(as models.lock has it)" in held.inspect(BASE).findings["config.json"].reason


def test_file_that_the_lock_does_not_name_is_taken_at_the_locked_commit(store: Store) -> None:
    """A file that the lock does not name is taken at the locked commit."""
    then = store.prepare(BASE)
    files = {"weights.npz": LockedModel.of(then).files["weights.npz"]}
    entry = LockedModel(then.commit, files)

    model = Store(store.settings, Lock({str(BASE): entry})).prepare(BASE)

    assert set(model.files) == {"weights.npz", "config.json"}


def test_locked_and_other_models_are_fetched_side_by_side(hub: Hub, store: Store) -> None:
    """Locked and other models are fetched together, each at its own commit."""
    then = store.prepare(BASE)
    held = locked(store, then)
    for repo in (BASE.repo, QUANTISED.repo):
        hub.move(repo, "main", {**hub_content(repo), "new": b"more"})

    outcomes = held.fetch(held.plan([QUANTISED, BASE]))

    commits = {files: getattr(each, "commit", each) for files, each in outcomes.items()}
    assert commits == {QUANTISED: hub.commit(QUANTISED.repo), BASE: then.commit}


def hub_content(repo: str) -> dict[str, bytes]:
    """Return what the hub serves of a repo."""
    return content(BASE if repo == BASE.repo else QUANTISED)


def test_moved_names_both_commits(hub: Hub, store: Store) -> None:
    """A moved model is reported with both commits, of which a lock's goes before the cache's."""
    then, other = store.prepare(BASE), store.prepare(QUANTISED)
    now = hub.move(BASE.repo, "main", content(BASE, "newer"))

    assert store.moved([BASE, QUANTISED]) == {BASE: (then.commit, now)}
    held = Store(store.settings, Lock().moved_to({QUANTISED: "b" * 40}))
    assert held.moved([QUANTISED]) == {QUANTISED: ("b" * 40, other.commit)}


def test_what_cannot_move_is_not_asked_for(hub: Hub, store: Store) -> None:
    """No host is asked whether an embedded model, a URL, a commit or an unfetched model moved."""
    pinned = replace(BASE, revision=hub.commit(BASE.repo))
    store.prepare(pinned)
    hub.clear()

    assert store.moved([EMBEDDED, BY_URL, pinned, QUANTISED]) == {}
    assert hub.requests == []


def test_host_that_does_not_say_is_an_error_of_that_model(hub: Hub, store: Store) -> None:
    """A host that does not say whether one model has moved costs no other model its answer."""
    then = store.prepare(BASE)
    store.prepare(QUANTISED)
    now = hub.move(BASE.repo, "main", content(BASE, "newer"))
    hub.fault(Fault(status=500), repo=QUANTISED.repo)

    moved = store.moved([QUANTISED, BASE])

    assert moved.pop(BASE) == (then.commit, now)
    (error,) = moved.values()
    assert isinstance(error, Unavailable), f"expected why the hub does not say, got {moved}"
    assert str(error).startswith(f"{QUANTISED}: ")


def test_offline_nothing_is_asked(hub: Hub, store: Store) -> None:
    """Offline, no host is asked whether a model has moved, and the model's error says so."""
    store.prepare(BASE)
    hub.clear()

    (error,) = offline(store).moved([BASE, EMBEDDED, BY_URL]).values()

    assert isinstance(error, Unavailable)
    assert str(error).startswith("offline (--offline or HF_HUB_OFFLINE)")
    assert hub.requests == []


def test_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A lock is read as it was written; the file is sorted, with sizes in bytes and hashes."""
    path = tmp_path / "models.lock"
    lock = Lock().with_models([model(QUANTISED, b=TWO, a=ONE), model(BASE, a=ONE)])

    write_lock(path, lock)

    assert read_lock(path) == lock
    assert path.read_text().endswith("}\n"), "expected a text of whole lines"
    plain = json.loads(path.read_text())
    assert plain["format"] == "whisper-speedtest lock of models"
    assert plain["version"] == 1
    assert list(plain["models"]) == sorted([str(BASE), str(QUANTISED)])
    assert plain["models"][str(QUANTISED)] == {
        "commit": "a" * 40,
        "files": {"a": {"size": 1, "sha256": "1" * 64}, "b": {"size": 2, "sha256": "2" * 64}},
    }
    assert list(plain["models"][str(QUANTISED)]["files"]) == ["a", "b"]
    assert [each.name for each in tmp_path.iterdir()] == ["models.lock"]


def test_lock_that_could_not_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    """A lock that could not be written whole stays as it was."""
    path = tmp_path / "models.lock"
    lock = Lock().with_models([model(a=ONE)])
    write_lock(path, lock)
    (tmp_path / f".models.lock.{os.getpid()}").mkdir()

    with pytest.raises(LockError, match="cannot be written: Is a directory"):
        write_lock(path, Lock())

    assert read_lock(path) == lock


def test_empty_file_and_long_commit_can_be_locked(tmp_path: Path) -> None:
    """An empty file and a commit of 64 digits can be locked."""
    path = tmp_path / "models.lock"
    lock = Lock().with_models([model(commit="c" * 64, a=Proof(0, "0" * 64))])

    write_lock(path, lock)

    assert read_lock(path) == lock


def test_other_commits_change_no_other_entry() -> None:
    """A model that is moved in a lock to another commit has no locked files; others keep theirs."""
    lock = Lock().with_models([model(a=ONE), model(QUANTISED, a=ONE)])

    moved = lock.moved_to({BASE: "b" * 40})

    assert moved.models == {**lock.models, str(BASE): LockedModel("b" * 40, {})}


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    """A lock's file that is not there is an empty lock."""
    assert read_lock(tmp_path / "models.lock") == Lock()


def test_files_of_one_commit_add_up_and_those_of_another_replace() -> None:
    """Locked files of one commit add up; those of another commit replace them."""
    lock = Lock().with_models([model(b=TWO), model(a=ONE)])

    assert list(lock.models[str(BASE)].files) == ["a", "b"]
    again = lock.with_models([model(b=ONE)]).models[str(BASE)]
    assert again.files["b"] == LockedFile(1, "1" * 64), "expected the proof that was verified last"
    newer = lock.with_models([model(commit="b" * 40, b=ONE)]).models[str(BASE)]
    assert (newer.commit, set(newer.files)) == ("b" * 40, {"b"})


def with_entry(entry: object, key: str = "a@main") -> str:
    """Return a lock's text with one entry."""
    models = {key: entry}
    return json.dumps(
        {"format": "whisper-speedtest lock of models", "version": 1, "models": models}
    )


def with_file(**fields: object) -> object:
    """Return an entry of one file."""
    return {"commit": "a" * 40, "files": {"b": fields}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"format": "another", "version": 1, "models": {}}', "Invalid enum value"),
        ('{"format": "whisper-speedtest lock of models", "version": 2, "models": {}}', "value 2"),
        ('{"format": "whisper-speedtest lock of models", "version": 1}', "field `models`"),
        (
            json.dumps(
                {
                    "format": "whisper-speedtest lock of models",
                    "version": 1,
                    "models": {"a@main": {"commit": "main", "files": {}}},
                }
            ),
            "$.models[...].commit",
        ),
        (
            '{"format": "whisper-speedtest lock of models", "version": 1, "models": {}, "odd": 1}',
            "unknown field `odd`",
        ),
        (with_entry({"commit": "a" * 40}), "field `files`"),
        (with_entry({"commit": "a" * 40, "files": {}, "odd": 1}), "unknown field `odd`"),
        (with_entry(with_file(size=1, sha256="d" * 63)), "$.models[...].files[...].sha256"),
        (with_entry(with_file(size=-1, sha256="d" * 64)), "$.models[...].files[...].size"),
        (with_entry(with_file(size=1, sha256="d" * 64, odd=1)), "unknown field `odd`"),
        ("[" * 100_000, "expected a lock of models"),
        (with_entry({"commit": "a" * 40, "files": {}}, f"a@{'b' * 40}"), f"commit {'a' * 40}"),
        (with_entry({"commit": "a" * 64, "files": {}}, f"a@{'b' * 64}"), f"commit {'a' * 64}"),
    ],
    ids=[
        *("empty", "list", "format", "version", "models", "commit", "lock", "files", "entry"),
        *("hash", "size", "file", "deep", "commit-of-another", "hash-of-another"),
    ],
)
def test_what_is_no_lock_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A file that is no lock is reported with its path, what is wrong, and what to do."""
    path = tmp_path / "models.lock"
    path.write_text(text)

    with pytest.raises(LockError) as caught:
        read_lock(path)

    assert str(caught.value).startswith(f"{path}: expected a lock of models")
    assert said in str(caught.value)
    assert "delete it and write it anew" in str(caught.value)


def test_lock_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    """A folder in the place of a lock can neither be read nor be replaced, which is reported."""
    path = tmp_path / "models.lock"
    path.mkdir()

    with pytest.raises(LockError, match="cannot be read: Is a directory"):
        read_lock(path)
    with pytest.raises(LockError, match="cannot be written: Is a directory"):
        write_lock(path, Lock())
    assert [each.name for each in tmp_path.iterdir()] == ["models.lock"]


def test_small_file_in_the_librarys_place_unlike_the_lock_is_refused_before_a_download(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """A small file outside of the cache that is unlike the lock is refused before any download."""
    (config := tmp_path / "config.json").write_bytes(content(BASE)["config.json"])
    entry = LockedModel(hub.commit(BASE.repo), {"config.json": LockedFile(3, "e" * 64)})
    held = Store(store.settings, Lock({str(BASE): entry}))

    plan = held.plan([BASE], places={BASE: {"config.json": [config]}})

    (refused,) = plan.unavailable
    assert type(refused.problem) is VerificationError
    assert f"expected sha256 {'e' * 64} of 3 bytes (as models.lock has it)" in str(refused.problem)
    assert not hub.downloads()
