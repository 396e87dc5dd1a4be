"""The times of segments: which boundaries count, their error, and words in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from fixtures.audio import clips
from whisper_speedtest.speech.clip import Sentence
from whisper_speedtest.speech.timing import timing

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SHIP = Sentence("The ship sailed north.", 1.0, 3.0)
GULLS = Sentence("Many gulls followed it.", 4.0, 6.0)
SAID = (SHIP, GULLS)

WORDS = "the old ship sailed north past a quiet harbour while many gulls followed it".split()


class Heard(NamedTuple):
    """A segment of a transcript."""

    start: float
    end: float
    text: str


def exact(sentences: tuple[Sentence, ...]) -> list[Heard]:
    """Return segments that are the sentences."""
    return [Heard(each.start, each.end, each.text) for each in sentences]


def later(segments: list[Heard], seconds: float) -> list[Heard]:
    """Return the same segments, each so many seconds later."""
    return [Heard(each.start + seconds, each.end + seconds, each.text) for each in segments]


def errors(*segments: tuple[float, float, str]) -> tuple[float | None, int]:
    """Return the time error of segments, and how many boundaries it is made of."""
    found = timing(SAID, [Heard(*each) for each in segments])
    return found.error, found.boundaries


def test_each_begin_and_each_end_is_held_to_the_sentences() -> None:
    """The time error is the median distance of all begins and ends from the sentences'."""
    error, boundaries = errors(
        (1.1, 2.8, "the ship sailed north"), (4.4, 6.8, "many gulls followed it")
    )

    assert error == pytest.approx(0.3)
    assert boundaries == 4


def test_early_is_as_wrong_as_late() -> None:
    """A segment that is early is as wrong as one that is late."""
    error, _ = errors((0.5, 3.5, "the ship sailed north"), (4.5, 5.5, "many gulls followed it"))

    assert error == pytest.approx(0.5)


@pytest.mark.parametrize(
    "segment", [(0.5, 9.0, "the ship sailed"), (9.0, 2.5, "a ship sailed north")]
)
def test_boundary_that_is_early_has_no_error_below_0(segment: tuple[float, float, str]) -> None:
    """A single boundary that is early has an error above 0."""
    assert errors(segment) == (0.5, 1)


def test_segment_of_several_sentences_has_the_begin_of_the_first_and_the_end_of_the_last() -> None:
    """A segment of several sentences counts by the begin of the first and the end of the last."""
    text = "The ship sailed north. Many gulls followed it."

    assert errors((1.25, 6.25, text)) == (0.25, 2)


def test_segment_that_begins_in_the_midst_of_a_sentence_counts_by_its_other_end() -> None:
    """A segment that begins or ends in the midst of a sentence counts by its other end."""
    assert errors((1.0, 2.9, "the ship"), (2.9, 3.5, "sailed north")) == (0.25, 2)


def test_boundary_beside_a_word_that_is_wrong_or_missing_does_not_count() -> None:
    """A boundary beside a word that is wrong or missing does not count."""
    assert errors((9.0, 3.5, "a ship sailed north")) == (0.5, 1)
    assert errors((1.5, 9.0, "the ship sailed")) == (0.5, 1)


def test_added_word_at_the_edge_of_a_segment_hides_its_boundary() -> None:
    """An added word at the edge of a segment hides that boundary."""
    assert errors((0.0, 3.25, "well the ship sailed north")) == (0.25, 1)


def test_segment_without_words_is_none() -> None:
    """A segment without words has no boundaries."""
    assert errors((0.0, 0.9, "♪"), *exact(SAID)) == (0.0, 4)


@pytest.mark.parametrize("segments", [[], [(0.0, 9.0, "all of it wrong")], [(0.0, 9.0, "")]])
def test_without_a_common_boundary_there_is_no_error(
    segments: list[tuple[float, float, str]],
) -> None:
    """Without a common boundary the time error is None, and not 0."""
    assert errors(*segments) == (None, 0)


def test_number_that_is_written_in_another_way_is_the_same_boundary() -> None:
    """A number that is written in another way gives the same boundary."""
    said = [Sentence("Twenty-one ships.", 1.0, 2.0), Sentence("Three gulls, $5.", 3.0, 4.0)]

    found = timing(said, [Heard(1.0, 2.0, "21 ships"), Heard(3.0, 4.0, "3 gulls five dollars")])

    assert (found.error, found.boundaries) == (0.0, 4)


def test_letters_take_the_place_of_words_where_there_are_no_spaces() -> None:
    """Letters are aligned in place of words where a language has no spaces."""
    said = [Sentence("你好。", 1.0, 2.0), Sentence("再见。", 3.0, 4.0)]

    found = timing(said, [Heard(1.5, 2.5, "你好"), Heard(3.5, 4.5, "再见")], "zh")

    assert (found.error, found.boundaries) == (0.5, 4)


