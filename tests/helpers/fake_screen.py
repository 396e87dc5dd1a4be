"""A screen on a clock that moves only when it is told to, and a display that shows on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.helpers.fake_engine import Clock
from whisper_speedtest.session.terminal.display import Display


@dataclass
class FakeScreen:
    """Writes down what is shown and when, in seconds since the beginning."""

    clock: Clock
    rewrites: bool = True
    width: int = 79
    seen: list[tuple[float, str]] = field(default_factory=list)
    begun: int = 0
    closed: bool = False

    def begin(self) -> None:
        """Take note."""
        self.begun += 1

    def show(self, line: str) -> None:
        """Take note."""
        self.seen.append((self.clock.now - 1000, line))

    def clear(self) -> None:
        """Take note."""
        self.seen.append((self.clock.now - 1000, "cleared"))

    def close(self) -> None:
        """Take note."""
        self.closed = True

    @property
    def times(self) -> list[float]:
        """When anything was shown."""
        return [when for when, line in self.seen if line != "cleared"]


def on(*, rewrites: bool) -> tuple[Clock, FakeScreen, Display]:
    """Return a clock, a screen, and a display without a thread."""
    clock = Clock()
    screen = FakeScreen(clock, rewrites)
    return clock, screen, Display(screen, clock, threaded=False)


def pass_time(display: Display, clock: Clock, seconds: float) -> list[float]:
    """Let the display look as its thread would; return how long it then waited, each time."""
    end, waits = clock.now + seconds, []
    while clock.now < end:
        waits.append(display.look())
        clock.take(min(waits[-1], end - clock.now))
    return waits
