"""Who refused, and why: the hub, its download host, a proxy or a page of something in between."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import pytest
from huggingface_hub import close_session, get_session

from adapters.base import ModelFiles
from fixtures.hub import Fault, Hub
from fixtures.hub.tls import NEEDS_TRUSTME
from tests.helpers.dripping import DrippingServer, listening
from tests.helpers.harm import BASE, QUANTISED, content
from tests.helpers.stores import FAST, fresh, read, refusal
from tests.helpers.web_server import Trouble, WebServer
from tests.hub.test_remote import Host, error_of
from whisper_speedtest.cache.model import RepoError, Unavailable, VerifiedModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whisper_speedtest.hub.store import Store

PAGE = {"Content-Type": "text/plain", "Via": "1.1 gate.example (squid/6.6)"}
JSON = {"Content-Type": "application/json"}
REFUSED = Fault(status=403, body=b"blocked", headers=PAGE)


@pytest.fixture(name="proxy")
def _proxy(hub: Hub, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """A proxy through which all requests go, and which answers them itself."""
    assert hub.endpoint.startswith("http://")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.endpoint)
    close_session()
    return server


# Something in between


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
def test_page_of_something_in_between_is_not_the_check_maps_fault(
    proxy: WebServer, store: Store, status: int
) -> None:
    """A refusal without a hub's error code is reported as that of something in between."""
    proxy.trouble(Trouble(status, {**PAGE}, b"not here"))

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert f"{BASE}: {store.settings.endpoint} answered {status} " in str(error)
    assert "without a hub's error code, so something else answers (1.1 gate.example" in str(error)
    assert "check HF_ENDPOINT, and which proxy or filter is in between" in str(error)
    assert "check map" not in str(error)


@pytest.mark.parametrize("token", [None, "hf_token"])
def test_password_that_something_in_between_asks_for_is_told_as_its_own(
    proxy: WebServer, store: Store, token: str | None
) -> None:
    """A password that something in between asks for is not taken for the hub's token."""
    realm = 'Basic realm="mirror of example.org"'
    proxy.trouble(Trouble(401, {"Content-Type": "text/plain", "WWW-Authenticate": realm}, b"no"))

    error = str(refusal(fresh(store, token=token), BASE))

    assert f"without a hub's error code, so something else answers ({realm}); check HF_EN" in error
    assert "HF_TOKEN" not in error


def test_page_of_something_in_between_that_is_hypertext_is_told_by_its_status(
    proxy: WebServer, store: Store
) -> None:
    """An HTML page with an error status is reported by its status, and not as a sign-in page."""
    proxy.trouble(Trouble(404, {"Content-Type": "text/html"}, b"<html>no</html>"))

    assert "answered 404 Not Found, without a hub's error code" in str(refusal(store, BASE))


def test_proxy_that_wants_a_password_is_named_and_asked_once(
    proxy: WebServer, store: Store
) -> None:
    """A proxy that wants a password is named to all models, and asked once."""
    proxy.trouble(Trouble(407, {**PAGE}, b"who are you?"))

    outcomes = store.fetch(store.plan([BASE, QUANTISED]))

    for files, error in outcomes.items():
        assert type(error) is Unavailable
        assert f"{files}: a proxy asks for user and password (407 Proxy" in str(error)
        assert "put user:password@ before the host in HTTPS_PROXY" in str(error)
        assert error.cause in str(error)
    assert len(proxy.requests) == 1


