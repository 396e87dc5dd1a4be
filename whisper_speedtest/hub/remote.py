"""What hubs and web servers have in common: listing and downloading files, tries and refusals.

Files are read through huggingface_hub's own session, and not by `hf_hub_download`: that asks again
for what the listing said, waits for up to minutes between tries of its own, hashes nothing, and
starts a cut download anew in the next run. Here the bytes are hashed as they come, and a cut
download goes on where it stopped.

No exception that is raised here has a cause or context: pytest shows the arguments of each function
in a traceback, and in huggingface_hub's those are headers with the token.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, TypeVar

from whisper_speedtest.hub.hashes import CHUNK, FileDigest, hash_name
from whisper_speedtest.hub.model import Unavailable, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx2

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.hashes import Proof
    from whisper_speedtest.hub.model import ModelError

Value = TypeVar("Value")

_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_NETWORK = "check the network, or try again later"

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
    """

    attempts: int = 5
    delay: float = 0.5
    longest: float = 8.0
    progress: int = 32_000_000

    def wait(self, attempt: int, asked: float) -> float:
        """Return the seconds to wait after `attempt` tries, where the host asks for `asked`."""
        return min(max(self.delay * 2.0 ** max(attempt - 1, 0), asked), self.longest)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as its host lists it.

    `size` is in bytes. `etag` is the sha256 of a file in LFS or by URL, else git's sha1, in hex.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repo at one commit, by name."""

    commit: str
    files: Mapping[str, RemoteFile]


class Cancelled(Exception):  # noqa: N818 - the end of a thread, not an error
    """The pre-fetch was given up."""


