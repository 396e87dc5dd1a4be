"""A server on the loopback that answers byte by byte, or never to an end."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve each connection that is made to a host and port, which it gives, until the block ends.

    What waits for connections is woken by one more, at the end: macOS does not let a socket be shut
    down that listens.
    """
    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                with suppress(OSError):
                    connection, _ = listener.accept()
                    if closing.is_set():
                        connection.close()
                        return
                    serve(connection)

        host, port = listener.getsockname()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"{host}:{port}"
        finally:
            closing.set()
            socket.create_connection((host, port)).close()
            thread.join()


class DrippingServer:
    """Answers each connection with `start`, then with `drops`, one in each `pause` seconds.

    It asks for nothing first: it may be a server, a proxy, or one that should begin with TLS. Its
    drops end with the connection or the `with` block.
    """

    def __init__(
        self, start: bytes, drops: Iterable[bytes], pause: float, first: bytes = b""
    ) -> None:
        """Describe the answer; `drops` are begun anew for each connection.

        `first` is a whole answer to the first request of a connection; only the second one drips.
        """
        self._start, self._drops, self._pause, self._first = start, drops, pause, first
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.left = threading.Semaphore(0)
        """Is released for each connection that the client has ended."""

    def __enter__(self) -> Self:
        self._listening = listening(self._begin)
        self.place = self._listening.__enter__()
        self.endpoint = f"http://{self.place}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._listening.__exit__(None, None, None)
        for thread in self._threads:
            thread.join()

    def _begin(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._answer, args=(connection,))
        self._threads.append(thread)
        thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._first:
                    self._await_request(connection)
                    connection.sendall(self._first)
                    self._await_request(connection)
                connection.sendall(self._start)
                for drop in self._drops:
                    connection.sendall(drop)
                    if self._closing.wait(self._pause):
                        return
            except OSError:
                self.left.release()

    def _await_request(self, connection: socket.socket) -> None:
        """Read a request without a body."""
        connection.settimeout(20)
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            if not (part := connection.recv(65_536)):
                raise ConnectionResetError("the client has left")
            asked += part
