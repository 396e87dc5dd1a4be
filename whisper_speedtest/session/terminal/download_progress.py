"""Shows the downloads of a pre-fetch: as bars on a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from whisper_speedtest.hub.hosted import Watcher
from whisper_speedtest.session.terminal.display import Shown
from whisper_speedtest.session.terminal.screen import is_watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from whisper_speedtest.cache.plan import Plan
    from whisper_speedtest.session.terminal.display import Display


@contextmanager
def progress(plan: Plan, out: Any, display: Display) -> Iterator[Watcher]:
    """Yield a watcher that shows the downloads of a plan."""
    if not is_watched(sys.stdout):
        with display.showing(Shown("downloading")):
            yield Lines(out, display, plan.download_size)
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
    """Shows a bar for each download that is under way, and one for all downloads."""

    def __init__(self, bars: Progress, total: int) -> None:
        self._bars = bars
        self._all = bars.add_task("all models", total=total, visible=total > 0)
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def start(self, repo: str, file: str, size: int) -> None:
        """Add a bar."""
        self._tasks[repo, file] = self._bars.add_task(f"{repo} {file}", total=size)

    def wait(self, repo: str, file: str, size: int) -> None:
        """Say on the file's bar how much another session has of it."""
        from whisper_speedtest.common.text import human

        described = f"{repo} {file} (another session has {human(size)})"
        self._bars.update(self._tasks[repo, file], description=described)

    def advance(self, repo: str, file: str, size: int) -> None:
        """Move the file's bar and the bar for all, forth or back."""
        task = self._tasks[repo, file]
        self._bars.update(task, advance=size, description=f"{repo} {file}")
        self._bars.advance(self._all, size)

    def finish(self, repo: str, file: str) -> None:
        """Remove the file's bar."""
        self._bars.remove_task(self._tasks[repo, file])


class Lines(Watcher):
    """Writes a line for each download as it begins; failures are reported at the end, elsewhere.

    Between the lines, the display shows how much of `total` bytes has been downloaded.
    """

    def __init__(self, out: Any, display: Display, total: int) -> None:
        self._out = out
        self._display = display
        self._total = total
        self._there = 0
        self._one_at_a_time = threading.Lock()
        self._waiting: set[tuple[str, str]] = set()

    def start(self, repo: str, file: str, size: int) -> None:
        """Write the line of a download."""
        from whisper_speedtest.common.text import human

        self._say(f"  download   {repo} {file}: {human(size)}")

    def wait(self, repo: str, file: str, size: int) -> None:
        """Write, once for each file, that another session downloads it."""
        from whisper_speedtest.common.text import human

        if (repo, file) not in self._waiting:
            self._waiting.add((repo, file))
            self._say(f"  waiting    {repo} {file}: another session has {human(size)} of it")

    def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
        """Count the bytes of all downloads, and show the sum."""
        from whisper_speedtest.common.text import human

        with self._one_at_a_time:
            self._there += size
            there, total = human(self._there), human(self._total)
        self._display.subject(f"downloading, {there} of {total}")

    def _say(self, line: str) -> None:
        """Write a line at once, and let the display wait."""
        with self._one_at_a_time:
            self._out.line(line)
            self._out.flush()
        self._display.wrote()
