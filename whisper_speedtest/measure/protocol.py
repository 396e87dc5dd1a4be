"""How often calls and starts are timed, and how long they may take.

All of it is decided before a measurement, but for the number of calls: that depends on how long the
first timed call took.
"""

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
"""The longest clip, in seconds, that the limits below are made for. A longer clip has more time."""

TIME_LIMITS = {
    "micro": 240,
    "tiny": 180,
    "base": 240,
    "small": 420,
    "medium": 900,
    "large": 1800,
}
"""Word in the name of a size → seconds that one start or one call may take."""

NO_LIMIT = 1e6
"""Seconds that stand for no limit: eleven days. Systems refuse to wait for more than 24 days."""

BATCH_SIZES = (1, 6, 12, 24)
"""The batch sizes that are timed on long audio: how many windows of 30 s are decoded at once."""

WINDOW_SECONDS = 30
"""The length of audio that a Whisper model hears at once."""

PROCESSES = 3
"""How many processes of a case are started. With two, the interval would be six times as wide.

A variant that the device runs many times slower than others is measured in one process."""

MOST_CALLS = 10
"""The most calls that are timed in each process."""

CALLS_ON_CPU = 3
"""The most calls that are timed in each process on a CPU, where calls are long.

Where calls are brief, as many are timed as fit into the budget of a GPU: three brief calls would
not show that the machine changes by the second."""

UNTIMED_SECONDS = 0.5
"""How many seconds of untimed calls each process makes before its timed calls.

It makes at least one and at most MOST_CALLS. Threads that were idle are slow at first: within half
a second, calls of faster-whisper went from 50 ms down to 30 ms."""

BUDGETS: Mapping[Device, float] = {"gpu": 6.0, "cpu": 20.0}
"""Seconds that the timed calls of one test may take together, by device."""

PAUSES: Mapping[Device, float] = {"gpu": 5.0, "cpu": 0.0}
"""Device → seconds of idleness before each call that is timed after a pause; 0: none is timed.

Apple's GPUs slow down after about one idle second (llama.cpp#10119). A CPU is awake at once."""

OVERRUN = 1.25
"""By what factor one call of each process, taken together, may exceed the budget.

If they would take longer, one process makes a single call."""

RETAKES = 2
"""How many times a call is made again, at most, because other processes used the machine."""

LOOKS = (4, 6, 8, 12)
"""The numbers of blocks after which a comparison computes its interval and may end."""

TURNS = 10
"""How many turns a block of a comparison has. In a turn, each side makes one call."""

LEAST_TURNS = 3
"""The fewest turns that a block has, where calls are long."""

MINUTES = 10.0
"""How many minutes a comparison may take."""

