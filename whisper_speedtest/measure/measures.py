"""What can be measured, and how a measurement can end.

Imports the standard library alone, as collection needs it.
"""

from __future__ import annotations

from enum import StrEnum


class Measure(StrEnum):
    """What the samples of a result are the seconds of."""

    COLD = "cold"
    """From the start of a new process to its first transcript."""

    LOAD = "load"
    """Loading the model, in a process that has just imported the library."""

    WARM = "warm"
    """Transcribing a clip with a model that has transcribed before, on equal terms."""

    TUNED = "tuned"
    """The same as warm, with the settings that the library's own documentation recommends."""

    LONG_FORM = "long-form"
    """Transcribing long audio, so many windows of 30 s at once."""

    AFTER_PAUSE = "after a pause"
    """Transcribing a clip after some seconds in which nothing was computed."""

    COLD_FILES = "cold files"
    """As cold, with the model's files out of the system's memory."""

    CORPUS = "corpus"
    """Transcribing many clips, each once: for its accuracy more than for its speed."""

    RATIO = "ratio"
    """Transcribing a clip in turns with another side: what a call takes as a share of its call."""

    @property
    def of_a_start(self) -> bool:
        """Whether this times a start, and so belongs to the model and not to a clip."""
        return self in {Measure.COLD, Measure.COLD_FILES, Measure.LOAD}


class Outcome(StrEnum):
    """How a measurement ended."""

    PASSED = "passed"
    """It was measured, and every transcript was right."""

    FAILED = "failed"
    """Something went wrong; the reason says what."""

    SKIPPED = "skipped"
    """It could not be measured here, for a reason that is no fault of the library."""

    TIMED_OUT = "timed out"
    """A call or a start took longer than its limit."""

    BUSY = "busy"
    """It was measured beside other work of the machine, so its times are not to be trusted."""

    @property
    def was_right(self) -> bool:
        """Whether every transcript was right; other work of the machine changes no word."""
        return self in {Outcome.PASSED, Outcome.BUSY}


class Verdict(StrEnum):
    """What a comparison with another side says of a limit."""

    SLOWER = "slower"
    """Slower than the limit allows, for all that noise can explain."""

    NOT_SLOWER = "not slower"
    """Within the limit, for all that noise can explain."""

    UNDECIDED = "undecided"
    """The interval holds the limit, so that nobody can tell."""
