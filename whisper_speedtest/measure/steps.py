"""The steps of a measurement, of which it tells a listener, so that people can see its progress.

A listener is called while no clock runs. Between an untimed call and the timed call that must
follow at once, it may do no more than take note.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Activity(StrEnum):
    """What a measurement does in one step, in the words that people see."""

    LAY_OUT = "hashing its files"
    LAUNCH = "launching"
    IMPORT = "importing"
    LOAD = "loading"
    FIRST_CALL = "first call"
    VERIFY = "verifying"
    EVICT = "taking its files out of memory"
    UNTIMED_CALL = "untimed call"
    PAUSE = "idle"
    TIMED_CALL = "call"
    CLIP = "clip"
    """A call on one clip of a corpus."""

    EMPTY_CALLS = "empty calls"

    @property
    def timed(self) -> bool:
        """Whether a clock runs during it."""
        return self not in {
            Activity.LAY_OUT,
            Activity.EVICT,
            Activity.VERIFY,
            Activity.UNTIMED_CALL,
            Activity.PAUSE,
        }

    @property
    def of_a_start(self) -> bool:
        """Whether it is a part of the start of a process."""
        return self not in {
            Activity.UNTIMED_CALL,
            Activity.PAUSE,
            Activity.TIMED_CALL,
            Activity.CLIP,
            Activity.EMPTY_CALLS,
        }


class Step(NamedTuple):
    """One step of a measurement: what it does, and in which process and call."""

    activity: Activity
    process: int
    """Which process it is, counted from 1, as people do."""

    processes: int
    """How many processes the measurement has."""

    call: int = 0
    """Which timed call of the process, or which clip, counted from 1; 0 for any other activity."""

    calls: int = 0
    """How many timed calls the process makes, or clips it has; 0 where that is not known yet."""

    again: bool = False
    """Whether the call is made again, as other processes used the machine before."""


class Listener:
    """Is told of each step of a measurement as the step begins, by the one thread that measures.

    This one does nothing. Downloads tell a `Watcher` of theirs, by several threads at once.
    """

    def tell(self, step: Step) -> None:
        """Take note that a step begins."""
