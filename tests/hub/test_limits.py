"""Answers that come too slowly, are too long, or are none of a hub's: what is read and quoted."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from huggingface_hub import close_session

from adapters.base import ModelFiles
from fixtures.hub import Fault
from tests.helpers.client import get
from tests.helpers.dripping import DrippingServer
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.loads import wait_until
from tests.helpers.stores import FAST, fresh, read, refusal
from whisper_speedtest.cache.evidence import LONGEST_LISTING
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.hub.huggingface import HuggingFaceHub
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.stall_guard import StallGuard
from whisper_speedtest.hub.tries import Again, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.hub import Hub
    from tests.helpers.web_server import WebServer
    from whisper_speedtest.hub.store import Store

JSON = {"Content-Type": "application/json"}
IMPATIENT = replace(FAST, slowest=100_000, window=0.2)


# How fast


def test_floor_is_ten_thousand_bytes_per_second_over_half_a_minute() -> None:
    """A download must bring at least 10 kB per second, over windows of 30 seconds."""
    assert (Retry().slowest, Retry().window) == (10_000, 30)


@pytest.mark.parametrize("kind", ["cdn", "info"])
def test_answer_that_comes_too_slowly_is_given_up(hub: Hub, store: Store, kind: Any) -> None:
    """An answer that comes too slowly is given up, and its rate and the least rate are named."""
    hub.fault(Fault(rate=500), kind=kind)

    error = refusal(fresh(store, retry=IMPATIENT), BASE)

    assert type(error) is Unavailable
    assert "127.0.0.1 sent " in str(error)
    assert " per second for 0.2" in str(error)
    assert "expected 100.0 kB or more, after 3 tries" in str(error)
    assert [request.kind for request in hub.requests].count(kind) == 3


def test_answer_that_is_just_fast_enough_is_waited_for(hub: Hub, store: Store) -> None:
    """An answer that is just fast enough is waited for."""
    hub.fault(Fault(rate=300_000), kind="cdn")

    assert read(fresh(store, retry=IMPATIENT).prepare(BASE)) == content(BASE)
    assert [request.kind for request in hub.requests].count("cdn") == 1


def test_answer_that_slows_down_is_given_up_and_the_next_goes_on(hub: Hub, store: Store) -> None:
    """A download that slows down is given up, and the next try goes on where it stopped."""
    hub.fault(Fault(rate=20_000), kind="cdn", times=2)

    model = fresh(store, retry=IMPATIENT).prepare(BASE)

    first, second, third = [each.range for each in hub.requests if each.kind == "cdn"]
    assert first is None
    assert second is not None
    assert third is not None
    assert 0 < int(second[6:-1]) < int(third[6:-1]) < 300_000
    assert read(model) == content(BASE)


@pytest.mark.parametrize(
    ("pieces", "given_up"),
    [
        ([(30, 300_000)], False),
        ([(30, 299_999)], True),
        ([(29.9, 1)], False),
        ([(30, 10**9), (30, 300_000)], False),
        ([(30, 10**9), (30, 299_999)], True),
        ([(30, 300_000), (29.9, 1)], False),
        ([(40, 400_000), (20, 1), (10, 299_999)], False),
        ([(40, 399_999)], True),
    ],
    ids="floor below-floor early again then-slow then-early long-window long-and-slow".split(),
)
def test_rate_is_taken_window_by_window(
    monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, int]], given_up: bool
) -> None:
    """The rate of an answer is taken window by window, from its bytes and seconds."""
    now = 0.0

    class Answer:
        url = httpx2.URL("http://hub.example")

        def iter_bytes(self) -> Iterator[bytes]:
            nonlocal now
            for seconds, size in pieces:
                now += seconds
                yield range(size)  # type: ignore[misc]  # as long as so many bytes

    monkeypatch.setattr("whisper_speedtest.hub.remote.time.monotonic", lambda: now)
    hub = HuggingFaceHub(HubSettings(Path("/hub"), "http://hub.example"))
    came, told = 0, ""
    try:
        for piece in hub._pieces(Answer(), threading.Event()):  # type: ignore[arg-type]
            came += len(piece)
    except Again as error:
        told = str(error)

    assert ("hub.example sent 10.0 kB per second for" in told) is given_up, told
    assert came == sum(size for _, size in pieces)


# How much


STATUS = b"HTTP/1.1 200 OK\r\n"
CHUNKED = STATUS + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ONCE: dict[str, Any] = {"timeout": 1, "retry": replace(FAST, attempts=1)}
DRIPS: dict[str, tuple[bytes, bytes]] = {
    "status": (b"", b"H"),
    "header": (STATUS + b"X-Long: ", b"x"),
    "headers": (STATUS, b"X: y\r\n"),
    "not yet": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "still working": (b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "size of a chunk": (CHUNKED, b"0"),
    "trailer": (CHUNKED + b"0\r\n", b"X: y\r\n"),
}
"""What a host begins with, and of what it sends a piece again and again."""


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_answer_that_never_comes_to_its_point_is_given_up(
    store: Store, drip: tuple[bytes, bytes]
) -> None:
    """An answer whose head, chunk or trailer never ends is given up, although bytes keep coming."""
    start, drop = drip
    with DrippingServer(start, repeat(drop), pause=0.02) as server:
        session = fresh(store, endpoint=server.endpoint, **ONCE)

        first, second = (refusal(session, files) for files in (BASE, QUANTISED))

        assert type(first) is Unavailable
        assert "127.0.0.1 sent no part of an answer in 1 s, and yet bytes" in str(first)
        assert server.left.acquire(timeout=20), "expected the connection to be ended"
    if drip in [*DRIPS.values()][:5]:
        assert f"cannot reach {server.endpoint} (" in str(first)
        assert second.cause == first.cause


def test_body_may_take_many_time_limits(hub: Hub, store: Store) -> None:
    """The body of an answer may take longer than the time limit, while bytes come."""
    hub.fault(Fault(rate=100_000), kind="cdn")

    assert read(fresh(store, **ONCE).prepare(BASE)) == content(BASE)
    assert [each.kind for each in hub.requests].count("cdn") == 1


def test_connection_is_used_again(store: Store, server: WebServer) -> None:
    """The connection to a host is used again for the next request."""
    files = server.add("weights.npz", b"weights")

    store.prepare(files)

    assert [asked.method for asked in server.requests] == ["HEAD", "GET"]
    assert {asked.headers["connection"] for asked in server.requests} == {"keep-alive"}


@pytest.mark.parametrize("drip", [*DRIPS.values()][:5], ids=[*DRIPS][:5])
def test_second_answer_of_a_connection_that_never_comes_to_its_point_is_given_up(
    store: Store, drip: tuple[bytes, bytes]
) -> None:
    """A second answer on a connection is given up if its head never ends."""
    start, drop = drip
    whole = STATUS + b"Content-Length: 7\r\n\r\n"
    with DrippingServer(start, repeat(drop), pause=0.02, first=whole) as server:
        files = ModelFiles(f"{server.endpoint}/models", ("weights.npz",), "a" * 64)

        error = refusal(fresh(store, **ONCE), files)

        assert "127.0.0.1 sent no part of an answer in 1 s, and yet bytes" in str(error)
        assert server.left.acquire(timeout=20), "expected the connection to be ended"


def test_endless_headers_are_read_to_a_limit(store: Store) -> None:
    """Endless headers are read to a limit, however fast they come."""
    with DrippingServer(STATUS + b"X: ", repeat(b"x" * 65_536), pause=0) as server:
        error = refusal(fresh(store, endpoint=server.endpoint), BASE)

        got = f"expected HTTP from {server.endpoint}, got a broken answer (RemoteProtocolError: "
        assert got in str(error)
        assert len(str(error)) < 1000


def test_proxy_that_never_opens_its_tunnel_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy whose answer to CONNECT never ends is given up."""
    with DrippingServer(STATUS, repeat(b"X: y\r\n"), pause=0.02) as proxy:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("HTTPS_PROXY", proxy.endpoint)
        close_session()

        error = refusal(fresh(store, endpoint="https://hub.example", **ONCE), BASE)

        assert "cannot reach https://hub.example (hub.example sent no part of an answer in" in str(
            error
        )
        assert "there is a proxy in between: check HTTPS_PROXY" in str(error)


