"""The settings of the hub cache and the hub: where they are, and their limits."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whisper_speedtest.cache.model import Unavailable
from whisper_speedtest.common.text import short
from whisper_speedtest.hub.tries import Retry, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_LONGEST_TIMEOUT = 3600  # seconds
_ADDRESS = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
_USER = re.compile(r"^(\w+://)?.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Where the hub cache and the hub are, and their limits.

    Attributes:
        cache: The folder of HF_HUB_CACHE. It is made absolute, as engines run in other folders.
        endpoint: The hub's address, as HF_ENDPOINT.
        token: Sent to the endpoint only, and to no other server; never shown.
        no_token: Why there is no token although the user meant to give one; else "".
        no_hub: Which variables make the hub unusable, and why; "" if none does.
        offline: Whether no request may be made.
        memory: Bytes of the machine's memory; larger models are not fetched. None: any are.
        retry: How often, and when, requests are made again.
        timeout: Seconds without a byte, for connecting and for reading.
        workers: How many models are verified, and how many files downloaded, at once.
    """

    cache: Path
    endpoint: str
    token: str | None = field(default=None, repr=False)
    no_token: str = ""
    no_hub: str = ""
    offline: bool = False
    memory: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = 10.0
    workers: int = 8

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "cache", self.cache.absolute())
        except FileNotFoundError:
            raise Unavailable(
                f"the hub cache {self.cache} is named from the current folder, which was removed; "
                "change to a folder that exists, or set HF_HUB_CACHE to an absolute path"
            ) from None

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Self:
        """Return the settings of HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and similar variables.

        huggingface_hub reads them when it is first imported. Unusable values are hidden from it, as
        some would make the import fail. `offline` makes it offline even without HF_HUB_OFFLINE.

        Raises:
            Unavailable: huggingface_hub cannot be imported.
        """
        import psutil

        wrong = wrong_variables(os.environ)
        hidden = {name: os.environ.pop(name) for name in wrong}
        try:
            from huggingface_hub import constants, file_download  # noqa: F401 - used by the cache
        except Exception as error:  # noqa: BLE001 - whatever somebody's code did
            raise Unavailable(
                f"cannot use huggingface_hub ({quoted(error)}); install requirements/tests.txt anew"
            ) from None
        finally:
            os.environ.update(hidden)
        offline = offline or constants.is_offline_mode()
        token, no_token = (None, "") if offline else _token()
        return cls(
            cache=Path(constants.HF_HUB_CACHE),
            endpoint=constants.ENDPOINT,
            token=token,
            no_token=no_token,
            no_hub="; ".join(wrong.values()),
            offline=offline,
            memory=psutil.virtual_memory().total,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )


def _is_address(text: str) -> bool:
    with suppress(ValueError):  # a port or brackets that no address can have
        return bool(_ADDRESS.fullmatch(text) and (urlsplit(text).port or 1))
    return False


def _is_timeout(text: str) -> bool:
    with suppress(ValueError):
        return 0 <= int(text) <= _LONGEST_TIMEOUT  # to huggingface_hub, 0 is its own choice
    return False


_SECONDS = (_is_timeout, f"seconds, up to {_LONGEST_TIMEOUT}")
_EXPECTED = {
    "HF_ENDPOINT": (_is_address, "a hub's address, https://host"),
    "HF_HUB_DOWNLOAD_TIMEOUT": _SECONDS,
    "HF_HUB_ETAG_TIMEOUT": _SECONDS,
}


def wrong_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return each variable that makes the hub unusable → what is wrong with it."""
    wrong = {}
    for name, (is_right, expected) in _EXPECTED.items():
        if name in variables and not is_right(variables[name]):
            got = short(repr(_USER.sub(r"\1", variables[name])))
            wrong[name] = f"expected {name} to be {expected}, got {got}; correct or unset it"
    return wrong


def _token() -> tuple[str | None, str]:
    """Return the token that huggingface_hub finds, or why there is none although one was given.

    Public repos need no token, so a missing one is no error until a host asks for it.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None, ""
    try:
        token = get_token()
    except Exception as error:  # noqa: BLE001 - whatever it makes of the file or of a service
        return None, f"it could not be read ({quoted(error)}); set HF_TOKEN"
    for at, character in enumerate(token or "", 1):
        if not "!" <= character <= "~":
            wrong = f"character {at} of it is U+{ord(character):04X}, which no header may have"
            return None, f"{wrong}; set HF_TOKEN anew"
    return token, ""
