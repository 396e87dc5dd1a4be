"""What hubs and web servers have in common: listing and downloading files, tries and refusals.

Files are read through huggingface_hub's own session, and not by `hf_hub_download`: that asks again
for what the listing said, waits for up to minutes between tries of its own, hashes nothing, and
starts a cut download anew in the next run. Here the bytes are hashed as they come, and a cut
download goes on where it stopped, in the same run or in the next one.

No exception that is raised here has a cause or context: pytest shows the arguments of each function
in a traceback, and in huggingface_hub's those are headers with the token.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, TypeVar

from whisper_speedtest.hub.between import BETWEEN, PROXY, answering, next_step, proxy_of
from whisper_speedtest.hub.model import Unavailable, VerificationError
from whisper_speedtest.hub.part import Part
from whisper_speedtest.hub.sizes import human, short
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
    from whisper_speedtest.hub.evidence import Listing, RemoteFile
    from whisper_speedtest.hub.hashes import Proof
    from whisper_speedtest.hub.model import ModelError
    from whisper_speedtest.hub.tries import Retry

Value = TypeVar("Value")

_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_PASSING = {"502", "503", "504"}
"""What a proxy answers that cannot reach a host, and may reach it later."""
_NOTHING = "Server disconnected"
"""How httpx begins to say that an answer has not even begun."""

_PAGES = ("text/html", "application/xhtml")
_REDIRECTS = 10
_REDIRECTING = 3  # time limits, of all redirects together


class Remote(ABC):
    """A host of files, with those that it redirects to. Thread-safe.

    Remembers which of them cannot be asked, so that one model waits for all.
    """

    name: ClassVar[str]
    """What errors call it."""
    gives: ClassVar[str]
    """What it answers with."""
    named_in: ClassVar[str]
    """What its address is in."""
    is_hub: ClassVar[bool] = False
    """Whether its errors are known by headers of its own."""
    own_limit: ClassVar[str] = ""
    """How to have a limit on requests that is not everybody's; it follows other advice."""

    def __init__(self, endpoint: str, retry: Retry, timeout: float) -> None:
        """Describe the host; makes no request. `timeout` is in seconds without a byte."""
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
            RepoError: No such repo, revision or file.
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
        """Ask for a listing, once."""

    @abstractmethod
    def _url(self, files: ModelFiles, commit: str, name: str) -> str:
        """Return a file's address."""

    def _headers(self) -> Mapping[str, str]:
        """Return what this host is told with each request."""
        return {}

    @abstractmethod
    def _refusal(self, said: str, files: ModelFiles, response: httpx2.Response) -> ModelError:
        """Return what an answer of status 300 or more means that will be the same the next time.

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
        """Write a file of a commit to `target`, and return its proof: it is what was listed.

        What `target` holds already is taken for the file's beginning, until the hash of the whole
        shows that it is not. `advance` is told of each further piece, in bytes; less than 0 where
        a try, or what was there, was in vain.

        Raises:
            Unavailable: A host cannot be reached, breaks off each time, is too slow, or refuses.
            RepoError: No such file.
            VerificationError: Other bytes than were listed, each time.
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
        """Give the answer from byte `start` on or, where it has status 200, all of it.

        Redirects are followed one by one, so that it is known who answers, or does not. A token
        goes to the endpoint alone: httpx leaves it out where a redirect leads elsewhere.
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
        """Return what makes requests; raises anything."""
        from huggingface_hub import get_session

        return get_session()

    def _pieces(self, response: httpx2.Response, cancelled: threading.Event) -> Iterator[bytes]:
        """Yield an answer's bytes as they come; raise Again where they come too slowly."""
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
        """Do `once` until it succeeds, fails for good or has failed too often."""
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
        """Return what errors call a host that did not answer, with who sent the request there."""
        return f"{host}, to which {self._sent_by[host]} redirects" if host else self._endpoint

    def _check(self, subject: str, host: str) -> None:
        """Raise the reason why a host is asked no more, if there is one."""
        if reason := self._away.get(host):
            raise Unavailable(f"{subject}: {reason}", reason)

    def _gave_up(self, subject: str, reason: str, host: str = "") -> Unavailable:
        """Return the error for a host that no model can be had from now, and remember it."""
        self._away[host] = reason
        return Unavailable(f"{subject}: {reason}", reason)

    def _judge(self, subject: str, files: ModelFiles, host: str, response: httpx2.Response) -> None:
        """Raise what an answer means unless it is a file or a listing."""
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
        """Return the error for a web page in place of an answer."""
        place = f"{self._endpoint} led to {host}, which" if host else self._endpoint
        reason = (
            f"{place} answered with something else than {self.gives}; it looks like the sign-in "
            "page of a network (a captive portal): open a browser and sign in, or check "
            f"{self.named_in}"
        )
        return Unavailable(f"{subject}: {reason}", reason)


def _shown(url: httpx2.URL) -> str:
    """Return an address as a message quotes it: what follows `?` may be the right to a download."""
    return short(str(url.copy_with(query=None, fragment=None)))