def test_tunnel_that_a_proxy_refuses_is_the_proxys(
    proxy: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tunnel that a proxy refuses is reported as the proxy's fault, to the next model too."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.endpoint)
    monkeypatch.setenv("https_proxy", proxy.endpoint)
    close_session()
    session = fresh(store, endpoint="https://hub.example")

    first, second = (refusal(session, files) for files in (BASE, QUANTISED))

    assert "cannot make a request to https://hub.example (ProxyError: 501" in str(first)
    assert "check HF_ENDPOINT, the token and the proxy (HTTPS_PROXY)" in str(first)
    assert str(second).startswith(f"{QUANTISED}: cannot make a request to https://hub.example")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, "text/plain"), (502, "text/html"), (504, "text/plain"), (408, "text/html"), (429, "")],
)
def test_error_that_a_proxy_may_have_sent_is_not_told_as_the_hubs(
    proxy: WebServer,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: str,
) -> None:
    """An error that a proxy may have sent is tried again, and the proxy's password is not shown."""
    where = urlsplit(proxy.endpoint).netloc
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://me:secret@{where}")
    close_session()
    proxy.trouble(Trouble(status, {**PAGE, "Content-Type": kind}, b"<html>no way there</html>"))

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert str(error).startswith(
        f"{BASE}: the hub, or something between here and it (1.1 gate.example (squid/6.6); the "
        f"proxy {where}), answered {status} "
    )
    assert ", after 3 tries; " in str(error)
    assert "; check HF_ENDPOINT, and which proxy or filter is in between" in str(error)
    assert "secret" not in str(error)
    assert len(proxy.requests) == FAST.attempts


def test_error_that_the_hub_has_signed_is_the_hubs_behind_a_proxy_too(
    proxy: WebServer, store: Store
) -> None:
    """An error with the hub's own header is reported as the hub's, behind a proxy too."""
    signed = {**PAGE, "X-Error-Message": "Internal Error - we are working on it"}
    proxy.trouble(Trouble(500, signed, b"{}"))

    error = str(refusal(store, BASE))

    assert f"{BASE}: the hub answered 500 Internal Error - we are working on it, after 3" in error
    assert "between" not in error


def test_error_without_a_hubs_words_may_be_of_something_that_nobody_named(
    hub: Hub, store: Store
) -> None:
    """An error without the hub's header may be that of a gateway, and is reported as such."""
    unsigned = {"Via": "1.1 gateway"}
    hub.fault(Fault(status=502, body=b"", headers=unsigned), kind="info")

    error = str(refusal(store, BASE))

    assert error.startswith(
        f"{BASE}: the hub, or something between here and it (1.1 gateway), answered 502 Bad "
        "Gateway, after 3 tries; check the network, or try again later; check HF_ENDPOINT, and "
        "which proxy or filter is in between; not in the cache: "
    )


def test_error_of_a_download_host_is_its_own_where_nothing_else_is_known(
    hub: Hub, store: Store
) -> None:
    """An error of a download host is reported as its own where no proxy is known."""
    hub.fault(Fault(status=502, body=b""), kind="cdn")

    error = str(refusal(store, BASE))

    assert f"weights.npz: {cdn_of(hub)} answered 502 Bad Gateway, after 3 tries; " in error
    assert "between" not in error


