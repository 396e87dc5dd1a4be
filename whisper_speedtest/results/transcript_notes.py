"""The notes on transcripts: what was heard, and how right that was."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.quality import UNQUANTISED, qualities, rates
from whisper_speedtest.results.units import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from whisper_speedtest.measure.result import Result

HEARD_WORDS = 100
"""How many words of a transcript are shown: some 40 seconds of speech."""


def transcript_notes(results: Sequence[Result], recordings: Iterable[str]) -> Iterator[Note]:
    """Yield the notes on transcripts; `recordings` are the user's own clips and corpora by name."""
    yield from _fallbacks(each for each in results if each.outcome is Outcome.PASSED)
    yield from _heard(results)
    yield from _corpora(results)
    yield from _silence(results)
    yield from _quality(results)
    yield from _voices(results, frozenset(recordings))


def _fallbacks(passed: Iterable[Result]) -> Iterator[Note]:
    """Say which times include that something was decoded again at a higher temperature."""
    for each in passed:
        if each.fallback:
            where = f"{each.case.label} on {clip_name(each)}"
            yield Note("fallback", f"{where}: decoded anew at a higher temperature")


def _heard(results: Sequence[Result]) -> Iterator[Note]:
    """Show the transcript of each clip without a reference text, so that the user can judge it.

    A busy result has one, too, as other processes only spoil times. It is one line of at most
    HEARD_WORDS words, so that an hour of speech does not fill the screen.
    """
    for each in results:
        if each.outcome.was_right and each.transcript is not None and each.score is None:
            words = _shortened(each.transcript.split())
            yield Note("heard", f"{each.case.label} on {clip_name(each)}: {words}")


def _shortened(words: Sequence[str]) -> str:
    """Return the first HEARD_WORDS words as a text, and how many more there are."""
    left_out = len(words) - HEARD_WORDS
    more = f" … and {counted(left_out, 'more word')}" if left_out > 0 else ""
    return " ".join(words[:HEARD_WORDS]) + more


def _corpora(results: Sequence[Result]) -> Iterator[Note]:
    """Say the error rate of each corpus: over all its words, and of the median clip."""
    for each in results:
        of_clips = rates(each)
        if each.score and of_clips:
            rate, unit = ("WER", "words") if each.score.cer is None else ("CER", "letters")
            yield Note(
                "corpus",
                f"{each.case.label} on {clip_name(each)}: {rate} {percent(each.score.wer, 1)} "
                f"pooled over {each.score.reference_words:,} {unit} of "
                f"{counted(len(each.clips), 'clip')}; {percent(median(of_clips), 1)} in the median "
                "clip",
            )


def _silence(results: Sequence[Result]) -> Iterator[Note]:
    """Say how many words were heard where nobody speaks."""
    for each in results:
        if each.score and each.score.words_in_silence:
            words = counted(each.score.words_in_silence, "word")
            where = f"{each.case.label} on {clip_name(each)}"
            yield Note("silence", f"{where}: {words} heard while nobody speaks")


def _quality(results: Sequence[Result]) -> Iterator[Note]:
    """Say of each quantised model on how many clips it is no worse than the unquantised one."""
    for each in qualities(results):
        if each.telling:
            yield Note("quality", f"{each.case.label}: no worse than {UNQUANTISED} on {each.said}")


def _voices(results: Sequence[Result], recordings: frozenset[str]) -> Iterator[Note]:
    """Say that the embedded model does not understand the user's own recordings, if it got any."""
    given = [
        each.clip.name
        for each in results
        if each.case.size == "micro" and each.clip and each.clip.name in recordings
    ]
    if given:
        yield Note("voices", f"{NO_HUMAN_VOICE}: {', '.join(dict.fromkeys(given))}")