def test_handshake_that_never_ends_is_given_up(store: Store) -> None:
    """A TLS handshake that never ends is given up."""
    with DrippingServer(b"\x16\x03\x03\x3e\x80", repeat(b"\2"), pause=0.02) as server:
        endpoint = server.endpoint.replace("http", "https")

        error = refusal(fresh(store, endpoint=endpoint, timeout=0.3), BASE)

        assert f"cannot reach {endpoint} (ConnectTimeout: " in str(error)


def test_redirects_that_take_long_are_given_up_together(hub: Hub, store: Store) -> None:
    """Redirects that are slow are given up after three time limits together."""
    ring = {"Location": f"/{BASE.repo}/resolve/main/weights.npz"}
    slow = Fault(status=302, headers={**ring}, do=lambda _: time.sleep(0.8))
    hub.fault(slow, file="weights.npz")

    error = str(refusal(fresh(store, timeout=2, retry=ONCE["retry"]), BASE))

    assert "at most 10 redirects, in 6 s, the hub leads on to http://127.0.0.1:" in error
    assert [each.file for each in hub.requests].count("weights.npz") < 10


def test_slow_beginning_of_each_part_is_waited_for(hub: Hub, store: Store) -> None:
    """An exchange may take longer than the time limit, if each of its parts does not."""
    pause = Fault(do=lambda _: time.sleep(0.4))
    hub.fault(pause, kind="resolve")
    hub.fault(pause, kind="cdn")

    assert read(fresh(store, timeout=0.6).prepare(BASE)) == content(BASE)