# Silence


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (3.2, 3.8, 2),  # between the sentences
        (3.0, 4.0, 2),  # from the end of one to the begin of the other
        (0.0, 1.0, 2),  # before all of them
        (6.0, 9.0, 2),  # after all of them
        (2.9, 3.8, 0),  # while the first is still spoken
        (3.2, 4.1, 0),  # while the second is already spoken
        (0.0, 9.0, 0),  # nobody knows where in it the words are
    ],
)
def test_words_of_a_segment_where_nobody_speaks_are_counted(
    start: float, end: float, words: int
) -> None:
    """Words in silence are those of segments that lie wholly where nobody speaks."""
    segments = exact(SAID)
    segments.insert(1, Heard(start, end, "thank you"))

    assert timing(SAID, segments).words_in_silence == words


def test_word_in_silence_is_one_also_where_another_word_is_missing() -> None:
    """A word in silence is counted although another word is missing."""
    segments = [*exact((SHIP,)), Heard(6.5, 7.0, "thank you")]

    assert timing(SAID, segments).words_in_silence == 2


def test_right_words_at_a_wrong_time_are_no_words_in_silence() -> None:
    """Right words at a wrong time are no words in silence, and have a time error."""
    found = timing(SAID, later(exact(SAID), 100.0))

    assert (found.words_in_silence, found.error) == (0, 100.0)


def test_each_added_word_counts_and_signs_do_not() -> None:
    """Each added word in silence counts, and signs do not."""
    silent = [Heard(6.5, 7, "Thank you for watching!"), Heard(7, 8, "♪ ♪"), Heard(8, 9, "Bye.")]

    assert timing(SAID, [*exact(SAID), *silent]).words_in_silence == 5


# Properties


def sentences() -> SearchStrategy[tuple[Sentence, ...]]:
    """Draw sentences one after the other, with a gap between them, in quarters of a second."""
    from hypothesis import strategies as st

    text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
    drawn = st.tuples(text, st.integers(1, 8), st.integers(1, 8))

    def placed(parts: list[tuple[str, int, int]]) -> tuple[Sentence, ...]:
        now, made = 0.0, []
        for words, gap, length in parts:
            start = now + gap / 4
            now = start + length / 4
            made.append(Sentence(words, start, now))
        return tuple(made)

    return st.lists(drawn, min_size=1, max_size=6).map(placed)


@pytest.mark.property
def test_exact_segments_have_no_error_and_shifted_ones_that_of_the_shift() -> None:
    """Exact segments have no time error, and shifted ones that of the shift."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(said=sentences(), quarters=st.integers(-40, 40))
    def check(said: tuple[Sentence, ...], quarters: int) -> None:
        found = timing(said, exact(said))
        shifted = timing(said, later(exact(said), quarters / 4))

        assert (found.error, found.boundaries) == (0.0, 2 * len(said))
        assert (shifted.error, shifted.boundaries) == (abs(quarters) / 4, 2 * len(said))
        assert found.words_in_silence == shifted.words_in_silence == 0

    check()


@pytest.mark.property
def test_cutting_a_segment_where_no_sentence_has_a_boundary_changes_nothing() -> None:
    """Cutting a segment within a sentence changes neither time error nor words in silence."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(said=sentences(), shift=st.integers(0, 8), data=st.data())
    def check(said: tuple[Sentence, ...], shift: int, data: st.DataObject) -> None:
        whole = later(exact(said), shift / 4)
        cut: list[Heard] = []
        for each in whole:
            words = each.text.split()
            place = data.draw(st.integers(0, len(words) - 1))
            when = data.draw(st.floats(each.start, each.end))
            if place:
                cut.append(Heard(each.start, when, " ".join(words[:place])))
                cut.append(Heard(when, each.end, " ".join(words[place:])))
            else:
                cut.append(each)

        assert timing(said, cut) == timing(said, whole)

    check()


@pytest.mark.property
def test_error_is_within_the_bounds_whatever_was_heard() -> None:
    """The time error is None or a distance, of at most two boundaries for each segment."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    text = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
    moments = st.floats(0, 60)
    segment = st.builds(Heard, moments, moments, text)

    @settings(deadline=None)
    @given(said=sentences(), heard=st.lists(segment, max_size=6))
    def check(said: tuple[Sentence, ...], heard: list[Heard]) -> None:
        found = timing(said, heard)

        assert (found.error is None) == (found.boundaries == 0)
        assert 0 <= found.boundaries <= 2 * min(len(said), len(heard))
        assert found.error is None or 0 <= found.error <= 60
        assert 0 <= found.words_in_silence <= sum(len(each.text.split()) for each in heard)

    check()


def test_long_clip_has_two_boundaries_a_sentence() -> None:
    """The project's clips have two boundaries for each sentence, without an error."""
    for clip in clips().values():
        found = timing(clip.sentences, clip.sentences)
        assert found.boundaries == 2 * len(clip.sentences)
        assert found.error == (0.0 if clip.sentences else None)
