"""How often the printed interval holds the true time, by simulation.

Run as `python -m tests.proofs.coverage`.

The noise is made up: each process is off by a factor of its own, each call by another, some calls
are spikes, the machine drifts while a test runs, and other work comes and goes. What decides and
what estimates is the suite's own code: how many calls there are, which are made again, and what the
estimate and its interval come to. Seeds are fixed, so that every run prints the same table.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np

from tests.helpers.results import warm
from tests.proofs.noise import USUAL, Noise
from whisper_speedtest.measure.protocol import RETAKES, Rules
from whisper_speedtest.measure.samples import Repeats, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

    from whisper_speedtest.measure.result import Result

RUNS = 2000
"""Simulated tests of each row."""


NOISES = (
    USUAL,
    Noise("nothing but processes and calls"),
    Noise("processes differ more than calls", process=0.03),
    Noise("calls differ more than processes", call=0.05),
    Noise("drift of 3 % in a test", drift=0.03),
    Noise("other work beside a third of the calls", busy=0.33),
    Noise("the same, one in fifty of it unnoticed", busy=0.33, missed=0.02),
    Noise("one call in ten is a spike", spikes=0.1),
)
TIMES = (1.0, 3.0, 6.0)
"""True seconds of a call: three, two and one call of each process fit into the budget."""


def simulated(noise: Noise, true: float, random: Generator) -> Result:
    """Return the result of one test on such a machine, of calls of `true` seconds."""
    samples: list[Sample] = []
    drift = random.normal(0, noise.drift)
    count, calls, rules = 3, 1, Rules()
    for process in range(3):
        offset, done = random.normal(0, noise.process), 0
        while done < calls and process < count:
            for _ in range(1 + RETAKES):
                logarithm = offset + random.normal(0, noise.call) + drift * (process / 2 - 0.5)
                if random.random() < noise.spikes:
                    logarithm += random.uniform(0, 0.4)
                busy = random.random() < noise.busy
                seconds = true * exp(logarithm) * (2 if busy else 1)
                marked = busy and random.random() >= noise.missed
                samples.append(
                    Sample(
                        process=process, order=len(samples), seconds=seconds, contaminated=marked
                    )
                )
                if not marked:
                    break
            done += 1
            if process == 0 and done == 1:
                count, calls = rules.repeats(samples[-1].seconds, 3, "cpu")
    repeats = Repeats(processes=count, calls=calls, max_others=rules.max_others)
    return warm(samples=tuple(samples), repeats=repeats)


def covered(noise: Noise, true: float, runs: int = RUNS) -> tuple[float, float, float]:
    """Return how often an interval is printed, how often it holds the truth, its usual margin."""
    random = np.random.default_rng([int(true * 10), len(noise.name), 1])
    holds, margins, right = 0, [], truth(noise, true)
    for _ in range(runs):
        result = simulated(noise, true, random)
        if result.is_contaminated:  # busy, without an interval
            continue
        made = result.estimate
        if made.low is None or made.high is None or made.margin is None:
            continue
        holds += made.low <= right <= made.high
        margins.append(made.margin)
    return len(margins) / runs, holds / max(1, len(margins)), float(np.median(margins))


def truth(noise: Noise, true: float) -> float:
    """Return what the estimate of endlessly many processes would come to, without other work.

    A process gives the median of its calls, which one spike in three calls hardly moves.
    """
    if not noise.spikes:
        return true
    random = np.random.default_rng(0)
    _, calls = Rules().repeats(true, 3, "cpu")
    logs = random.normal(0, noise.call, (200_000, calls))
    logs += (random.random(logs.shape) < noise.spikes) * random.uniform(0, 0.4, logs.shape)
    return true * exp(float(np.median(logs, axis=1).mean()))


def lines() -> Iterator[str]:
    """Yield the table."""
    yield f"{RUNS} simulated tests a row; margin is the median of the printed ones"
    yield f"{'machine':<42}{'a call':>8}{'printed':>9}{'holds':>8}{'margin':>8}"
    for noise in NOISES:
        for true in TIMES:
            printed, holds, margin = covered(noise, true)
            yield f"{noise.name:<42}{true:>6.0f} s{printed:>9.1%}{holds:>8.1%}{margin:>8.1%}"


if __name__ == "__main__":
    for line in lines():
        print(line)
