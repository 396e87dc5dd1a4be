"""How often things are timed and how long they may take, decided before anything is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters import adapter_class
from whisper_speedtest.measure.contention import most_of_others

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapters.base import Case, Device
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.samples import Choice

LIMITED_SECONDS = 120
"""The length of the longest clip that the limits below are made for; those of longer ones grow."""

TIME_LIMITS = {
    "micro": 240,
    "tiny": 180,
    "base": 240,
    "small": 420,
    "medium": 900,
    "large": 1800,
}
"""Seconds that one start or call may take, by the name that is part of the size."""

NO_LIMIT = 1e6
"""Seconds: eleven days, as the system lets nobody wait for more than 24."""

BATCH_SIZES = (1, 6, 12, 24)
"""How many windows of 30 s are decoded at once, on long audio."""

WINDOW_SECONDS = 30
"""The length of audio that a Whisper model hears at once."""

PROCESSES = 3
"""How many processes of a case are started, of which two would give an interval six times as wide.

Of a variant that the device runs many times slower, it is one."""

MOST_CALLS = 10
"""How many calls of each process are timed at most."""

CALLS_ON_CPU = 3
"""How many they are at most on a CPU, unless more fit into the budget of a GPU: three brief calls
would see nothing of a machine that changes by the second."""

UNTIMED_SECONDS = 0.5
"""For how long untimed calls are made before timed ones: at least one, and no more than MOST_CALLS.
Threads that were idle settle in so long: faster-whisper's calls came from 50 ms down to 30 ms."""

BUDGETS: Mapping[Device, float] = {"gpu": 6.0, "cpu": 20.0}
"""Seconds that the timed calls of one test may take together, by device."""

PAUSES: Mapping[Device, float] = {"gpu": 5.0, "cpu": 0.0}
"""Seconds in which nothing is computed before a call after a pause, by device; 0: there is none.

Those of Apple slow down after about one (llama.cpp#10119), and a CPU is awake at once."""

SCARCE = 1.25
"""Times the budget. Where a call of each process would take longer, one process makes one call."""

RETAKES = 2
"""How often a call that was timed beside other work of the machine is made again."""

LOOKS = (4, 6, 8, 12)
"""After how many blocks of a comparison its interval is looked at."""

TURNS = 10
"""How many turns a block of a comparison has: each is a call of either side."""

LEAST_TURNS = 3
"""How many turns a block has at least, where calls are long."""

MINUTES = 10.0
"""How long a comparison may take."""

