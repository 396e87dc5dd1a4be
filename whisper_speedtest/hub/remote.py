"""The base class of hubs and web servers: lists and downloads files, tries again, explains errors.

Files are downloaded through huggingface_hub's HTTP session, but not by its `hf_hub_download`: that
repeats the request of the listing, waits for up to minutes between tries of its own, hashes
nothing, and starts a cut download anew in the next run. Here the bytes are hashed as they arrive,
and a cut download is continued in the same run or in the next one.

No exception that is raised here has a cause or context. pytest would show the arguments of their
functions in a traceback, and for those of huggingface_hub these are headers with the token.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, TypeVar

from whisper_speedtest.cache.model import Unavailable, VerificationError
from whisper_speedtest.cache.sizes import human, short
from whisper_speedtest.hub.between import BETWEEN, PROXY, answering, next_step, proxy_of
from whisper_speedtest.hub.part import Part
from whisper_speedtest.hub.tries import (
    FAR,
    FIRST_TRIES,
    NETWORK,
    Again,
    Cancelled,
    StallGuard,
    again_later,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx2

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.evidence import Listing, RemoteFile
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.hub.tries import Retry

Value = TypeVar("Value")

_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_PASSING = {"502", "503", "504"}
"""Statuses of a proxy that cannot reach a host now, but may reach it later."""
_NOTHING = "Server disconnected"
"""The beginning of httpx's error if no answer has begun."""

_PAGES = ("text/html", "application/xhtml")
_REDIRECTS = 10
_REDIRECTING = 3  # time limits, of all redirects together


