"""When a request is made again, after how long, and when it is given up."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from whisper_speedtest.hub.model import Unavailable
from whisper_speedtest.hub.sizes import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from whisper_speedtest.hub.model import ModelError

NETWORK = "check the network, or try again later"

FAR = 3600
"""Seconds. No try is made any more where a host asks for a longer wait."""

_IN_DAYS = 86_400  # seconds from which a date is told
_EPOCH = 1_000_000_000  # seconds: what is no less is no wait, but a time since 1970
_NUMBER = re.compile(r"\d{1,10}")
_RESET = re.compile(r"(\d{1,10})(?:\.\d*)?")
_SPENT = re.compile(r'"([^"]*)"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})(?!\d)')
_MOST = re.compile(r"\bq\s*=\s*(\d{1,9})(?!\d)")

FIRST_TRIES = 2
"""How often a host is tried that has never answered: most likely there is no network."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is made that ends in 408, 429, 5xx, a timeout, a cut or wrong bytes.

    Attributes:
        attempts: Tries in all.
        delay: Seconds to wait after the first try; each further wait is twice as long.
        longest: No wait is longer than this, in seconds.
        progress: A try that brought so many bytes is not counted, so that a large file can be
            fetched over a bad line.
        slowest: A try is given up that brings fewer bytes per second than this.
        window: Seconds over which that rate is taken.
    """

    attempts: int = 5
    delay: float = 0.5
    longest: float = 8.0
    progress: int = 32_000_000
    slowest: float = 10_000
    window: float = 30.0

    def wait(self, attempt: int, asked: float) -> float:
        """Return the seconds to wait after `attempt` tries, where the host asks for `asked`."""
        return min(max(self.delay * 2.0 ** max(attempt - 1, 0), asked), self.longest)


class Cancelled(BaseException):
    """The pre-fetch was given up. No Exception, so that nobody takes it for a fault."""


class Again(Exception):  # noqa: N818 - a reason to try again
    """A try failed in a way that the next may not.

    `wait` is what the host asks for, in seconds, and `advice` what to do after the last try. `host`
    is the one that gave no answer, None where one did; it is `absent` if no connection was made.
    What it sent is `broken` where that is no answer by the rules of HTTP.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait: float = 0.0,
        final: type[ModelError] = Unavailable,
        advice: str = NETWORK,
        host: str | None = None,
        absent: bool = False,
        broken: bool = False,
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.final = final
        self.advice = advice
        self.host = host
        self.absent = absent
        self.broken = broken


_CONNECTIONS: WeakSet[Any] = WeakSet()
"""All that were made while somebody watched, and that are still there."""


class StallGuard:
    """Ends a connection, until it is closed itself, on which bytes come and yet nothing gets on.

    A client's time limit begins anew with each byte, so that it waits for ever for the end of a
    header that comes byte by byte. Here each part of an exchange has the limit, in seconds, and so
    has each piece of a body; it may take twice as long until one is missed.
    """

    def __init__(self, limit: float) -> None:
        self.stalled = False
        self.response: httpx2.Response | None = None
        self._limit = limit
        self._parts = 0
        self._before: tuple[int, int] | None = None
        self._made: Any = None
        self._begun = False
        self._closed = threading.Event()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of a part that begins or ends: httpx calls this extension of a request."""
        self._parts += 1
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._made = info["return_value"]
            _CONNECTIONS.add(self._made)
        elif not event.endswith("send_request_headers.started"):
            return
        if not self._begun:  # until there is a connection, the client's own limits hold
            self._begun = True
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._closed.wait(self._limit):
            self.look()

    def look(self) -> None:
        """End the connection if nothing has got on since the last look."""
        now = self._parts, self.response.num_bytes_downloaded if self.response else 0
        self.stalled |= now == self._before
        self._before = now
        if self.stalled:
            for connection in self._connections():
                with suppress(OSError):  # it has ended in this moment
                    socket.socket.shutdown(connection.get_extra_info("socket"), socket.SHUT_RDWR)

    def _connections(self) -> list[Any]:
        """Return the connection of this exchange.

        Of one that was there before, nothing tells which it is until its answer begins. Then all
        are ended; the other exchanges go on in their next try, where they stopped.
        """
        if self._made is not None:
            return [self._made]
        if self.response is not None:
            return [self.response.extensions["network_stream"]]
        return list(_CONNECTIONS)

    def close(self) -> None:
        """End the watch."""
        self._closed.set()


def quoted(error: BaseException) -> str:
    """Return an error as a message quotes it."""
    return short(f"{type(error).__name__}: {error}")


def again_later(said: str, status: int, headers: Mapping[str, str], own_limit: str) -> Again:
    """Return what a status means that may be another one later: when, and of which limit it is.

    A hub that limits requests says when it will take more; any server may send Retry-After, and
    many send X-RateLimit-Reset, a number of seconds from now or since 1970. `own_limit` says how to
    have a limit that is not everybody's.
    Source: draft-ietf-httpapi-ratelimit-headers-09, as far as huggingface_hub reads it; RFC 9110,
    10.2.3; GitHub's "Rate limits for the REST API" and others like it.
    """
    spent_up = headers.get("X-RateLimit-Remaining", "0").strip() == "0"
    reset = headers.get("X-RateLimit-Reset", "") if spent_up else ""
    if spent := _SPENT.search(headers.get("RateLimit", "")):
        most = _MOST.search(headers.get("RateLimit-Policy", ""))
        of = f" of {most[1]}" if most else ""
        wait = float(spent[2])
        said += f": no request{of} is left in the limit {short(spent[1])!r}, more {_when(wait)}"
    elif wait := _seconds(headers.get("Retry-After", "").strip()) or _until(reset.strip()):
        said += f": it takes more {_when(wait)}"
    advice = "try again then" if wait else NETWORK
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        advice = f"try again {'then' if wait else 'later'}{own_limit}"
    return Again(said, wait=wait, advice=advice)


def _seconds(asked: str) -> float:
    """Return the seconds until a number of them has passed, or a date comes; 0 for all else."""
    if _NUMBER.fullmatch(asked):
        return float(asked)
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds() // 1)
    return 0.0


def _until(reset: str) -> float:
    """Return the seconds from now until X-RateLimit-Reset; 0 where it is past, or no number."""
    number = _RESET.fullmatch(reset)
    seconds = float(number[1]) if number else 0.0
    return max(0.0, (seconds - time.time()) // 1) if seconds >= _EPOCH else seconds


def _when(wait: float) -> str:
    """Return when a wait is over: `in 55 s`, or from a day on `on 2065-01-31`."""
    if wait < _IN_DAYS:
        return f"in {wait:.0f} s"
    return f"on {datetime.now(UTC) + timedelta(seconds=wait):%Y-%m-%d}"
