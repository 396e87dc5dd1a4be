"""A plain web server on the loopback, and what can go wrong with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from adapters.base import ModelFiles

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True)
class Trouble:
    """What an answer becomes.

    `cut`: so many bytes come, then the connection ends. `end`: the file ends there, and so says the
    answer. `flip`: the bit at that offset is inverted. `hang`: nothing comes. Headers of None are
    left out.
    """

    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    end: int | None = None
    flip: int | None = None
    hang: bool = False


PORTAL = Trouble(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Please sign in</html>")


@dataclass(frozen=True)
class Asked:
    """A request: its headers by their names in lower case, and the trouble that it met."""

    method: str
    path: str
    headers: Mapping[str, str]
    trouble: Trouble | None


class WebServer:
    """Serves files by path, up inside its `with` block; each is in a folder named by its sha256."""

    def __init__(self) -> None:
        """Serve nothing yet."""
        self.files: dict[str, bytes] = {}
        self.requests: list[Asked] = []
        self._rules: list[tuple[Trouble, str | None, list[int]]] = []
        self._healed = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, name: str, body: bytes, endpoint: str = "") -> ModelFiles:
        """Serve a file; return what a check map has of it."""
        sha256 = hashlib.sha256(body).hexdigest()
        self.files[f"/models/{sha256}/{name}"] = body
        return ModelFiles(f"{endpoint or self.endpoint}/models", (name,), sha256)

    def trouble(self, trouble: Trouble, method: str | None = None, times: int = 1_000_000) -> None:
        """Give the next requests of a method, or of any, some trouble."""
        self._rules.append((trouble, method, [times]))

    def heal(self) -> None:
        """End all trouble, and every hung answer."""
        self._rules.clear()
        self._healed.set()
        self._healed = threading.Event()

    def met(self, method: str) -> Trouble | None:
        """Return the trouble that is due, and count it."""
        for trouble, where, left in self._rules:
            if where in {None, method} and left[0] > 0:
                left[0] -= 1
                return trouble
        return None

    def wait(self) -> None:
        """Wait until all trouble is over."""
        self._healed.wait(30)


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that each has ended when the server has
    owner: WebServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that left."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        owner = self.server.owner
        trouble = owner.met(self.command) or Trouble()
        path = unquote(urlsplit(self.path).path)  # of a proxy is asked the whole URL
        named = {name.lower(): value for name, value in self.headers.items()}
        met = trouble if trouble != Trouble() else None
        owner.requests.append(Asked(self.command, path, named, met))
        if trouble.hang:
            owner.wait()
            return
        body = owner.files.get(path)
        status = 404 if body is None else 200
        body = body if trouble.body is None else trouble.body
        body = (body or b"")[: trouble.end]
        if trouble.flip is not None:
            changed = bytearray(body)
            changed[trouble.flip] ^= 1
            body = bytes(changed)
        asked = named.get("range", "")
        if asked and status == 200 and trouble.status is None:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            status, body = 206, body[start:]
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        self.send_response(trouble.status or status)
        for name, value in {**headers, **trouble.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            with suppress(ConnectionError):
                self.wfile.write(body[: trouble.cut])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