class _Again(Exception):  # noqa: N818 - a reason to try again
    """A try failed in a way that the next may not; `wait` is what the host asks for, in seconds."""

    def __init__(
        self, reason: str, *, wait: float = 0.0, final: type[Exception] = Unavailable
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.final = final


class Remote(ABC):
    """A host of files. Thread-safe.

    Remembers that it cannot be reached, so that one model waits for all.
    """

    name: ClassVar[str]
    """What errors call it."""

    def __init__(self, endpoint: str, retry: Retry, timeout: float) -> None:
        """Describe the host; makes no request. `timeout` is in seconds without a byte."""
        self._endpoint = endpoint.rstrip("/")
        self._retry = retry
        self._timeout = timeout
        self._first = threading.Lock()
        self._reached = False
        self._unreachable = ""

    def listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:
        """Resolve a model's revision to a commit, and list the repo's files at it.

        Raises:
            Unavailable: The host cannot be reached, or does not show the repo to this user.
            RepoError: No such repo or revision, or a listing that cannot be right.
            Cancelled: `cancelled` was set.
        """

        def ask() -> Listing:
            return self._tried(str(files), lambda: self._listing(files), cancelled)

        with self._first:  # the first finds out whether there is a host at all; the rest wait
            if not self._reached:
                return ask()
        return ask()

    @abstractmethod
    def _listing(self, files: ModelFiles) -> Listing:
        """Ask for a listing, once."""

    @abstractmethod
    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        """Return a file's address."""

    @abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """Return what this host is told with each request."""

    @abstractmethod
    def _no_host(self) -> str:
        """Return what a web page in place of an answer means."""

    @abstractmethod
    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        """Return what an answer of status 400 or more means that will be the same the next time."""

    def download(
        self,
        files: ModelFiles,
        commit: str,
        file: RemoteFile,
        target: Path,
        advance: Callable[[int], None],
        cancelled: threading.Event,
    ) -> Proof:
        """Write a file of a commit to `target`, and return its proof: it is what was listed.

        `advance` is told of each piece, in bytes; less than 0 where a try was in vain.

        Raises:
            Unavailable: The host cannot be reached, breaks off each time, or refuses.
            RepoError: No such file.
            VerificationError: Other bytes than were listed, each time.
            Cancelled: `cancelled` was set.
        """
        url = self._url(files, commit, file.name)
        resolved = "" if commit == files.revision else f" (commit {commit[:12]})"
        subject = f"{files}{resolved} {file.name}"
        with target.open("wb") as out:
            content = FileDigest(file.size, file.etag)

            def start_over() -> None:
                nonlocal content
                advance(-content.received)
                out.seek(0)
                out.truncate()
                content = FileDigest(file.size, file.etag)

            def keep(pieces: bytearray) -> None:
                out.write(pieces)
                content.update(pieces)
                advance(len(pieces))

            def read(response: httpx2.Response) -> None:
                if response.status_code != HTTPStatus.PARTIAL_CONTENT and content.received:
                    start_over()
                pieces = bytearray()  # together, as each write and hash lets other threads go first
                try:
                    for piece in response.iter_bytes():
                        pieces += piece
                        if cancelled.is_set():
                            raise Cancelled
                        if content.received + len(pieces) > file.size:
                            break
                        if len(pieces) >= CHUNK:
                            keep(pieces)
                            pieces = bytearray()
                finally:
                    keep(pieces)

            def fetch() -> Proof:
                # Once all is there, even a connection that then broke leaves nothing to ask for.
                if content.received < max(file.size, 1):
                    self._stream(subject, files, "GET", url, read, content.received)
                if content.received < file.size:
                    raise _Again(
                        f"expected {file.size} bytes, got {content.received}",
                        final=VerificationError,
                    )
                proof, etag = content.result()
                if etag != file.etag or proof.size != file.size:
                    start_over()
                    more = " or more" if proof.size > file.size else ""
                    raise _Again(
                        f"expected {hash_name(etag)} {file.etag} of {file.size} bytes, "
                        f"got {etag} of {proof.size} bytes{more}",
                        final=VerificationError,
                    )
                return proof

            return self._tried(subject, fetch, cancelled, lambda: content.received)

    def _stream(
        self,
        subject: str,
        files: ModelFiles,
        method: str,
        url: str,
        read: Callable[[httpx2.Response], None],
        start: int = 0,
    ) -> None:
        """Hand the answer to `read`, from byte `start` on or, where it has status 200, all of it.

        A token goes to the endpoint alone: httpx leaves it out where a redirect leads elsewhere.
        """
        from huggingface_hub import get_session

        # Without an encoding, so that sizes and ranges are those of the file.
        headers = {"Accept-Encoding": "identity", **self._headers()}
        if start:
            headers["Range"] = f"bytes={start}-"
        with get_session().stream(method, url, headers=headers, timeout=self._timeout) as response:
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                raise self._refused(subject, files, response)
            kind = response.headers.get("Content-Type", "")
            if kind.startswith("text/html") and not url.endswith(".html"):
                raise self._web_page(subject)
            self._reached = True
            read(response)

    def _tried(
        self,
        subject: str,
        once: Callable[[], Value],
        cancelled: threading.Event,
        received: Callable[[], int] = int,
    ) -> Value:
        """Do `once` until it succeeds, fails for good or has failed too often."""
        import httpx2

        attempt = 0
        while True:
            if self._unreachable:
                raise Unavailable(f"{subject}: {self._unreachable}; {_NETWORK}")
            before = received()
            reachable, absent = True, False
            try:
                return once()
            except _Again as error:
                failure = error
            except (httpx2.RequestError, ConnectionError) as error:
                failure = _Again(f"{type(error).__name__}: {error}")
                never = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                reachable = self._reached and not never
                absent = never and not self._reached
            if received() - before < self._retry.progress:
                attempt += 1
            if attempt >= (FIRST_TRIES if absent else self._retry.attempts):
                if not reachable:
                    self._unreachable = f"cannot reach {self._endpoint} ({failure})"
                    continue
                raise failure.final(f"{subject}: {failure}, after {attempt} tries; {_NETWORK}")
            if cancelled.wait(self._retry.wait(attempt, failure.wait)):
                raise Cancelled

    def _web_page(self, subject: str) -> Unavailable:
        """Return the error for a web page in place of an answer, and remember it."""
        self._unreachable = self._no_host()
        return Unavailable(f"{subject}: {self._unreachable}", self._unreachable)

    def _refused(self, subject: str, files: ModelFiles, response: httpx2.Response) -> Exception:
        """Return what an answer of status 400 or more means."""
        self._reached = True
        status = response.status_code
        if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _Again(
                f"{self.name} answered {status} {response.reason_phrase}",
                wait=_asked_wait(response.headers),
            )
        code = response.headers.get("X-Error-Code", "")
        said = f"{subject}: {self.name} answered {status}{f' {code}' if code else ''}"
        return self._refusal(said, files, response)


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Return how many seconds a host asks to wait, 0 where it does not say.

    A hub that limits requests says when it will take more; any server may send Retry-After.
    """
    from huggingface_hub.utils._http import _parse_retry_after, parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit and not limit.remaining:
        return float(limit.reset_in_seconds)
    return float(_parse_retry_after(headers) or 0)
