"""How often a host is asked, how long is waited in between, and what its last word means.

Most of this needs no server: a host is given what each of its answers is.
"""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import httpx2
import pytest

from adapters.base import ModelFiles
from fixtures.hub import CAPTIVE_PORTAL, Fault
from tests.helpers.harm import BASE, content, weights
from tests.helpers.stores import FAST, fresh, read, refusal
from tests.helpers.web_server import Trouble, WebServer
from whisper_speedtest.cache.evidence import Listing, RemoteFile
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.model import RepoError, Unavailable, VerificationError
from whisper_speedtest.hub import web
from whisper_speedtest.hub.huggingface import HuggingFaceHub
from whisper_speedtest.hub.remote import Remote
from whisper_speedtest.hub.tries import FIRST_TRIES, NETWORK, Cancelled, Retry

if TYPE_CHECKING:
    from pathlib import Path

    from fixtures.hub import Hub
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.hub.store import Store

FILES = ModelFiles("org/model", ("a.npz",), "v1")
LISTING = Listing("org/model", "c" * 40, {})
NOW = 1_800_000_000
"""A time since 1970, in seconds."""


@pytest.mark.parametrize(
    ("attempt", "asked", "seconds"),
    [
        (0, 0, 0.5),
        (1, 0, 0.5),
        (2, 0, 1),
        (3, 0, 2),
        (4, 0, 4),
        (5, 0, 8),
        (6, 0, 8),
        (60, 0, 8),
        (1, 3, 3),
        (4, 3, 4),
        (1, 8.5, 8),
        (1, 3600, 8),
    ],
)
def test_wait_doubles_heeds_the_host_and_is_bounded(
    attempt: int, asked: float, seconds: float
) -> None:
    """The wait between tries doubles from 0.5 to 8 seconds, and heeds the host up to that."""
    assert Retry().wait(attempt, asked) == seconds


def test_tries_are_five_and_two_for_a_host_that_never_answered() -> None:
    """A host is tried five times, and twice if it has never answered."""
    assert (Retry().attempts, FIRST_TRIES) == (5, 2)
    assert Retry().progress == 32_000_000  # bytes


class Host(Remote):
    """A host whose answers are given: a listing, an error, or a response."""

    name: ClassVar = "the host"
    named_in: ClassVar = "the test"

    def __init__(self, *answers: object) -> None:
        super().__init__("http://host.example/", FAST, 1)
        self.answers = list(answers)
        self.asked = 0

    def _client(self) -> httpx2.Client:
        return httpx2.Client(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:  # noqa: ARG002
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx2.Response):
            return httpx2.Response(answer.status_code, headers=answer.headers)
        return httpx2.Response(200)

    def _listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:  # noqa: ARG002
        with self._open(str(files), files, "GET", "http://host.example/list"):
            return LISTING

    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        return f"{files}/{commit}/{name}"

    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        return RepoError(f"{said}: {files.repo} {response.status_code}")


