"""`--lock-models` and `--refresh`, in as much of a session as the pre-fetch deals with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import ModelFiles
from fixtures.hub import Fault
from tests.helpers.fake_session import FakeSession
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.stores import NOWHERE, fresh, offline
from whisper_speedtest.cache.lock import Lock, read_lock
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.hub.store import Store
from whisper_speedtest.session.models.locking import lock_of, refresh

if TYPE_CHECKING:
    from pathlib import Path

    from fixtures.hub import Hub

EMBEDDED = ModelFiles("embedded/micro", ("weights.npz", "config.json"))


def session(store: Store, folder: Path, **options: Any) -> FakeSession:
    """Return a session of a project in a folder."""
    made = FakeSession(store, **options)
    made.rootpath = folder
    return made


def test_lock_holds_what_was_verified(store: Store, tmp_path: Path) -> None:
    """A new lock holds the verified models, and the session says how many are new."""
    first = session(store, tmp_path, lock_models=True)

    first.fetch(BASE)

    assert first.lines[-1] == "models.lock: 1 locked, 1 of them new and 0 changed"
    assert read_lock(tmp_path / "models.lock") == Lock().with_models([first.model(BASE)])


def test_entries_of_models_outside_the_selection_stay(store: Store, tmp_path: Path) -> None:
    """Locking another selection keeps the entries of models outside of it."""
    session(store, tmp_path, lock_models=True).fetch(BASE)

    second = session(store, tmp_path, lock_models=True)
    second.fetch(QUANTISED)

    assert second.lines[-1] == "models.lock: 2 locked, 1 of them new and 0 changed"
    assert list(read_lock(tmp_path / "models.lock").models) == sorted([str(BASE), str(QUANTISED)])


def test_model_that_cannot_be_verified_keeps_its_entry(store: Store, tmp_path: Path) -> None:
    """A lock keeps the entry of a model that cannot be verified."""
    session(store, tmp_path, lock_models=True).fetch(BASE)
    before = read_lock(tmp_path / "models.lock")
    lost = fresh(store, cache=tmp_path / "empty", endpoint=NOWHERE)

    second = session(lost, tmp_path, lock_models=True)
    second.fetch(BASE)

    assert second.lines[-1] == (
        "models.lock: not written, as no model that could be locked was verified"
    )
    assert read_lock(tmp_path / "models.lock") == before


def test_models_of_the_project_are_in_no_lock(store: Store, tmp_path: Path) -> None:
    """A lock is not written for models of the project alone."""
    alone = session(store, tmp_path, lock_models=True)

    alone.fetch(EMBEDDED)

    assert not (tmp_path / "models.lock").exists()
    assert "not written" in alone.lines[-1]


def test_session_says_what_its_lock_pins(store: Store, tmp_path: Path) -> None:
    """A session says how many of its models are locked, and how to lock the others."""
    held = Store(store.settings, Lock().with_models([store.prepare(BASE)]))
    both, one = session(held, tmp_path), session(held, tmp_path)

    both.fetch(BASE, QUANTISED, EMBEDDED)
    one.fetch(BASE)

    assert both.lines[0] == (
        f"models.lock pins 1 of 2 models; not in it, add with --lock-models: {QUANTISED}"
    )
    assert one.lines[0] == "models.lock pins 1 of 1 models"


def test_without_a_lock_nothing_is_said_of_it(store: Store, tmp_path: Path) -> None:
    """A session without a lock says nothing of locks."""
    plain = session(store, tmp_path)

    plain.fetch(BASE)

    assert not any("models.lock" in line for line in plain.lines)


@pytest.mark.parametrize("has_lock", [True, False], ids=["lock", "cache"])
def test_refresh_says_what_has_moved_and_follows_nothing(
    hub: Hub, store: Store, tmp_path: Path, has_lock: bool
) -> None:
    """--refresh names the commit that main has moved to, and the session stays with the old one."""
    then = store.prepare(BASE)
    now = hub.move(BASE.repo, "main", content(BASE, "newer"))
    held = Store(store.settings, Lock().with_models([then]) if has_lock else None)
    looking = session(held, tmp_path, refresh=True)

    looking.fetch(BASE)

    where = "models.lock" if has_lock else "the cache"
    assert looking.lines[0] == (
        f"moved: {BASE} stands for {now[:12]} now, {where} has {then.commit[:12]}: not followed; "
        "take it with --refresh --lock-models"
    )
    assert looking.model(BASE).commit == then.commit


def test_refresh_with_lock_takes_and_locks_what_main_is_now(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """--refresh with --lock-models takes the commit that main has moved to, and locks it."""
    then = store.prepare(BASE)
    session(store, tmp_path, lock_models=True).fetch(BASE)
    now = hub.move(BASE.repo, "main", content(BASE, "newer"))
    held = Store(store.settings, read_lock(tmp_path / "models.lock"))
    taking = session(held, tmp_path, refresh=True, lock_models=True)

    taking.fetch(BASE)

    assert taking.lines[0].endswith(f"models.lock has {then.commit[:12]}: taken now")
    assert taking.lines[-1] == "models.lock: 1 locked, 0 of them new and 1 changed"
    assert taking.model(BASE).commit == now
    entry = read_lock(tmp_path / "models.lock").models[str(BASE)]
    assert (entry.commit, set(entry.files)) == (now, {"config.json", "weights.npz"})


def test_refresh_takes_what_it_can(hub: Hub, store: Store, tmp_path: Path) -> None:
    """A model whose host fails stays locked as it was, while others are refreshed."""
    locked = [store.prepare(BASE), store.prepare(QUANTISED)]
    now = hub.move(BASE.repo, "main", content(BASE, "newer"))
    hub.fault(Fault(status=500), repo=QUANTISED.repo)
    held = Store(store.settings, Lock().with_models(locked))
    taking = session(held, tmp_path, refresh=True, lock_models=True)

    taking.fetch(BASE, QUANTISED)

    assert sum(line.startswith("not refreshed: ") for line in taking.lines) == 1
    entries = read_lock(tmp_path / "models.lock").models
    assert entries[str(BASE)].commit == now
    assert entries[str(QUANTISED)].commit == locked[1].commit


def test_model_that_cannot_be_had_as_it_is_now_keeps_its_entry(
    hub: Hub, store: Store, tmp_path: Path
) -> None:
    """Commit and hashes, though its host says what main is now, and others are locked anew."""
    session(store, tmp_path, lock_models=True).fetch(BASE, QUANTISED)
    before = read_lock(tmp_path / "models.lock")
    for each in (BASE, QUANTISED):
        now = hub.move(each.repo, "main", content(each, "newer"))
    hub.fault(Fault(status=404), repo=BASE.repo, file="weights.npz")

    session(Store(store.settings, before), tmp_path, refresh=True, lock_models=True).fetch(
        BASE, QUANTISED
    )

    after = read_lock(tmp_path / "models.lock").models
    assert after[str(BASE)] == before.models[str(BASE)]
    assert after[str(QUANTISED)].commit == now


def test_model_by_url_is_not_counted_among_those_asked_for(store: Store) -> None:
    """A model by URL is not counted among those that a refresh asks for."""
    by_url = ModelFiles("https://127.0.0.1/models", ("tiny.pt",), revision="c" * 64)
    store.prepare(BASE)

    assert refresh(store, [BASE, by_url], take=False) == ["refreshed: of 1 models none has moved"]
    assert refresh(store, [by_url], take=False) == ["refreshed: nothing to ask"]


def test_models_of_the_project_are_in_no_lock_beside_others_either(
    store: Store, tmp_path: Path
) -> None:
    """A lock of other models leaves out models of the project, and the session is held to it."""
    both = session(store, tmp_path, lock_models=True)

    both.fetch(BASE, EMBEDDED)

    lock = read_lock(tmp_path / "models.lock")
    assert list(lock.models) == [str(BASE)]
    assert store.lock == lock


def test_lock_that_cannot_be_written_ends_the_session_with_status_1(
    store: Store, tmp_path: Path
) -> None:
    """A lock that cannot be written ends the session with status 1."""
    (tmp_path / f".models.lock.{os.getpid()}").mkdir()

    with pytest.raises(pytest.exit.Exception, match="cannot be written") as ended:
        session(store, tmp_path, lock_models=True).fetch(BASE)

    assert ended.value.returncode == 1


def test_refresh_says_that_nothing_has_moved(store: Store, tmp_path: Path) -> None:
    """A refresh says of how many models of a hub none has moved."""
    store.prepare(BASE)
    looking, alone = session(store, tmp_path, refresh=True), session(store, tmp_path, refresh=True)

    looking.fetch(BASE, EMBEDDED)
    alone.fetch(EMBEDDED)

    assert looking.lines[0] == "refreshed: of 1 models none has moved"
    assert alone.lines[0] == "refreshed: nothing to ask"


def test_refresh_offline_says_why_it_does_not(store: Store, tmp_path: Path) -> None:
    """A refresh in an offline session says why it asks nothing, and the session goes on."""
    store.prepare(BASE)
    looking = session(offline(store), tmp_path, refresh=True)

    looking.fetch(BASE)

    assert looking.lines[0].startswith(f"not refreshed: {BASE}: offline (--offline or HF_HUB")
    assert isinstance(looking.model(BASE), VerifiedModel)


def test_damaged_lock_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    """A damaged lock is a usage error, and is not taken for no lock."""
    (tmp_path / "models.lock").write_text("{}")

    with pytest.raises(pytest.UsageError, match="expected a lock of models"):
        lock_of(session(store, tmp_path).real.config)
