"""How a pre-fetch shows that it goes on: bars for a person, lines for a log."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from _pytest._io import TerminalWriter

from tests.helpers.fake_screen import on, pass_time
from tests.helpers.terminal import Terminal
from whisper_speedtest.cache.plan import Plan
from whisper_speedtest.session.terminal.display import Display
from whisper_speedtest.session.terminal.download_progress import Bars, Lines, progress

if TYPE_CHECKING:
    from rich.progress import Progress

NOTHING = Plan((), 0)


@pytest.mark.parametrize(
    ("tty", "ci", "kind"),
    [(True, None, Bars), (True, "1", Lines), (False, None, Lines), (False, "1", Lines)],
)
def test_bars_are_for_a_person_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tty: bool, ci: str | None, kind: type
) -> None:
    """Downloads are shown by bars to a person at a terminal, and by lines in CI or in a file."""
    monkeypatch.setattr(sys, "stdout", Terminal(tty=tty))
    monkeypatch.setenv("TERM", "xterm")
    if ci is None:
        monkeypatch.delenv("CI", raising=False)
    else:
        monkeypatch.setenv("CI", ci)

    with progress(NOTHING, TerminalWriter(io.StringIO()), Display(None)) as watcher:
        assert type(watcher) is kind


def test_line_says_what_is_downloaded_and_its_size() -> None:
    """A log has one line for each download, with its name and size, written as it begins."""
    flushed = []

    class Screen(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    screen = Screen()
    lines = Lines(TerminalWriter(screen), Display(None), 0)

    lines.start("org/model", "weights.npz", 3_000_000)
    begun = list(flushed)
    lines.advance("org/model", "weights.npz", 3_000_000)
    lines.finish("org/model", "weights.npz")

    assert screen.getvalue() == "  download   org/model weights.npz: 3.0 MB\n"
    assert begun[-1:] == [screen.getvalue()], "expected the line on the screen as it begins"


def test_line_says_once_of_each_file_that_another_session_downloads_it() -> None:
    """A log says once of each file that another session downloads it, and how far it is by then."""
    screen = io.StringIO()
    lines = Lines(TerminalWriter(screen), Display(None), 0)

    for size in (1_000_000, 2_000_000):
        for file in ("weights.npz", "config.json"):
            lines.wait("org/model", file, size)

    assert screen.getvalue().splitlines() == [
        f"  waiting    org/model {file}: another session has 1.0 MB of it"
        for file in ("weights.npz", "config.json")
    ]


def bars() -> tuple[Progress, Bars]:
    """Return bars for 300 bytes in all, on no screen, and what draws them."""
    from rich.console import Console
    from rich.progress import Progress

    drawn = Progress(console=Console(file=io.StringIO()))
    return drawn, Bars(drawn, 300)


def shown(drawn: Progress) -> dict[str, tuple[float, float | None]]:
    """Return how far each bar is, and how far it goes, in bytes."""
    return {task.description: (task.completed, task.total) for task in drawn.tasks}


def test_bars_move_with_the_bytes_of_their_file_and_of_all() -> None:
    """The bars of a file and of all models move with the bytes, back as well if a try failed.

    The bar of a file goes with its download.
    """
    drawn, watcher = bars()
    watcher.start("org/a", "w", 200)
    watcher.start("org/b", "w", 100)
    watcher.advance("org/a", "w", 150)
    watcher.advance("org/b", "w", 40)
    watcher.advance("org/a", "w", -30)

    assert shown(drawn) == {"all models": (160, 300), "org/a w": (120, 200), "org/b w": (40, 100)}

    watcher.finish("org/a", "w")

    assert shown(drawn) == {"all models": (160, 300), "org/b w": (40, 100)}


def test_bar_says_how_far_another_session_is_until_bytes_come() -> None:
    """Until bytes come, a bar says how far another session is with the same file."""
    drawn, watcher = bars()
    watcher.start("org/a", "w", 200)
    watcher.wait("org/a", "w", 90_000)
    waiting = shown(drawn)
    watcher.advance("org/a", "w", 200)

    assert set(waiting) == {"all models", "org/a w (another session has 90.0 kB)"}
    assert shown(drawn) == {"all models": (200, 300), "org/a w": (200, 200)}


def test_log_says_how_much_is_there_while_nothing_new_begins() -> None:
    """While no new download begins, a log says how many bytes of all are there."""
    clock, screen, display = on(rewrites=False)
    plan = cast("Plan", SimpleNamespace(download_size=3_000_000_000))
    out = TerminalWriter(io.StringIO())

    with progress(plan, out, display) as watcher:
        assert isinstance(watcher, Lines)
        clock.take(8.0)
        watcher.start("org/a", "w", 2_000_000_000)
        watcher.advance("org/a", "w", 500_000_000)
        watcher.advance("org/b", "w", 700_000_000)
        watcher.advance("org/a", "w", -100_000_000)
        pass_time(display, clock, 11.0)

    assert [line for line in screen.seen if "cleared" not in line] == [
        (17.0, "downloading, 1.1 GB of 3.0 GB, 17 s")
    ]


def test_nothing_is_drawn_where_nothing_is_downloaded() -> None:
    """The bar for all models is shown only if there are bytes to come."""
    from rich.progress import Progress

    for total, shown in ((0, False), (1, True)):
        bars = Progress()
        Bars(bars, total)
        assert [task.visible for task in bars.tasks] == [shown], total


def test_bars_are_not_written_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a download has bars, the display shows nothing beside them."""
    clock, screen, display = on(rewrites=True)
    monkeypatch.setattr(sys, "stdout", Terminal(tty=True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)

    with progress(NOTHING, TerminalWriter(io.StringIO()), display):
        pass_time(display, clock, 9.0)

    assert screen.seen == []
