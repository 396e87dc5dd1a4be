"""What the engines of a test leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def running_engines() -> list[psutil.Process]:
    """Return the engines that this process has started and that still run."""
    import psutil

    from whisper_speedtest.engine.process import ENTRY

    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and str(ENTRY) in child.cmdline()
    ]
