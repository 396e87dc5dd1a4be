"""The statistics of a comparison: whether one side is slower than the baseline, by how much.

A block is a fresh process of each side. In a turn of a block both sides make one call, one right
after the other, so that a drift of the machine is in both calls and cancels in their ratio. A block
is the unit of replication: the turns of one block resemble each other more than turns of different
blocks, since processes differ.

The interval is computed after each of LOOKS blocks, and no further block is begun once the interval
lies on one side of the limit. Four looks give chance four tries, so each look has to be stricter
than the comparison as a whole.

Computations are in logarithms of ratios. Functions on arrays take many comparisons at once, in the
leading axes, so that a simulation runs the code that decides (tests/proofs/head_to_head.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, log
from typing import TYPE_CHECKING, TypeAlias

from whisper_speedtest.measure.measures import Verdict
from whisper_speedtest.measure.protocol import LOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from whisper_speedtest.measure.samples import Turn

    Array: TypeAlias = NDArray[np.float64]

LEVEL = 0.0022
"""The probability, at one look, that the true ratio lies below the interval; the same above it.

Over all four looks it is 0.7 %, as each look has most blocks in common with the one before; the
suite promises 1 %."""

VERDICTS = {1: Verdict.SLOWER, -1: Verdict.NOT_SLOWER, 0: Verdict.UNDECIDED}


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """A ratio that was measured in turns: seconds of our call over seconds of the baseline's.

    `low` and `high` are the ends of its interval.
    """

    ratio: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """How far the upper end lies above the ratio, as a share of the ratio: 0.02 is 2 %."""
        return self.high / self.ratio - 1

    def margin_needed(self, limit: float) -> float:
        """Return the largest margin with which this ratio would be decided: 0.01 is 1 %."""
        return expm1(abs(log(self.ratio) - log(1 + limit)))

    def verdict(self, limit: float) -> Verdict:
        """Return on which side of a limit the interval lies.

        `limit` is a share: 0.05 is 5 % slower than the baseline; 0 asks which side is slower.
        """
        import numpy as np

        low, high = np.array(log(self.low)), np.array(log(self.high))
        return VERDICTS[int(side_of(low, high, limit))]


def block_estimates(logs: Array) -> Array:
    """Return the estimate of each block, from the logarithms of its turns' ratios in the last axis.

    It is the Hodges-Lehmann estimate: the median of the means of all pairs of turns, where each
    turn is also paired with itself. An outlier moves it as little as it moves the median, and it is
    about as precise as the mean. NaN stands for a turn that is left out; a block of nothing but NaN
    gives NaN.
    """
    import numpy as np

    first, second = np.triu_indices(logs.shape[-1])
    estimates: Array = np.nanmedian((logs[..., first] + logs[..., second]) / 2, axis=-1)
    return estimates


def interval(blocks: Array) -> tuple[Array, Array, Array]:
    """Return centre, lower and upper end of the interval of the blocks in the last axis.

    Raises:
        ValueError: There are fewer than two blocks, so that their spread is not known.
    """
    import numpy as np
    from scipy.special import stdtrit  # faster to import than scipy.stats, which has it as t.ppf

    count = blocks.shape[-1]
    if count < 2:
        raise ValueError(f"expected at least 2 blocks, got {count}; take more")
    centre = np.mean(blocks, axis=-1)
    width = stdtrit(count - 1, 1 - LEVEL) * np.std(blocks, axis=-1, ddof=1) / count**0.5
    return centre, centre - width, centre + width


def side_of(low: Array, high: Array, limit: float) -> NDArray[np.int_]:
    """Return 1 if an interval lies above a limit, -1 if below, 0 if the limit is inside it.

    `limit` is a share: 0.05 is 5 % slower than the baseline.
    """
    import numpy as np

    at = log(1 + limit)
    sides: NDArray[np.int_] = np.where(low > at, 1, np.where(high < at, -1, 0))
    return sides


def is_due(blocks: int) -> bool:
    """Tell whether the interval is looked at after so many blocks."""
    return blocks in LOOKS


def ratio_of(blocks: Iterable[float]) -> PairedRatio:
    """Return the ratio and its interval, from the estimates of some blocks."""
    import numpy as np

    centre, low, high = interval(np.array(list(blocks)))
    return PairedRatio(exp(centre), exp(low), exp(high))


def estimate_of(block: Iterable[Turn]) -> float:
    """Return the estimate of one block: the logarithm of its ratio."""
    import numpy as np

    logs = [log(turn.seconds / turn.baseline_seconds) for turn in block]
    return float(block_estimates(np.array(logs)))


def blocks_of(turns: Iterable[Turn], planned: int) -> list[float]:
    """Return the estimate of each block that counts, in the order of the blocks.

    Contaminated turns are left out. A block counts if it has at least half as many other turns as
    were planned.
    """
    blocks = _by_block(turn for turn in turns if not turn.contaminated)
    return [estimate_of(block) for block in blocks if 2 * len(block) >= planned]


def are_too_few(turns: Iterable[Turn], planned: int) -> bool:
    """Tell whether too few blocks count for a verdict, since other processes used the machine."""
    return len(blocks_of(turns, planned)) < LOOKS[0]


def ratio_in(turns: Iterable[Turn], planned: int) -> PairedRatio:
    """Return the ratio of some turns: of the blocks that count, or of all if too few count.

    Raises:
        ValueError: There are fewer than two blocks.
    """
    turns = list(turns)
    if are_too_few(turns, planned):
        return ratio_of(map(estimate_of, _by_block(turns)))
    return ratio_of(blocks_of(turns, planned))


def _by_block(turns: Iterable[Turn]) -> list[list[Turn]]:
    """Return the turns of each block, in the order of the blocks."""
    blocks: dict[int, list[Turn]] = {}
    for turn in turns:
        blocks.setdefault(turn.block, []).append(turn)
    return [blocks[number] for number in sorted(blocks)]
