"""One score of many clips: all their errors over all their words.

This is how the Open ASR Leaderboard scores a set of recordings: a clip weighs as much as it has
words, and one of whose reference nothing is left after normalisation is left out.
Source: huggingface/open_asr_leaderboard, normalizer/data_utils.py and eval_utils.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.speech.scoring import Score

if TYPE_CHECKING:
    from collections.abc import Iterable


def pooled(scores: Iterable[Score]) -> Score | None:
    """Return the score of some clips together, in whatever order; None where nothing is said.

    Words in silence are counted over all clips of which they are known, also of those in which
    nothing is said. Time errors are medians, which cannot be pooled.

    Raises:
        ValueError: The clips were normalised in different ways.
    """
    found = list(scores)
    spoken = [each for each in found if each.reference_words]
    if not spoken:
        return None
    names = sorted({each.normaliser for each in spoken})
    if len(names) > 1:
        raise ValueError(f"expected scores by one normaliser, got {' and '.join(names)}")
    words = sum(each.reference_words for each in spoken)
    wrong = sum(each.errors for each in spoken)
    hits = sum(each.hits for each in spoken)
    silent = [each.words_in_silence for each in found if each.words_in_silence is not None]
    return Score(
        wer=wrong / words,
        coverage=hits / words,
        reference_words=words,
        hits=hits,
        substitutions=sum(each.substitutions for each in spoken),
        deletions=sum(each.deletions for each in spoken),
        insertions=sum(each.insertions for each in spoken),
        words_in_silence=sum(silent) if silent else None,
        cer=None if spoken[0].cer is None else wrong / words,
        normaliser=names[0],
    )
