"""What the marks in the tables of a report mean."""

from __future__ import annotations

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
"""A mark → what it means."""
