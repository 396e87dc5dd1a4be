"""The printed interval holds the true time as often as it says, on a machine with usual noise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.proofs.coverage import TIMES, covered
from tests.proofs.noise import USUAL

DIFFERENT = replace(USUAL, process=0.03)


@pytest.mark.parametrize("true", TIMES)
def test_interval_holds_the_true_time(true: float) -> None:
    """The interval holds the true time in at least 93 % of simulated tests.

    A 95 % interval is meant; 1,000 tests tell that from 93 % with three standard deviations.
    """
    printed, holds, margin = covered(USUAL, true, runs=1000)

    assert printed > 0.95, f"expected an interval in nearly every test, got {printed:.1%}"
    assert holds >= 0.93, f"expected intervals that hold the truth in 93 %, got {holds:.1%}"
    assert margin < 0.1, f"expected a usual margin under 10 %, got {margin:.1%}"


def test_margin_grows_with_what_processes_differ_in() -> None:
    """Processes that differ three times as much make the margin wider by half at least."""
    same, different = (covered(noise, 1.0, runs=300)[2] for noise in (USUAL, DIFFERENT))

    assert different > 1.5 * same
