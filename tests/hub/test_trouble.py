"""A hub in trouble: what is tried again, what is an error, and that no model takes harm."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit, weights
from tests.helpers.stores import (
    FAST,
    fresh,
    held_files,
    leftovers,
    offline,
    read,
    refusal,
    repo_folder,
)
from whisper_speedtest.cache.model import (
    ModelError,
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.hub.tries import Retry

if TYPE_CHECKING:
    from whisper_speedtest.hub.store import Store

NO_SUCH = Fault(status=404, headers={"X-Error-Code": "RepoNotFound"})
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.mark.parametrize(
    ("trouble", "kind", "says"),
    [
        ("offline", Unavailable, "--offline"),
        ("refused", Unavailable, "cannot reach"),
        (Fault(status=503), Unavailable, "503"),
        (Fault(status=429), Unavailable, "429"),
        (Fault(status=401), Unavailable, "HF_TOKEN"),
        (Fault(status=403), Unavailable, "HF_TOKEN"),
        (NO_SUCH, RepoError, "check map"),
        (Fault(status=404), Unavailable, "without a hub's error code"),
        (Fault(end="hang"), Unavailable, "Timeout"),
        (Fault(end="close"), Unavailable, "cannot reach"),
        (CAPTIVE_PORTAL, Unavailable, "captive portal"),
    ],
    ids="offline refused 503 429 401 403 404 404-of-another timeout dropped captive-portal".split(),
)
def test_base_on_disk_and_4bit_asked(
    hub: Hub, store: Store, trouble: Fault | str, kind: type[ModelError], says: str
) -> None:
    """A cached base model is neither taken for the 4bit one that cannot be had, nor harmed."""
    store.prepare(BASE)
    session = fresh(store, timeout=0.2, offline=trouble == "offline")
    if trouble == "refused":
        session = fresh(session, endpoint=closed_endpoint())
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


def test_cause_that_models_share_is_none_of_a_model_with_a_wrong_file(store: Store) -> None:
    """Its own file is what has to be told of it; of others, that the hub is not there."""
    path, _ = store.prepare(BASE).files["weights.npz"]
    flip_bit(path)
    session = fresh(store, endpoint=closed_endpoint())

    wrong, lacking = refusal(session, BASE), refusal(session, QUANTISED)

    assert f"cannot reach {session.settings.endpoint}" in str(wrong)
    assert wrong.cause == ""
    assert lacking.cause.startswith(f"cannot reach {session.settings.endpoint}")


def test_what_a_failed_fetch_left_is_not_offered(hub: Hub, store: Store) -> None:
    """A repo of which a failed fetch left no file is not named as one that the cache holds."""
    hub.fault(Fault(status=404), kind="cdn")
    refusal(store, BASE)

    assert BASE.repo not in str(refusal(offline(store), QUANTISED)).replace(QUANTISED.repo, "")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(hub: Hub, store: Store, status: int) -> None:
    """A refusal is final: the hub is not asked again."""
    hub.fault(Fault(status=status))

    refusal(store, BASE)

    assert len(hub.requests) == 1


def test_gated_repo_says_what_to_accept(hub: Hub, store: Store) -> None:
    """A gated repo is refused with the address at which to accept its licence."""
    hub.add(BASE.repo, content(BASE), access="gated")

    error = refusal(store, BASE)

    assert isinstance(error, Unavailable)
    assert f"accept its licence at {hub.endpoint}/{BASE.repo}" in str(error)
    assert read(fresh(store, token=hub.token).prepare(BASE)) == content(BASE)


def test_a_hub_that_is_not_there_is_found_once(hub: Hub, store: Store) -> None:
    """A hub that hangs is waited for once for thirty models, each of which is refused for it."""
    hub.fault(Fault(end="hang"))
    models = [replace(BASE, repo=f"org/model-{number}") for number in range(30)]
    session = fresh(store, timeout=0.1)

    outcomes = session.fetch(session.plan(models))

    assert len(hub.requests) == FAST.attempts
    for files, outcome in outcomes.items():
        assert isinstance(outcome, Unavailable)
        assert f"{files}: cannot reach {hub.endpoint}" in str(outcome)
    hub.heal()
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_a_hub_that_goes_away_in_between_is_remembered(store: Store) -> None:
    """A hub that goes away later is remembered as away, and cached models stay."""
    store.prepare(BASE)
    gone = fresh(store, endpoint=closed_endpoint())
    gone._hosted._hub._reached.add("")

    first, second = (refusal(gone, QUANTISED) for _ in range(2))

    assert "cannot reach" in str(first)
    assert str(second) == str(first)
    assert read(gone.prepare(BASE)) == content(BASE)


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
    """A trouble of the hub that passes after two tries is outlived."""
    hub.fault(fault, times=2, **where)

    model = fresh(store, timeout=0.3).prepare(BASE)

    assert read(model) == content(BASE)
    assert leftovers(store) == []


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, store: Store) -> None:
    """A cut download asks the hub for the rest of the file only."""
    hub.fault(Fault(after=100_000, end="close"), times=1, kind="cdn")

    assert read(store.prepare(BASE)) == content(BASE)

    ranges = [each.range for each in hub.requests if each.kind == "cdn"]
    assert ranges == [None, "bytes=100000-"]


def test_a_hub_that_ignores_ranges_is_read_from_the_start(hub: Hub, store: Store) -> None:
    """A hub that ignores ranges is read from the start, and no try is lost."""
    hub.fault(Fault(after=100_000, end="close"), times=1, kind="cdn")
    hub.fault(Fault(status=200), times=1, kind="cdn")

    assert read(store.prepare(BASE)) == content(BASE)
    assert [each.kind for each in hub.requests].count("cdn") == 2


def test_tries_that_get_on_are_not_counted(hub: Hub, store: Store) -> None:
    """Tries that bring enough are not counted: a download outlives nine cuts."""
    hub.fault(Fault(after=30_000, end="close"), times=9, kind="cdn")

    model = fresh(store, retry=replace(FAST, progress=20_000)).prepare(BASE)

    assert read(model) == content(BASE)


def test_waits_grow_and_are_bounded(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits between tries double up to the longest, even if the hub asks for more."""
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

    refusal(fresh(store, retry=retry), BASE)

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
        (NO_SUCH, Unavailable, "answered 404 RepoNotFound, and http://127.0.0.1:"),
    ],
    ids="cut short wrong-byte other longer captive-portal gone".split(),
)
def test_a_lasting_trouble_stages_nothing_and_leaves_the_earlier_model(
    hub: Hub, store: Store, fault: Fault, kind: type[ModelError], says: str
) -> None:
    """A lasting trouble leaves the earlier commit complete and nothing of the newer one."""
    earlier = store.prepare(BASE)
    newer = replace(BASE, revision="v2")
    commit = hub.add(BASE.repo, content(BASE, "newer"), revision="v2")
    etag = hub.blob(BASE.repo, "weights.npz", "v2").etag
    hub.fault(fault, kind="cdn")

    error = refusal(store, newer)

    folder = repo_folder(store, BASE)
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
    """A wrong hash is reported with the right one and the number of tries."""
    wrong = bytearray(content(BASE)["weights.npz"])
    wrong[0] ^= 1
    hub.fault(Fault(flip=0), kind="cdn")

    error = str(refusal(store, BASE))

    assert hub.blob(BASE.repo, "weights.npz").sha256 in error
    assert hashlib.sha256(wrong).hexdigest() in error
    assert "after 3 tries" in error


