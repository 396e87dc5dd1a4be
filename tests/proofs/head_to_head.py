"""How often a comparison in turns is right, and how many blocks it takes, by simulation.

Run as `python -m tests.proofs.head_to_head`.

The noise is made up: each process is off by a factor of its own, each call by another, some calls
are spikes, the machine drifts within a block and from block to block, and other work comes and
goes, which is noticed but for a part. What estimates, looks and decides is the suite's own code.
Seeds are fixed, so that every run prints the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

import numpy as np

from tests.proofs.noise import USUAL, Noise
from whisper_speedtest.measure.comparing import block_estimates, interval, side_of
from whisper_speedtest.measure.protocol import LOOKS, RETAKES, TURNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

RUNS = 10_000
"""Simulated comparisons of each row."""

AT_ONCE = 2000
"""So many of them are computed together, in some 300 MB."""

SPARE = 4
"""Blocks more than a comparison needs, in the place of those that do not count."""


NOISES = (
    USUAL,
    Noise("nothing but processes and calls"),
    Noise("processes differ by 3 %", process=0.03),
    Noise("calls differ by 5 %", call=0.05),
    Noise("drift of 10 % in a block", drift=0.1),
    Noise("other work beside a third of the turns", busy=0.33, missed=0.02),
    Noise("one call in ten is a spike", spikes=0.1),
    Noise("a near-quiet shared machine", call=0.05, process=0.09, spikes=0.05, drift=0.05),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What simulated comparisons came to, as shares of them; `blocks` is the mean number."""

    slower: float
    not_slower: float
    blocks: float


def blocks_with(noise: Noise, ratio: float, runs: int, random: Generator) -> Array:
    """Return what each block of some comparisons tells, whose sides differ by a true ratio.

    Turns beside other work that is noticed are taken again; what stays so is left out, and a block
    of which fewer than half of the turns are left does not count.
    """
    shape = (runs, LOOKS[-1] + SPARE, TURNS, 1 + RETAKES, 2)
    logs = random.normal(0, noise.call, shape)
    logs += (random.random(shape) < noise.spikes) * random.uniform(0, 0.4, shape)
    logs += random.normal(0, noise.process, (*shape[:2], 1, 1, 2))
    begin = np.arange(TURNS * 2).reshape(1, 1, TURNS, 1, 2) / (TURNS * 2)
    logs += random.normal(0, noise.drift, (*shape[:2], 1, 1, 1)) * begin
    busy = random.random(shape[:-1]) < noise.busy
    disturbed = random.integers(0, 2, shape[:-1])[..., None] == np.arange(2)
    logs += np.log(2) * (busy[..., None] & disturbed)
    marked = busy & (random.random(shape[:-1]) >= noise.missed)
    # Which of the two calls of a turn comes first is drawn; the first axis of a pair is the first.
    ours_first = random.random(shape[:3]) < 0.5
    differences = logs[..., 0] - logs[..., 1]
    differences = np.where(ours_first[..., None], differences, -differences) + np.log(ratio)
    last = np.argmin(marked, axis=-1)[..., None]  # the first that is not marked
    turns = np.take_along_axis(differences, last, -1)[..., 0]
    turns[marked.all(axis=-1)] = np.nan
    clean = np.sum(~np.isnan(turns), axis=-1)
    turns[clean == 0] = 0.0  # of blocks that do not count
    estimates = block_estimates(turns)
    order = np.argsort(2 * clean < TURNS, axis=-1, kind="stable")
    return np.take_along_axis(estimates, order, -1)[:, : LOOKS[-1]]


def compared(noise: Noise, ratio: float, limit: float = 0.0, runs: int = RUNS) -> Found:
    """Return what comparisons come to whose sides differ by a true ratio, at a limit."""
    seed = [round(ratio * 1000), round(limit * 1000), crc32(noise.name.encode())]
    random = np.random.default_rng(seed)
    parts = [min(AT_ONCE, runs - done) for done in range(0, runs, AT_ONCE)]
    blocks = np.concatenate([blocks_with(noise, ratio, part, random) for part in parts])
    sides = np.zeros(runs, int)
    taken = np.full(runs, LOOKS[-1])
    for look in LOOKS:
        _, low, high = interval(blocks[:, :look])
        decided = np.where(sides == 0, side_of(low, high, limit), 0)
        taken[decided != 0] = look
        sides += decided
    return Found(float(np.mean(sides == 1)), float(np.mean(sides == -1)), float(np.mean(taken)))


def lines() -> Iterator[str]:
    """Yield the table."""
    yield f"{RUNS:,} simulated comparisons a row; {TURNS} turns a block, looks after {LOOKS} blocks"
    yield f"{'machine':<40}{'true':>7}{'limit':>7}{'slower':>9}{'not slower':>12}{'blocks':>8}"
    for noise in NOISES:
        for ratio, limit in ((1.0, 0.0), (1.02, 0.0), (1.03, 0.0), (1.05, 0.05), (1.0, 0.05)):
            found = compared(noise, ratio, limit)
            yield (
                f"{noise.name:<40}{ratio - 1:>7.0%}{limit:>7.0%}{found.slower:>9.2%}"
                f"{found.not_slower:>12.2%}{found.blocks:>8.1f}"
            )


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
