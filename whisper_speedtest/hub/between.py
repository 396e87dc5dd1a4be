"""What may be between here and a host, as far as it can be known, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from adapters.errors import limit_told
from whisper_speedtest.hub.sizes import short
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
"""What to do about a host that cannot be reached, by words in the error; the first counts."""

_OF_A_HUB = ("X-Error-Code", "X-Error-Message", "RateLimit")
"""Headers by which a hub's own refusals are known: nothing in between sends them."""


def named(headers: Mapping[str, str]) -> str:
    """Return what those who answer say of themselves; "" where they say nothing."""
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
    """Return what to check where requests to some hosts go through a proxy; "" where none do.

    macOS has some in its settings, where no variable is set.
    """
    if not getproxies().keys() - {"no"}:
        return ""
    return PROXY if getproxies_environment().keys() - {"no"} else SETTINGS


def next_step(said: str, named_in: str) -> str:
    """Return what to do about a host that cannot be reached, by what the error says.

    `named_in` is what its address is in; "" of a host that another one redirects to.
    """
    step = next((step for words, step in _STEPS.items() if words in said), "")
    step = step or limit_told(said) or NETWORK
    if step in {_NO_TLS, _ANOTHER} and not named_in:
        step = NETWORK
    if where := proxies_are_in():
        step += f"; there is a proxy in between: {where}"
    return step.format(named_in=named_in)


def answering(who: str, url: httpx2.URL, headers: Mapping[str, str], *, hub: bool) -> str:
    """Return who has sent an error that any host or proxy may send: `who`, as far as is known.

    A hub (`hub`) has headers of its own, without which it may be something else. Of other hosts
    that is said where there is a proxy, or an answer tells what it went through.
    """
    proxy, via = proxy_of(url), "Via" in headers
    if any(name in headers for name in _OF_A_HUB) or not (hub or proxy or via):
        return who
    names = "; ".join(filter(None, (named(headers), proxy)))
    return f"{who}, or something between here and it{names and f' ({names})'},"
