"""Compares the times of a transcript's segments with the times at which the sentences were spoken.

A segment is a text with its beginning and end. It may cover one sentence, several, or a part of
one. Only a boundary that both a segment and a sentence have can be right or wrong. So the words of
both are aligned with the fewest errors, and these times are compared:

- the beginnings of a segment and a sentence, if their first words are aligned and the same;
- the ends of a segment and a sentence, if their last words are.

The time error is the median of their differences. It is 0 if the segments are the sentences. If all
segments are late by some seconds, it is those seconds. A boundary inside a sentence, or one that a
library does not return, does not count; the number of boundaries that count is given as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, Protocol

from whisper_speedtest.speech.languages import ENGLISH
from whisper_speedtest.speech.normalising import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class TimedText(Protocol):
    """A stretch of audio with what is said in it: a sentence, or a segment of a transcript."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def start(self) -> float:
        """When it begins, in seconds from the start of the audio."""

    @property
    def end(self) -> float:
        """When it ends, in the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The comparison of a transcript's segments with the sentences."""

    error: float | None
    """The median difference of the boundaries that both have, in seconds; None without any."""

    boundaries: int
    """How many boundaries both have, beginnings and ends together."""

    words_in_silence: int
    """Words without a match in the reference, in segments during which nobody speaks."""


class _Word(NamedTuple):
    """A word of some stretches."""

    text: str
    place: int
    """Which of the stretches it is part of."""

    first: bool
    last: bool


def timing(
    sentences: Sequence[TimedText], segments: Sequence[TimedText], language: str = ENGLISH
) -> Timing:
    """Compare the segments of a transcript to the sentences that were said, both in their order."""
    import jiwer

    said, heard = _words(sentences, language), _words(segments, language)
    aligned = jiwer.process_words(
        " ".join(word.text for word in said), " ".join(word.text for word in heard)
    )
    distances: list[float] = []
    wrong: list[_Word] = []
    for chunk in aligned.alignments[0]:
        heard_words = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type != "equal":
            wrong += heard_words
            continue
        said_words = said[chunk.ref_start_idx : chunk.ref_end_idx]
        for right, same in zip(said_words, heard_words, strict=True):
            sentence, segment = sentences[right.place], segments[same.place]
            if right.first and same.first:
                distances.append(abs(segment.start - sentence.start))
            if right.last and same.last:
                distances.append(abs(segment.end - sentence.end))
    in_silence = [word for word in wrong if not _overlaps(segments[word.place], sentences)]
    return Timing(
        error=median(distances) if distances else None,
        boundaries=len(distances),
        words_in_silence=len(in_silence),
    )


def _words(stretches: Sequence[TimedText], language: str) -> list[_Word]:
    """Return the normalised words of some stretches, one after the other."""
    found: list[_Word] = []
    for place, stretch in enumerate(stretches):
        words = words_of(stretch.text, language)
        last = len(words) - 1
        found += [
            _Word(word, place, first=number == 0, last=number == last)
            for number, word in enumerate(words)
        ]
    return found


def _overlaps(segment: TimedText, sentences: Sequence[TimedText]) -> bool:
    """Tell whether anybody speaks while a segment lasts; one that only touches speech has none."""
    return any(each.start < segment.end and segment.start < each.end for each in sentences)