@pytest.mark.parametrize("status", [302, 503, 404])
def test_body_that_is_of_no_use_is_not_read(hub: Hub, store: Store, status: int) -> None:
    """The body of a redirect or of a refusal is not read."""
    target = f"{hub._state.site.cdn}/{BASE.repo}/cdn/{hub.commit(BASE.repo)}/weights.npz"
    endless = Fault(status=status, body=bytes(10_000_000), headers={"Location": target}, rate=50)
    hub.fault(endless, kind="resolve", file="weights.npz")

    outcomes = store.fetch(store.plan([BASE]))

    assert isinstance(outcomes[BASE], Unavailable) == (status != 302), outcomes[BASE]


@pytest.mark.parametrize("more", [0, 1])
def test_listing_has_a_limit(hub: Hub, store: Store, more: int) -> None:
    """A listing of exactly the limit is read, and one of a byte more is refused."""
    _, body = get(hub, f"/api/models/{BASE.repo}/revision/main?blobs=true")
    padded = body + b" " * (LONGEST_LISTING + more - len(body))
    hub.fault(Fault(status=200, body=padded, headers=JSON), kind="info")

    if not more:
        assert read(store.prepare(BASE)) == content(BASE)
        return
    assert str(refusal(store, BASE)).startswith(
        f"{BASE}: expected a listing of at most 16.0 MB, {hub.endpoint} sends more; "
        "check HF_ENDPOINT"
    )


def sibling(name: str, **changes: Any) -> dict[str, Any]:
    """Return a file as a hub lists it."""
    return {"rfilename": name, "size": 1, "blobId": "b" * 40, **changes}