def test_main_moves_between_two_files(hub: Hub, store: Store) -> None:
    """A main that moves between two files does not mix them: the first commit is fetched whole."""
    first = hub.commit(BASE.repo)
    move = Fault(do=lambda _: hub.move(BASE.repo, "main", content(BASE, "newer")))
    hub.fault(move, times=1, kind="resolve", file="config.json")

    model = store.prepare(BASE)

    assert (model.commit, read(model)) == (first, content(BASE))
    assert hub.commit(BASE.repo) != first


def test_one_models_failure_is_no_others(hub: Hub, store: Store) -> None:
    """One model's failure is no other's: the rest of the plan is fetched."""
    hub.fault(NO_SUCH, repo=QUANTISED.repo)

    outcomes = store.fetch(store.plan([QUANTISED, BASE]))

    assert isinstance(outcomes[QUANTISED], RepoError)
    assert isinstance(outcomes[BASE], VerifiedModel)


def test_host_of_files_that_cannot_be_reached_costs_no_model_that_lies_elsewhere(
    hub: Hub, store: Store
) -> None:
    """A download host that cannot be reached costs no model whose files lie elsewhere."""
    session = fresh(store)
    elsewhere = Fault(status=302, headers={"Location": "http://127.0.0.1:9/weights"})
    hub.fault(elsewhere, repo=BASE.repo, kind="resolve")

    error = refusal(session, BASE)

    there = f"cannot reach 127.0.0.1:9, to which {hub.endpoint} redirects ("
    assert there in str(error)
    assert read(session.prepare(QUANTISED)) == content(QUANTISED)
    assert there in str(refusal(session, BASE))