def status(code: int, **headers: str) -> httpx2.Response:
    """Return an answer of that status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(code, headers=named)


def error_of(host: Host) -> Exception:
    """Return what asking a host for a listing raises."""
    with pytest.raises((Unavailable, RepoError, VerificationError)) as caught:
        host.listing(FILES, threading.Event())
    return caught.value


REFUSED = httpx2.ConnectError("refused")
TIMEOUT = httpx2.ConnectTimeout("timed out")
CUT = httpx2.RemoteProtocolError("Server disconnected without sending a response.")


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (status(408), FAST.attempts),
        (status(429), FAST.attempts),
        (status(500), FAST.attempts),
        (status(503), FAST.attempts),
        (status(599), FAST.attempts),
        (status(400), 1),
        (status(401), 1),
        (status(404), 1),
        (status(410), 1),
        (status(499), 1),
        (REFUSED, FIRST_TRIES),
        (TIMEOUT, FIRST_TRIES),
        (CUT, FAST.attempts),
        (httpx2.ReadTimeout("hangs"), FAST.attempts),
        (ConnectionResetError("reset"), FAST.attempts),
    ],
    ids=("408 429 500 503 599 400 401 404 410 499 refused connect-timeout cut hang reset").split(),
)
def test_what_may_pass_is_tried_again_and_what_is_final_is_not(answer: object, tries: int) -> None:
    """An error that may pass is tried again up to the limit, and a final one is not."""
    host = Host(answer)

    error = error_of(host)

    assert host.asked == tries
    assert str(FILES) in str(error)


@pytest.mark.parametrize("answer", [status(503), CUT, REFUSED])
def test_last_try_counts(answer: object) -> None:
    """A host whose last allowed try succeeds is not given up."""
    tries = FIRST_TRIES if answer is REFUSED else FAST.attempts
    host = Host(*[answer] * (tries - 1), LISTING)

    assert host.listing(FILES, threading.Event()) is LISTING
    assert host.asked == tries


def test_refusal_that_lasts_says_how_often_it_was_met() -> None:
    """A refusal that lasts is reported with its status and the number of its tries."""
    host = Host(status(503))

    assert str(error_of(host)) == (
        "org/model@v1: the host answered 503 Service Unavailable, after 3 tries; "
        "check the network, or try again later"
    )
    error_of(host)
    assert host.asked == 2 * FAST.attempts


@pytest.mark.parametrize(("attempts", "told"), [(1, "one try"), (2, "2 tries"), (3, "3 tries")])
def test_tries_are_told_by_their_number(attempts: int, told: str) -> None:
    """The number of tries is reported in words that fit it."""
    host = Host(status(503))
    host._retry = replace(FAST, attempts=attempts)

    error = f"the host answered 503 Service Unavailable, after {told}; check the network, or try "
    assert str(error_of(host)).startswith(f"org/model@v1: {error}")
    assert host.asked == attempts


@pytest.mark.parametrize("answer", [REFUSED, TIMEOUT, CUT])
def test_host_that_cannot_be_reached_is_asked_no_more(answer: Exception) -> None:
    """A host that cannot be reached is not asked for the next model, which has the same reason."""
    host = Host(answer)
    first = str(error_of(host))
    asked = host.asked

    with pytest.raises(Unavailable) as caught:
        host.listing(ModelFiles("org/next", ("b",)), threading.Event())

    assert first.startswith("org/model@v1: cannot reach http://host.example (")
    assert f"{type(answer).__name__}: {answer}" in first
    assert str(caught.value) == first.replace(str(FILES), "org/next@main")
    assert host.asked == asked


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (("a.example",), "a.example, to which http://host.example redirects"),
        (("a.example", "b.example:81"), "b.example:81, to which a.example redirects"),
        (("a.example", "host.example"), "http://host.example"),
    ],
    ids="once twice back".split(),
)
def test_host_that_a_listing_is_redirected_to_is_named_with_who_sent_there(
    way: tuple[str, ...], said: str
) -> None:
    """A host to which a listing was redirected is named with the host that redirected there."""
    redirects = [status(302, Location=f"http://{host}/list") for host in way]
    host = Host(*[*redirects, REFUSED] * FIRST_TRIES)

    assert f"{FILES}: cannot reach {said} (ConnectError: refused); " in str(error_of(host))
    assert len(host.answers) == 1


def test_address_of_a_host_that_another_one_redirects_to_is_not_to_be_corrected() -> None:
    """The remedy for a wrong https address is given for the endpoint, not for a redirect's host."""
    no_tls = httpx2.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number")
    redirect = status(302, Location="https://a.example/list")

    redirected = str(error_of(Host(*[redirect, no_tls] * FIRST_TRIES)))

    assert f"wrong version number); {NETWORK}" in redirected
    assert "it speaks no https there: write http:// in the test" in str(error_of(Host(no_tls)))


