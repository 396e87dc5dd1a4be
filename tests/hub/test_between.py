"""Who may have answered in a host's place, by what is known of the way to it."""

from __future__ import annotations

import os

import httpx2
import pytest

from whisper_speedtest.hub.between import answering, proxies_are_in, proxy_of

URL = httpx2.URL("https://hub.example/api")
VIA = {"Via": "1.1 gate.example (squid/6.6)", "Server": "squid"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine, as each test sets its own."""
    for variable in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://gate.example:3128"}, "the proxy gate.example:3128"),
        ({"HTTPS_PROXY": "gate.example"}, "the proxy gate.example"),
        ({"HTTPS_PROXY": "http://me:p@ss@gate.example:3128/"}, "the proxy gate.example:3128/"),
        ({"HTTP_PROXY": "http://gate.example:3128"}, ""),
        ({"ALL_PROXY": "socks5://gate.example:1080"}, "the proxy gate.example:1080"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "the proxy b:2"),
        ({"HTTPS_PROXY": "http://gate:3128", "NO_PROXY": "localhost,.example"}, ""),
        ({"HTTPS_PROXY": "http://gate:3128", "NO_PROXY": "other.test"}, "the proxy gate:3128"),
    ],
    ids="none https no-scheme password http all both not-for-it not-for-others".split(),
)
def test_proxy_is_the_one_of_the_address_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str
) -> None:
    """The proxy of an address is that of the usual variables, shown without its password."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert proxy_of(URL) == proxy


@pytest.mark.parametrize(
    ("headers", "hub", "proxy", "told"),
    [
        ({"X-Error-Message": "down"}, True, True, "X"),
        ({"X-Error-Code": "Down", **VIA}, True, True, "X"),
        ({"RateLimit": '"api";r=0;t=1', **VIA}, True, True, "X"),
        ({}, True, False, "X, or something between here and it,"),
        ({"Server": "nginx"}, True, False, "X, or something between here and it (nginx),"),
        (VIA, True, False, f"X, or something between here and it ({VIA['Via']}),"),
        ({}, True, True, "X, or something between here and it (the proxy gate:3128),"),
        (VIA, True, True, f"X, or something between here and it ({VIA['Via']}; the proxy gate:31"),
        ({"Server": "nginx"}, False, False, "X"),
        (VIA, False, False, f"X, or something between here and it ({VIA['Via']}),"),
        ({}, False, True, "X, or something between here and it (the proxy gate:3128),"),
    ],
    ids=(
        "message code limit unsigned server via proxy via-and-proxy other other-via other-proxy"
    ).split(),
)
def test_no_more_is_claimed_than_is_known(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], hub: bool, proxy: bool, told: str
) -> None:
    """An error is the hub's by its headers, and another host's if no proxy or Via is known."""
    if proxy:
        monkeypatch.setenv("https_proxy", "http://gate:3128")

    said = answering("X", URL, httpx2.Headers(headers), hub=hub)

    assert said.startswith(told)
    assert ("," in said) is ("," in told)


def test_exceptions_from_proxies_alone_are_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many machines name hosts that need none, and have none; so nothing is to be checked."""
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert proxies_are_in() == ""

    monkeypatch.setenv("HTTPS_PROXY", "http://gate:3128")
    assert proxies_are_in() == "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
