"""What the engines of a test leave behind, and what may come down on them."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil


class Interrupted(BaseException):
    """What the handler of `alarm` raises, as the handlers of a time limit and of Ctrl-C do."""


def running_engines() -> list[psutil.Process]:
    """Return the engines that this process has started and that still run."""
    import psutil

    from whisper_speedtest.engine.checkout import ENTRY

    running = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and str(ENTRY) in "\n".join(child.cmdline()):
                running.append(child)
        except psutil.Error:  # It has ended since it was listed, or on macOS is about to.
            continue
    return running


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    """Tell whether a process ends in that time; one that nobody has waited for yet has ended."""
    import psutil

    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Interrupted in the block after so many seconds, by a real signal.

    The handler and the timer that were set before, as those of pytest-timeout, are set again.
    """

    def interrupt(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)
