"""What blocks of turns say of two sides: estimates, intervals, verdicts and what they need."""

from __future__ import annotations

from math import exp, log, log1p
from statistics import fmean, stdev

import numpy as np
import pytest

from tests.proofs.head_to_head import compared
from tests.proofs.noise import USUAL, Noise
from whisper_speedtest.measure.comparing import (
    LEVEL,
    PairedRatio,
    are_too_few,
    block_estimates,
    blocks_of,
    estimate_of,
    interval,
    is_due,
    ratio_in,
    ratio_of,
    side_of,
)
from whisper_speedtest.measure.measures import Verdict
from whisper_speedtest.measure.protocol import LOOKS
from whisper_speedtest.measure.samples import Turn


def turns(block: int, *ratios: float, contaminated: bool = False) -> list[Turn]:
    """Return the turns of a block, whose baseline takes 2 s each time."""
    return [
        Turn(
            block=block,
            baseline_first=number % 2 == 0,
            seconds=2 * ratio,
            baseline_seconds=2.0,
            contaminated=contaminated,
        )
        for number, ratio in enumerate(ratios)
    ]


def test_block_tells_the_median_of_the_means_of_all_pairs() -> None:
    """A block's estimate is the median of the means of all pairs of its turns.

    For 1, 2 and 12 these means are 1, 1.5, 2, 6.5, 7 and 12.
    """
    assert block_estimates(np.array([12.0, 1.0, 2.0])) == pytest.approx(4.25)
    assert block_estimates(np.array([3.0])) == 3


def test_spike_hardly_moves_what_a_block_tells() -> None:
    """One turn that takes a hundred times as long hardly moves the estimate of a block of ten."""
    assert block_estimates(np.array([*[0.1] * 9, log(100)])) == pytest.approx(0.1)


def test_turn_that_is_left_out_counts_for_nothing() -> None:
    """A turn that is left out does not change the estimate of its block."""
    some = [0.3, 0.1, 0.7, 0.2]
    blocks = np.array([[*some, np.nan], [np.nan, *some], [0.4] * 5])

    whole = block_estimates(np.array(some))

    assert block_estimates(blocks) == pytest.approx([whole, whole, 0.4])


def test_interval_is_student_s_over_the_blocks() -> None:
    """The interval of a ratio is Student's: four blocks have three degrees of freedom."""
    from scipy.stats import t

    blocks = [0.01, 0.03, -0.02, 0.04]

    centre, low, high = interval(np.array(blocks))

    half = t.ppf(1 - LEVEL, 3) * stdev(blocks) / 2
    assert (centre, low, high) == pytest.approx((fmean(blocks), 0.015 - half, 0.015 + half))
    ratio = ratio_of(blocks)
    assert (ratio.ratio, ratio.low, ratio.high) == pytest.approx(
        (exp(0.015), exp(0.015 - half), exp(0.015 + half))
    )


def test_intervals_of_many_comparisons_are_those_of_each() -> None:
    """The intervals of many comparisons computed at once are those computed for each alone."""
    blocks = np.random.default_rng(1).normal(size=(3, 6))

    together = np.array(interval(blocks))

    assert together == pytest.approx(np.array([interval(each) for each in blocks]).T)


def test_one_block_has_no_interval() -> None:
    """The ratio of a single block is refused, as one block has no interval."""
    with pytest.raises(ValueError, match="expected at least 2 blocks, got 1; take more"):
        ratio_of([0.1])


def test_two_blocks_have_a_wide_interval() -> None:
    """Two blocks, the fewest with an interval, have one that is wider than their difference."""
    two = ratio_of([0.1, 0.12])

    assert two.low < exp(0.1) < two.ratio < exp(0.12) < two.high


@pytest.mark.parametrize(
    ("low", "high", "limit", "verdict"),
    [
        (1.051, 1.2, 0.05, Verdict.SLOWER),
        (1.05, 1.2, 0.05, Verdict.UNDECIDED),
        (0.9, 1.05, 0.05, Verdict.UNDECIDED),
        (0.9, 1.049, 0.05, Verdict.NOT_SLOWER),
        (1.001, 1.2, 0.0, Verdict.SLOWER),
        (0.8, 0.999, 0.0, Verdict.NOT_SLOWER),
        (0.999, 1.001, 0.0, Verdict.UNDECIDED),
    ],
)
def test_verdict_says_on_which_side_of_the_limit_the_interval_lies(
    low: float, high: float, limit: float, verdict: Verdict
) -> None:
    """A verdict is undecided if the interval holds the limit or ends at it."""
    assert PairedRatio((low * high) ** 0.5, low, high).verdict(limit) is verdict


def test_sides_of_many_intervals() -> None:
    """Each of many intervals lies above the limit (1), below it (-1), or holds it (0)."""
    low, high = np.log([1.06, 0.9, 1.0]), np.log([1.2, 1.04, 1.06])

    assert side_of(low, high, 0.05).tolist() == [1, -1, 0]


