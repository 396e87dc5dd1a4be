"""What else the machine does while a call is timed, as far as the system tells without root."""

from __future__ import annotations

from whisper_speedtest.measure.part import Part, Share


class Contention(Part, frozen=True, kw_only=True):
    """What an engine had to share the machine with during one call. Seconds a second of the call.

    Only `others` marks a call; the rest stands beside it.
    """

    others: Share
    """CPU time of all other processes: the whole system's without the engine's and pytest's."""

    cpu: Share
    """CPU time of the engine and what it started."""

    waited: Share | None
    """How long threads of the engine were ready and had no processor; None where nobody tells."""

    steal: Share | None
    """CPU time that a hypervisor gave to other machines; None where nobody tells."""

    pressure: Share | None
    """How long any process of the system waited for a processor; None where nobody tells."""


class Watch:
    """Sees what the machine does from its making to `end`, for an engine whose process runs."""

    def __init__(self, pid: int) -> None:
        """Take the first reading of the process of an engine, and of the system."""

    def end(self) -> Contention:
        """Return what happened since."""
        return Contention(others=0, cpu=0, waited=None, steal=None, pressure=None)


def is_contaminated(contention: Contention, seconds: float, max_others: float | None) -> bool:
    """Tell whether others took so much of the machine that the time says little of the library."""
    return max_others is not None and seconds > 0 and contention.others > max_others
