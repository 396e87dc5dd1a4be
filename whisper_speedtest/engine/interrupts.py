"""Keeps time limits and Ctrl-C out of the few lines that must not be left half done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def signals_held() -> Iterator[None]:
    """Put off every Python signal handler until the block has ended, then run those that are due.

    The handlers of time limits and of Ctrl-C raise, and may do so between any two steps of the main
    thread, for example between the start of a process and the assignment of its handle. To block
    the signals themselves would not help: other threads would receive them, and a child would
    inherit the mask.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs signal handlers in the main thread only.
        return
    handlers: dict[int, Any] = {
        number: handler
        for number in signal.valid_signals()
        if callable(handler := signal.getsignal(number))
    }
    held: list[int] = []
    holding = True

    def hold(number: int, frame: Any) -> None:
        if holding:
            held.append(number)
        else:  # A handler raised while the others were being put back; this one is still due.
            handlers[number](number, frame)

    try:
        for number in handlers:
            signal.signal(number, hold)
        yield
    finally:
        holding = False
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(held):
            signal.raise_signal(number)
