"""Explains the marks in the tables of a report, as `busy` or `±2.1% (3×3)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.table import time_error
from whisper_speedtest.results.units import MOST_MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.result import Result

MARKS = {
    "±2.1% (3×3)": "three processes made three calls each; what many more would give lies within "
    "about 2.1 % of the time, in 95 of 100 such runs",
    ">±100% (3×3)": "the processes differ by so much that nobody can tell how long the next "
    "one takes; the row has no place",
    "(1×1)": "one process alone, so that nobody can tell how far the time may be off",
    "busy": "other processes used the machine while most of the calls were timed: the time has no "
    "interval, gives no RTFx, and ranks nothing",
    "unchecked": "nobody wrote down what was said, so that there is no word error rate",
    "×6": "up to six windows of 30 s at once",
    "CER": "where a language writes no spaces, the error rate counts letters in place of words",
    "pooled": "all errors of a corpus over all its words",
    "64 ms (62)": "time error: the begins and ends of segments are off by so much, the median over "
    "62 of them",
    "tuned": "on unequal terms: the settings that the library’s own documentation recommends",
}
"""Mark, or an example of it → what it means."""


def marks_of(shown: Sequence[Result], timed: Sequence[Result]) -> dict[str, str]:
    """Return the marks that are in tables of the results `shown`, with their meaning.

    `timed` are those of them whose interval the tables show.
    """
    passed = [each for each in timed if each.counted and each.outcome is Outcome.PASSED]
    margins = [each.estimate.margin for each in passed]
    is_there = {
        "±2.1% (3×3)": any(each is not None and each <= MOST_MARGIN for each in margins),
        ">±100% (3×3)": any(each is not None and each > MOST_MARGIN for each in margins),
        "(1×1)": None in margins,
        "busy": any(each.outcome is Outcome.BUSY for each in shown),
        "unchecked": any(each.transcript is not None and each.score is None for each in shown),
        "×6": any(each.measure is Measure.LONG_FORM for each in shown),
        "CER": any(each.score and each.score.cer is not None for each in shown),
        "pooled": any(each.measure is Measure.CORPUS and each.score for each in shown),
        "64 ms (62)": any(map(time_error, shown)),
        "tuned": any(each.measure is Measure.TUNED for each in shown),
    }
    return {mark: meaning for mark, meaning in MARKS.items() if is_there[mark]}