def test_error_of_a_download_host_behind_a_proxy_may_be_the_proxys(
    proxy: WebServer, hubless_store: Store
) -> None:
    """An error of a file's server behind a proxy is reported as one that may be the proxy's."""
    tiny = proxy.add("a.bin", b"abc")
    proxy.trouble(Trouble(504))

    error = str(refusal(hubless_store, tiny))

    where = urlsplit(proxy.endpoint).netloc
    assert f"{tiny}: the server, or something between here and it (" in error
    assert f"; the proxy {where}), answered 504 Gateway Timeout, after 3 tries; " in error
    assert "check the URL in the adapter's check map, and which proxy or filter is in " in error


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Busy", "504 Gateway Timeout"])
def test_tunnel_that_a_proxy_may_open_later_is_asked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """A tunnel that a proxy may open later is asked for again; then proxy and host are named."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with DrippingServer(b"", (), pause=0, first=head) as proxy:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:secret@{proxy.place}")
        close_session()

        error = refusal(fresh(store, endpoint="https://hub.example"), BASE)

    assert type(error) is Unavailable
    assert str(error).startswith(
        f"{BASE}: the proxy {proxy.place} answered {status}, asked for https://hub.example, after "
        "3 tries; check the network, or try again later; check HTTPS_PROXY, HTTP_PROXY and ALL_PRO"
    )
    assert "secret" not in str(error)


# The token


@pytest.mark.parametrize(
    "message", ["Invalid username or password.", 'User Access Token "x" is expired']
)
def test_refused_token_is_told_as_such_in_other_words_too(
    hub: Hub, store: Store, message: str
) -> None:
    """A token that the hub refuses is reported as such, in whatever words the hub says it."""
    hub.fault(Fault(status=401, headers={"X-Error-Message": message}), kind="info")

    error = refusal(fresh(store, token=hub.token), BASE)

    assert type(error) is Unavailable
    assert f"401 {message}: it does not take the token; set HF_TOKEN anew" in str(error)
    assert "check map" not in str(error)


@pytest.mark.parametrize("kind", ["info", "resolve"])
def test_stale_token_is_told_as_such_and_once(hub: Hub, store: Store, kind: str) -> None:
    """A stale token is reported as such, and the hub is asked with it once."""
    if kind == "resolve":
        stale = {"X-Error-Message": "Invalid credentials in Authorization header"}
        hub.fault(Fault(status=401, headers=stale), kind="resolve")
    session = fresh(store, token=hub.token if kind == "resolve" else "hf_stale", workers=1)

    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    for error in outcomes.values():
        assert type(error) is Unavailable
        assert "401 Invalid credentials in Authorization header" in str(error)
        assert "it does not take the token" in error.cause
        assert "set HF_TOKEN anew" in error.cause
        assert "no such repo" not in str(error)
    assert len([request for request in hub.requests if request.kind == kind]) == 1
    hub.heal()
    assert read(fresh(store, token=None).prepare(BASE)) == content(BASE)


def test_token_of_an_account_without_access_is_not_stale(hub: Hub, store: Store) -> None:
    """A token without access to a private or gated repo is not called stale."""
    hub.add("org/private", content(BASE), access="private")
    hub.add("org/gated", content(BASE), access="gated")
    session = fresh(store, token=hub.stranger)

    private = refusal(session, ModelFiles("org/private", BASE.files))
    gated = refusal(session, ModelFiles("org/gated", BASE.files))

    assert type(private) is RepoError
    assert "404 RepoNotFound" in str(private)
    assert type(gated) is Unavailable
    assert "403 GatedRepo: accept its licence" in str(gated)
    assert "no token was sent" not in str(gated)


# The host that files come from


def test_hub_that_a_mirror_leads_to_is_a_hub(hub: Hub, store: Store) -> None:
    """A hub that a mirror redirects to is asked and reported as a hub, by its own address."""
    with Hub() as other:
        where = urlsplit(other.endpoint).netloc
        there = {"Location": f"{other.endpoint}/api/models/{BASE.repo}/revision/main?blobs=true"}
        hub.fault(Fault(status=307, headers=there), kind="info", times=1)
        listing = refusal(fresh(store, token=other.token), BASE)
        path = f"/{BASE.repo}/resolve/{hub.commit(BASE.repo)}/weights.npz"
        lacking = Fault(status=404, headers={"X-Error-Code": "EntryNotFound"})
        other.fault(lacking)
        hub.fault(
            Fault(status=302, headers={"Location": other.endpoint + path}),
            kind="resolve",
            file="weights.npz",
        )
        file = refusal(fresh(store), BASE)

    assert f"{BASE}: {where} answered 401 RepoNotFound: there is no such repo, or" in str(listing)
    assert f" {where} answered 404 EntryNotFound: it has listed that a moment ago" in str(file)


CODES = ("RepoNotFound", "EntryNotFound", "GatedRepo", "AccessDenied")


@pytest.mark.parametrize("headers", [{}, *({"X-Error-Code": code} for code in CODES)])
@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_blocked_download_host_is_named(
    hub: Hub, store: Store, status: int, headers: dict[str, str]
) -> None:
    """A download host that refuses is named, and not the hub that led there."""
    hub.fault(replace(REFUSED, status=status, headers={**PAGE, **headers}), kind="cdn")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert f"weights.npz: {cdn_of(hub)} answered {status} " in str(error)
    assert f"let {cdn_of(hub)} pass where a proxy or firewall blocks it" in str(error)
    assert "check map" not in str(error)


def test_download_host_that_is_away_is_named_and_not_asked_for_the_next_model(
    hub: Hub, store: Store
) -> None:
    """A download host that is away is named, and not asked for the next model."""
    away = "http://127.0.0.1:9/away"
    hub.fault(Fault(status=302, headers={"Location": away}), kind="resolve", file="weights.npz")
    session = fresh(store, workers=1)

    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    for error in outcomes.values():
        assert type(error) is Unavailable
        assert f"cannot reach 127.0.0.1:9, to which {hub.endpoint} redirects" in str(error)
        assert f"cannot reach {hub.endpoint}" not in str(error)
    asked = [request.repo for request in hub.requests if request.file == "weights.npz"]
    assert asked == [BASE.repo, BASE.repo, QUANTISED.repo]


def test_download_host_that_shows_a_web_page_is_named(hub: Hub, store: Store) -> None:
    """A download host that shows a web page is named with the hub that led there."""
    page = Fault(status=200, body=b"<html>", headers={"Content-Type": "text/html"})
    hub.fault(page, kind="cdn")

    error = str(refusal(store, BASE))

    assert f"{hub.endpoint} led to {cdn_of(hub)}, which answered with something else" in error


def cdn_of(hub: Hub) -> str:
    """Return the host and port that a hub redirects downloads to."""
    return urlsplit(hub._state.site.cdn).netloc


def test_hub_that_redirects_to_another_address_has_answered(hub: Hub, store: Store) -> None:
    """A hub that redirects to another address counts as reached."""
    with Hub() as other:
        other.add(BASE.repo, content(BASE))
        path = f"/api/models/{BASE.repo}/revision/main?blobs=true"
        hub.fault(Fault(status=307, headers={"Location": other.endpoint + path}), kind="info")

        assert read(store.prepare(BASE)) == content(BASE)
        assert [request.kind for request in other.requests] == ["info"]

    assert {"", urlsplit(other._state.site.endpoint).netloc} <= store._hosted._hub._reached


@pytest.mark.parametrize("kind", ["info", "resolve"])
@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "file://localhost/a", "ftp://files.example/a", "s3://b/a"]
)
def test_redirect_to_what_is_no_http_address_is_told_and_costs_one_model(
    hub: Hub, store: Store, kind: Any, target: str
) -> None:
    """A redirect to an address that is not HTTP costs its model and no other."""
    led = Fault(status=302, headers={"Location": target})
    hub.fault(led, kind=kind, repo=BASE.repo)
    session = fresh(store, workers=1)

    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    error = str(outcomes[BASE])
    assert type(outcomes[BASE]) is Unavailable
    assert "expected to be led to an http address, the hub leads to " in error
    assert f" leads to {target.partition(':')[0]}:" in error
    assert "; check HF_ENDPOINT, and which proxy or filter is in between" in error
    assert isinstance(outcomes[QUANTISED], VerifiedModel)


def test_redirects_in_a_ring_are_given_up(hub: Hub, store: Store) -> None:
    """Redirects in a ring are given up after ten."""
    ring = {"Location": f"/{BASE.repo}/resolve/main/weights.npz"}
    hub.fault(Fault(status=302, headers=ring), file="weights.npz")

    error = str(refusal(store, BASE))

    assert "at most 10 redirects, in 15 s, the hub leads on to http://127.0.0.1:" in error
    assert [request.file for request in hub.requests].count("weights.npz") == 10


@pytest.mark.parametrize("target", ["ftp://files.example/a", "/org/ring"])
def test_right_to_a_download_is_not_told(hub: Hub, store: Store, target: str) -> None:
    """The query of a redirect's address, which may be a right to a download, is not shown."""
    signed = Fault(status=302, headers={"Location": f"{target}?X-Amz-Signature=secret#secret"})
    hub.fault(signed)

    error = str(refusal(store, BASE))

    assert f"{target}; " in error
    assert "secret" not in error


