"""What it costs to show what goes on: CPU time, which a busy machine does not add to."""

from __future__ import annotations

import os
import pty
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from _pytest._io import TerminalWriter

from tests.helpers.fake_engine import Clock
from whisper_speedtest.measure.steps import Activity, Step
from whisper_speedtest.session.terminal.display import REWRITE, Display, Shown
from whisper_speedtest.session.terminal.screen import StatusLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMES = 2000
MOST_TELLING = 10e-6
"""Seconds: it was 1 µs. Between an untimed call and the timed one a GPU must not rest."""

MOST_OF_A_CALL = 2e-4
"""CPU time a second of a call: it was 4e-6 for the writing alone, and 4e-5 with the waking."""


@pytest.fixture(name="line")
def _line() -> Iterator[StatusLine]:
    """A line on a real terminal, that somebody reads."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as file:
        reporter = SimpleNamespace(_tw=TerminalWriter(file), currentfspath=None)
        line = StatusLine(cast("pytest.TerminalReporter", reporter))
        reader = threading.Thread(target=_read_all, args=(ours,))
        reader.start()
        yield line
        line.close()
    reader.join()
    os.close(ours)


def _read_all(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # The other end is closed.
        return


def seconds_of_each(step: Callable[[], object]) -> float:
    """Return the CPU time of this thread that a step takes, as the mean of many."""
    begin = time.thread_time()
    for _ in range(TIMES):
        step()
    return (time.thread_time() - begin) / TIMES


@pytest.mark.parametrize("before", [Activity.UNTIMED_CALL, Activity.TIMED_CALL])
def test_telling_takes_some_microseconds(line: StatusLine, before: Activity) -> None:
    """Telling a step takes less than 10 µs where nothing is due to be written."""
    display = Display(line, Clock(), threaded=False)

    def tell() -> None:
        display.tell(Step(before, 1, 3))
        display.tell(Step(Activity.TIMED_CALL, 1, 3, 1, 3))

    with display.showing(Shown("lightning-whisper-mlx[medium-fp16] long")):
        seconds = seconds_of_each(tell) / 2

    assert seconds < MOST_TELLING, f"telling a step took {seconds * 1e6:.1f} µs"


def test_writing_takes_little_of_a_call(line: StatusLine) -> None:
    """Writing the line every five seconds takes less than 0.02 % of the time of a timed call."""
    clock = Clock()
    display = Display(line, clock, threaded=False)

    def write() -> None:
        clock.take(REWRITE)
        display.look()

    with display.showing(Shown("lightning-whisper-mlx[medium-fp16] long")):
        display.tell(Step(Activity.TIMED_CALL, 1, 3, 1, 3))
        share = seconds_of_each(write) / REWRITE

    assert share < MOST_OF_A_CALL, f"writing takes {share:.1e} s a second of a call"