@pytest.mark.parametrize(
    ("listing", "kind", "says"),
    [
        ({"siblings": [sibling(f"{'n' * 9000}{n}") for n in range(900)]}, RepoError, "880 more;"),
        ({"siblings": [sibling("../" + "u" * 9000)]}, RepoError, "unsafe file name '../uuu"),
        ({"sha": "s" * 100_000}, Unavailable, f"got '{'s' * 200}…'"),
        (
            {"id": "i" * 100_000},
            Unavailable,
            f"expected a repo's id from the hub, got '{'i' * 200}…",
        ),
        ({"id": "org/whisper\n-base"}, Unavailable, "got 'org/whisper -base'; check HF_ENDPOINT"),
        ({"id": "mlx-c\u043emmunity/whisper-base-mlx"}, Unavailable, "expected a repo's id"),
        ({"siblings": None}, RepoError, "the hub lists none; fix the adapter's check map"),
        ({"siblings": [[7] * 900]}, Unavailable, "a list of files from the hub, got [[7, 7,"),
    ],
    ids="many-long-names unsafe commit id id-of-lines id-of-other-letters no-files nothing".split(),
)
def test_what_is_quoted_of_a_listing_is_bounded(
    hub: Hub, store: Store, listing: dict[str, Any], kind: type, says: str
) -> None:
    """What an error quotes of a listing is bounded, however long the listing is."""
    whole = {"id": BASE.repo, "sha": "a" * 40, "siblings": [], **listing}
    hub.fault(Fault(status=200, body=json.dumps(whole).encode(), headers=JSON), kind="info")

    error = refusal(store, BASE)

    assert type(error) is kind
    assert says in str(error)
    assert len(str(error)) < 6000


# What is none of a hub's


@pytest.mark.parametrize(
    "odd",
    [
        {"size": None},
        {"size": "1"},
        {"size": -1},
        {"size": 10**16},
        {"size": 10**400},
        {"size": 1.5},
        {"size": True},
        {"blobId": None},
        {"blobId": "b" * 39},
        {"blobId": 7},
        {"lfs": {}},
        {"lfs": {"sha256": "B" * 64}},
        {"lfs": []},
        {"lfs": {"sha256": None}},
    ],
    ids=repr,
)
def test_odd_value_of_a_needed_file_is_no_fault_of_the_check_map(
    hub: Hub, store: Store, odd: dict[str, Any]
) -> None:
    """An odd size or hash of a needed file is the endpoint's fault, and not the check map's."""
    siblings = [sibling("weights.npz"), sibling("config.json", **odd), sibling("other", **odd), 7]
    whole = {"id": BASE.repo, "sha": "a" * 40, "siblings": siblings}
    hub.fault(Fault(status=200, body=json.dumps(whole).encode(), headers=JSON), kind="info")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert "expected the files config.json with size and hash, the hub lists weights.npz" in str(
        error
    )
    assert "what it says of config.json cannot be right: check HF_ENDPOINT" in str(error)


def test_empty_file_is_none_that_is_odd(hub: Hub, store: Store) -> None:
    """A listed file of 0 bytes is a file like any other."""
    hub.add(BASE.repo, {**content(BASE), "config.json": b""})

    assert read(store.prepare(BASE))["config.json"] == b""


def test_odd_values_of_other_files_do_no_harm(hub: Hub, store: Store) -> None:
    """Odd values of files that are not needed do no harm."""
    _, body = get(hub, f"/api/models/{BASE.repo}/revision/main?blobs=true")
    listing = json.loads(body)
    listing["siblings"] += [None, 7, [], {}, {"rfilename": None}, sibling("x", size="many")]
    hub.fault(Fault(status=200, body=json.dumps(listing).encode(), headers=JSON), kind="info")

    assert read(store.prepare(BASE)) == content(BASE)


