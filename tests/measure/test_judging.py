"""What counts as right: limits at their boundary, cuts, and transcripts that differ."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from adapters import REGISTRY, adapter_class
from adapters.base import Case, DecodeSettings, Transcript
from fixtures.audio import clips
from tests.helpers.results import PROVENANCE
from whisper_speedtest.measure.judging import (
    MAX_EXTRA_WER_OF_CUTS,
    NO_HUMAN_VOICE,
    WrongTranscriptError,
    computed_by,
    is_cut,
    judge,
    max_wer,
    score_of,
    share_of_cut_words,
)
from whisper_speedtest.speech.clip import Clip, Sentence

MICRO = Case("faster-whisper", "micro", "fp16")
TINY = Case("faster-whisper", "tiny", "fp16")
EQUAL = DecodeSettings()


def clip_of(reference: str | None, *sentences: Sentence) -> Clip:
    """Return a clip in which this is said."""
    return replace(clips()["short"], reference=reference, sentences=sentences)


def heard(*texts: str) -> list[Transcript]:
    """Return the transcripts of some calls."""
    return [Transcript(text, (), fallback=False) for text in texts]


TEN = "one two three four five six seven eight nine ten".replace("one", "ship")


def test_exact_transcript_is_right() -> None:
    """Case and punctuation are no errors."""
    judge(
        MICRO,
        clip_of("The ship sails."),
        EQUAL,
        heard("the ship sails", "the ship sails"),
        PROVENANCE,
    )


def test_one_wrong_word_of_micro_is_a_failure_that_shows_it() -> None:
    """One log is enough: library and version, clip, device and type, words and both whole texts."""
    said = "The ship sails. " * 10
    text = said.replace("ship", "sheep", 1)

    with pytest.raises(WrongTranscriptError) as caught:
        judge(MICRO, clip_of(said), EQUAL, heard(text), PROVENANCE)

    assert str(caught.value) == (
        "faster-whisper[micro-fp16] on short: expected a word error rate of at most 0.000; "
        "WER 0.033 over 30 words: 1 wrong, 0 missing, 0 added\n"
        f"  expected: {said}\n"
        f"  got:      {text}\n"
        "  word 2: the [ship → sheep] sails the\n"
        "  computed by lightning-whisper-mlx 0.0.10, mlx 0.32.4 on the gpu in float16"
    )


def test_long_texts_of_a_real_size_are_cut() -> None:
    """Many of its words may differ, for many reasons, and a recording may last for hours."""
    said = "The ship sails. " * 100

    with pytest.raises(WrongTranscriptError) as caught:
        judge(TINY, clip_of(said), EQUAL, heard("no word of it"), PROVENANCE)

    assert len(str(caught.value)) < 1000


def test_device_that_no_library_confirms_is_marked() -> None:
    """Nobody knows then whether it computed there."""
    unknown = msgspec.structs.replace(PROVENANCE, device_confirmed=False)

    assert computed_by(PROVENANCE).endswith(", mlx 0.32.4 on the gpu in float16")
    assert computed_by(unknown).endswith(", mlx 0.32.4 on the gpu (unknown) in float16")


@pytest.mark.parametrize(("wrong", "right"), [(3, True), (4, False)])
def test_real_sizes_may_have_three_wrong_words_of_ten(wrong: int, right: bool) -> None:
    """30 % is still right, and more is not."""
    words = "ship boat car tree house road hill lake bird fish".split()
    text = " ".join(["wrong"] * wrong + words[wrong:])

    def judged() -> None:
        judge(TINY, clip_of(" ".join(words)), EQUAL, heard(text), PROVENANCE)

    if right:
        judged()
    else:
        with pytest.raises(WrongTranscriptError, match=r"at most 0\.300; .*WER 0\.400"):
            judged()


def test_calls_that_hear_different_texts_are_a_failure_that_shows_them() -> None:
    """Also when the last of them is right, and when the first is."""
    clip = clip_of("the ship sails")
    for texts in (("the ship", "the ship sails"), ("the ship sails", "the ship")):
        with pytest.raises(
            WrongTranscriptError,
            match=r"short: expected one transcript from every call, "
            r"got \['the ship', 'the ship sails'\]",
        ):
            judge(MICRO, clip, EQUAL, heard(*texts), PROVENANCE)


def test_no_transcript_at_all_is_a_failure() -> None:
    """Nothing was heard because nothing was asked."""
    with pytest.raises(WrongTranscriptError, match=r"one transcript from every call, got \[\]"):
        judge(MICRO, clip_of("the ship"), EQUAL, [], PROVENANCE)


def test_recording_without_a_reference_must_give_words() -> None:
    """Nobody knows which words are right, but silence is a failure."""
    unknown = clip_of(None)

    judge(MICRO, unknown, EQUAL, heard("anything"), PROVENANCE)
    with pytest.raises(WrongTranscriptError, match=r"expected words, got an empty transcript\n"):
        judge(MICRO, unknown, EQUAL, heard(""), PROVENANCE)
    with pytest.raises(WrongTranscriptError, match=r"expected words, got none in '♪'\n"):
        judge(MICRO, unknown, EQUAL, heard("♪"), PROVENANCE)


def test_words_heard_in_silence_are_a_failure() -> None:
    """A reference that is empty says that nothing is spoken; nothing heard is right."""
    silence = clip_of("")

    for nothing in ("", "♪", " ... ", "[Music]"):
        judge(MICRO, silence, EQUAL, heard(nothing), PROVENANCE)
    with pytest.raises(WrongTranscriptError):
        judge(MICRO, silence, EQUAL, heard("thank you"), PROVENANCE)


def test_failure_of_micro_on_a_human_voice_says_that_it_knows_none() -> None:
    """Another size would be right there; of other sizes and voices there is nothing to add."""
    human = replace(clip_of("the ship sails"), human=True)

    with pytest.raises(WrongTranscriptError) as micro:
        judge(MICRO, human, EQUAL, heard("a sheep"), PROVENANCE)
    with pytest.raises(WrongTranscriptError) as tiny:
        judge(TINY, human, EQUAL, heard("a sheep"), PROVENANCE)
    with pytest.raises(WrongTranscriptError) as synthetic:
        judge(MICRO, clip_of("the ship sails"), EQUAL, heard("a sheep"), PROVENANCE)

    assert f"at most 0.000 ({NO_HUMAN_VOICE}); WER " in str(micro.value)
    assert NO_HUMAN_VOICE not in str(tiny.value) + str(synthetic.value)


def test_score_is_none_where_nobody_knows_what_is_said() -> None:
    """An empty reference is scored, an absent one is not."""
    assert score_of(clip_of(None), "anything") is None
    scored = score_of(clip_of("the ship sails now"), "the ship sails")
    assert scored is not None
    assert scored.wer == 0.25
    empty = score_of(clip_of(""), "")
    assert empty is not None
    assert empty.wer == 0.0


BEFORE = Sentence("one two three", 0.0, 29.0)
ACROSS = Sentence("four five", 29.0, 31.0)
AFTER = Sentence("six seven eight nine ten", 31.0, 59.0)


def test_share_of_cut_words_counts_words_of_sentences_across_a_border() -> None:
    """Two words of ten are in the sentence that runs across 30 s."""
    assert share_of_cut_words(clip_of("", BEFORE, ACROSS, AFTER)) == 0.2
    assert share_of_cut_words(clip_of("", BEFORE, AFTER)) == 0.0
    assert share_of_cut_words(clip_of("")) == 0.0


def test_borders_are_every_thirty_seconds() -> None:
    """A sentence from 59 s to 61 s is cut, one from 30 s to 59 s is not."""
    assert share_of_cut_words(clip_of("", Sentence("a b", 59.0, 61.0))) == 1.0
    assert share_of_cut_words(clip_of("", Sentence("a b", 30.0, 59.9))) == 0.0


@pytest.mark.parametrize("name", REGISTRY)
def test_library_is_cut_as_its_traits_say(name: str) -> None:
    """Always, only in batches without a voice activity detector, or never."""
    batch, vad = replace(EQUAL, batch_size=2), replace(EQUAL, batch_size=2, vad=True)
    expected = {"always": (True, True, True), "in batches": (False, True, False)}
    expected["never"] = (False, False, False)
    case = Case(name, "micro", "fp16")

    cuts = expected[adapter_class(name).traits.cuts]
    assert (is_cut(case, EQUAL), is_cut(case, batch), is_cut(case, vad)) == cuts


def test_limit_grows_by_the_cut_sentences_and_a_little_where_a_library_cuts() -> None:
    """Of micro, whose limit is else 0, and of a real size, whose limit is else 0.3."""
    clip, whole = clip_of("", BEFORE, ACROSS, AFTER), clip_of("", BEFORE, AFTER)
    batch = replace(EQUAL, batch_size=2)

    assert max_wer(MICRO, clip, EQUAL) == 0.0
    assert max_wer(MICRO, clip, batch) == pytest.approx(0.2 + MAX_EXTRA_WER_OF_CUTS)
    assert max_wer(TINY, clip, batch) == pytest.approx(0.3 + 0.2 + MAX_EXTRA_WER_OF_CUTS)
    assert max_wer(MICRO, whole, batch) == 0.0
    assert max_wer(TINY, whole, EQUAL) == 0.3
    assert MAX_EXTRA_WER_OF_CUTS == 0.05