def test_margin_reaches_to_the_upper_end() -> None:
    """The margin of a ratio is the distance to its upper end, as a share of the ratio.

    The margin that is needed reaches to the limit, from either side.
    """
    ratio = PairedRatio(1.02, 1.0, 1.071)

    assert ratio.margin == pytest.approx(0.05)
    assert ratio.margin_needed(0.05) == pytest.approx(1.05 / 1.02 - 1)
    assert PairedRatio(1.05, 1.0, 1.2).margin_needed(0.0) == pytest.approx(0.05)
    assert PairedRatio(1.1, 1.0, 1.2).margin_needed(0.05) == pytest.approx(1.1 / 1.05 - 1)


def test_looks_are_at_four_six_eight_and_twelve_blocks() -> None:
    """The verdict is looked at after four, six, eight and twelve blocks, and at no other number."""
    assert [number for number in range(20) if is_due(number)] == [4, 6, 8, 12]
    assert LOOKS == (4, 6, 8, 12)


def test_block_s_ratio_is_ours_over_the_baseline_s() -> None:
    """A block's ratio is our time over the baseline's, so that more than 1 is slower."""
    assert estimate_of(turns(0, 1.5, 1.5)) == pytest.approx(log(1.5))


def test_blocks_count_by_their_clean_turns() -> None:
    """A block counts if at least half of its planned turns are clean, by its clean turns alone."""
    found = [
        *turns(0, 1.1, 1.1, 1.1, 1.1),
        *turns(1, *[1.2] * 2),
        *turns(1, 9, 9, 9, contaminated=True),
        *turns(2, 1.3),
        *turns(2, 9, 9, 9, contaminated=True),
        *turns(3, 9, contaminated=True),
    ]

    assert blocks_of(found, 4) == pytest.approx([log(1.1), log(1.2)])
    assert blocks_of(found, 2) == pytest.approx([log(1.1), log(1.2), log(1.3)])
    assert blocks_of(found[::-1], 4) == pytest.approx([log(1.1), log(1.2)]), "not sorted by block"


def test_four_blocks_are_enough_for_a_verdict() -> None:
    """Four clean blocks are enough for a ratio; with fewer, contaminated turns count as well."""
    four = [turn for block in range(4) for turn in turns(block, 1.1 + block / 100, 1.2, 1.3)]
    marked = turns(4, 2.0, 2.0, 2.0, contaminated=True)

    assert not are_too_few([*four, *marked], 3)
    assert ratio_in([*four, *marked], 3) == ratio_of(blocks_of(four, 3))
    three = [turn for turn in four if turn.block < 3]
    assert are_too_few([*three, *marked], 3)
    assert ratio_in([*three, *marked], 3) == ratio_of([*blocks_of(three, 3), log(2.0)])


# Proofs: the rows of tests/proofs/head_to_head.py that the suite promises

RUNS = 4000
PROMISED = Noise("what is promised", call=0.02, process=0.01, spikes=0.02, drift=0.01)


@pytest.mark.parametrize("noise", [PROMISED, USUAL], ids=lambda noise: noise.name)
def test_equal_sides_are_rarely_found_to_differ(noise: Noise) -> None:
    """Of comparisons of equal sides, at most 1 % find ours slower, and at most 1 % faster."""
    found = compared(noise, 1.0, runs=RUNS)

    assert found.slower <= 0.01, f"{found.slower:.2%} found slower"
    assert found.not_slower <= 0.01, f"{found.not_slower:.2%} found faster"


def test_what_is_as_slow_as_allowed_is_rarely_found_to_be_slower() -> None:
    """A side that is 5 % slower is found to exceed a limit of 5 % in at most 1 % of comparisons."""
    found = compared(USUAL, 1.05, 0.05, runs=RUNS)

    assert found.slower <= 0.01, f"{found.slower:.2%} found slower than 5 %"


@pytest.mark.parametrize(("ratio", "least", "blocks"), [(1.03, 0.95, 7), (1.02, 0.95, 9)])
def test_small_slow_down_is_found(ratio: float, least: float, blocks: float) -> None:
    """Slow-downs of 3 % and 2 % are found in 95 % of comparisons, in 7 and 9 blocks on average."""
    for noise in (PROMISED, USUAL):
        found = compared(noise, ratio, runs=RUNS)

        assert found.slower >= least, f"{noise.name}: found in {found.slower:.1%} of comparisons"
        assert found.blocks <= blocks, f"{noise.name}: it took {found.blocks:.1f} blocks"


def test_noisy_machine_leaves_small_differences_undecided() -> None:
    """A noisy machine leaves a slow-down of 2 % undecided in most comparisons."""
    found = compared(Noise("noisy", call=0.05, process=0.09), 1.02, runs=RUNS)

    assert found.slower < 0.2
    assert found.not_slower <= 0.01


def test_limit_is_a_share_and_no_logarithm() -> None:
    """A limit is a share and no logarithm: a side that is 20 % slower lies at a limit of 20 %."""
    assert log1p(0.2) == pytest.approx(estimate_of(turns(0, 1.2)))
