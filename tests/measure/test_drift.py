"""Drift is told as a share of what the reference first took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.results import state
from whisper_speedtest.measure.drift import drift, drift_of, has_drifted

if TYPE_CHECKING:
    from adapters.base import Device


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (2.0, 2.0, 0.0),
        (2.0, 2.26, 0.13),
        (2.26, 2.0, 0.13),
        (2.0, 1.8, -0.1),
        (1.8, 2.1, -0.1),
        (2.1, 1.8, -0.1),
        (1.9, 2.2, 0.1),
    ],
)
def test_drift_is_the_farther_of_two_readings(before: float, after: float, share: float) -> None:
    """Drift is the share by which the farther of two readings differs from the first reading."""
    assert drift(before, after, first=2.0) == pytest.approx(share)


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, False), (0.05, False), (0.051, True), (-0.05, False), (-0.051, True)],
)
def test_drift_of_more_than_a_twentieth_is_said(share: float, said: bool) -> None:
    """Drift of more than 5 % is reported, be it slower or faster."""
    assert has_drifted(share) is said


@pytest.mark.parametrize(
    ("device", "before", "after", "share"),
    [
        ("cpu", state(1.1, 2.0), state(1.0, 3.0), 0.1),
        ("gpu", state(1.1, 2.0), state(1.0, 3.0), 0.5),
        ("gpu", state(1.1, 2.0), state(1.0, 1.6), -0.2),
        ("gpu", state(1.1, 2.1), state(1.0, 2.0), 0.1),
        ("gpu", state(1.1, None), state(1.0, 3.0), 0.1),
        ("gpu", state(1.1, 2.0), state(1.0, None), 0.1),
    ],
)
def test_gpu_drifts_beside_rows_that_use_it(
    device: Device, before: Any, after: Any, share: float
) -> None:
    """A row on the GPU has the larger drift of processor and GPU, one on the CPU the processor's.

    A GPU of which a reading is missing, as its reference failed, adds nothing.
    """
    assert drift_of(before, after, state(1.0, 2.0), device) == pytest.approx(share)


def test_gpu_that_was_not_watched_at_first_has_not_drifted() -> None:
    """A GPU that was not watched as the session began has no drift."""
    assert drift_of(state(1.0, 9.0), state(1.0, 9.0), state(1.0), "gpu") == 0


@pytest.mark.property
def test_drift_is_a_share_of_the_first_reading() -> None:
    """Drift has no unit, is as large for swapped readings, and is 0 for equal ones."""
    from hypothesis import given
    from hypothesis import strategies as st

    seconds = st.floats(0.001, 10)

    @given(seconds, seconds, seconds, st.floats(0.1, 10))
    def hold(before: float, after: float, first: float, factor: float) -> None:
        share = drift(before, after, first)
        assert abs(share) == pytest.approx(abs(drift(after, before, first)))
        assert share == pytest.approx(drift(before * factor, after * factor, first * factor)) or (
            abs(before - first) == pytest.approx(abs(after - first))
        )
        assert drift(first, first, first) == 0

    hold()
