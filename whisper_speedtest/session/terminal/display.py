"""Shows the progress of a session: in a line that is rewritten, or in whole lines in a log.

Neither is silent for ten seconds. A thread writes the lines, and sleeps most of the time. It
disturbs no measurement: while a clock runs, it writes nothing for the first REWRITE seconds of a
step, and then once every REWRITE seconds, so that it never writes during a shorter call.
tests/speed/test_display_speed.py measures what it costs.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from _pytest._io.wcwidth import wcswidth

from whisper_speedtest.common.text import printable
from whisper_speedtest.measure.steps import Activity, Listener, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whisper_speedtest.session.terminal.screen import Screen

REWRITE = 5.0
"""Seconds after which the line is rewritten while a clock runs."""

REWRITE_UNTIMED = 1.0
"""Seconds after which it is rewritten while no clock runs, and after which it first appears."""

LOG_SILENCE = 9.0
"""Seconds of silence after which a line is added to a log."""

CUT = "…"
"""Stands for the end of a name that was cut."""


@dataclass(slots=True)
class Shown:
    """An activity of the session that the display shows, and when it began."""

    subject: str
    short: str = ""
    """The subject in fewer words, for a narrow terminal."""

    since: float = 0.0
    left: Callable[[float], str] = lambda _: ""
    """Returns the text on the time left in the session, given the seconds since it began; or ""."""


class _Now(NamedTuple):
    """The present step of a measurement, and when the step began."""

    step: Step | None
    begun: float


class Display(Listener):
    """Shows the session's progress on a screen; without a screen, it shows nothing.

    Its thread lives while something is shown. With `threaded=False`, the owner has to call `look`.
    """

    def __init__(
        self,
        screen: Screen | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        threaded: bool = True,
    ) -> None:
        self._screen = screen
        self._clock = clock
        self._threaded = threaded
        self._lock = threading.RLock()
        self._shown: list[Shown] = []
        self._now = _Now(None, 0.0)
        self._drawn = False
        self._written = clock()

    @contextmanager
    def showing(self, shown: Shown) -> Iterator[None]:
        """Show an activity while the block runs, in place of that of an outer block."""
        if self._screen is None:
            yield
            return
        depth, before = len(self._shown), self._now
        needs_thread = self._threaded and depth == 0
        with self._looked_at() if needs_thread else nullcontext():
            try:
                self._begin(shown)
                yield
            finally:
                with self._lock:
                    self._clear()
                    del self._shown[depth:]
                    self._now = before

    @contextmanager
    def _looked_at(self) -> Iterator[None]:
        """Let a thread call `look` again and again while the block runs."""
        stopped = threading.Event()

        def run() -> None:
            # Ctrl-C and time limits are for the main thread, whose waiting they must interrupt.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            while not stopped.wait(self.look()):
                pass

        thread = threading.Thread(target=run, name="display", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _begin(self, shown: Shown) -> None:
        """Show an activity from now on."""
        assert self._screen is not None
        now = self._clock()
        shown.since = shown.since or now
        with self._lock:
            if not self._shown:
                self._screen.begin()
            self._clear()
            self._shown.append(shown)
            self._now = _Now(None, now)
            if self._screen.rewrites:
                self._written = now  # So that a brief activity does not flicker.

    def subject(self, subject: str) -> None:
        """Change the subject of the activity that is shown."""
        if self._shown:
            self._shown[-1].subject = subject

    def wrote(self) -> None:
        """Take note that something was written, so that the next line can wait."""
        self._written = self._clock()

    def tell(self, step: Step) -> None:
        """Take note that a step begins, and write a line if it is time to.

        After an untimed call nothing is written, as the timed call has to follow at once.
        """
        before, self._now = self._now.step, _Now(step, self._clock())
        if before is None or before.activity is not Activity.UNTIMED_CALL:
            self.look(between=True)

    def look(self, *, between: bool = False) -> float:
        """Write a line if it is time to; return the seconds after which to call this again.

        `between` says that one step has ended and the next has not begun, so no clock runs.
        """
        with self._lock:
            now = self._clock()
            if self._screen is None or not self._shown:
                return REWRITE_UNTIMED
            step, begun = self._now
            timed = not between and step is not None and step.activity.timed
            due = self._due(step, timed=timed)
            if timed:
                due = max(due, begun + REWRITE)
            if now >= due:
                self._write(now, step)
            pauses = [REWRITE if timed else REWRITE_UNTIMED, due - now]
            if not self._screen.rewrites:
                pauses.append(self._due_before_clock - now)
            return min(each for each in pauses if each > 0)

    def close(self) -> None:
        """Show nothing any more."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _due(self, step: Step | None, *, timed: bool) -> float:
        """Return the time at which to write next, counted from the last line."""
        assert self._screen is not None
        if self._screen.rewrites:
            return self._written + (REWRITE if timed else REWRITE_UNTIMED)
        clock_follows = step is not None and (
            step.activity.timed or step.activity is Activity.UNTIMED_CALL
        )
        if clock_follows and not timed:
            return self._due_before_clock
        return self._written + LOG_SILENCE

    @property
    def _due_before_clock(self) -> float:
        """The time at which a log needs a line if a clock will run soon.

        A line then allows REWRITE seconds of silence in the timed step without LOG_SILENCE being
        exceeded.
        """
        return self._written + LOG_SILENCE - REWRITE

    def _write(self, now: float, step: Step | None) -> None:
        """Write the line of the present activity and step."""
        assert self._screen is not None
        self._screen.show(sentence(self._shown[-1], step, now, self._screen.width))
        self._drawn = True
        self._written = now

    def _clear(self) -> None:
        """Erase the line if one was written since the last time."""
        if self._drawn and self._screen is not None:
            self._screen.clear()
            self._drawn = False


def sentence(shown: Shown, step: Step | None, now: float, width: int) -> str:
    """Return the line on the present activity and step, in at most `width` columns.

    If it is too long, parts are left out in this order: the library's name, the process, the time
    left, the call. If it is still too long, the subject is cut, and finally the whole line.
    """
    process, call = _words(step)
    seconds = now - shown.since
    elapsed, left = f"{seconds:.0f} s", shown.left(seconds)
    short = shown.short or shown.subject
    for words in (
        (shown.subject, process, call, elapsed, left),
        (short, process, call, elapsed, left),
        (short, call, elapsed, left),
        (short, call, elapsed),
        (short, elapsed),
    ):
        line = printable(", ".join(filter(None, words)))
        if wcswidth(line) <= width:
            return line
    end = f"{CUT}, {elapsed}"
    name = _cut(printable(short), width - len(end))
    return name + end if name else _cut(line, width)


def _cut(text: str, width: int) -> str:
    """Return the beginning of a text that fits into `width` columns."""
    while text and wcswidth(text) > width:
        text = text[:-1]
    return text


def _words(step: Step | None) -> tuple[str, str]:
    """Return the words for the process, and those for the call or other activity."""
    if step is None:
        return "", ""
    process = f"process {step.process} of {step.processes}"
    if not step.call:
        return process, str(step.activity)
    of = f" of {step.calls}" if step.calls else ""
    again = " again, as others used the machine" if step.again else ""
    return process, f"{step.activity} {step.call}{of}{again}"
