"""Names what can be measured, how a measurement can end, and what a comparison can find.

It imports only the standard library, as it is imported at collection.
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
    """Transcribing a clip with a model that has transcribed before, with equal settings for all."""

    TUNED = "tuned"
    """As warm, with the settings that the library's own documentation recommends."""

    LONG_FORM = "long-form"
    """Transcribing long audio, with several windows of 30 s in a batch."""

    AFTER_PAUSE = "after a pause"
    """Transcribing a clip after some seconds of idleness."""

    COLD_FILES = "cold files"
    """As cold, with the model's files evicted from the page cache."""

    CORPUS = "corpus"
    """Transcribing many clips, each once, for accuracy more than for speed."""

    RATIO = "ratio"
    """Transcribing a clip in turns with a baseline: our seconds over the baseline's."""

    @property
    def of_a_start(self) -> bool:
        """Whether this times a start, which depends on the model and on no clip."""
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
    """Other processes used the machine during it, so its times are not to be trusted."""

    @property
    def was_right(self) -> bool:
        """Whether every transcript was right. Other processes only spoil times."""
        return self in {Outcome.PASSED, Outcome.BUSY}


class Verdict(StrEnum):
    """Whether a comparison has found us slower than the baseline, by more than a limit."""

    SLOWER = "slower"
    """The whole interval lies above the limit."""

    NOT_SLOWER = "not slower"
    """The whole interval lies below the limit."""

    UNDECIDED = "undecided"
    """The limit lies inside the interval, or the comparison is busy."""