@pytest.mark.property
def test_any_listing_gives_the_right_model_or_a_refusal(hub: Hub, store: Store) -> None:
    """Any listing gives the right model or a refusal that begins with the model's name."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    _, body = get(hub, f"/api/models/{BASE.repo}/revision/main?blobs=true")
    fields = ["id", "sha", "siblings", "siblings.0", "siblings.1", "siblings.0.rfilename"]
    fields += [f"siblings.{n}.{name}" for n in (0, 1) for name in ("size", "blobId", "lfs")]
    fields += ["siblings.1.lfs.sha256", "siblings.1.lfs.size", "gated", "tags", "lastModified"]
    values = st.one_of(
        st.sampled_from([None, True, 0, -1, 10**400, "", "x" * 10_000, [], {}, [[[]]], {"a": {}}]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
    absent = object()

    def put(where: Any, field: str, value: Any) -> None:
        *names, last = [int(name) if name.isdigit() else name for name in field.split(".")]
        try:
            for name in names:
                where = where[name]
            if value is absent:
                del where[last]
            else:
                where[last] = deepcopy(value)  # which is itself changed where fields are in it
        except (LookupError, TypeError):
            return  # another change has taken away where it would be

    @settings(
        max_examples=150,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes=st.dictionaries(st.sampled_from(fields), values | st.just(absent), min_size=1))
    def run(changes: dict[str, Any]) -> None:
        listing = json.loads(body)
        for field, value in changes.items():
            put(listing, field, value)
        served = json.dumps(listing).encode("utf-8", "surrogatepass")
        hub.heal()
        hub.fault(Fault(status=200, body=served, headers=JSON), kind="info")

        (problem,) = [each.problem for each in fresh(store).plan([BASE]).models]

        if problem is not None:
            assert type(problem) in {Unavailable, RepoError}
            assert str(problem).startswith(str(BASE))
            assert "nobody foresaw" not in str(problem)
            assert len(str(problem)) < 6000
            return
        sizes = {file["rfilename"]: file["size"] for file in listing["siblings"]}
        assert {name: sizes[name] for name in BASE.files} == {
            name: len(body) for name, body in content(BASE).items()
        } or {"siblings.0.size", "siblings.1.size"} & set(changes)

    run()


@pytest.mark.parametrize("changes", [{"size": 2}, {"blobId": "c" * 40}], ids=["size", "hash"])
def test_file_that_is_listed_twice_is_not_chosen_from(
    hub: Hub, store: Store, changes: dict[str, Any]
) -> None:
    """A file that is listed twice with different content is refused; twice alike it is one."""
    once = [sibling(name) for name in BASE.files]
    whole = {"id": BASE.repo, "sha": "a" * 40, "siblings": [*once, *once]}
    hub.fault(Fault(status=200, body=json.dumps(whole).encode(), headers=JSON), times=1)
    whole["siblings"] = [*once, sibling("weights.npz", **changes)]
    hub.fault(Fault(status=200, body=json.dumps(whole).encode(), headers=JSON), times=1)

    (alike,) = store.plan([BASE]).models
    error = refusal(fresh(store), BASE)

    assert alike.problem is None
    assert type(error) is Unavailable
    assert "the hub lists weights.npz twice, with other content; check HF_ENDPOINT" in str(error)


def test_names_that_look_alike_are_told_apart(hub: Hub, store: Store) -> None:
    """An error shows letters that look alike by their codes, and hides orders to the terminal."""
    names = ("w\u0435ights.npz", "weights\u200b.npz", "\x1b[31mweights.npz")
    siblings = [sibling(name) for name in (*names, "config.json")]
    whole = {"id": BASE.repo, "sha": "a" * 40, "siblings": siblings}
    hub.fault(Fault(status=200, body=json.dumps(whole).encode(), headers=JSON), kind="info")

    error = str(refusal(store, BASE))

    assert error.isascii()
    assert error.isprintable()
    assert "lists ?[31mweights.npz, config.json, weights?.npz, w\\u0435ights.npz; fix" in error


@pytest.mark.parametrize(
    "body", [b"", b"[" * 100_000, b'{"id": "\xff"}', b"\0", b'{"id": 1e999}', b"null"], ids=repr
)
def test_body_that_is_no_listing_is_told_as_such(hub: Hub, store: Store, body: bytes) -> None:
    """A body that is no listing is reported as such, be it deep, cut or badly encoded."""
    hub.fault(Fault(status=200, body=body, headers=JSON), kind="info")

    assert "answered with something else than a hub's data" in str(refusal(store, BASE))


def test_limit_of_a_listing_is_sixteen_megabytes() -> None:
    """The limit of a listing is 16 MB."""
    assert LONGEST_LISTING == 16_000_000


def test_listing_without_a_file_names_the_commit_and_what_it_has(hub: Hub, store: Store) -> None:
    """A listing that lacks a file is reported with its commit and the files that it has."""
    commit = "0123456789abcdef" * 2 + "01234567"
    listing = {"id": BASE.repo, "sha": commit, "siblings": [sibling("weights.npz")]}
    hub.fault(Fault(status=200, body=json.dumps(listing).encode(), headers=JSON), kind="info")

    assert str(refusal(store, BASE)).startswith(
        f"{BASE} (commit 0123456789ab): expected the files config.json with size and hash, the hub "
        "lists weights.npz; fix the adapter's check map"
    )


class Noted(StallGuard):
    """A watch that only notes when it is looked at."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.times: list[float] = []

    def look(self) -> None:
        """Note the time."""
        self.times.append(time.monotonic())


