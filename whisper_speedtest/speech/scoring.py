"""Scores a transcript against its reference: word errors, coverage, and which words differ.

Both texts are normalised first, in the way of their language (`normalising`). In a language that
writes no spaces, letters take the place of words in every count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.speech.languages import ENGLISH, WITHOUT_SPACES
from whisper_speedtest.speech.normalising import ENGLISH_NORMALISER, normaliser_of, words_of

if TYPE_CHECKING:
    from jiwer import WordOutput

MAX_LINE = 100
"""Characters of a text that `difference` shows; what is longer is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a transcript compares to its reference, counted in normalised words.

    In a language that writes no spaces, `words` are letters throughout.
    """

    wer: float
    """Word error rate: (substitutions + deletions + insertions) / reference_words, in [0, ∞).

    When the reference is empty it is the number of inserted words, as in jiwer, so that it is
    always a number that JSON can hold.
    """

    coverage: float
    """Share of the reference's words that the transcript has: hits / reference_words, in [0, 1].

    Insertions do not change it. When the reference is empty it is 1.0, since nothing is missing.
    """

    reference_words: int
    """How many words the reference has."""

    hits: int
    """Words that are the same in both."""

    substitutions: int
    """Words of the reference in whose place the transcript has another word."""

    deletions: int
    """Words of the reference that the transcript lacks."""

    insertions: int
    """Words of the transcript that the reference lacks."""

    time_error: float | None = None
    """How far the beginnings and ends of segments are off, in seconds: the median over those that a
    segment shares with a sentence (see `timing`). None if there are none, or no times are known."""

    boundaries: int = 0
    """How many beginnings and ends the time error is made of."""

    words_in_silence: int | None = None
    """Words of the transcript while nobody speaks; None if it is not known when somebody speaks."""

    cer: float | None = None
    """Character error rate, in languages in which letters are counted; None where words are."""

    normaliser: str = ENGLISH_NORMALISER
    """The name of the normaliser that both texts went through."""

    @property
    def errors(self) -> int:
        """How many words are wrong, missing or added."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def exact(self) -> bool:
        """Whether the normalised texts are the same, word for word."""
        return self.errors == 0


def score(reference: str, hypothesis: str, language: str = ENGLISH) -> Score:
    """Score a transcript (the hypothesis) against what was said (the reference)."""
    words = _align(reference, hypothesis, language)
    reference_words = len(words.references[0])
    return Score(
        wer=float(words.wer),
        coverage=words.hits / reference_words if reference_words else 1.0,
        reference_words=reference_words,
        hits=words.hits,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        cer=float(words.wer) if language in WITHOUT_SPACES else None,
        normaliser=normaliser_of(language),
    )


def difference(
    reference: str,
    hypothesis: str,
    language: str = ENGLISH,
    *,
    max_changes: int = 8,
    shorten: bool = True,
) -> str:
    """Describe in a few lines how a transcript differs from its reference, for failure messages.

    The lines give the counts, both texts as they were written, and each run of changed words
    between its neighbours: at most `max_changes` runs, in normalised words. What is longer than
    MAX_LINE is cut; with `shorten=False`, the two whole texts are not.
    """
    words = _align(reference, hypothesis, language)
    expected, got = words.references[0], words.hypotheses[0]
    rate, unit = ("CER", "letter") if language in WITHOUT_SPACES else ("WER", "word")
    counts = (
        f"{rate} {words.wer:.3f} over {len(expected)} {unit}s: {words.substitutions} wrong, "
        f"{words.deletions} missing, {words.insertions} added"
    )
    texts = [
        _shorten(text) if shorten or not text.strip() else text for text in (reference, hypothesis)
    ]
    lines = [counts, f"  expected: {texts[0]}", f"  got:      {texts[1]}"]
    changes = [chunk for chunk in words.alignments[0] if chunk.type != "equal"]
    for change in changes[:max_changes]:
        start, end = change.ref_start_idx, change.ref_end_idx
        wanted = _shorten(" ".join(expected[start:end]))
        found = _shorten(" ".join(got[change.hyp_start_idx : change.hyp_end_idx]))
        before, after = expected[max(0, start - 2) : start], expected[end : end + 2]
        shown = " ".join([*before, f"[{wanted} → {found}]", *after])
        lines.append(f"  {unit} {start + 1}: {shown}")
    if len(changes) > max_changes:
        lines.append(f"  and {len(changes) - max_changes} more changes")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of words of the reference, and the words that the transcript has in their place."""

    said: str
    heard: str

    @property
    def same(self) -> bool:
        """Whether both have the same words."""
        return self.said == self.heard


def stretches(reference: str, hypothesis: str, language: str = ENGLISH) -> list[Stretch]:
    """Return both texts as runs of normalised words, alternately the same and different."""
    words = _align(reference, hypothesis, language)
    said, heard = words.references[0], words.hypotheses[0]
    found: list[Stretch] = []
    for chunk in words.alignments[0]:
        one = Stretch(
            " ".join(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        if found and not found[-1].same and not one.same:
            before = found.pop()
            one = Stretch(
                f"{before.said} {one.said}".strip(), f"{before.heard} {one.heard}".strip()
            )
        found.append(one)
    return found


def _align(reference: str, hypothesis: str, language: str) -> WordOutput:
    """Align the normalised words of both texts with the fewest errors."""
    import jiwer

    return jiwer.process_words(
        " ".join(words_of(reference, language)), " ".join(words_of(hypothesis, language))
    )


def _shorten(text: str) -> str:
    """Return a text as one line of at most MAX_LINE characters."""
    line = " ".join(text.split())
    if len(line) > MAX_LINE:
        return f"{line[: MAX_LINE - 1]}…"
    return line or "(nothing)"
