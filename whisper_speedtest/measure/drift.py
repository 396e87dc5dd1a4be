"""How much slower or faster the machine became, as its reference computation tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.base import Device
    from whisper_speedtest.measure.machine import State

MOST_DRIFT = 0.05
"""By what share the machine may become slower or faster before it is said beside a row."""


def drift_of(before: State, after: State, first: State, device: Device) -> float:
    """Return the drift around a case, of the processor and, where that computes on it, the GPU.

    The farther of the two counts. `first` holds what each reference took when it was first timed;
    a reading that is missing tells nothing.
    """
    drifts = [drift(before.reference, after.reference, first.reference)]
    gpu = (before.gpu_reference, after.gpu_reference, first.gpu_reference)
    if device == "gpu" and gpu[0] and gpu[1] and gpu[2]:
        drifts.append(drift(gpu[0], gpu[1], gpu[2]))
    return max(drifts, key=abs)


def drift(before: float, after: float, first: float) -> float:
    """Return how much slower than at first the machine was around a case, as a share of that.

    These are the seconds of the reference right before the case, right after it, and when the
    session began. What lies farther from the first counts: 0.13 is 13 % slower, -0.13 faster.
    """
    return max(before / first - 1, after / first - 1, key=abs)


def has_drifted(share: float) -> bool:
    """Tell whether a drift is so large that it is said beside the rows that it touched."""
    return abs(share) > MOST_DRIFT
