"""No network in an engine, whichever way a library asks Python for it."""

from __future__ import annotations

import socket
import sys
from typing import Any

SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Audit events with a socket and an address. `connect_ex` raises the first of them too."""

LOOKING_UP = frozenset(
    {
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
    }
)
"""Audit events that begin with the name or address that is looked up. `gethostbyname_ex` raises
`socket.gethostbyname`, and `getfqdn` raises `socket.gethostbyaddr`."""


def forbid_network() -> None:
    """Make every later attempt of this process to reach another host raise ConnectionRefusedError.

    An audit hook cannot be taken out again, and sees what huggingface_hub's own offline mode does
    not: urllib, requests, bare sockets. It does not see native code that opens sockets by itself,
    nor other programs that a library starts.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in SENDING:
        # Sockets of this family stay on this machine; multiprocessing talks through them.
        if arguments[0].family == socket.AF_UNIX:
            return
        where = arguments[1]
    elif event in LOOKING_UP:
        where = arguments[0]
    else:
        return
    raise ConnectionRefusedError(
        f"an engine is offline, and the library asked for {where}: every file that it needs "
        "must stand in the adapter's check map"
    )
