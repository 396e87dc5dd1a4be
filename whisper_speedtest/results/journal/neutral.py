"""Removes secrets and the names of users, hosts and folders from the text of a failure.

Journals and reports are made to be shared, and the message of an error may quote anything. Of a
path in the project, in Python's installation or in the hub cache, a word stands for that folder and
the rest is kept, as it is the same on every machine. Paths of the system stay as they are. Any
other path is replaced as a whole.
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
"""What stands for a secret, a name, or a path; HOME for the user's folder and any path in it."""

NOBODY = frozenset({"root"})
"""Names of users that say nothing of a person, and are common words."""

EVERYWHERE = frozenset({"localhost", "127.0.0.1", "::1", "huggingface.co"})
"""Hosts that say nothing of the machine or its network."""

SYSTEM = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/proc/", "/sys/", "/dev/", "/System/")
"""Folders with the same files on every machine."""

_SECRET_NAME = re.compile("TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)
"""Names of environment variables that hold a secret."""

_LEAST_SECRET = 6
"""Characters of the shortest secret: a shorter text may be a part of any word."""

_TOKEN = re.compile(r"\bhf_\w{4,}")
"""An access token of Hugging Face."""

_USER_IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")
"""The user, and password, before the host in a URL."""

_QUOTED_PATH = re.compile(r"""(?P<quote>['"])(?P<path>/+(?![\s/])[^'"\n]+)(?P=quote)""")
"""An absolute path in quotes, which may hold spaces. A slash before a space begins no path, as the
quote before it may be the end of another text."""

_REST = r"""[^\s'"`,;()\[\]<>]"""
"""A character of a path without quotes."""

_BEGINS = r"(?:(?<![\w.~>/…-])(?!(?<=:)//)|(?<=\bfile://)|(?<=\s-[A-Za-z]))/+(?![\s/])"
"""The slashes that begin an absolute path, as in `-I/opt` and `file:///opt`, not in `and/or`."""


@dataclass(frozen=True, slots=True)
class Neutral:
    """What to replace on one machine, and by which words."""

    kept: Mapping[str, str]
    """Folder → the word for it, which the rest of a path in it follows."""

    left_out: Mapping[str, str]
    """Folder → the word for it and for any path in it."""

    secrets: tuple[str, ...]
    names: Mapping[str, str]
    """User or host → the word for it."""

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
        """Return what to replace on a machine with these environment variables, user and host.

        `kept` are folders with the same files on every machine, each with the word for it;
        `private` are folders whose paths must not be in a text. `home` is None, and `user` is "",
        where it is not known.
        """
        hosts = [host, host.partition(".")[0], *(_host(*each) for each in environment.items())]
        names = {each: HOST for each in hosts if each and each not in EVERYWHERE}
        if user and user not in NOBODY:
            names[user] = USER
        left_out = {each: PATH for path in private for each in _spellings(path)}
        if home:
            left_out |= dict.fromkeys(_spellings(home), HOME)
        secrets = tuple(
            value
            for name, value in environment.items()
            if _SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET
        )
        kept_spellings = {each: word for path, word in kept.items() for each in _spellings(path)}
        return cls(kept_spellings, left_out, secrets, names)

    def result(self, result: Result) -> Result:
        """Return a result whose reason and cause name nothing of the machine."""
        return msgspec.structs.replace(
            result, reason=self.text(result.reason), cause=self.text(result.cause)
        )

    def text(self, text: str) -> str:
        """Return a text that names nothing of the machine."""
        for secret in _longest_first(self.secrets):
            text = text.replace(secret, SECRET)
        text = _TOKEN.sub(SECRET, _USER_IN_URL.sub(f"{SECRET}@", text))
        text = _QUOTED_PATH.sub(self._quoted, text)
        folders = "|".join(map(re.escape, _longest_first([*self.kept, *self.left_out])))
        known = rf"/*(?:{folders})(?![\w-])" if folders else "(?!)"  # the latter matches nothing
        text = re.sub(rf"(?:{known}|{_BEGINS}){_REST}*", self._bare, text)
        for name in _longest_first(self.names):
            word = self.names[name]
            flags = re.IGNORECASE if word == HOST else re.NOFLAG
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text, flags=flags)
        return text

    def _quoted(self, match: re.Match[str]) -> str:
        """Return what stands for a path in quotes, with the quotes."""
        return match["quote"] + self._path(match["path"]) + match["quote"]

    def _bare(self, match: re.Match[str]) -> str:
        """Return what stands for a path without quotes, and the `.` or `:` behind it, if any."""
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
    """Return texts in an order in which none is replaced as a part of a longer one."""
    return sorted(texts, key=len, reverse=True)


def _spellings(path: Path) -> set[str]:
    """Return a folder's path as it is written, and with links followed; nothing for `/`."""
    return {str(path.absolute()), str(path.resolve())} - {"/"}


def _host(name: str, value: str) -> str:
    """Return the host of the URL that an environment variable holds; "" where it holds none.

    The value of a proxy variable may lack the scheme of the URL.
    """
    if name.lower().endswith("_proxy") and "://" not in value:
        value = f"//{value}"
    elif "://" not in value:
        return ""
    try:
        return urlsplit(value).hostname or ""
    except ValueError:
        return ""