class Remote(ABC):
    """A host of files, with the hosts that it redirects to. Thread-safe.

    It remembers which of them cannot be reached, so that only one model waits for each.
    """

    name: ClassVar[str]
    """The name of the host in errors."""
    gives: ClassVar[str]
    """What its answers are, in errors."""
    named_in: ClassVar[str]
    """Where its address is set."""
    is_hub: ClassVar[bool] = False
    """Whether it is a hub, whose errors have headers of their own."""
    own_limit: ClassVar[str] = ""
    """Advice on how to get a limit on requests of one's own, which is added to other advice."""

    def __init__(self, endpoint: str, retry: Retry, timeout: float) -> None:
        """Describe the host, and make no request. `timeout` is in seconds without a byte."""
        self._endpoint = endpoint.rstrip("/")
        self._retry = retry
        self._timeout = timeout
        self._first = threading.Lock()
        # By host and port; the endpoint's own are "".
        self._reached: set[str] = set()
        self._sent_by: dict[str, str] = {}  # who redirected to a host last
        self._away: dict[str, str] = {}  # why a host is asked no more

    def listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:
        """Resolve a model's revision to a commit, and list the repo's files at it.

        Raises:
            Unavailable: The host cannot be reached, or does not show the repo to this user.
            RepoError: There is no such repo, revision or file.
            Cancelled: `cancelled` was set.
        """

        def ask() -> Listing:
            return self._tried(str(files), lambda: self._listing(files, cancelled), cancelled)

        with self._first:  # the first finds out whether there is a host at all; the rest wait
            if "" not in self._reached:
                return ask()
        return ask()

    @abstractmethod
    def _listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:
        """Request a listing, once."""

    @abstractmethod
    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        """Return a file's address."""

    def _headers(self) -> Mapping[str, str]:
        """Return the headers of each request to this host."""
        return {}

    @abstractmethod
    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        """Return the error for a status of 300 or more that another try would not change.

        `said` names the subject, the host, the status and its reason.
        """

    def download(
        self,
        files: ModelFiles,
        commit: str,
        file: RemoteFile,
        target: Path,
        advance: Callable[[int], None],
        cancelled: threading.Event,
    ) -> Proof:
        """Download a file of a commit to `target`, and return its proof, which matches the listing.

        If `target` has content, the download continues after it; if the hash of the whole then
        differs, it starts over. `advance` is called with the bytes of each further piece, and with
        a negative number when bytes are discarded.

        Raises:
            Unavailable: A host cannot be reached, breaks off each time, is too slow, or refuses.
            RepoError: There is no such file.
            VerificationError: Each try brought other bytes than were listed.
            Cancelled: `cancelled` was set.
        """
        url = self._url(files, commit, file.name)
        resolved = "" if commit == files.revision else f" (commit {commit[:12]})"
        subject = f"{files}{resolved} {file.name}"
        target.touch()
        with target.open("r+b") as out:
            part = Part(out, file, advance)

            def fetch() -> Proof:
                # Once all is there, even a connection that then broke leaves nothing to ask for.
                if part.size < max(file.size, 1):
                    with self._open(subject, files, "GET", url, part.size) as response:
                        if response.status_code != HTTPStatus.PARTIAL_CONTENT and part.size:
                            part.start_over()
                        part.add(self._pieces(response, cancelled))
                return part.proof()

            try:
                return self._tried(subject, fetch, cancelled, lambda: part.size)
            except VerificationError:
                part.start_over()  # no later run should go on with this
                raise

    @contextmanager
    def _open(
        self, subject: str, files: ModelFiles, method: str, url: str, start: int = 0
    ) -> Iterator[httpx2.Response]:
        """Yield the answer from byte `start` on, or all of it if its status is 200.

        Redirects are followed one by one, so that it is known which host answers or fails. A token
        is only sent to the endpoint: httpx removes it from a redirect to another host.
        """
        import httpx2

        malformed = httpx2.RemoteProtocolError, httpx2.DecodingError
        self._check(subject, "")
        # Without an encoding, so that sizes and ranges are those of the file.
        headers = {"Accept-Encoding": "identity", **self._headers()}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            client = self._client()
            send = partial(client.send, stream=True, follow_redirects=False)
            request = client.build_request(method, url, headers=headers, timeout=self._timeout)
        except Exception as error:  # noqa: BLE001 - of whatever the environment made httpx do
            reason = f"cannot make a request to {self._endpoint} ({quoted(error)})"
            raise self._gave_up(subject, f"{reason}; {PROXY}, and SSL_CERT_FILE") from None
        home = request.url.netloc
        limit = _REDIRECTING * self._timeout
        ends = time.monotonic() + limit
        for _ in range(_REDIRECTS):
            if time.monotonic() > ends:
                break
            host = "" if request.url.netloc == home else request.url.netloc.decode()
            self._check(subject, host)
            watch = StallGuard(self._timeout)
            request.extensions["trace"] = watch.trace
            try:
                with closing(watch), closing(send(request)) as response:
                    self._reached.add(host)
                    watch.response = response
                    if response.next_request is None:
                        self._judge(subject, files, host, response)
                        yield response
                        return
                    request = response.next_request
                self._sent_by[request.url.netloc.decode()] = host or self._endpoint
                if request.url.scheme not in {"http", "https"}:
                    raise Unavailable(
                        f"{subject}: expected to be led to an http address, {host or self.name} "
                        f"leads to {_shown(request.url)}; check {self.named_in}, {BETWEEN}"
                    )
            except (
                httpx2.ProxyError,
                httpx2.UnsupportedProtocol,
                httpx2.LocalProtocolError,
                UnicodeError,  # of a host's name
            ) as no:
                if isinstance(no, httpx2.ProxyError) and str(no)[:3] in _PASSING:
                    proxy, asked = proxy_of(request.url) or "the proxy", self._place(host)
                    reason = f"{proxy} answered {short(str(no))}, asked for {asked}"
                    raise Again(reason, advice=f"{NETWORK}; {PROXY}") from None
                reason = f"cannot make a request to {self._place(host)} ({quoted(no)})"
                advice = "check HF_ENDPOINT, the token and the proxy (HTTPS_PROXY)"
                raise self._gave_up(subject, f"{reason}; {advice}", host) from None
            except (httpx2.RequestError, ConnectionError) as error:
                reason, advice, broken = quoted(error), NETWORK, False
                if watch.stalled:
                    reason = f"{request.url.host} sent no part of an answer"
                    reason += f" in {self._timeout:.3g} s, and yet bytes"
                elif isinstance(error, malformed) and not str(error).startswith(_NOTHING):
                    place, broken = host or self._endpoint, True
                    reason = f"expected HTTP from {place}, got a broken answer ({reason})"
                    advice = f"check the network, {BETWEEN}"
                absent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                raise Again(
                    reason, advice=advice, host=host, absent=absent, broken=broken
                ) from None
        raise Unavailable(
            f"{subject}: expected at most {_REDIRECTS} redirects, in {limit:.3g} s, {self.name} "
            f"leads on to {_shown(request.url)}; {NETWORK}"
        )

    def _client(self) -> httpx2.Client:
        """Return the HTTP client; huggingface_hub may raise any exception here."""
        from huggingface_hub import get_session

        return get_session()

    def _pieces(self, response: httpx2.Response, cancelled: threading.Event) -> Iterator[bytes]:
        """Yield an answer's bytes as they arrive; raise Again if they arrive too slowly."""
        began, came = time.monotonic(), 0
        for piece in response.iter_bytes():
            if cancelled.is_set():
                raise Cancelled
            yield piece
            came += len(piece)
            seconds = time.monotonic() - began
            if seconds >= self._retry.window:
                if came < self._retry.slowest * seconds:
                    raise Again(
                        f"{response.url.host} sent {human(int(came / seconds))} per second for "
                        f"{seconds:.3g} s, expected {human(int(self._retry.slowest))} or more"
                    )
                began, came = time.monotonic(), 0

    def _tried(
        self,
        subject: str,
        once: Callable[[], Value],
        cancelled: threading.Event,
        received: Callable[[], int] = int,
    ) -> Value:
        """Call `once` until it succeeds, fails for good or has failed too often."""
        attempt = 0
        while True:
            before = received()
            try:
                return once()
            except Again as error:
                failure = error
            new = failure.host not in self._reached
            if received() - before < self._retry.progress:
                attempt += 1
            most = FIRST_TRIES if failure.absent and new else self._retry.attempts
            if attempt >= most or failure.wait > FAR:
                if failure.broken and new:
                    reason = f"{failure}; check {self.named_in}, {BETWEEN}"
                    raise self._gave_up(subject, reason, failure.host or "")
                if failure.host is not None and (failure.absent or new):
                    step = next_step(str(failure), "" if failure.host else self.named_in)
                    reason = f"cannot reach {self._place(failure.host)} ({failure}); {step}"
                    raise self._gave_up(subject, reason, failure.host)
                tries = f"{attempt} tries" if attempt > 1 else "one try"
                raise failure.final(f"{subject}: {failure}, after {tries}; {failure.advice}")
            if cancelled.wait(self._retry.wait(attempt, failure.wait)):
                raise Cancelled

    def _place(self, host: str) -> str:
        """Return how errors name a host that did not answer, and which host redirected to it."""
        return f"{host}, to which {self._sent_by[host]} redirects" if host else self._endpoint

    def _check(self, subject: str, host: str) -> None:
        """Raise the remembered error of a host that cannot be reached, if there is one."""
        if reason := self._away.get(host):
            raise Unavailable(f"{subject}: {reason}", reason)

    def _gave_up(self, subject: str, reason: str, host: str = "") -> Unavailable:
        """Return the error for a host that cannot be reached, and remember it."""
        self._away[host] = reason
        return Unavailable(f"{subject}: {reason}", reason)

    def _judge(self, subject: str, files: ModelFiles, host: str, response: httpx2.Response) -> None:
        """Raise the error of an answer that is neither a file nor a listing."""
        status, headers = response.status_code, response.headers
        who = host or self.name
        page = headers.get("Content-Type", "").lower().startswith(_PAGES)
        wanted = response.request.url.path.endswith(".html")
        if status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED or (
            status < HTTPStatus.MULTIPLE_CHOICES and page and not wanted
        ):
            raise self._web_page(subject, host)
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return
        code = headers.get("X-Error-Code", "")
        reason = code or headers.get("X-Error-Message") or response.reason_phrase
        said = f"{who} answered {status} {short(reason)}".rstrip(" .")
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            reason = f"a proxy asks for user and password ({status} {short(reason)})"
            advice = "put user:password@ before the host in HTTPS_PROXY"
            raise self._gave_up(subject, f"{reason}; {advice}")
        if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            sender = answering(who, response.request.url, headers, hub=self.is_hub and not host)
            later = again_later(said.replace(who, sender, 1), status, headers, self.own_limit)
            if sender != who:
                later.advice += f"; check {self.named_in}, {BETWEEN}"
            raise later
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise Again(said, final=VerificationError)  # the part that is there is no part of it
        by_a_hub = code and {"api", "resolve"} & set(response.request.url.path.split("/"))
        if host and not by_a_hub:
            raise Unavailable(
                f"{subject}: {said}, and {self._sent_by[host]} redirects to it; let {who} "
                f"pass where a proxy or firewall blocks it, or try again later"
            )
        raise self._refusal(f"{subject}: {said}", files, response)

    def _web_page(self, subject: str, host: str) -> Unavailable:
        """Return the error for a host that answers with a web page."""
        place = f"{self._endpoint} led to {host}, which" if host else self._endpoint
        reason = (
            f"{place} answered with something else than {self.gives}; it looks like the sign-in "
            "page of a network (a captive portal): open a browser and sign in, or check "
            f"{self.named_in}"
        )
        return Unavailable(f"{subject}: {reason}", reason)


def _shown(url: httpx2.URL) -> str:
    """Return an address for messages, without its query, which may contain a secret."""
    return short(str(url.copy_with(query=None, fragment=None)))