# What a host says of its reasons


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (
            {"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'},
            "no request of 500 is left in the limit 'api', more in 55 s",
        ),
        ({"RateLimit": '"api";r=0;t=55'}, "no request is left in the limit 'api', more in 55 s"),
        ({"RateLimit": '"pages";r=9;t=5, "api";r=0;t=55'}, "left in the limit 'api', more in 55 s"),
        ({"Retry-After": "120"}, "it takes more in 120 s"),
        ({"RateLimit": '"api";r=9;t=55', "Retry-After": "120"}, "it takes more in 120 s"),
    ],
    ids=["policy", "limit", "one of two", "retry-after", "none spent"],
)
def test_limit_on_requests_is_told_with_its_wait(
    hub: Hub, store: Store, headers: dict[str, str], says: str
) -> None:
    """A limit on requests is reported with the time to wait for."""
    hub.fault(Fault(status=429, headers={**headers}), kind="info")

    error = str(refusal(store, BASE))

    assert "the hub answered 429 HTTP 429, as the test asked for: " in error
    assert f"{says}, after 3 tries; " in error
    assert "try again then, or set HF_TOKEN to have a limit of your own" in error
    assert "check the network" not in error


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-Error-Message": "No permission to read"}, "403 No permission to read: there is no"),
        ({"X-Error-Message": "x" * 9000}, f"403 {'x' * 200}…: there is no such repo"),
        ({"X-Error-Code": "y" * 9000}, f"403 {'y' * 200}…: there is no such repo"),
    ],
    ids=["message", "long-message", "long-code"],
)
def test_hubs_own_words_are_quoted_in_bounds(
    hub: Hub, store: Store, headers: Any, says: str
) -> None:
    """The hub's own words are quoted to 200 characters."""
    hub.fault(Fault(status=403, headers=headers), kind="info")

    error = str(refusal(store, BASE))

    assert says in error
    assert len(error) < 1000


