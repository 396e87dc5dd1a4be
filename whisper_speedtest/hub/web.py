"""A plain web server: files that a check map names by URL and sha256, with no hub involved."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from whisper_speedtest.cache.evidence import Listing, RemoteFile
from whisper_speedtest.cache.hashes import is_sha256
from whisper_speedtest.cache.model import RepoError, Unavailable
from whisper_speedtest.common.text import short
from whisper_speedtest.hub.between import BETWEEN
from whisper_speedtest.hub.remote import Remote

if TYPE_CHECKING:
    import threading

    import httpx2

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.model import ModelError

_FOLDER = re.compile(r"(https?://[\w.-]+(?::\d+)?)(?:/[^\s/?#@\\]+)*")


def origin(files: ModelFiles) -> str:
    """Return the scheme, host and port of a file by URL.

    Raises:
        RepoError: The check map's entry cannot be fetched and verified.
    """
    if not (folder := _FOLDER.fullmatch(files.repo)):
        wrong = (
            "the URL of a folder, https://host/path, without user, query or slash at its end, "
            f"got {files.repo}"
        )
    elif not is_sha256(files.revision):
        wrong = f"the file's sha256, 64 hex digits, as its revision, got {files.revision!r}"
    elif len(files.files) != 1:
        wrong = f"one file, the one that has this sha256, got {files.files}"
    else:
        return folder[1]
    raise RepoError(f"{files}: expected {wrong}; fix the adapter's check map")


class WebServer(Remote):
    """A web server at one origin. Requests to it carry no token."""

    name: ClassVar = "the server"
    gives: ClassVar = "a file"
    named_in: ClassVar = "the URL in the adapter's check map"

    def _listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:  # noqa: ARG002
        """Request only the size of the file, as the check map has its name and hash."""
        (name,) = files.files
        url = self._url(files, files.revision, name)
        with self._open(str(files), files, "HEAD", url) as response:
            response.read()  # no bytes; it frees the connection for the next request
            size = response.headers.get("Content-Length", "")
        if not size.isdecimal():
            raise RepoError(
                f"{files}: expected {self.name} to say how long {name} is (Content-Length), "
                f"got {short(size)!r}; check {self.named_in}"
            )
        file = RemoteFile(name, int(size), files.revision)
        return Listing(files.repo, files.revision, {name: file})

    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        return f"{files.repo}/{commit}/{quote(name)}"

    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return Unavailable(
                f"{said}: expected it to say how long {files.files[0]} is, without sending it "
                f"(HEAD); check {self.named_in}, {BETWEEN}"
            )
        if response.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return Unavailable(
                f"{said}: it does not give {files.files[0]} to everybody, and no token is sent to "
                f"it; check {self.named_in}, and whether a proxy forbids it"
            )
        if response.request.method == "GET":
            return Unavailable(
                f"{said}: it has said a moment ago how long that is; try again later"
            )
        return RepoError(
            f"{said}: expected {self._url(files, files.revision, files.files[0])} to exist; "
            "fix the adapter's check map"
        )
