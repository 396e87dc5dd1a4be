"""Ends the connection of an exchange that makes no progress."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

_CONNECTIONS: WeakSet[Any] = WeakSet()
"""The connections that were made under a StallGuard and still exist."""


class StallGuard:
    """Ends the connection of an exchange that makes no progress, even if single bytes arrive.

    A client's timeout begins anew with each byte, so it never ends a header that arrives byte by
    byte. Here each part of an exchange, and each piece of a body, has to end within `limit`
    seconds. A part that does not is noticed after twice as long at most.
    """

    def __init__(self, limit: float) -> None:
        self.stalled = False
        self.response: httpx2.Response | None = None
        self._limit = limit
        self._events = 0
        self._progress: tuple[int, int] | None = None
        self._connection: Any = None
        self._started = False
        self._closed = threading.Event()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note that a part of the exchange begins or ends. httpx calls this for a request."""
        self._events += 1
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._connection = info["return_value"]
            _CONNECTIONS.add(self._connection)
        elif not event.endswith("send_request_headers.started"):
            return
        if not self._started:  # until there is a connection, the client's own limits hold
            self._started = True
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._closed.wait(self._limit):
            self.look()

    def look(self) -> None:
        """End the connection if there was no progress since the last look."""
        received = self.response.num_bytes_downloaded if self.response else 0
        before, self._progress = self._progress, (self._events, received)
        self.stalled |= before == self._progress
        if self.stalled:
            for connection in self._connections():
                with suppress(OSError):  # it has just ended by itself
                    socket.socket.shutdown(connection.get_extra_info("socket"), socket.SHUT_RDWR)

    def _connections(self) -> list[Any]:
        """Return the connection of this exchange, or all if it is not known.

        A reused connection is not known until its answer begins. If all are ended, the other
        exchanges continue with their next try where they stopped.
        """
        if self._connection is not None:
            return [self._connection]
        if self.response is not None:
            return [self.response.extensions["network_stream"]]
        return list(_CONNECTIONS)

    def close(self) -> None:
        """Stop guarding."""
        self._closed.set()
