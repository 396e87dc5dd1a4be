"""Computes how much slower or faster the machine became, from the times of its references.

A reference is a fixed computation of the processor or the GPU; see `reference`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.base import Device
    from whisper_speedtest.measure.machine import State

MOST_DRIFT = 0.05
"""The largest drift, as a share, that a row does not mention."""


def drift_of(before: State, after: State, first: State, device: Device) -> float:
    """Return the drift around a case: of the processor, or of the GPU if that is larger.

    The GPU counts for a case that computes on it, if its reference was timed in all three states.
    `first` is the state when the session began.
    """
    drifts = [drift(before.reference, after.reference, first.reference)]
    gpu = (before.gpu_reference, after.gpu_reference, first.gpu_reference)
    if device == "gpu" and gpu[0] and gpu[1] and gpu[2]:
        drifts.append(drift(gpu[0], gpu[1], gpu[2]))
    return max(drifts, key=abs)


def drift(before: float, after: float, first: float) -> float:
    """Return how much slower the machine was than at first: 0.13 is 13 % slower, -0.13 faster.

    The arguments are the seconds of a reference: right before a case, right after it, and when the
    session began. Of `before` and `after`, the one that differs more from `first` counts.
    """
    return max(before / first - 1, after / first - 1, key=abs)


def has_drifted(share: float) -> bool:
    """Tell whether a drift is so large that the rows it affects mention it."""
    return abs(share) > MOST_DRIFT