def test_host_that_refuses_a_redirected_listing_is_named_with_who_sent_there() -> None:
    """A host that refuses a redirected listing is named with the host that redirected there."""
    host = Host(status(302, Location="http://a.example/list"), status(403))

    assert str(error_of(host)) == (
        f"{FILES}: a.example answered 403 Forbidden, and http://host.example redirects to it; let "
        "a.example pass where a proxy or firewall blocks it, or try again later"
    )


@pytest.mark.parametrize("name", ["no_proxy", "https_proxy", "ALL_PROXY"])
def test_proxy_is_told_of_a_host_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An unreachable host is reported with the proxy, where a variable names one."""
    for variable in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv(name, "proxy.example")

    error = str(error_of(Host(REFUSED)))

    assert ("there is a proxy in between: check HTTPS_PROXY" in error) is (name != "no_proxy")


def test_proxy_of_the_system_s_settings_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the system's settings is reported as such."""
    for variable in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(
        "whisper_speedtest.hub.between.getproxies", lambda: {"https": "http://proxy.example"}
    )

    error = str(error_of(Host(REFUSED)))

    assert error.endswith("in between: check the proxies in the network settings of this system")


@pytest.mark.parametrize(("answer", "away"), [(REFUSED, True), (CUT, False)])
def test_host_that_answered_before_is_tried_as_often_as_any(answer: Exception, away: bool) -> None:
    """A host that answered before is tried in full, and not again once it refuses connections."""
    host = Host(LISTING, answer)
    host.listing(FILES, threading.Event())

    error_of(host)
    error_of(host)

    assert host.asked == 1 + FAST.attempts * (1 if away else 2)


def test_refusal_is_no_sign_of_a_host_that_is_away() -> None:
    """A host that refused with a status counts as reached, and is tried as often as any."""
    host = Host(status(404), REFUSED)
    error_of(host)

    error_of(host)

    assert host.asked == 1 + FAST.attempts


def test_code_of_a_refusal_is_told() -> None:
    """The hub's error code is reported with its refusal."""
    error = error_of(Host(status(404, X_Error_Code="RevisionNotFound")))

    assert type(error) is RepoError
    assert str(error) == "org/model@v1: the host answered 404 RevisionNotFound: org/model 404"


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (status(429, Retry_After="0.5"), 0.01),
        (status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), 0.01),
        (status(429, Retry_After="7"), 7),
        (status(503, Retry_After="7"), 7),
        (status(429, RateLimit='"api";r=0;t=9'), 9),
        (status(429, RateLimit='"api";r=0;t=9', Retry_After="7"), 9),
        (status(429, RateLimit='"api";r=5;t=9', Retry_After="7"), 7),
        (status(429, RateLimit='"api";r=5;t=9'), 0.01),
        (status(429, Retry_After="3600"), 100),
        (status(429, X_RateLimit_Reset="7"), 7),
        (status(429, X_RateLimit_Reset="7", Retry_After="9"), 9),
        (status(429, X_RateLimit_Reset="7", X_RateLimit_Remaining="0"), 7),
        (status(429, X_RateLimit_Reset="7", X_RateLimit_Remaining="59"), 0.01),
        (status(429, X_RateLimit_Reset=f"{NOW + 7}"), 7),
        (status(429, X_RateLimit_Reset=f"{NOW + 7}.5"), 7),
        (status(429, X_RateLimit_Reset=f"{NOW - 7}"), 0.01),
        (status(429, X_RateLimit_Reset="1000000000"), 0.01),
        (status(429, X_RateLimit_Reset="soon"), 0.01),
        (status(429, X_RateLimit_Reset=f"{NOW}" + "0" * 400), 0.01),
        (CUT, 0.01),
    ],
    ids=(
        "fraction date seconds 503 limit limit-first limit-not-met limit-far hour reset "
        "reset-and-retry reset-spent reset-unspent reset-since-1970 reset-fraction reset-past "
        "reset-in-2001 reset-word reset-huge cut"
    ).split(),
)
def test_wait_is_what_the_host_asks_for(
    answer: object, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is what the host's headers ask for, up to the longest, and else the usual one."""
    monkeypatch.setattr(time, "time", lambda: NOW)

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    waits: list[float | None] = []
    host = Host(answer, LISTING)
    host._retry = Retry(attempts=3, delay=0.01, longest=100)

    host.listing(FILES, Impatient())

    assert waits == [wait]


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"Retry_After": "3601"}, "in 3601 s"),
        ({"Retry_After": "86399"}, "in 86399 s"),
        ({"Retry_After": "86400"}, "on "),
        ({"Retry_After": "Thu, 01 Jan 2065 12:00:00 GMT"}, "on 2065-01-01"),
        ({"Retry_After": "1200000000"}, "on 20"),
        ({"X_RateLimit_Reset": "2998036800"}, "on 2065-01-01"),
        ({"RateLimit": '"api";r=0;t=999999999'}, "on 20"),
    ],
    ids="hour day more-than-a-day date seconds reset limit".split(),
)
def test_host_that_asks_for_a_far_time_is_not_asked_again(
    headers: dict[str, str], when: str
) -> None:
    """A host that asks for a far time is not asked again, and the time is reported."""
    host = Host(status(429, **headers))

    error = str(error_of(host))

    assert re.search(rf"more {when}[-\d]*, after one try; try again then$", error), error
    assert host.asked == 1
    if when == "on ":
        (date,) = re.findall(r"on (\d{4}-\d\d-\d\d)", error)
        ahead = datetime.fromisoformat(f"{date}T00:00:00+00:00") - datetime.now(UTC)
        assert timedelta(0) < ahead <= timedelta(days=1)