def test_hub_that_cannot_be_asked_is_not_waited_for(hub: Hub, store: Store) -> None:
    """A hub that cannot be asked is reported at once, with no request and no wait."""
    retry = replace(FAST, delay=3600, longest=3600)

    error = refusal(fresh(store, no_hub="the variables say nonsense", retry=retry), BASE)

    assert type(error) is Unavailable
    assert str(error).startswith(f"{BASE}: the variables say nonsense; not in the cache: ")
    assert hub.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "soon"},
        {"Retry-After": "-5"},
        {"Retry-After": "9" * 400},
        {"Retry-After": "Fri, 99 Foo 2026 99:99:99 GMT"},
        {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
        {"RateLimit": '"api";r=x;t=y'},
        {"RateLimit": f'"api";r=0;t={"9" * 400}'},
        {"RateLimit": f'"api";r={"9" * 5000};t=5'},
    ],
    ids="none word negative huge no-date past-date no-numbers huge-wait huge-rest".split(),
)
def test_limit_without_a_wait_is_told_as_a_limit(
    hub: Hub, store: Store, headers: dict[str, str]
) -> None:
    """A limit on requests whose time to wait cannot be read is reported as a limit all the same."""
    hub.fault(Fault(status=429, headers={**headers}), kind="info")

    error = str(refusal(store, BASE))

    assert "429 HTTP 429, as the test asked for, after 3 tries; try again later, or set" in error
    assert "to have a limit of your own" in error
    assert len(error) < 1000


def test_date_to_ask_again_at_is_told_in_seconds(hub: Hub, store: Store) -> None:
    """A date to ask again at is reported in seconds from now."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    hub.fault(Fault(status=503, headers={"Retry-After": date}), kind="info")

    error = str(refusal(store, BASE))

    seconds = re.search(r"503, as the test asked for: it takes more in (\d+) s, after", error)
    assert seconds, error
    assert 3000 < int(seconds[1]) <= 3600
    assert "; try again then; not in the cache" in error


# Pages


@pytest.mark.parametrize("kind", ["TEXT/HTML", "Text/html;charset=utf-8", "application/xhtml+xml"])
def test_page_is_known_by_any_name_of_its_type(hub: Hub, store: Store, kind: str) -> None:
    """A sign-in page is known by any spelling of HTML's content type."""
    hub.fault(Fault(status=200, body=b"<html>", headers={"Content-Type": kind}), kind="cdn")

    assert "(a captive portal)" in str(refusal(store, BASE))


def test_network_that_asks_to_sign_in_by_its_status_is_a_portal(hub: Hub, store: Store) -> None:
    """The status 511 is reported as a captive portal, and not asked for again."""
    hub.fault(Fault(status=511), kind="info")

    assert "(a captive portal): open a browser and sign in" in str(refusal(store, BASE))
    assert len(hub.requests) == 1