def test_each_watch_looks_once_in_its_own_limit() -> None:
    """Each watch for stalls looks in intervals of its own, and not after it is closed."""
    patient, brief = Noted(60.0), Noted(0.05)
    begun = time.monotonic()
    with closing(patient), closing(brief):
        for watch in (patient, brief):
            watch.trace("http11.send_request_headers.started", {})
        wait_until(lambda: len(brief.times) >= 4, seconds=20)
    seconds = brief.times[3] - begun

    assert patient.times == [], "a watch of a minute was looked at within seconds"
    assert seconds >= 4 * 0.05
    assert seconds < 2, f"four looks of 0.05 s took {seconds:.2f} s"
    seen = len(brief.times)
    time.sleep(0.15)  # three of its limits, in which nobody looks any more
    assert len(brief.times) == seen, "a watch that was closed was looked at again"


class Waits(threading.Event):
    """Notes how long it is waited for, and is set from the third time on."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note the time, and let none pass."""
        self.seconds.append(timeout)
        return len(self.seconds) > 2


def test_watch_waits_for_its_limit_between_two_looks() -> None:
    """A watch for stalls waits for its whole limit between two looks."""
    watch = Noted(7.5)
    watch._closed = closed = Waits()

    watch._run()

    assert closed.seconds == [7.5, 7.5, 7.5]
    assert len(watch.times) == 2


class Stream:
    """A connection as httpx tells of it: one of two sockets, of which the other is the host's."""

    def __init__(self) -> None:
        self.ours, self.hosts = socket.socketpair()
        self.hosts.setblocking(False)

    def get_extra_info(self, _: str) -> socket.socket:
        """Return our socket."""
        return self.ours

    @property
    def has_ended(self) -> bool:
        """Whether the host sees its end."""
        try:
            return self.hosts.recv(1) == b""
        except BlockingIOError:
            return False


def test_connection_that_was_encrypted_last_is_the_one_that_is_ended() -> None:
    """The connection that was encrypted last is ended when it stalls, and not the plain one."""
    plain, encrypted = Stream(), Stream()
    with closing(StallGuard(60.0)) as watch:
        watch.trace("connection.connect_tcp.complete", {"return_value": plain})
        watch.trace("connection.start_tls.started", {})
        watch.trace("connection.start_tls.complete", {"return_value": encrypted})
        watch.look()
        assert not watch.stalled, "the parts of the exchange got on before the first look"
        watch.look()

    assert watch.stalled
    assert (plain.has_ended, encrypted.has_ended) == (False, True)
    for stream in (plain, encrypted):
        stream.ours.close()
        stream.hosts.close()


def test_stall_that_was_noticed_stays_one() -> None:
    """What the end of its connection sets off is no progress, and the error tells of the stall."""
    stream = Stream()
    with closing(StallGuard(60.0)) as watch:
        watch.trace("connection.connect_tcp.complete", {"return_value": stream})
        watch.look()
        watch.look()
        watch.trace("http11.receive_response_headers.failed", {})
        watch.look()

    assert watch.stalled
    stream.ours.close()
    stream.hosts.close()
