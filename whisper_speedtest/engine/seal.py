"""Blocks the network in an engine, whichever way a library asks Python for it."""

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
"""Audit events whose first argument is the name or address to look up. `gethostbyname_ex` raises
`socket.gethostbyname`, and `getfqdn` raises `socket.gethostbyaddr`."""

NOT_THERE = frozenset({"LocalEntryNotFoundError", "OfflineModeIsEnabled"})
"""What huggingface_hub raises for a file that is not in its cache while it has no network."""

MUST_STAND = "every file that it needs must stand in the adapter's check map"


def forbid_network() -> None:
    """Make every later attempt of this process to reach another host raise ConnectionRefusedError.

    An audit hook cannot be taken out again, and sees what huggingface_hub's own offline mode does
    not: urllib, requests, bare sockets. It does not see native code that opens sockets by itself,
    nor other programs that a library starts.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise ConnectionRefusedError for an audit event in which another host is contacted."""
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
        f"an engine is offline, and the library asked for {where}: {MUST_STAND}"
    )


def step_behind(error: BaseException | None) -> str:
    """Return what helps if a library asked huggingface_hub for a file that is not there; else "".

    The error may be the library's own, with that of huggingface_hub as its cause. The advice of
    huggingface_hub itself, to go online, would change nothing in an engine.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if NOT_THERE & {each.__name__ for each in type(error).__mro__}:
            return (
                "an engine is offline, whatever HF_HUB_OFFLINE is, and the library asked for "
                f"another repo, revision or file than is checked: {MUST_STAND}, and load must ask "
                "for what stands there"
            )
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return ""