@pytest.mark.parametrize("where", [{"kind": "info"}, {"kind": "resolve", "file": "config.json"}])
def test_page_in_place_of_one_answer_costs_one_model(hub: Hub, store: Store, where: Any) -> None:
    """A sign-in page in place of one answer costs one model."""
    page = Fault(status=200, body=b"<html>", headers={"Content-Type": "text/html"})
    hub.fault(page, repo=BASE.repo, **where)
    session = fresh(store, workers=1)

    outcomes = session.fetch(session.plan([BASE, QUANTISED]))

    assert "captive portal" in str(outcomes[BASE])
    assert isinstance(outcomes[QUANTISED], VerifiedModel)


# What is the hub's own contradiction


@pytest.mark.parametrize("code", ["RevisionNotFound", "EntryNotFound", "RepoNotFound"])
def test_what_the_hub_has_listed_is_not_the_check_maps_fault(
    hub: Hub, store: Store, code: str
) -> None:
    """A file that the hub has listed and then lacks is not the check map's fault."""
    hub.fault(Fault(status=404, headers={"X-Error-Code": code}), kind="resolve")

    error = refusal(store, BASE)

    assert type(error) is Unavailable
    assert f"the hub answered 404 {code}: it has listed that a moment ago; try again" in str(error)
    assert "check map" not in str(error)


def test_range_that_a_host_does_not_have_makes_the_next_session_begin_anew(
    hub: Hub, store: Store
) -> None:
    """A range that a host does not have makes the next session begin the file anew."""
    hub.fault(Fault(after=1000, end="close"), kind="cdn", times=FAST.attempts)
    refusal(store, BASE)
    hub.heal()
    hub.fault(Fault(status=416), kind="cdn", times=FAST.attempts)

    error = refusal(fresh(store), BASE)
    hub.clear()

    assert " answered 416 " in str(error)
    assert read(fresh(store).prepare(BASE)) == content(BASE)
    assert [each.range for each in hub.requests if each.kind == "cdn"] == [None]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_listing_is_read_in_any_encoding_of_json(hub: Hub, store: Store, encoding: str) -> None:
    """A listing is read in any encoding of JSON."""
    listing = listing_of(hub, store)
    body = Fault(status=200, body=listing.encode(encoding), headers=JSON)
    hub.fault(body, kind="info")

    assert read(fresh(store).prepare(BASE)) == content(BASE)


def listing_of(hub: Hub, store: Store) -> str:
    """Return what the hub answers when it is asked for a model."""
    host = store.settings.endpoint
    answer = get_session().get(f"{host}/api/models/{BASE.repo}/revision/main?blobs=true")
    hub.clear()
    return answer.text


def test_text_in_place_of_a_listing_may_be_a_sign_in_page(hub: Hub, store: Store) -> None:
    """A text in place of a listing is reported as a captive portal's sign-in page."""
    portal = Fault(status=200, body=b"Please sign in", headers={"Content-Type": "text/plain"})
    hub.fault(portal, kind="info")

    assert "the sign-in page of a network (a captive portal)" in str(refusal(store, BASE))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error": "maintenance"}', "(Object missing required field `id`)"),
        (b"null", "(Expected `object`, got `null`)"),
        ('{"error": "maintenance"}'.encode("utf-16"), "(Object missing required field `id`)"),
        (b"", "(Input data was truncated)"),
        (b'{"id": "org/mod', "(Input data was truncated)"),
        (b"{\"id\": 'x'}", "(JSON is malformed: invalid character (byte 7))"),
    ],
)
def test_json_that_is_no_listing_is_no_sign_in_page(
    hub: Hub, store: Store, body: bytes, says: str
) -> None:
    """JSON that is no listing is reported as something else than a hub's data, and as no page."""
    hub.fault(Fault(status=200, body=body, headers=JSON), kind="info")

    error = str(refusal(store, BASE))

    assert (
        f"{hub.endpoint} answered with something else than a hub's data {says}; check HF" in error
    )
    assert "captive portal" not in error


# The endpoint's own name


