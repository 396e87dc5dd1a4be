"""Estimates how long a call takes, with an interval; the unit of replication is the process.

Calls of one process resemble each other more than calls of different processes, so that their
spread says little about a second run. The estimate is the geometric mean of the median calls of the
processes. Its interval comes from how these medians differ.

On a virtual machine, whose host may be slow for minutes, processes of one session also resemble
each other more than processes of different sessions. How much sessions differ was measured
(BETWEEN_SESSIONS), and makes the interval wider there.
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
"""The probability that an interval holds the value that many more processes would give."""

NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Half the width of such an interval of a normal distribution, in standard deviations."""

BETWEEN_SESSIONS = 0.04
"""How much sessions on one virtual machine differ beyond the differences of their processes.

It is the standard deviation of the logarithm, so 4 %, as `python -m tests.proofs.twelve_runs` has
found."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The seconds that a call takes, with an interval.

    `low` and `high` are None if there was one process: it cannot show how processes differ.
    """

    seconds: float
    low: float | None
    high: float | None
    calls: tuple[int, ...]
    """The number of calls of each process, in the order of the processes."""

    @property
    def margin(self) -> float | None:
        """How far the upper end lies above the estimate, as a share of that: 0.02 is 2 %."""
        return None if self.high is None else self.high / self.seconds - 1


def estimate(samples: Iterable[Sample], between_sessions: float = 0.0) -> Estimate:
    """Return the estimate from the samples of one session.

    `between_sessions` is the standard deviation of the logarithm between sessions, as
    BETWEEN_SESSIONS is.

    Raises:
        ValueError: There are no samples, or one of them took no time.
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
    logs = [log(seconds) for seconds in medians]
    centre = fmean(logs)
    # `statistics.stdev` computes with fractions, which takes most of the time of a large report.
    deviation = (fsum((value - centre) ** 2 for value in logs) / (len(logs) - 1)) ** 0.5
    of_processes = students_t(len(logs) - 1) * deviation / len(logs) ** 0.5
    of_sessions = NORMAL * between_sessions
    width = hypot(of_processes, of_sessions)
    return Estimate(exp(centre), exp(centre - width), exp(centre + width), calls)


@cache
def students_t(freedom: int) -> float:
    """Return Student's t of a two-sided interval at CONFIDENCE, for some degrees of freedom."""
    from scipy.special import stdtrit  # faster to import than scipy.stats, which has it as t.ppf

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True)
class UnpairedRatio:
    """The ratio of two estimates that were measured apart, with an interval.

    `low` and `high` are None if one of the estimates has no interval.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 1, so that it is known which of the two is slower."""
        return self.low is not None and self.high is not None and (self.low > 1 or self.high < 1)


def ratio(this: Estimate, other: Estimate) -> UnpairedRatio:
    """Return the ratio of two estimates that were measured apart, on one machine.

    In logarithms the ratio is a difference of two estimates, and the errors of independent
    estimates add as squares: the half width of its interval is the root of the sum of the squares
    of their half widths. With few processes that is a little wider than Welch's interval, so it
    holds the true ratio in at least 95 of 100 pairs. What the estimates allow for differences of
    sessions is part of it. A machine that changed between the two measurements is not allowed for;
    for that, measure both sides in turns.
    """
    value = this.seconds / other.seconds
    if this.high is None or other.high is None:
        return UnpairedRatio(value, None, None)
    widths = (log(this.high / this.seconds), log(other.high / other.seconds))
    width = hypot(*widths)
    return UnpairedRatio(value, value * exp(-width), value * exp(width))
