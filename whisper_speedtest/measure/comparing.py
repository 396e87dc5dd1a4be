"""Whether one side is slower than another, by the blocks of turns in which both were timed.

A block is a fresh process of each side; in a turn both make a call, one right after the other, so
that what drifts is in both and cancels in their ratio. All that is computed here is in logarithms
of such ratios, and every function takes many comparisons at once, in the leading axes of an array,
so that a simulation runs the very code by which the suite decides (tests/proofs/head_to_head.py).

The blocks are what is repeated: the turns of one block resemble each other more than those of the
next, since processes differ. They are looked at after LOOKS blocks, and no further one is begun
once the interval lies on one side of the limit. Looking four times gives chance four tries, so each
look is stricter than the whole is to be.
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
"""How often one end of the interval may exclude the truth, at each look. Four looks together do so
in 0.7 % of comparisons, since what they look at is mostly the same; 1 % is promised."""

VERDICTS = {1: Verdict.SLOWER, -1: Verdict.NOT_SLOWER, 0: Verdict.UNDECIDED}


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """How many times as long as the baseline's call a call takes, and its interval."""

    ratio: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """How far the upper end lies above the ratio, as a share of it: 0.02 is 2 %."""
        return self.high / self.ratio - 1

    def margin_needed(self, limit: float) -> float:
        """Return the margin that would decide, were the ratio still the same: 0.01 is 1 %."""
        return expm1(abs(log(self.ratio) - log(1 + limit)))

    def verdict(self, limit: float) -> Verdict:
        """Return on which side of a limit the interval lies.

        `limit` is a share: 0.05 is 5 % slower than the baseline; 0 asks which side is slower.
        """
        import numpy as np

        low, high = np.array(log(self.low)), np.array(log(self.high))
        return VERDICTS[int(side_of(low, high, limit))]


def block_estimates(logs: Array) -> Array:
    """Return what each block tells, of the logarithms of the ratios of its turns, the last axis.

    That is the median of the means of all pairs of turns, each paired with itself as well (Hodges
    and Lehmann): a spike moves it as little as it moves the median, and it is about as precise as
    the mean. NaN stands for a turn that is left out; a block of these alone gives NaN.
    """
    import numpy as np

    first, second = np.triu_indices(logs.shape[-1])
    estimates: Array = np.nanmedian((logs[..., first] + logs[..., second]) / 2, axis=-1)
    return estimates


def interval(blocks: Array) -> tuple[Array, Array, Array]:
    """Return centre, lower and upper end of the interval of what some blocks tell, the last axis.

    Raises:
        ValueError: There are fewer than two, of which nobody can tell how much they differ.
    """
    import numpy as np
    from scipy.special import stdtrit  # of scipy.stats' t, without the import of all of it

    count = blocks.shape[-1]
    if count < 2:
        raise ValueError(f"expected at least 2 blocks, got {count}; take more")
    centre = np.mean(blocks, axis=-1)
    width = stdtrit(count - 1, 1 - LEVEL) * np.std(blocks, axis=-1, ddof=1) / count**0.5
    return centre, centre - width, centre + width


def side_of(low: Array, high: Array, limit: float) -> NDArray[np.int_]:
    """Tell on which side of a limit an interval lies: 1 above, -1 below, 0 holds it.

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
    """Return the ratio that some blocks tell, each by the logarithm of its own."""
    import numpy as np

    centre, low, high = interval(np.array(list(blocks)))
    return PairedRatio(exp(centre), exp(low), exp(high))


def estimate_of(block: Iterable[Turn]) -> float:
    """Return the logarithm of the ratio that the turns of a block tell."""
    import numpy as np

    logs = [log(turn.seconds / turn.baseline_seconds) for turn in block]
    return float(block_estimates(np.array(logs)))


def blocks_of(turns: Iterable[Turn], planned: int) -> list[float]:
    """Return what each block tells that counts, in their order, by its clean turns.

    A block counts of which at least half as many turns as were planned are clean.
    """
    blocks = _by_block(turn for turn in turns if not turn.contaminated)
    return [estimate_of(block) for block in blocks if 2 * len(block) >= planned]


def are_too_few(turns: Iterable[Turn], planned: int) -> bool:
    """Tell whether too few blocks count for a verdict, since others used the machine meanwhile."""
    return len(blocks_of(turns, planned)) < LOOKS[0]


def ratio_in(turns: Iterable[Turn], planned: int) -> PairedRatio:
    """Return the ratio that turns tell: by the blocks that count, or by all if these are too few.

    Raises:
        ValueError: There are fewer than two blocks.
    """
    turns = list(turns)
    if are_too_few(turns, planned):
        return ratio_of(map(estimate_of, _by_block(turns)))
    return ratio_of(blocks_of(turns, planned))


def _by_block(turns: Iterable[Turn]) -> list[list[Turn]]:
    blocks: dict[int, list[Turn]] = {}
    for turn in turns:
        blocks.setdefault(turn.block, []).append(turn)
    return [blocks[number] for number in sorted(blocks)]