@pytest.mark.parametrize(
    "endpoint",
    ["http://Hub.Example", "http://hub.example:80", "http://h\u00fcb.example", "http://me:x@a.b"],
    ids=["letters", "port", "idna", "user"],
)
def test_endpoint_is_known_by_any_spelling(proxy: WebServer, store: Store, endpoint: str) -> None:
    """The endpoint is known as the hub in any spelling of its address."""
    proxy.trouble(Trouble(503, {}, b""))

    error = str(refusal(fresh(store, endpoint=endpoint), BASE))

    assert f"{BASE}: the hub, or something between here and it (" in error
    assert f"the proxy {urlsplit(proxy.endpoint).netloc}), answered 503" in error


@pytest.mark.parametrize("endpoint", ["http://..", f"http://{'h' * 300}"], ids=["dots", "long"])
def test_host_of_no_possible_name_is_told(store: Store, endpoint: str) -> None:
    """A host of an impossible name is reported with the client's words, to all models."""
    session = fresh(store, endpoint=endpoint)

    first, second = (refusal(session, files) for files in (BASE, QUANTISED))

    # From Python 3.13 on it is a UnicodeEncodeError.
    assert f"cannot make a request to {endpoint} (Unicode" in str(first)
    assert "Error: " in str(first)
    assert second.cause == first.cause


def test_user_of_the_endpoint_that_the_hub_does_not_take_is_no_token(
    hub: Hub, store: Store
) -> None:
    """A refused user in HF_ENDPOINT is named as the reason, and its password is not shown."""
    error = refusal(fresh(store, endpoint=hub.endpoint.replace("//", "//me:geheim@")), BASE)

    assert "it does not take user and password; leave them out of HF_ENDPOINT" in str(error)
    assert "HF_TOKEN" not in str(error)
    assert "geheim" not in str(error)


