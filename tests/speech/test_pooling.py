"""One score of many clips: errors over words, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.speech.pooling import pooled
from whisper_speedtest.speech.scoring import Score, score

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

WORDS = "the old ship sailed north past a quiet harbour while many gulls followed it".split()


def test_errors_of_all_clips_are_held_to_the_words_of_all() -> None:
    """The pooled error rate is the errors of all clips over the words of all clips."""
    short = score("ship", "boat")
    long = score(" ".join(WORDS[:9]), " ".join(WORDS[:9]))

    found = pooled([short, long])

    assert found is not None
    assert found.wer == 0.1
    assert (found.reference_words, found.hits, found.coverage) == (10, 9, 0.9)


def test_each_kind_of_error_is_added_up() -> None:
    """Each kind of error is added up over the clips of a pooled score."""
    first = score("the old ship", "the odd ship it it")
    second = score("many gulls followed it", "it")

    found = pooled([first, second])

    assert found is not None
    assert (found.substitutions, found.deletions, found.insertions) == (1, 3, 2)
    assert found.wer == 6 / 7


def test_clip_of_whose_reference_nothing_is_left_is_left_out() -> None:
    """A clip of whose reference nothing is left is left out of the pooled score."""
    empty = score("[noise]", "thank you for watching")
    spoken = score("the ship", "the ship")

    assert empty.reference_words == 0
    assert pooled([empty, spoken]) == spoken
    assert pooled([empty]) is None
    assert pooled([]) is None


def test_words_in_silence_are_counted_where_they_are_known() -> None:
    """Words in silence are added up over the clips for which they are known."""
    known = [replace(score("the ship", "the ship"), words_in_silence=words) for words in (2, 3)]
    silent = replace(score("", "bye"), words_in_silence=1)
    unknown = score("the ship", "the ship")

    assert pooled([*known, silent, unknown]) == replace(
        pooled([unknown] * 3) or unknown, words_in_silence=6
    )
    assert (pooled([unknown, unknown]) or known[0]).words_in_silence is None


def test_time_error_is_not_pooled() -> None:
    """The error of segment times is not pooled."""
    timed = replace(score("the ship", "the ship"), time_error=0.5, boundaries=2)

    found = pooled([timed, timed])

    assert found is not None
    assert (found.time_error, found.boundaries) == (None, 0)


def test_letters_are_pooled_as_letters_and_never_with_words() -> None:
    """Letters are pooled as letters, and never with words."""
    letters = [score("你好世界", "你好世"), score("你好", "你好")]

    by_letters = [score("你好世界", "你好世", "zh"), score("你好", "你好", "zh")]
    found = pooled(by_letters)

    assert found is not None
    assert (found.cer, found.wer, found.reference_words) == (1 / 6, 1 / 6, 6)
    assert found.normaliser == "whisper basic, marks kept, letters split"
    with pytest.raises(
        ValueError, match=r"one normaliser, got whisper basic, .* and whisper english"
    ):
        pooled([by_letters[0], letters[0]])


def pairs() -> SearchStrategy[list[tuple[str, str]]]:
    """Draw what was said and what was heard in some clips."""
    from hypothesis import strategies as st

    text = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
    return st.lists(st.tuples(text, text), max_size=8)


@pytest.mark.property
def test_order_of_the_clips_changes_nothing() -> None:
    """The order of the clips changes nothing of the pooled score, nor does pooling parts first."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(heard=pairs(), data=st.data())
    def check(heard: list[tuple[str, str]], data: st.DataObject) -> None:
        scores = [score(*each) for each in heard]
        shuffled = data.draw(st.permutations(scores))
        cut = data.draw(st.integers(0, len(scores)))
        parts = [part for each in (scores[:cut], scores[cut:]) if (part := pooled(each))]

        assert pooled(shuffled) == pooled(scores) == pooled(parts)

    check()


@pytest.mark.property
def test_pooled_counts_are_those_of_the_texts_one_after_the_other() -> None:
    """The pooled words are those of the texts one after another, and the errors no fewer."""
    from hypothesis import given, settings

    @settings(deadline=None)
    @given(heard=pairs())
    def check(heard: list[tuple[str, str]]) -> None:
        spoken = [each for each in heard if each[0]]
        found = pooled([score(*each) for each in heard])
        whole = score(
            *(" ".join(texts) for texts in zip(*spoken, strict=True)) if spoken else ("", "")
        )

        assert (found is None) == (whole.reference_words == 0)
        if found is None:
            return
        assert found.reference_words == whole.reference_words
        assert _heard(found) == _heard(whole)
        assert found.errors >= whole.errors
        assert found.wer * found.reference_words == pytest.approx(found.errors)
        assert 0.0 <= found.coverage <= 1.0

    check()


def _heard(found: Score) -> int:
    """Return how many words the transcript has."""
    return found.hits + found.substitutions + found.insertions
