"""What else the machine does while a call is timed, and when that is too much."""

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
"""So many ticks may seem to be of others though nobody took them, since the system counts several
kinds of them, each rounded down."""

SHARE_OF_FREE = 0.5
"""How much of the processors that a library leaves free others may take. All of them did no harm on
16 cores (tests/proofs/stand_in.txt); half is what is left for caches, memory and heat to be shared.
"""


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
    """Tell whether others took so much of the machine that the time says little of the library.

    That is more than `most` processors for the length of the call, of so many seconds; None is any
    number of them. The system counts in ticks: of a few of them nobody knows who took them, so
    nothing is said of a call that is too short for more.
    """
    if contention.others is None or most is None:
        return False
    return contention.others * seconds > max(most * seconds, TICKS_OF_NOBODY * TICK)


def most_of_others(max_others: float | None, threads: int) -> float | None:
    """Return how many processors others may take beside a library with so many threads.

    That is `max_others` of those that it needs, and SHARE_OF_FREE of those that it leaves free.
    """
    return None if max_others is None else max_others + SHARE_OF_FREE * free_processors(threads)


def free_processors(threads: int) -> int:
    """Return for how many of the processors a library with so many threads has none.

    Of a core that shows itself as two, one counts: threads on both slow each other down. The slower
    cores of Apple silicon count, since its system has them for what works in the background.
    """
    import psutil

    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    usable = cores if sys.platform == "darwin" else min(cores, fast_cores())
    return max(0, usable - threads)


def averaged(seconds: Sequence[float], taken: Sequence[Contention]) -> Contention:
    """Return the contention of some calls together, where each took so many seconds.

    A signal that one of them lacks is None.
    """
    total = sum(seconds)

    def of(shares: Sequence[Share | None]) -> Share | None:
        known = [each for each in shares if each is not None]
        if len(known) < len(shares) or total <= 0:
            return None
        return sum(share * each for share, each in zip(known, seconds, strict=True)) / total

    return Contention(
        others=of([each.others for each in taken]),
        cpu=of([each.cpu for each in taken]) or 0.0,
        waited=of([each.waited for each in taken]),
        steal=of([each.steal for each in taken]),
        pressure=of([each.pressure for each in taken]),
    )


class ContentionMeter:
    """Sees what the machine does from its making to `end`, for an engine whose process runs."""

    def __init__(self, pid: int) -> None:
        """Take the first reading of the process of an engine, and of the system."""
        self._pid = pid
        self._first = read(pid)

    def end(self) -> Contention:
        """Return what happened since."""
        return contention_between(self._first, read(self._pid))


def contention_between(first: Reading, last: Reading) -> Contention:
    """Return what happened between two readings."""
    seconds = last.when - first.when
    cpu = max(0.0, last.engine - first.engine)

    def share(before: float | None, after: float | None, without: float = 0.0) -> Share | None:
        """Return what was added without a part of it; it may be less than that by rounding."""
        if before is None or after is None:
            return None
        return max(0.0, (after - before - without) / seconds)

    waited: float | None = None
    if first.waits is not None and last.waits is not None:
        begun = first.waits
        grown = sum(now - begun.get(thread, 0.0) for thread, now in last.waits.items())
        waited = max(0.0, grown)  # macOS counts what ran and what could run at different moments
    return Contention(
        others=share(first.busy, last.busy, cpu + (last.own - first.own)),
        cpu=cpu / seconds,
        waited=None if waited is None else waited / seconds,
        steal=share(first.steal, last.steal),
        pressure=share(first.pressure, last.pressure),
    )
