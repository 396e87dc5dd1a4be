"""Scores a transcript against its reference: word errors, coverage, and which words differ.

Both texts first pass Whisper's own English normaliser, so that case, punctuation, the spelling of
a word and the way a number is written are no errors.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiwer import WordOutput

MAX_LINE = 100
"""Characters of a text that `difference` shows; what is longer is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a transcript compares to its reference, counted in normalised words."""

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

    @property
    def exact(self) -> bool:
        """Whether the normalised texts are the same, word for word."""
        return self.substitutions == self.deletions == self.insertions == 0


def score(reference: str, hypothesis: str) -> Score:
    """Score a transcript (the hypothesis) against what was said (the reference), both English."""
    words = _align(reference, hypothesis)
    reference_words = len(words.references[0])
    return Score(
        wer=float(words.wer),
        coverage=words.hits / reference_words if reference_words else 1.0,
        reference_words=reference_words,
        hits=words.hits,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
    )


def difference(
    reference: str, hypothesis: str, *, max_changes: int = 8, shorten: bool = True
) -> str:
    """Describe in a few lines how a transcript differs from its reference, for failure messages.

    The lines give the counts, both texts as they were written, and each run of changed words
    between its neighbours: at most `max_changes` runs, in normalised words. Texts of more than 100
    characters are cut, except for the whole ones where `shorten` is false.
    """
    words = _align(reference, hypothesis)
    expected, got = words.references[0], words.hypotheses[0]
    counts = (
        f"WER {words.wer:.3f} over {len(expected)} words: {words.substitutions} wrong, "
        f"{words.deletions} missing, {words.insertions} added"
    )
    texts = [_shorten(text) if shorten else text for text in (reference, hypothesis)]
    lines = [counts, f"  expected: {texts[0]}", f"  got:      {texts[1]}"]
    changes = [chunk for chunk in words.alignments[0] if chunk.type != "equal"]
    for change in changes[:max_changes]:
        start, end = change.ref_start_idx, change.ref_end_idx
        wanted = _shorten(" ".join(expected[start:end]))
        found = _shorten(" ".join(got[change.hyp_start_idx : change.hyp_end_idx]))
        before, after = expected[max(0, start - 2) : start], expected[end : end + 2]
        lines.append(f"  word {start + 1}: {' '.join([*before, f'[{wanted} → {found}]', *after])}")
    if len(changes) > max_changes:
        lines.append(f"  and {len(changes) - max_changes} more changes")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words that follow each other: those of the reference, and those heard in their place."""

    said: str
    heard: str

    @property
    def same(self) -> bool:
        """Whether these words were heard as they were said."""
        return self.said == self.heard


def stretches(reference: str, hypothesis: str) -> list[Stretch]:
    """Return both texts, in normalised words, cut where they begin and where they end to differ."""
    words = _align(reference, hypothesis)
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


def words_of(text: str) -> list[str]:
    """Return a text's words, normalised: a musical note, or what is in brackets, is none."""
    return _normalise(text).split()


def _align(reference: str, hypothesis: str) -> WordOutput:
    """Align the normalised words of both texts with the fewest errors."""
    import jiwer

    return jiwer.process_words(_normalise(reference), _normalise(hypothesis))


def _normalise(text: str) -> str:
    """Normalise a text and keep only its words: of "..." the normaliser leaves a full stop."""
    words = _normaliser()(text).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))


@cache
def _normaliser() -> Callable[[str], str]:
    """Return the English normaliser of OpenAI's whisper, which takes a while to make."""
    # Python warns of an escape in one of its docstrings when it first compiles the package, which
    # may be now. Under `filterwarnings = error` the import would fail.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*invalid escape sequence")
        from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Callable[[str], str] = EnglishTextNormalizer()
    return normaliser


def _shorten(text: str) -> str:
    """Return a text as one line of at most 100 characters."""
    line = " ".join(text.split())
    return f"{line[: MAX_LINE - 1]}…" if len(line) > MAX_LINE else line or "(nothing)"