def test_wait_ends_when_the_fetch_is_given_up() -> None:
    """A wait between tries ends when the fetch is cancelled."""
    host = Host(status(503))
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(Cancelled):
        host.listing(FILES, cancelled)

    assert host.asked == 1


def test_first_model_finds_out_for_all_and_the_others_wait() -> None:
    """Of models that are listed at once, one asks a host that has not answered yet."""
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Host):
        def _answer(self, request: httpx2.Request) -> httpx2.Response:  # noqa: ARG002
            self.asked += 1
            entered.set()
            assert go_on.wait(10)
            raise REFUSED

    host = Slow()
    threads = [threading.Thread(target=error_of, args=(host,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    asked = host.asked
    go_on.set()
    for thread in threads:
        thread.join()

    assert (asked, host.asked) == (1, FIRST_TRIES)


# Downloads from a real server


class Download:
    """A file on a web server, and what its download told of itself."""

    def __init__(self, server: WebServer, target: Path) -> None:
        self.server = server
        self.target = target
        self.body = weights("a download")
        self.files = server.add("a.bin", self.body)
        self.advanced: list[int] = []
        self.cancelled = threading.Event()

    def run(self, **retry: float) -> Proof:
        """Download it."""
        given = Retry(**{"attempts": 3, "delay": 0.01, "longest": 0.02, **retry})  # type: ignore[arg-type]
        remote = web.WebServer(self.server.endpoint, given, 1)
        file = RemoteFile("a.bin", len(self.body), self.files.revision)
        return remote.download(
            self.files,
            self.files.revision,
            file,
            self.target,
            self.advanced.append,
            self.cancelled,
        )


@pytest.fixture(name="served")
def _served(server: WebServer, tmp_path: Path) -> Download:
    """A download of one file from a web server."""
    return Download(server, tmp_path / "target")


def test_download_is_written_hashed_and_counted(served: Download) -> None:
    """A download takes one request for unpacked bytes, is hashed, and is counted to its size."""
    proof = served.run()

    assert proof == Proof(len(served.body), served.files.revision)
    assert served.target.read_bytes() == served.body
    assert sum(served.advanced) == len(served.body)
    (request,) = served.server.requests
    assert (request.headers["accept-encoding"], request.headers.get("range")) == ("identity", None)


def test_cut_download_asks_for_the_rest(served: Download) -> None:
    """A cut download asks for the rest, from the first byte that has not come."""
    served.server.trouble(Trouble(cut=100_000), times=1)
    served.server.trouble(Trouble(cut=150_000), times=1)

    served.run()

    assert served.target.read_bytes() == served.body
    ranges = [request.headers.get("range") for request in served.server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=250000-"]
    assert sum(served.advanced) == len(served.body)


def test_connection_that_breaks_behind_the_last_byte_leaves_nothing_to_ask_for(
    served: Download,
) -> None:
    """A connection that breaks behind the file's last byte needs no further request."""
    served.server.trouble(Trouble(headers={"Content-Length": "300010"}), times=1)

    proof = served.run()

    assert proof.size == 300_000
    assert len(served.server.requests) == 1


def test_try_that_brings_enough_is_not_counted(served: Download) -> None:
    """A try that brings at least `progress` bytes does not count against the limit of tries."""
    served.server.trouble(Trouble(cut=20_000), times=8)
    served.run(progress=20_000)
    assert len(served.server.requests) == 9

    served.server.requests.clear()
    served.target.unlink()
    served.server.trouble(Trouble(cut=20_000), times=8)
    with pytest.raises(Unavailable, match="after 3 tries"):
        served.run(progress=20_001)
    assert len(served.server.requests) == 3


def test_wrong_bytes_are_taken_back_and_fetched_anew(served: Download) -> None:
    """Wrong bytes of a try are taken back from file and count, and fetched anew from the start."""
    served.server.trouble(Trouble(flip=9), times=1)

    served.run()

    assert served.target.read_bytes() == served.body
    assert [request.headers.get("range") for request in served.server.requests] == [None, None]
    assert sum(served.advanced) == len(served.body)
    assert -len(served.body) in served.advanced


def test_file_of_another_size_than_listed_is_another_file(served: Download) -> None:
    """A file of another size than listed is refused, although its hash is right."""
    right = served.body
    served.body = right[:-1]
    with pytest.raises(VerificationError) as longer:
        served.run(attempts=1)
    served.body = right
    served.server.trouble(Trouble(flip=9))
    with pytest.raises(VerificationError) as flipped:
        served.run(attempts=1)

    etag = served.files.revision
    assert f"sha256 {etag} of 299999 bytes, got {etag} of 300000 bytes or more" in str(longer.value)
    assert "of 300000 bytes, after one try" in str(flipped.value)


def test_file_that_is_too_long_is_given_up_early(served: Download) -> None:
    """A file that is too long is given up early, and its bytes are taken back from the count."""
    served.server.trouble(Trouble(body=bytes(30_000_000)))

    with pytest.raises(VerificationError, match=r"of 300000 bytes, got .* bytes or more"):
        served.run(attempts=1)

    assert sum(size for size in served.advanced if size > 0) < 2_000_000
    assert sum(served.advanced) == 0


def test_nothing_of_a_file_that_was_too_long_stays_behind_the_right_one(served: Download) -> None:
    """Nothing of a file that was too long stays behind the right one."""
    served.server.trouble(Trouble(body=bytes(400_000)), times=1)

    served.run()

    assert served.target.read_bytes() == served.body


def test_download_stops_when_it_is_given_up(served: Download) -> None:
    """A download stops when it is cancelled."""
    served.cancelled.set()

    with pytest.raises(Cancelled):
        served.run()

    assert served.target.stat().st_size < len(served.body)


def test_empty_file_is_downloaded_too(served: Download) -> None:
    """A file of no bytes is downloaded in one request."""
    served.body = b""
    served.files = served.server.add("a.bin", b"")

    assert served.run() == Proof(0, served.files.revision)
    assert len(served.server.requests) == 1


# Refusals of a real hub


def test_refusal_says_whether_repo_revision_or_file_lacks(hub: Hub, store: Store) -> None:
    """A refusal says whether the repo, revision or file is missing, and blames the check map."""
    hub.fault(Fault(status=404, headers={"X-Error-Code": "EntryNotFound"}), kind="info")
    file = refusal(store, BASE)
    hub.heal()
    revision = refusal(store, ModelFiles(BASE.repo, BASE.files, "v9"))
    repo = refusal(fresh(store, token=hub.token), ModelFiles("org/none", BASE.files))

    assert "404 EntryNotFound: expected file to exist; fix the adapter's check map" in str(file)
    assert "404 RevisionNotFound: expected revision v9 to exist" in str(revision)
    assert "404 RepoNotFound: expected repo to exist; fix the adapter's check map" in str(repo)
    assert {type(error) for error in (file, revision, repo)} == {RepoError}


def test_refusal_without_a_token_may_be_a_private_repo(hub: Hub, store: Store) -> None:
    """A repo that is refused without a token may be private, and the error says so."""
    hub.add("org/private", content(BASE), access="private")
    files = ModelFiles("org/private", BASE.files)

    nobody = refusal(store, files)
    hub.fault(Fault(status=403), kind="info")
    somebody = refusal(fresh(store, token=hub.token), files)

    assert type(nobody) is type(somebody) is Unavailable
    assert "there is no such repo, or it is private and no token was sent" in str(nobody)
    assert "it is private and the token that was sent does not open it" in str(somebody)


def test_disabled_repo_is_told(hub: Hub, store: Store) -> None:
    """A repo that the hub has disabled is reported as such."""
    headers = {"X-Error-Message": "Access to this resource is disabled."}
    hub.fault(Fault(status=403, headers=headers), kind="info")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert "is disabled: the repo was disabled; choose another size or variant" in str(error)


def test_server_that_is_no_hub_is_told_by_its_answer(hub: Hub, store: Store) -> None:
    """JSON that is not a hub's is reported as something else than a hub's data, and no portal."""
    headers = {"Content-Type": "application/json"}
    hub.fault(Fault(status=200, body=b'["no hub"]', headers=headers), kind="info")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    wrong = "answered with something else than a hub's data (Expected `object`, got `array`); "
    assert f"{hub.endpoint} {wrong}check HF_ENDPOINT, and which proxy or filter is in" in str(error)
    assert "captive portal" not in str(error)
    hub.heal()
    assert read(fresh(store).prepare(BASE)) == content(BASE)


def test_file_that_is_refused_in_other_json_is_told_by_its_status(hub: Hub, store: Store) -> None:
    """A file that a CDN refuses with JSON of its own is reported by the status."""
    headers = {"Content-Type": "application/json"}
    hub.fault(Fault(status=410, body=b"[]", headers=headers), kind="cdn")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert " weights.npz: 127.0.0.1:" in str(error)
    assert " answered 410 Gone" in str(error)


def test_hub_that_has_listed_is_known_to_be_there(hub: Hub, store: Store) -> None:
    """A hub that has listed a model and then breaks off is tried as often as any."""
    host = HuggingFaceHub(store.settings)
    host.listing(BASE, threading.Event())
    hub.fault(Fault(end="close"), kind="info")

    with pytest.raises(Unavailable, match=r"RemoteProtocolError: .*, after 3 tries"):
        host.listing(BASE, threading.Event())


@pytest.mark.parametrize("what", ["refused", "portal", "no-id", "cut"])
def test_error_carries_no_other_that_could_show_the_token(
    hub: Hub, store: Store, what: str
) -> None:
    """An error of the hub carries no other error, whose traceback could show the token."""
    host = HuggingFaceHub(fresh(store, token=hub.token).settings)
    troubles = {"refused": Fault(status=404), "portal": CAPTIVE_PORTAL, "cut": Fault(end="reset")}
    if what in troubles:
        hub.fault(troubles[what])
    files = BASE if what in troubles else ModelFiles("no/id/at-all", BASE.files)

    with pytest.raises((Unavailable, RepoError)) as caught:
        host.listing(files, threading.Event())

    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_part_that_is_too_long_costs_no_try(served: Download) -> None:
    """A part that is longer than its file costs no try."""
    served.target.write_bytes(served.body + b"x")

    proof = served.run(attempts=1)

    assert proof.size == len(served.body)
    assert served.target.read_bytes() == served.body
