"""No network in an engine, whichever way a library asks for it."""

from __future__ import annotations

import socket
import sys
from typing import Any

NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"})


def forbid_network() -> None:
    """Make every later attempt of this process to reach another host raise ConnectionRefusedError.

    Audit hooks cannot be taken out again, and see what huggingface_hub's own offline mode does not:
    urllib, requests, sockets.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in NETWORK_EVENTS:
        if event == "socket.connect" and arguments[0].family == socket.AF_UNIX:
            return
        where = arguments[1] if event == "socket.connect" else arguments[0]
        raise ConnectionRefusedError(
            f"an engine is offline, and the library asked for {where}: every file that it needs "
            "must stand in the adapter's check map"
        )