MAX_OTHERS = 0.1
"""How much of the processors that a library needs other processes may use during a timed call."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How many processes and calls there are, and their limits; None: the suite chooses."""

    processes: int | None = None
    calls: int | None = None
    """Timed calls of each process."""

    budget: float | None = None
    """Seconds that the timed calls of one test may take together."""

    max_others: float | None = MAX_OTHERS
    """How much of the processors that the library needs other processes may use during a call.

    A call during which they use more is made again. None: they may use any number."""

    pause: float | None = None
    """Seconds of idleness before a call after a pause; 0: no such call is made."""

    timeout: float | None = None
    """The user's --timeout: seconds for a start or call, in place of TIME_LIMITS; 0: no limit."""

    def processes_of(self, case: Case, device: Device) -> int:
        """Return how many processes of a case to start; memory may have room for fewer."""
        return self.processes or (1 if is_slow(case, device) else PROCESSES)

    def budget_on(self, device: Device) -> float:
        """Return the seconds that the timed calls of one test may take together on a device."""
        return BUDGETS[device] if self.budget is None else self.budget

    def pause_on(self, device: Device) -> float:
        """Return the seconds of idleness before a call after a pause; 0: no such call is made."""
        return PAUSES[device] if self.pause is None else self.pause

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """The names of the values above that the user has chosen."""
        names: tuple[Choice, ...] = ("processes", "calls", "budget", "pause")
        return tuple(name for name in names if getattr(self, name) is not None)

    def repeats(
        self, first: float, processes: int, device: Device, pause: float = 0.0
    ) -> tuple[int, int]:
        """Return how many processes make timed calls, and how many calls each of them makes.

        `first` is how many seconds the first timed call of the first process took. No other
        measurement decides this: whoever measures until the numbers please gets pleasing numbers.
        With a `pause` before each call, each process makes one call only.
        """
        if self.calls is not None:
            return processes, self.calls
        budget = self.budget_on(device)
        one_call_each = processes * first  # seconds
        if one_call_each > OVERRUN * budget and self.processes is None:
            return 1, 1
        if pause:
            return processes, 1
        most = MOST_CALLS
        if device == "cpu" and self.budget is None:
            most = min(most, max(CALLS_ON_CPU, int(BUDGETS["gpu"] / one_call_each)))
        return processes, max(1, min(most, int(budget / one_call_each)))

    def most_beside(self, engine: Engine) -> float | None:
        """Return how many processors others may use while an engine computes; None: any number.

        An engine on a GPU counts as one thread, which hands the GPU its work.
        """
        threads = engine.threads if engine.device == "cpu" else 1
        return most_of_others(self.max_others, threads)

    def start_limit(self, case: Case) -> float:
        """Return the seconds that one start of a case may take, up to its first transcript."""
        if self.timeout is None:
            return usual_limit(case)
        return self.timeout or NO_LIMIT

    def call_limit(self, case: Case, seconds: float) -> float:
        """Return the seconds that one call of a case may take, on a clip of `seconds`."""
        limit = self.start_limit(case)
        if self.timeout is None:
            limit *= max(1.0, seconds / LIMITED_SECONDS)
        return limit

    def test_limit(self, case: Case, seconds: float, pause: float = 0.0) -> float:
        """Return the seconds that a test of a case may take, on a clip of `seconds`.

        That is the sum of the limits of all its starts, its calls, the calls that are made again
        and the pauses. An engine that hangs is ended sooner, by the limit of one call.
        """
        processes = self.processes or PROCESSES
        calls = MOST_CALLS if self.calls is None else self.calls
        called = processes * (1 + calls * (1 + RETAKES))
        call = self.call_limit(case, seconds) + pause
        return processes * self.start_limit(case) + called * call

    def corpus_limit(self, case: Case, seconds: Iterable[float]) -> float:
        """Return the seconds that a test of a case may take, on a corpus of clips.

        `seconds` has the length of each clip. The sum covers a start, since the test may be the
        first of its case, an untimed call, and a call for each clip.
        """
        calls = sum(self.call_limit(case, length) for length in seconds)
        return 2 * self.start_limit(case) + calls

    def comparison_limit(self, sides: Sequence[Case], seconds: float, minutes: float) -> float:
        """Return the seconds after which a comparison of two cases is ended from outside.

        A comparison watches its `minutes` itself. To these this adds the limits of all starts and
        calls of the blocks up to the first of LOOKS, with calls that are made again, and of one
        more block. An engine that hangs is ended sooner, by the limit of one call.
        """
        called = 1 + TURNS * (1 + RETAKES)
        block = sum(
            self.start_limit(case) + called * self.call_limit(case, seconds) for case in sides
        )
        return 60 * minutes + (1 + LOOKS[0]) * block


def usual_limit(case: Case) -> float:
    """Return the seconds that one start, or one call on a clip up to LIMITED_SECONDS, may take."""
    return next(float(limit) for name, limit in TIME_LIMITS.items() if name in case.size)


def probe_limit(case: Case) -> float:
    """Return the seconds that a library may take to show that it can compute on the GPU.

    It starts and transcribes one short clip. Half the limit of a start is ample for that, and takes
    nothing from the limits of the case's tests.
    """
    return usual_limit(case) / 2


def batch_sizes(case: Case) -> tuple[int, ...]:
    """Return the batch sizes to time with a case's library; (1,) where it has no such setting."""
    return BATCH_SIZES if adapter_class(case.adapter).traits.batches else BATCH_SIZES[:1]


def largest_batch(seconds: float, device: Device) -> int:
    """Return the largest batch size that is worth timing on audio of so many seconds.

    On a CPU that is the number of its windows, or BATCH_SIZES[1] if that is more: with a larger
    batch the work would be the same.
    """
    if device == "gpu":
        return BATCH_SIZES[-1]
    return max(math.ceil(seconds / WINDOW_SECONDS), BATCH_SIZES[1])


def is_slow(case: Case, device: Device) -> bool:
    """Tell whether a device runs a case's variant many times slower than other variants."""
    return case.variant in adapter_class(case.adapter).slow_variants.get(device, ())
