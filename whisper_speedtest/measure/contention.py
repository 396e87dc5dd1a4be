"""What else the machine does during a timed call, and whether that spoils the call.

A call is contaminated if all other processes together used more of the processors during it than
they may. They may use MAX_OTHERS of the processors that the library needs, plus SHARE_OF_FREE of
those that it leaves free. TICKS_OF_NOBODY or fewer ticks of CPU time never contaminate a call, as
they may be an error of rounding.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from adapters.cores import fast_cores
from whisper_speedtest.measure.part import Part, Share
from whisper_speedtest.measure.reading import TICK, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.reading import Reading

TICKS_OF_NOBODY = 3
"""How many ticks of CPU time may seem to be of other processes though nobody used them.

The system counts several kinds of ticks, and rounds each of them down."""

SHARE_OF_FREE = 0.5
"""Which share of the processors that a library leaves free other processes may use.

On 16 cores the use of all free ones did no harm (tests/proofs/stand_in.txt). Half is allowed, as
caches, memory and heat are shared on other machines."""


class Contention(Part, frozen=True, kw_only=True):
    """What an engine had to share the machine with during one call. Seconds a second of the call.

    Only `others` marks a call; the rest stands beside it.
    """

    others: Share | None
    """CPU time of all other processes: the whole system's without the engine's and pytest's. Other
    engines are others, too. None where the system does not count."""

    cpu: Share
    """CPU time of the engine and what it started."""

    waited: Share | None
    """How long threads of the engine were ready and had no processor; None where nobody tells. On a
    quiet machine it is that of threads that compete with others of the same library."""

    steal: Share | None
    """CPU time that a hypervisor gave to other machines; None where nobody tells."""

    pressure: Share | None
    """How long any process of the system waited for a processor; None where nobody tells."""


def is_contaminated(contention: Contention, seconds: float, most: float | None) -> bool:
    """Tell whether other processes used more than `most` processors during a call of `seconds`.

    None allows any number of processors. A use of TICKS_OF_NOBODY ticks or fewer never counts, as
    it may be an error of rounding.
    """
    if contention.others is None or most is None:
        return False
    return contention.others * seconds > max(most * seconds, TICKS_OF_NOBODY * TICK)


def most_of_others(max_others: float | None, threads: int) -> float | None:
    """Return how many processors others may use beside a library with so many threads.

    That is `max_others`, of the processors that the library needs, plus SHARE_OF_FREE of those that
    it leaves free. None, for any number, where `max_others` is None.
    """
    return None if max_others is None else max_others + SHARE_OF_FREE * free_processors(threads)


def free_processors(threads: int) -> int:
    """Return how many processors a library with so many threads leaves free.

    A core with two hardware threads counts once, as these slow each other down. Cores that this
    process may not use do not count. On macOS the slower cores count, too, since the system runs
    background work on them.
    """
    import psutil

    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    usable = cores if sys.platform == "darwin" else min(cores, fast_cores())
    return max(0, usable - threads)


def averaged(seconds: Sequence[float], contentions: Sequence[Contention]) -> Contention:
    """Return the mean of the contentions of some calls, weighted by the seconds of each call.

    A signal that is missing from one call is None in the mean.
    """
    total = sum(seconds)

    def mean(shares: Sequence[Share | None]) -> Share | None:
        known = [share for share in shares if share is not None]
        if len(known) < len(shares) or total <= 0:
            return None
        return sum(share * weight for share, weight in zip(known, seconds, strict=True)) / total

    return Contention(
        others=mean([call.others for call in contentions]),
        cpu=mean([call.cpu for call in contentions]) or 0.0,
        waited=mean([call.waited for call in contentions]),
        steal=mean([call.steal for call in contentions]),
        pressure=mean([call.pressure for call in contentions]),
    )


class ContentionMeter:
    """Measures the contention beside an engine, from the moment it is made until `end`."""

    def __init__(self, pid: int) -> None:
        """Take the first reading of the system and of an engine's process, which must run."""
        self._pid = pid
        self._first = read(pid)

    def end(self) -> Contention:
        """Return the contention since this was made."""
        return contention_between(self._first, read(self._pid))


def contention_between(first: Reading, last: Reading) -> Contention:
    """Return the contention between two readings."""
    seconds = last.when - first.when
    cpu = max(0.0, last.engine - first.engine)

    def share(before: float | None, after: float | None, without: float = 0.0) -> Share | None:
        """Return the growth of a counter less `without`; 0 where rounding makes it negative."""
        if before is None or after is None:
            return None
        return max(0.0, (after - before - without) / seconds)

    waited: float | None = None
    if first.waits is not None and last.waits is not None:
        before = first.waits
        grown = sum(now - before.get(thread, 0.0) for thread, now in last.waits.items())
        # macOS counts running and runnable time at different moments, so this can be negative.
        waited = max(0.0, grown)
    return Contention(
        others=share(first.busy, last.busy, cpu + (last.own - first.own)),
        cpu=cpu / seconds,
        waited=None if waited is None else waited / seconds,
        steal=share(first.steal, last.steal),
        pressure=share(first.pressure, last.pressure),
    )
