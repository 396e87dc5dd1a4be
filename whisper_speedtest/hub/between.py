"""Finds out what may be between this machine and a host, as a proxy, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from adapters.errors import limit_told
from whisper_speedtest.cache.sizes import short
from whisper_speedtest.hub.tries import NETWORK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

PROXY = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
SETTINGS = "check the proxies in the network settings of this system"
BETWEEN = "and which proxy or filter is in between"

_CLOCK = "check the clock of this machine, and whether the certificate of that host is out of date"
_NO_TLS = "it speaks no https there: write http:// in {named_in}"
_ANOTHER = f"another host answers there: check {{named_in}}, {BETWEEN}"
_SIGNER = (
    "name the certificate of whoever signs for hosts in your network, as a proxy that reads "
    "along, in SSL_CERT_FILE"
)
_STEPS = {
    "certificate has expired": _CLOCK,
    "certificate is not yet valid": _CLOCK,
    "certificate is not valid for": _ANOTHER,
    "CERTIFICATE": _SIGNER,
    # macOS checks certificates itself where SSL_CERT_FILE is not set, and says so in other words.
    "certificate is expired": _CLOCK,
    "certificate name does not match": _ANOTHER,
    "certificate is not": _SIGNER,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
}
"""Words in the error → what to do about a host that cannot be reached; the first match counts."""

_OF_A_HUB = ("X-Error-Code", "X-Error-Message", "RateLimit")
"""Headers that only a hub itself sends with a refusal, and nothing in between."""


def named(headers: Mapping[str, str]) -> str:
    """Return the names that the senders of an answer give in its headers; "" if none."""
    names = map(headers.get, ("Via", "WWW-Authenticate", "Server"))
    return short(next(filter(None, names), "") or "")


def proxy_of(url: httpx2.URL) -> str:
    """Return the proxy that requests to a URL go through, as `the proxy HOST:PORT`; "" if none.

    Its user and password are left out.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(url.netloc.decode()):
        return ""
    return f"the proxy {short(proxy.rpartition('@')[2].rpartition('://')[2])}"


def proxies_are_in() -> str:
    """Return where to check the proxies, if requests to some hosts go through one; else "".

    macOS takes proxies from its settings if no variable is set.
    """
    if not getproxies().keys() - {"no"}:
        return ""
    return PROXY if getproxies_environment().keys() - {"no"} else SETTINGS


def next_step(said: str, named_in: str) -> str:
    """Return what to do about a host that cannot be reached, from the words of the error.

    `named_in` is where its address is set; "" if another host has redirected to it.
    """
    step = next((step for words, step in _STEPS.items() if words in said), "")
    step = step or limit_told(said) or NETWORK
    if step in {_NO_TLS, _ANOTHER} and not named_in:
        step = NETWORK
    if where := proxies_are_in():
        step += f"; there is a proxy in between: {where}"
    return step.format(named_in=named_in)


def answering(who: str, url: httpx2.URL, headers: Mapping[str, str], *, hub: bool) -> str:
    """Return who has sent an error: `who`, or something between, as a proxy.

    An error of a hub has headers of its own; without them something else may have sent it. For
    other hosts that is considered if there is a proxy, or the headers name one.
    """
    proxy, via = proxy_of(url), "Via" in headers
    if any(name in headers for name in _OF_A_HUB) or not (hub or proxy or via):
        return who
    names = "; ".join(filter(None, (named(headers), proxy)))
    return f"{who}, or something between here and it{names and f' ({names})'},"
