"""What moves the times of a simulated machine: what both simulations are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noise:
    """What moves the times of one simulated machine; shares are of the true time, as sd."""

    name: str
    call: float = 0.02
    process: float = 0.01
    drift: float = 0.0
    """How far the machine moves from the begin to the end of a test, or of a block of turns."""

    spikes: float = 0.0
    """How often a call takes up to half as long again, with nothing that tells."""

    busy: float = 0.0
    """How often other work is there, which doubles the time of a call: of a turn, of one of two."""

    missed: float = 0.0
    """How often that other work is not noticed."""


USUAL = Noise("usual", spikes=0.02, drift=0.01, busy=0.1, missed=0.02)
"""Something of everything, as it was seen on the machines on which the suite was developed."""
