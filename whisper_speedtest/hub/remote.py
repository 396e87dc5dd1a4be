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
from whisper_speedtest.common.text import human, short
from whisper_speedtest.hub.between import BETWEEN, PROXY, answering, next_step, proxy_of
from whisper_speedtest.hub.partial_file import PartialFile
from whisper_speedtest.hub.stall_guard import StallGuard
from whisper_speedtest.hub.tries import (
    FIRST_TRIES,
    LONGEST_WAIT,
    NETWORK,
    Again,
    Cancelled,
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

_TEMPORARY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_TEMPORARY_OF_A_PROXY = {"502", "503", "504"}
"""Statuses of a proxy that cannot reach a host now, but may reach it later."""
_NO_ANSWER = "Server disconnected"
"""The beginning of httpx's error if no answer has begun."""

_WEB_PAGES = ("text/html", "application/xhtml")
_MOST_REDIRECTS = 10
_REDIRECTING = 3  # timeouts, for all redirects of a request together


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
        self._first_request = threading.Lock()
        # A host is named by its host and port, and the endpoint's own by "".
        self._reached: set[str] = set()
        self._sent_by: dict[str, str] = {}  # host → who has last redirected to it
        self._unreachable: dict[str, str] = {}  # host → why it is asked no more

    def listing(self, files: ModelFiles, cancelled: threading.Event) -> Listing:
        """Resolve a model's revision to a commit, and list the repo's files at it.

        Raises:
            Unavailable: The host cannot be reached, or does not show the repo to this user.
            RepoError: There is no such repo, revision or file.
            Cancelled: `cancelled` was set.
        """

        def ask() -> Listing:
            return self._retried(str(files), lambda: self._listing(files, cancelled), cancelled)

        # The first request finds out whether the host can be reached; the others wait for that.
        with self._first_request:
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
            received = PartialFile(out, file, advance)

            def fetch() -> Proof:
                # If the last try broke off after the last byte, there is nothing left to request.
                if received.size < max(file.size, 1):
                    with self._open(subject, files, "GET", url, received.size) as response:
                        if response.status_code != HTTPStatus.PARTIAL_CONTENT and received.size:
                            received.start_over()
                        received.add(self._pieces(response, cancelled))
                return received.proof()

            try:
                return self._retried(subject, fetch, cancelled, lambda: received.size)
            except VerificationError:
                received.start_over()  # so that no later run continues the wrong content
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

        self._require_reachable(subject, "")
        send, request = self._new_request(subject, method, url, start)
        home = request.url.netloc
        limit = _REDIRECTING * self._timeout
        ends = time.monotonic() + limit
        for _ in range(_MOST_REDIRECTS):
            if time.monotonic() > ends:
                break
            host = "" if request.url.netloc == home else request.url.netloc.decode()
            self._require_reachable(subject, host)
            guard = StallGuard(self._timeout)
            request.extensions["trace"] = guard.trace
            try:
                with closing(guard), closing(send(request)) as response:
                    self._reached.add(host)
                    guard.response = response
                    if response.next_request is None:
                        self._check(subject, files, host, response)
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
            ) as error:
                raise self._not_sent(subject, host, request.url, error) from None
            except (httpx2.RequestError, ConnectionError) as error:
                raise self._broken_off(host, request.url, error, guard) from None
        raise Unavailable(
            f"{subject}: expected at most {_MOST_REDIRECTS} redirects, in {limit:.3g} s, "
            f"{self.name} leads on to {_shown(request.url)}; {NETWORK}"
        )

    def _new_request(
        self, subject: str, method: str, url: str, start: int
    ) -> tuple[Callable[[httpx2.Request], httpx2.Response], httpx2.Request]:
        """Return the function that sends requests, and the request for bytes from `start` on."""
        # Without an encoding, so that sizes and ranges are those of the file.
        headers = {"Accept-Encoding": "identity", **self._headers()}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            client = self._client()
            send = partial(client.send, stream=True, follow_redirects=False)
            return send, client.build_request(method, url, headers=headers, timeout=self._timeout)
        except Exception as error:  # noqa: BLE001 - of whatever the environment made httpx do
            reason = f"cannot make a request to {self._endpoint} ({quoted(error)})"
            raise self._gave_up(subject, f"{reason}; {PROXY}, and SSL_CERT_FILE") from None

    def _not_sent(self, subject: str, host: str, url: httpx2.URL, error: Exception) -> Exception:
        """Return the error for a request that a proxy, or httpx itself, has refused to send."""
        import httpx2

        if isinstance(error, httpx2.ProxyError) and str(error)[:3] in _TEMPORARY_OF_A_PROXY:
            proxy = proxy_of(url) or "the proxy"
            reason = f"{proxy} answered {short(str(error))}, asked for {self._named(host)}"
            return Again(reason, advice=f"{NETWORK}; {PROXY}")
        reason = f"cannot make a request to {self._named(host)} ({quoted(error)})"
        advice = "check HF_ENDPOINT, the token and the proxy (HTTPS_PROXY)"
        return self._gave_up(subject, f"{reason}; {advice}", host)

    def _broken_off(self, host: str, url: httpx2.URL, error: Exception, guard: StallGuard) -> Again:
        """Return the reason to try again after an exchange that came to no end."""
        import httpx2

        malformed = isinstance(error, httpx2.RemoteProtocolError | httpx2.DecodingError)
        reason, advice, broken = quoted(error), NETWORK, False
        if guard.stalled:
            reason = f"{url.host} sent no part of an answer in {self._timeout:.3g} s, and yet bytes"
        elif malformed and not str(error).startswith(_NO_ANSWER):
            reason = f"expected HTTP from {host or self._endpoint}, got a broken answer ({reason})"
            advice, broken = f"check the network, {BETWEEN}", True
        absent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
        return Again(reason, advice=advice, host=host, absent=absent, broken=broken)

    def _client(self) -> httpx2.Client:
        """Return the HTTP client; huggingface_hub may raise any exception here."""
        from huggingface_hub import get_session

        return get_session()

    def _pieces(self, response: httpx2.Response, cancelled: threading.Event) -> Iterator[bytes]:
        """Yield an answer's bytes as they arrive; raise Again if they arrive too slowly."""
        began, received = time.monotonic(), 0
        for piece in response.iter_bytes():
            if cancelled.is_set():
                raise Cancelled
            yield piece
            received += len(piece)
            seconds = time.monotonic() - began
            if seconds >= self._retry.window:
                if received < self._retry.slowest * seconds:
                    raise Again(
                        f"{response.url.host} sent {human(int(received / seconds))} per second for "
                        f"{seconds:.3g} s, expected {human(int(self._retry.slowest))} or more"
                    )
                began, received = time.monotonic(), 0

    def _retried(
        self,
        subject: str,
        once: Callable[[], Value],
        cancelled: threading.Event,
        received: Callable[[], int] = lambda: 0,
    ) -> Value:
        """Call `once` until it succeeds, fails for good or has failed too often.

        `received` returns how many bytes there are so far; see `Retry.progress`.
        """
        attempt = 0
        while True:
            before = received()
            try:
                return once()
            except Again as error:
                failure = error
            if received() - before < self._retry.progress:
                attempt += 1
            never_reached = failure.host not in self._reached
            most = FIRST_TRIES if failure.absent and never_reached else self._retry.attempts
            if attempt >= most or failure.wait > LONGEST_WAIT:
                raise self._last_failure(subject, failure, attempt)
            if cancelled.wait(self._retry.wait(attempt, failure.wait)):
                raise Cancelled

    def _last_failure(self, subject: str, failure: Again, attempts: int) -> ModelError:
        """Return the error to raise when no further try is made."""
        host = failure.host
        never_reached = host not in self._reached
        if failure.broken and never_reached:
            reason = f"{failure}; check {self.named_in}, {BETWEEN}"
            return self._gave_up(subject, reason, host or "")
        if host is not None and (failure.absent or never_reached):
            step = next_step(str(failure), "" if host else self.named_in)
            reason = f"cannot reach {self._named(host)} ({failure}); {step}"
            return self._gave_up(subject, reason, host)
        tries = f"{attempts} tries" if attempts > 1 else "one try"
        return failure.final(f"{subject}: {failure}, after {tries}; {failure.advice}")

    def _named(self, host: str) -> str:
        """Return how errors name a host that did not answer, and which host redirected to it."""
        return f"{host}, to which {self._sent_by[host]} redirects" if host else self._endpoint

    def _require_reachable(self, subject: str, host: str) -> None:
        """Raise the remembered error of a host that cannot be reached, if there is one."""
        if reason := self._unreachable.get(host):
            raise Unavailable(f"{subject}: {reason}", reason)

    def _gave_up(self, subject: str, reason: str, host: str = "") -> Unavailable:
        """Return the error for a host that cannot be reached, and remember it."""
        self._unreachable[host] = reason
        return Unavailable(f"{subject}: {reason}", reason)

    def _check(self, subject: str, files: ModelFiles, host: str, response: httpx2.Response) -> None:
        """Raise the error of an answer that is neither a file nor a listing."""
        status, headers = response.status_code, response.headers
        who = host or self.name
        is_page = headers.get("Content-Type", "").lower().startswith(_WEB_PAGES)
        asked_for_page = response.request.url.path.endswith(".html")
        if status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED or (
            status < HTTPStatus.MULTIPLE_CHOICES and is_page and not asked_for_page
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
        if status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            sender = answering(who, response.request.url, headers, hub=self.is_hub and not host)
            later = again_later(said.replace(who, sender, 1), status, headers, self.own_limit)
            if sender != who:
                later.advice += f"; check {self.named_in}, {BETWEEN}"
            raise later
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The host's file is no longer than the part that is here.
            raise Again(said, final=VerificationError)
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