MAX_OTHERS = 0.1
"""Processors that others may take, of those that a library needs, while a call is timed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How calls are repeated; None where the user has left it to the suite."""

    processes: int | None = None
    calls: int | None = None
    """Timed calls of each process."""

    budget: float | None = None
    """Seconds that the timed calls of one test may take together."""

    max_others: float | None = MAX_OTHERS
    """Processors that others may take beside a call, of those that the library needs; a call beside
    more is made again. None: any."""

    pause: float | None = None
    """Seconds of idleness before a call after a pause; 0: no such call is made."""

    timeout: float | None = None
    """Seconds that the user gives each test, in place of the limits below; 0 is no limit."""

    def processes_of(self, case: Case, device: Device) -> int:
        """Return how many processes of a case are wanted, before any of them is started."""
        return self.processes or (1 if is_slow(case, device) else PROCESSES)

    def budget_on(self, device: Device) -> float:
        """Return the seconds that the timed calls of one test may take together on a device."""
        return BUDGETS[device] if self.budget is None else self.budget

    def pause_on(self, device: Device) -> float:
        """Return the seconds of idleness before a call after a pause; 0: none is made there."""
        return PAUSES[device] if self.pause is None else self.pause

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """What the user has chosen of how calls are repeated."""
        names: tuple[Choice, ...] = ("processes", "calls", "budget", "pause")
        return tuple(name for name in names if getattr(self, name) is not None)

    def repeats(
        self, first: float, processes: int, device: Device, pause: float = 0.0
    ) -> tuple[int, int]:
        """Return how many processes make how many calls each, with a pause before each of them.

        `first` is what the first timed call of the first process took, in seconds. Nothing else
        of what is measured is looked at: who goes on until the figures please gets pleasing ones.
        After a pause each process makes one call, as a further one would have to wait once more.
        """
        if self.calls is not None:
            return processes, self.calls
        budget = self.budget_on(device)
        once = processes * first
        if once > SCARCE * budget and self.processes is None:
            return 1, 1
        most = MOST_CALLS
        if device == "cpu" and self.budget is None:
            most = min(most, max(CALLS_ON_CPU, int(BUDGETS["gpu"] / once)))
        return processes, max(1, min(1 if pause else most, int(budget / once)))

    def most_beside(self, engine: Engine) -> float | None:
        """Return how many processors others may take beside an engine.

        One on a GPU is counted as one thread, which feeds it.
        """
        threads = engine.threads if engine.device == "cpu" else 1
        return most_of_others(self.max_others, threads)

    def start_limit(self, case: Case) -> float:
        """Return the seconds that one start of a case may take, up to its first transcript."""
        return usual_limit(case) if self.timeout is None else self.timeout or NO_LIMIT

    def call_limit(self, case: Case, seconds: float) -> float:
        """Return the seconds that one call of a case may take, with a clip of so many seconds."""
        longer = max(1.0, seconds / LIMITED_SECONDS) if self.timeout is None else 1.0
        return self.start_limit(case) * longer

    def test_limit(self, case: Case, seconds: float, pause: float = 0.0) -> float:
        """Return the seconds that a test of a case may take, with a clip of so many seconds.

        That is the sum of the limits of all its starts and calls, on whichever device, with those
        that are made again and the pauses before them. An engine that hangs is ended sooner, by the
        limit of one call.
        """
        processes = self.processes or PROCESSES
        calls = MOST_CALLS if self.calls is None else self.calls
        called = processes * (1 + calls * (1 + RETAKES))
        call = self.call_limit(case, seconds) + pause
        return processes * self.start_limit(case) + called * call

    def corpus_limit(self, case: Case, seconds: Iterable[float]) -> float:
        """Return the seconds that a test of a case may take, with clips of so many seconds each.

        That is one start, as a process may be started for it, an untimed call, and a call a clip.
        """
        calls = sum(self.call_limit(case, each) for each in seconds)
        return 2 * self.start_limit(case) + calls

    def comparison_limit(self, sides: Sequence[Case], seconds: float, minutes: float) -> float:
        """Return the seconds that a comparison of two cases may take that is given some minutes.

        Beside these, it is the sum of the limits of all starts and calls of its first blocks, with
        those that are made again. An engine that hangs is ended sooner, by the limit of one call.
        """
        called = 1 + TURNS * (1 + RETAKES)
        block = sum(
            self.start_limit(each) + called * self.call_limit(each, seconds) for each in sides
        )
        return 60 * minutes + (1 + LOOKS[0]) * block


def usual_limit(case: Case) -> float:
    """Return the seconds that one start or brief call of a case may take."""
    return next(float(limit) for name, limit in TIME_LIMITS.items() if name in case.size)


def probe_limit(case: Case) -> float:
    """Return the seconds that a library may take to show that it can compute on the GPU.

    That is a start and one transcription of a short clip, for which half of a start's time is
    ample. The tests of the case have all of theirs left.
    """
    return usual_limit(case) / 2


def batch_sizes(case: Case) -> tuple[int, ...]:
    """Return the batch sizes that a case's library can be told; (1,) where it cannot be told."""
    return BATCH_SIZES if adapter_class(case.adapter).traits.batches else BATCH_SIZES[:1]


def largest_batch(seconds: float, device: Device) -> int:
    """Return the largest batch that is worth timing on audio of so many seconds.

    On a CPU, a larger one would time the same work again, as all windows are in one batch of it.
    """
    if device == "gpu":
        return BATCH_SIZES[-1]
    return max(math.ceil(seconds / WINDOW_SECONDS), BATCH_SIZES[1])


def is_slow(case: Case, device: Device) -> bool:
    """Tell whether a device runs a case's variant many times slower than others do."""
    return case.variant in adapter_class(case.adapter).slow_variants.get(device, ())
