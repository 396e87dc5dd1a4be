"""The parts of a result that hold times: samples, starts and turns, and how often each repeats."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

# msgspec reads these annotations when the program runs.
from whisper_speedtest.measure.contention import Contention
from whisper_speedtest.measure.part import Part, Seconds

Choice = Literal["processes", "calls", "budget", "pause"]
"""The options by which a user chooses how often something is measured."""


class Sample(Part, frozen=True, kw_only=True):
    """One timed call."""

    process: Annotated[int, Meta(ge=0)]
    """Which process of this measurement made it, counted from 0."""

    order: Annotated[int, Meta(ge=0)]
    """Its place among the calls of all processes of this measurement, counted from 0."""

    seconds: Seconds
    gap: Seconds | None = None
    """How long all processes of the case had been idle before it; None for a start."""

    contention: Contention | None = None
    """What else the machine did during the call; None where that was not measured."""

    contaminated: bool = False
    """Whether other processes used so much of the machine that the time says little of the library.
    Such a call is made again, a limited number of times."""


class Start(Part, frozen=True, kw_only=True):
    """The phases of one start of an engine, in seconds; they follow each other without a gap."""

    process: Annotated[int, Meta(ge=0)]
    """Which start of this measurement it was, counted from 0."""

    launch: Seconds
    """Starting the interpreter, until it answers; the library is not imported yet."""

    import_library: Seconds
    """Importing the library and selecting the device."""

    load: Seconds
    """Loading the model through the library's own public call."""

    first_call: Seconds
    """Handing the audio over, and the first transcription."""

    @property
    def total(self) -> float:
        """Seconds from the start of the process to its first transcript."""
        return self.launch + self.import_library + self.load + self.first_call


class Repeats(Part, frozen=True, kw_only=True):
    """How often it was to be measured, which only the seconds of the first call decide."""

    processes: Annotated[int, Meta(ge=1)]
    calls: Annotated[int, Meta(ge=1)]
    """Timed calls of each process, or the one start."""

    max_others: float | None
    """How much of the processors that the library needs other processes might use during a call, in
    addition to half of the free processors. A sample beside more is contaminated. None: no sample
    is, whatever others use."""

    budget: Seconds | None = None
    """Seconds that the timed calls might take together; None where that decided nothing."""

    pause: Seconds = 0.0
    """How long the processes were to be idle before each timed call; a sample has its real gap."""

    chosen: tuple[Choice, ...] = ()
    """Which of these the user has chosen; the suite has chosen the others."""

    timed_out: Annotated[int, Meta(ge=0)] = 0
    """How many more processes were to be measured, whose starts took too long."""


class Turn(Part, frozen=True, kw_only=True):
    """A call of each side, one right after the other."""

    block: Annotated[int, Meta(ge=0)]
    """Which pair of fresh engines made it, counted from 0."""

    baseline_first: bool
    seconds: Seconds
    """Seconds of our call."""

    baseline_seconds: Seconds
    contaminated: bool = False
    """Whether other processes used so much of the machine that the turn does not count. Such a turn
    is taken again, a limited number of times."""
