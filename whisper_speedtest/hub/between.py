"""Finds out what may be between this machine and a host, such as a proxy, and what to do then."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from adapters.errors import advice_on_limit_in
from whisper_speedtest.common.text import short
from whisper_speedtest.hub.tries import NETWORK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

PROXY = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
SETTINGS = "check the proxies in the network settings of this system"
BETWEEN = "and which proxy or filter is in between"
"""Ends an advice to check where a host's address is set."""

_CLOCK = "check the clock of this machine, and whether the certificate of that host is out of date"
_NO_TLS = "it speaks no https there: write http:// in {named_in}"
_ANOTHER_HOST = f"another host answers there: check {{named_in}}, {BETWEEN}"
_UNKNOWN_SIGNER = (
    "name the certificate of whoever signs for hosts in your network, as a proxy that reads "
    "along, in SSL_CERT_FILE"
)
_STEPS = {
    "certificate has expired": _CLOCK,
    "certificate is not yet valid": _CLOCK,
    "certificate is not valid for": _ANOTHER_HOST,
    "CERTIFICATE": _UNKNOWN_SIGNER,
    # Without SSL_CERT_FILE, macOS itself checks certificates, and its errors have other words.
    "certificate is expired": _CLOCK,
    "certificate name does not match": _ANOTHER_HOST,
    "certificate is not": _UNKNOWN_SIGNER,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
}
"""Words in the error → what to do about a host that cannot be reached; the first match counts."""

_OF_A_HUB = ("X-Error-Code", "X-Error-Message", "RateLimit")
"""Headers of a refusal that come from a hub itself, and from nothing in between."""


def sender_named(headers: Mapping[str, str]) -> str:
    """Return what the headers of an answer tell of its sender; "" if nothing."""
    for header in ("Via", "WWW-Authenticate", "Server"):
        if value := headers.get(header):
            return short(value)
    return ""


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
    step = step or advice_on_limit_in(said) or NETWORK
    if step in {_NO_TLS, _ANOTHER_HOST} and not named_in:
        step = NETWORK
    if where := proxies_are_in():
        step += f"; there is a proxy in between: {where}"
    return step.format(named_in=named_in)


def answering(who: str, url: httpx2.URL, headers: Mapping[str, str], *, hub: bool) -> str:
    """Return who has sent an error: the host `who`, or perhaps something in between, as a proxy.

    `hub` says whether the host is a hub, whose errors have headers of their own: without them,
    something else may have sent it. So it may if there is a proxy, or the headers name one.
    """
    proxy = proxy_of(url)
    by_a_hub = any(name in headers for name in _OF_A_HUB)
    if by_a_hub or not (hub or proxy or "Via" in headers):
        return who
    names = "; ".join(filter(None, (sender_named(headers), proxy)))
    in_brackets = f" ({names})" if names else ""
    return f"{who}, or something between here and it{in_brackets},"
