"""What a measurement tells of itself as it goes on, to whoever shows that to people.

It tells outside every clock. Some of it stands between an untimed call and the timed one that must
follow at once, so whoever is told then may do no more than take note.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Activity(StrEnum):
    """What a measurement does next."""

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
    """A call whose clip is transcribed once, as one of many."""

    EMPTY_CALLS = "empty calls"

    @property
    def timed(self) -> bool:
        """Whether a clock runs meanwhile."""
        return self not in {
            Activity.LAY_OUT,
            Activity.EVICT,
            Activity.VERIFY,
            Activity.UNTIMED_CALL,
            Activity.PAUSE,
        }

    @property
    def of_a_start(self) -> bool:
        """Whether this is a part of starting a process."""
        return self not in {
            Activity.UNTIMED_CALL,
            Activity.PAUSE,
            Activity.TIMED_CALL,
            Activity.CLIP,
            Activity.EMPTY_CALLS,
        }


class Step(NamedTuple):
    """What a measurement does from now on, and in which of its processes and calls."""

    activity: Activity
    process: int
    """Counted from 1, as people do."""

    processes: int
    call: int = 0
    """Of the timed calls of this process, or of its clips, counted from 1; 0 of anything else."""

    calls: int = 0
    """How many such calls this process makes; 0 where that is not known yet."""

    again: bool = False
    """Whether the call was made before, beside other work of the machine."""


class Listener:
    """Told of each step of a measurement as it begins. This one does nothing."""

    def tell(self, step: Step) -> None:
        """Say what is done from now on."""