def test_certificate_that_nobody_here_trusts_is_told_as_such(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody here trusts is named as the reason, and not the network."""
    pytest.importorskip("trustme", reason=NEEDS_TRUSTME)
    with Hub(https=True) as stranger:
        for name, value in {**stranger.env(), "SSL_CERT_FILE": "", "NO_PROXY": ""}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SSL_CERT_FILE")
        close_session()

        error = str(refusal(fresh(store, endpoint="https://hub.example"), BASE))

    assert re.search("CERTIFICATE_VERIFY_FAILED|certificate is not", error)  # or macOS's words
    assert "name the certificate of whoever signs for hosts in your network" in error
    assert "check the network" not in error


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("is expired", "check the clock of this machine, and"),
        ("name does not match input", "another host answers there: check "),
        ("is not trusted", "name the certificate of whoever signs for hosts in your network"),
        ("is not standards compliant", "name the certificate of whoever signs for hosts in your"),
    ],
)
def test_what_macos_says_of_a_certificate_has_the_step_of_what_openssl_says(
    said: str, step: str
) -> None:
    """The words of macOS about a certificate lead to the same next step as OpenSSL's."""
    words = "\N{LEFT DOUBLE QUOTATION MARK}host.example\N{RIGHT DOUBLE QUOTATION MARK} certificate"
    error = httpx2.ConnectError(str(ssl.SSLCertVerificationError(f"{words} {said}")))

    told = str(error_of(Host(error)))

    assert f"certificate {said}" in told
    assert step in told
    assert "check the network" not in told


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("valid", "host", "says"),
    [
        ((-2 * DAY, -DAY), "127.0.0.1", "check the clock of this machine, and"),
        ((DAY, 2 * DAY), "127.0.0.1", "check the clock of this machine, and"),
        ((-DAY, DAY), "gate.example", "another host answers there: check HF_ENDPOINT, and which"),
    ],
    ids=["expired", "not yet valid", "of another host"],
)
def test_certificate_that_is_trusted_and_wrong_is_told_as_such(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    valid: tuple[timedelta, timedelta],
    host: str,
    says: str,
) -> None:
    """A trusted certificate that is expired or another host's is reported with what to check."""
    trustme = pytest.importorskip("trustme", reason=NEEDS_TRUSTME)
    authority, now = trustme.CA(), datetime.now(UTC)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    begins, ends = valid
    leaf = authority.issue_cert(host, not_before=now + begins, not_after=now + ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    close_session()

    with encrypted(context) as endpoint:
        error = str(refusal(fresh(store, endpoint=endpoint), BASE))

    assert f"cannot reach {endpoint} (ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED]" in error
    assert says in error
    assert "SSL_CERT_FILE" not in error
    assert "check the network" not in error


@contextmanager
def encrypted(context: ssl.SSLContext) -> Iterator[str]:
    """Give the address of a server that only ever begins with TLS."""

    def begin(connection: socket.socket) -> None:
        with connection:
            context.wrap_socket(connection, server_side=True).close()

    with listening(begin) as place:
        yield f"https://{place}"


def test_limit_of_open_files_is_not_the_networks_fault() -> None:
    """The limit of open files is named as the reason, and not the network."""
    error = httpx2.ConnectError(f"[Errno {errno.EMFILE}] {os.strerror(errno.EMFILE)}")

    told = str(error_of(Host(error)))

    assert told.startswith("org/model@v1: cannot reach http://host.example (ConnectError: [Errno")
    assert re.search(
        r"; the limit is \d+ open files a process, which `ulimit -n \d+` raises$", told
    )


@pytest.mark.parametrize("proxied", [False, True])
def test_https_that_is_spoken_to_a_port_without_it_says_so(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    """HTTPS that is spoken to a port without it is reported, with what to write instead."""
    endpoint = hub.endpoint.replace("http://", "https://")
    if proxied:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, endpoint)
        close_session()
        endpoint = "https://hub.example"

    error = str(refusal(fresh(store, endpoint=endpoint), BASE))

    assert f"cannot reach {endpoint} (ConnectError: [SSL" in error
    assert "it speaks no https there: write http:// in HF_ENDPOINT" in error
    assert "check the network" not in error
    assert ("there is a proxy in between: check HTTPS_PROXY" in error) is proxied
    assert hub.requests == []


# What is no HTTP

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BROKEN: dict[str, tuple[bytes, str]] = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "SSH-2.0-OpenSSH_9.6"),
    "status": (b"HTTP/1.1 ok\r\n\r\n", "HTTP/1.1 ok"),
    "header": (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "no header"),
    "lengths": (OK + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\n", "Content-Length"),
    "chunk": (CHUNKED + b"zz\r\n{}\r\n", "zz"),
    "gzip": (OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "header check"),
}
"""What a host answers, and what of it is to be quoted."""


@pytest.mark.parametrize(("answer", "got"), BROKEN.values(), ids=BROKEN)
def test_answer_that_is_no_http_is_told_with_what_was_got_from_whom(
    store: Store, answer: bytes, got: str
) -> None:
    """An answer that is no HTTP is reported with what was got and from which host."""
    with DrippingServer(b"", (), pause=0, first=answer) as server:
        session = fresh(store, endpoint=server.endpoint)

        first, second = (refusal(session, files) for files in (BASE, QUANTISED))

    place = f"expected HTTP from {server.endpoint}, got a broken answer ("
    for files, error in ((BASE, first), (QUANTISED, second)):
        assert type(error) is Unavailable
        assert str(error).startswith(f"{files}: {place}")
        assert got in str(error)
        assert "and which proxy or filter is in between" in str(error)
        assert "cannot reach" not in str(error)
    if got not in {"zz", "header check"}:  # of these, the head of the answer was right
        assert second.cause == first.cause, "expected one model to ask a host that speaks no HTTP"


def test_answer_that_ends_too_early_is_told_with_its_size_and_host(hub: Hub, store: Store) -> None:
    """An answer that ends too early is reported with its size and its host."""
    hub.fault(Fault(after=1000, end="close"), kind="cdn", file="weights.npz")
    cdn = urlsplit(hub._state.site.cdn).netloc

    error = str(refusal(fresh(store, retry=replace(FAST, attempts=1)), BASE))

    assert f"expected HTTP from {cdn}, got a broken answer (RemoteProtocolError: " in error
    assert "received 1000 bytes, expected 300000" in error
    assert "after one try; check the network, and which proxy or filter is in between" in error
