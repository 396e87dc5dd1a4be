"""Shows what goes on while nothing else is written: a line that moves, or whole lines in a log.

Neither is silent for ten seconds. A thread writes, which sleeps most of the time. It disturbs no
measurement: while a clock runs it writes nothing for the first REWRITE seconds of a step, and from
then on once every REWRITE seconds, so that a call shorter than that never meets it. What it costs
is measured by tests/speed/test_display_speed.py.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from _pytest._io.wcwidth import wcswidth

from whisper_speedtest.hub.sizes import printable
from whisper_speedtest.measure.steps import Activity, Listener, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whisper_speedtest.session.screen import Screen

REWRITE = 5.0
"""Seconds after which a moving line is rewritten while a clock runs."""

REWRITE_UNTIMED = 1.0
"""The same while none does; also the seconds after which it first appears."""

LOG_SILENCE = 9.0
"""Seconds of silence after which a log says what goes on."""

CUT = "…"
"""What stands in place of the end of a name."""


@dataclass(slots=True)
class Shown:
    """Something that goes on, and since when."""

    subject: str
    short: str = ""
    """The same in fewer words, for a narrow terminal."""

    since: float = 0.0
    left: Callable[[float], str] = lambda _: ""
    """How much longer the session takes after so many seconds of this, or ""."""


class _Now(NamedTuple):
    """The step of a measurement, and when it began."""

    step: Step | None
    begun: float


class Display(Listener):
    """Shows what goes on, on a screen; on None nothing.

    Its thread lives as long as something is shown. Without a thread, its owner has to `look`.
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
        """Show something while the block runs, in place of what a block around it shows."""
        if self._screen is None:
            yield
            return
        depth, before = len(self._shown), self._now
        with self._looked_at() if self._threaded and not depth else nullcontext():
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
        """Have a thread look while the block runs."""
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
                self._written = now  # What is brief does not flicker.

    def subject(self, subject: str) -> None:
        """Show another subject of what is shown."""
        if self._shown:
            self._shown[-1].subject = subject

    def wrote(self) -> None:
        """Take note that pytest has written something."""
        self._written = self._clock()

    def tell(self, step: Step) -> None:
        """Show what a measurement is at, at once if it is time to.

        A timed call must follow an untimed one at once, so nothing is written between these.
        """
        before, self._now = self._now.step, _Now(step, self._clock())
        if before is None or before.activity is not Activity.UNTIMED_CALL:
            self.look(between=True)

    def look(self, *, between: bool = False) -> float:
        """Write if it is time to; return after how many seconds to look again.

        `between` steps no clock runs, whatever the next step is.
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
            pauses += [] if self._screen.rewrites else [self._ahead - now]
            return min(each for each in pauses if each > 0)

    def close(self) -> None:
        """Show nothing any more."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _due(self, step: Step | None, *, timed: bool) -> float:
        """Return when to write next, by when something was written last."""
        assert self._screen is not None
        if self._screen.rewrites:
            return self._written + (REWRITE if timed else REWRITE_UNTIMED)
        clock_follows = step is not None and (
            step.activity.timed or step.activity is Activity.UNTIMED_CALL
        )
        return self._ahead if clock_follows and not timed else self._written + LOG_SILENCE

    @property
    def _ahead(self) -> float:
        """When a log has to say something before a clock runs.

        That is early enough to be silent for REWRITE seconds of a timed step, which may follow an
        untimed call at once.
        """
        return self._written + LOG_SILENCE - REWRITE

    def _write(self, now: float, step: Step | None) -> None:
        assert self._screen is not None
        self._screen.show(sentence(self._shown[-1], step, now, self._screen.width))
        self._drawn = True
        self._written = now

    def _clear(self) -> None:
        if self._drawn and self._screen is not None:
            self._screen.clear()
            self._drawn = False


def sentence(shown: Shown, step: Step | None, now: float, width: int) -> str:
    """Return what goes on and since when, in no more columns than `width`.

    Where that is too little, these are left out, one after another: the library's name, the
    process, the time left, the call. Then the name of what goes on is cut, and at last all of it.
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
    """Return as much of the beginning of a text as fits into so many columns."""
    while text and wcswidth(text) > width:
        text = text[:-1]
    return text


def _words(step: Step | None) -> tuple[str, str]:
    """Return the words for the process and for the call, or what else is done."""
    if step is None:
        return "", ""
    process = f"process {step.process} of {step.processes}"
    if not step.call:
        return process, str(step.activity)
    of = f" of {step.calls}" if step.calls else ""
    again = " again, as others used the machine" if step.again else ""
    return process, f"{step.activity} {step.call}{of}{again}"
