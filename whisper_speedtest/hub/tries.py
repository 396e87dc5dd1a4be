"""Says when a request is made again, after how long, and when it is given up."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import Unavailable
from whisper_speedtest.common.text import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huggingface_hub.utils._http import RateLimitInfo

    from whisper_speedtest.cache.model import ModelError

NETWORK = "check the network, or try again later"

LONGEST_WAIT = 3600
"""Seconds. If a host asks for a longer wait, no further try is made."""

_DAY = 86_400  # seconds
_A_TIME = 1_000_000_000
"""Seconds. A larger X-RateLimit-Reset, or an equal one, is no wait, but a time since 1970.

No limit on requests lasts as long, so a RateLimit with so many seconds counts as not understood.
"""

_NUMBER = re.compile(r"\d{1,10}")
_RESET = re.compile(r"(\d{1,10})(?:\.\d*)?")
FIRST_TRIES = 2
"""How often a host is tried that has never answered, as most likely there is no network."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is made again after 408, 429, 5xx, a timeout, a cut or wrong bytes.

    Attributes:
        attempts: The most tries.
        delay: Seconds to wait after the first try; each further wait is twice as long.
        longest: The longest wait, in seconds.
        progress: A try that brings at least so many bytes is not counted, so that a large file can
            be fetched over a bad line.
        slowest: A try that brings fewer bytes per second is given up.
        window: The seconds over which that rate is measured.
    """

    attempts: int = 5
    delay: float = 0.5
    longest: float = 8.0
    progress: int = 32_000_000
    slowest: float = 10_000
    window: float = 30.0

    def wait(self, attempt: int, asked: float) -> float:
        """Return the seconds to wait after `attempt` tries, if the host asks for `asked`."""
        return min(max(self.delay * 2.0 ** max(attempt - 1, 0), asked), self.longest)


class Cancelled(BaseException):
    """The pre-fetch was given up. It is no Exception, so that no code handles it as an error."""


class Again(Exception):  # noqa: N818 - a reason to try again
    """A try failed, but another one may succeed.

    Attributes:
        wait: The wait that the host asks for, in seconds.
        final: The type of the error to raise after the last try.
        advice: What that error tells the user to do.
        host: The host that did not answer; None if one has answered.
        absent: Whether there was no connection to it.
        broken: Whether it sent something that is not HTTP.
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


def quoted(error: BaseException) -> str:
    """Return an error as messages quote it: type and text, shortened."""
    return short(f"{type(error).__name__}: {error}")


def again_later(said: str, status: int, headers: Mapping[str, str], own_limit: str) -> Again:
    """Return the reason to try again later for a status, with the wait that the host asks for.

    A hub that limits requests says when it accepts more. Any server may send Retry-After, and many
    send X-RateLimit-Reset, in seconds from now or since 1970. `said` is the beginning of the
    reason, and `own_limit` is added to the advice, on how to get a limit of one's own.
    Source: draft-ietf-httpapi-ratelimit-headers-09, as far as huggingface_hub reads it; RFC 9110,
    10.2.3; GitHub's "Rate limits for the REST API" and others like it.
    """
    none_remain = headers.get("X-RateLimit-Remaining", "0").strip() == "0"
    reset = headers.get("X-RateLimit-Reset", "") if none_remain else ""
    if spent := _spent_limit(headers):
        name, wait = short(spent.resource_type), float(spent.reset_in_seconds)
        of_quota = f" of {short(str(spent.limit))}" if spent.limit else ""
        said += f": no request{of_quota} is left in the limit {name!r}, more {_when(wait)}"
    else:
        wait = _seconds(headers.get("Retry-After", "").strip()) or _until(reset.strip())
        if wait:
            said += f": it takes more {_when(wait)}"
    advice = "try again then" if wait else NETWORK
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        advice = f"try again {'then' if wait else 'later'}{own_limit}"
    return Again(said, wait=wait, advice=advice)


def _spent_limit(headers: Mapping[str, str]) -> RateLimitInfo | None:
    """Return the limit with no request remaining; None if RateLimit names no such limit.

    huggingface_hub reads one limit only, where a host may name several.
    """
    from huggingface_hub.utils._http import parse_ratelimit_headers

    policy = headers.get("RateLimit-Policy", "")
    for limit in headers.get("RateLimit", "").split(","):
        with suppress(ValueError):  # Python reads no number of more than 4,300 digits
            found = parse_ratelimit_headers({"RateLimit": limit, "RateLimit-Policy": policy})
            if found and found.remaining == 0 and found.reset_in_seconds < _A_TIME:
                return found
    return None


def _seconds(asked: str) -> float:
    """Return the seconds of a Retry-After, which is a number or a date; 0 for anything else."""
    if _NUMBER.fullmatch(asked):
        return float(asked)
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds() // 1)
    return 0.0


def _until(reset: str) -> float:
    """Return the seconds until X-RateLimit-Reset; 0 if it is past, or no number."""
    number = _RESET.fullmatch(reset)
    seconds = float(number[1]) if number else 0.0
    return max(0.0, (seconds - time.time()) // 1) if seconds >= _A_TIME else seconds


def _when(wait: float) -> str:
    """Return when a wait ends: `in 55 s`, or `on 2065-01-31` if it takes a day or more."""
    if wait < _DAY:
        return f"in {wait:.0f} s"
    return f"on {datetime.now(UTC) + timedelta(seconds=wait):%Y-%m-%d}"
