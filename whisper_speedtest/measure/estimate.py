"""How long a call takes, and how far that may be off: the process is what is repeated.

Calls of one process resemble one another more than those of the next process, so that their spread
says little about a second run. Each process gives one number, the median of its calls. The estimate
is the geometric mean of these, and its interval comes from how they differ.

Processes of one session resemble one another more than those of the next session, too, where
others use the machine's host: it slows down for minutes, and a session of a minute cannot know. How
much that is was measured, and is part of an interval on a virtual machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp, fsum, hypot, log
from statistics import NormalDist, fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whisper_speedtest.measure.samples import Sample

CONFIDENCE = 0.95
"""How often an interval holds what many more processes would give."""

NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Half the width of such an interval around a normal value, in standard deviations."""

BETWEEN_SESSIONS = 0.04
"""How far sessions on one virtual machine lie apart, over what the processes of each explain: the
standard deviation of the logarithm, so 4 %. Found by `python -m tests.proofs.twelve_runs`."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call takes, in seconds, and the interval around that.

    `low` and `high` are None of one process, which nobody can tell from the next.
    """

    seconds: float
    low: float | None
    high: float | None
    calls: tuple[int, ...]
    """How many calls of each process count, in the order of the processes."""

    @property
    def margin(self) -> float | None:
        """How far the upper end lies above the estimate, as a share of it: 0.02 is 2 %."""
        return None if self.high is None else self.high / self.seconds - 1


def estimate(samples: Iterable[Sample], between_sessions: float = 0.0) -> Estimate:
    """Return what the samples of one session tell.

    `between_sessions` is how far those of several lie apart besides, as BETWEEN_SESSIONS is.

    Raises:
        ValueError: There are none, or one took no time at all.
    """
    processes: dict[int, list[float]] = {}
    for sample in samples:
        processes.setdefault(sample.process, []).append(sample.seconds)
    if not processes or min(map(min, processes.values())) <= 0:
        raise ValueError(f"expected samples of more than 0 s, got {processes}")
    medians = [median(processes[number]) for number in sorted(processes)]
    calls = tuple(len(processes[number]) for number in sorted(processes))
    if len(medians) == 1:
        return Estimate(medians[0], None, None, calls)
    logs = [log(each) for each in medians]
    centre = fmean(logs)
    # `statistics.stdev` computes with fractions, which takes most of the time of a large report.
    deviation = (fsum((each - centre) ** 2 for each in logs) / (len(logs) - 1)) ** 0.5
    of_processes = students_t(len(logs) - 1) * deviation / len(logs) ** 0.5
    of_sessions = NORMAL * between_sessions
    width = hypot(of_processes, of_sessions)
    return Estimate(exp(centre), exp(centre - width), exp(centre + width), calls)


@cache
def students_t(freedom: int) -> float:
    """Return Student's t for a two-sided interval with so many degrees of freedom."""
    from scipy.special import stdtrit  # of scipy.stats' t, without the import of all of it

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True)
class UnpairedRatio:
    """What one estimate takes over what another takes, and the interval around that.

    `low` and `high` are None where one of the two has no interval.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 1 out, so that it is known which of the two is slower."""
        return self.low is not None and self.high is not None and (self.low > 1 or self.high < 1)


def ratio(this: Estimate, other: Estimate) -> UnpairedRatio:
    """Return how many times as long this takes as the other, measured apart on one machine.

    The logarithm of a ratio is the difference of two logarithms, each with an interval of its own
    half width. Errors of independent measurements add as squares, so the half width of the
    difference is the root of the sum of the squares of both. With so few processes that is a little
    wider than Welch's interval, so it holds the true ratio in at least 95 of 100 such pairs. What
    either interval allows for besides, as other sessions, this one does. It knows nothing of a
    machine that changed between the two; sides measured in turns do.
    """
    value = this.seconds / other.seconds
    if this.high is None or other.high is None:
        return UnpairedRatio(value, None, None)
    widths = (log(this.high / this.seconds), log(other.high / other.seconds))
    width = hypot(*widths)
    return UnpairedRatio(value, value * exp(-width), value * exp(width))
