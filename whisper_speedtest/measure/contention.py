"""What else the machine does while a call is timed, as far as the system tells without root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.part import Part, Share

if TYPE_CHECKING:
    from typing import Self


class Contention(Part, frozen=True, kw_only=True):
    """What an engine had to share the machine with during one call. Seconds a second of the call.

    Only `others` marks a call; the rest stands beside it.
    """

    others: Share
    """CPU time of all other processes: that of the whole system without the engine's and pytest's."""

    cpu: Share
    """CPU time of the engine and what it started."""

    waited: Share | None
    """How long threads of the engine were ready and had no processor; None where nobody tells."""

    steal: Share | None
    """CPU time that a hypervisor gave to other machines; None where nobody tells."""

    pressure: Share | None
    """How long any process of the system waited for a processor; None where nobody tells."""


class Watch:
    """Takes readings before and after a call, outside the clock."""

    def __init__(self, pid: int) -> None:
        """Watch the process of an engine, with what it starts."""

    def begin(self) -> Self:
        """Take the first reading."""
        raise NotImplementedError

    def end(self) -> Contention:
        """Return what happened since the first reading."""
        raise NotImplementedError
