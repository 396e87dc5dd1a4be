"""Texts that name no person, machine or place: what a failure says may quote all of them.

Of a path in the project, in Python's installation or in the hub cache, what follows that folder is
kept, since it is the same everywhere. Paths of the system stay as they are. Of any other path
nothing is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from whisper_speedtest.measure.result import Result

SECRET, USER, HOST, PATH, HOME = "<secret>", "<user>", "<host>", "<path>", "~/…"

NOBODY = frozenset({"root"})
"""Users that many machines have, and that other things are called, too."""

EVERYWHERE = frozenset({"localhost", "127.0.0.1", "::1", "huggingface.co"})
"""Hosts that say nothing of the machine or its network."""

SYSTEM = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/proc/", "/sys/", "/dev/", "/System/")
"""Where every machine has the same files."""

_SECRET_NAME = re.compile("TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)
_LEAST_SECRET = 6
"""Characters: what is shorter is no secret, and a part of other words."""

_TOKEN = re.compile(r"\bhf_\w{4,}")
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUOTED_PATH = re.compile(r"""(?P<quote>['"])(?P<path>/+(?![\s/])[^'"\n]+)(?P=quote)""")
"""An absolute path in quotes, which may hold spaces. A slash before a space begins none, as the
quote before it may be the end of another text."""

_REST = r"""[^\s'"`,;()\[\]<>]"""
_BEGINS = r"(?:(?<![\w.~>/…-])(?!(?<=:)//)|(?<=\bfile://)|(?<=\s-[A-Za-z]))/+(?![\s/])"
"""The slashes before an absolute path, as of `-I/opt` and `file:///opt`, not of `and/or`."""


@dataclass(frozen=True, slots=True)
class Neutral:
    """What to replace on this machine, and by which words."""

    kept: Mapping[str, str]
    """A folder → what stands for it, before the rest of a path in it."""

    left_out: Mapping[str, str]
    """A folder → what stands for it and any path in it."""

    secrets: tuple[str, ...]
    names: Mapping[str, str]
    """A user or host → what stands for it."""

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        *,
        home: Path | None,
        user: str,
        host: str,
        kept: Mapping[Path, str],
        private: Iterable[Path] = (),
    ) -> Neutral:
        """Return what to replace on a machine with this environment, user and name.

        `kept` are folders whose content is the same everywhere, each with the word for it;
        `private` are folders of which nothing may be told.
        """
        hosts = [host, host.partition(".")[0], *(_host(*each) for each in environment.items())]
        names = {each: HOST for each in hosts if each and each not in EVERYWHERE}
        return cls(
            kept={each: word for path, word in kept.items() for each in _spellings(path)},
            left_out={each: PATH for path in private for each in _spellings(path)}
            | dict.fromkeys(_spellings(home) if home else (), HOME),
            secrets=tuple(
                value
                for name, value in environment.items()
                if _SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET
            ),
            names=names | ({user: USER} if user and user not in NOBODY else {}),
        )

    def result(self, result: Result) -> Result:
        """Return a result whose reason names nothing of this machine."""
        return msgspec.structs.replace(
            result, reason=self.text(result.reason), cause=self.text(result.cause)
        )

    def text(self, text: str) -> str:
        """Return a text that names nothing of this machine."""
        for secret in _longest_first(self.secrets):
            text = text.replace(secret, SECRET)
        text = _TOKEN.sub(SECRET, _USER_IN_URL.sub(f"{SECRET}@", text))
        text = _QUOTED_PATH.sub(self._quoted, text)
        known = "|".join(map(re.escape, _longest_first([*self.kept, *self.left_out])))
        beginning = rf"/*(?:{known})(?![\w-])" if known else "(?!)"
        text = re.sub(rf"(?:{beginning}|{_BEGINS}){_REST}*", self._bare, text)
        for name in _longest_first(self.names):
            word = self.names[name]
            case = re.IGNORECASE if word == HOST else re.NOFLAG
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text, flags=case)
        return text

    def _quoted(self, match: re.Match[str]) -> str:
        return match["quote"] + self._path(match["path"]) + match["quote"]

    def _bare(self, match: re.Match[str]) -> str:
        """Return what stands for a path, before the full stop or colon that may end it."""
        path = match[0].rstrip(".:")
        return self._path(path) + match[0][len(path) :]

    def _path(self, path: str) -> str:
        """Return what stands for an absolute path."""
        path = "/" + path.lstrip("/")
        for folder in _longest_first([*self.kept, *self.left_out]):
            if path == folder or path.startswith(f"{folder}/"):
                kept = self.kept.get(folder)
                return self.left_out[folder] if kept is None else kept + path[len(folder) :]
        return path if path.startswith(SYSTEM) else PATH


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=len, reverse=True)


def _spellings(path: Path) -> set[str]:
    """Return a folder as it is written, and with links followed; nothing for the topmost one."""
    return {str(path.absolute()), str(path.resolve())} - {"/"}


def _host(name: str, value: str) -> str:
    """Return the host of the address that a variable holds; "" where it holds none."""
    if name.lower().endswith("_proxy") and "://" not in value:
        value = f"//{value}"
    elif "://" not in value:
        return ""
    try:
        return urlsplit(value).hostname or ""
    except ValueError:
        return ""
