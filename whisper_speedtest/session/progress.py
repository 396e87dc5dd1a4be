"""How a pre-fetch shows that it goes on: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from whisper_speedtest.hub.hosted import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from whisper_speedtest.hub.plan import Plan


def _watched() -> bool:
    """Whether there is a person at a terminal, to whom moving bars say something."""
    return sys.stdout.isatty() and not os.environ.get("CI")


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Say what goes on while the block runs, to a person."""
    if not _watched():
        yield
        return
    from rich.console import Console

    with Console().status(doing):
        yield


@contextmanager
def progress(plan: Plan, out: Any) -> Iterator[Watcher]:
    """Give what tells of downloads: bars on a terminal, lines elsewhere."""
    if not _watched():
        yield Lines(out)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bars:
        yield Bars(bars, plan.download_size)


class Bars(Watcher):
    """A bar for each download that is under way, and one for all."""

    def __init__(self, bars: Progress, total: int) -> None:
        self._bars = bars
        self._all = bars.add_task("all models", total=total)
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def start(self, repo: str, file: str, size: int) -> None:
        """Add a bar."""
        self._tasks[repo, file] = self._bars.add_task(f"{repo} {file}", total=size)

    def wait(self, repo: str, file: str, size: int) -> None:
        """Say on the bar how far the other session is."""
        from whisper_speedtest.hub.sizes import human

        described = f"{repo} {file} (another session has {human(size)})"
        self._bars.update(self._tasks[repo, file], description=described)

    def advance(self, repo: str, file: str, size: int) -> None:
        """Move two bars on, or back."""
        task = self._tasks[repo, file]
        self._bars.update(task, advance=size, description=f"{repo} {file}")
        self._bars.advance(self._all, size)

    def finish(self, repo: str, file: str) -> None:
        """Take a bar away."""
        self._bars.remove_task(self._tasks[repo, file])


class Lines(Watcher):
    """A line for each download, as it begins. Failures are told at the end, with their reason."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._one_at_a_time = threading.Lock()
        self._waiting: set[tuple[str, str]] = set()

    def start(self, repo: str, file: str, size: int) -> None:
        """Write a line."""
        from whisper_speedtest.hub.sizes import human

        self._say(f"  download   {repo} {file}: {human(size)}")

    def wait(self, repo: str, file: str, size: int) -> None:
        """Write a line, once."""
        from whisper_speedtest.hub.sizes import human

        if (repo, file) not in self._waiting:
            self._waiting.add((repo, file))
            self._say(f"  waiting    {repo} {file}: another session has {human(size)} of it")

    def _say(self, line: str) -> None:
        with self._one_at_a_time:
            self._out.line(line)
            self._out.flush()
