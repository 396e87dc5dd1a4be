"""What is timed: calls, starts and turns, and how often each was to be."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

# msgspec reads these annotations when the program runs.
from whisper_speedtest.measure.contention import Contention
from whisper_speedtest.measure.part import Part, Seconds

Choice = Literal["processes", "calls", "budget", "pause"]
"""What a user can choose of how often something is measured."""


class Sample(Part, frozen=True, kw_only=True):
    """One timed call."""

    process: Annotated[int, Meta(ge=0)]
    """Which engine of this measurement made it, counted from 0."""

    order: Annotated[int, Meta(ge=0)]
    """When it was made, counted from 0 over all processes of this measurement."""

    seconds: Seconds
    gap: Seconds | None = None
    """How long no process of the case had computed anything before it; None of a start."""

    contention: Contention | None = None
    """What else the machine did meanwhile; None where nobody looked."""

    contaminated: bool = False
    """Whether others took so much of the machine that the time says little of the library. A call
    of which that is so is made again, a limited number of times."""


class Start(Part, frozen=True, kw_only=True):
    """The phases of one start of an engine, in seconds; they follow each other without a gap."""

    process: Annotated[int, Meta(ge=0)]
    """Which start of this measurement it was, counted from 0."""

    launch: Seconds
    """From nothing to an interpreter that answers, without the library."""

    import_library: Seconds
    """Importing the library and selecting the device."""

    load: Seconds
    """Loading the model through the library's own public call."""

    first_call: Seconds
    """The first transcription, with the audio handed over."""

    @property
    def total(self) -> float:
        """Seconds from nothing to the first transcript."""
        return self.launch + self.import_library + self.load + self.first_call


class Repeats(Part, frozen=True, kw_only=True):
    """How often it was to be measured, decided by what the first call took and by nothing else."""

    processes: Annotated[int, Meta(ge=1)]
    calls: Annotated[int, Meta(ge=1)]
    """Timed calls of each process, or the one start."""

    max_others: float | None
    """Processors that others might take beside a call, of those that the library needs; half of the
    others besides. A sample beside more is contaminated. None: any number, so that no sample is."""

    budget: Seconds | None = None
    """What the timed calls might take together; None where that decided nothing, as of starts."""

    pause: Seconds = 0.0
    """How long nothing was to be computed before each timed call; each sample has the true gap."""

    chosen: tuple[Choice, ...] = ()
    """What of this the user has chosen; the rest was left to the suite."""

    timed_out: Annotated[int, Meta(ge=0)] = 0
    """How many further processes there would have been, had their starts not taken too long."""


class Turn(Part, frozen=True, kw_only=True):
    """A call of each side, right after one another."""

    block: Annotated[int, Meta(ge=0)]
    """Which pair of fresh engines made it, counted from 0."""

    baseline_first: bool
    seconds: Seconds
    """Of this side's call."""

    baseline_seconds: Seconds
    contaminated: bool = False
    """Whether others took so much of the machine beside one of them that the turn does not count.
    It is then taken again, a limited number of times."""
