"""What counts as right: limits at their boundary, cuts, and transcripts that differ."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters import REGISTRY, adapter_class
from adapters.base import Case, DecodeSettings, Segment, Transcript
from fixtures.audio import clips
from tests.helpers import results
from tests.helpers.results import PROVENANCE
from whisper_speedtest.measure.judging import (
    MAX_EXTRA_WER_OF_CUTS,
    NO_HUMAN_VOICE,
    WrongTranscriptError,
    computed_by,
    is_cut,
    judge,
    judge_corpus,
    max_wer,
    score_of,
    share_of_cut_words,
    why_not_in,
)
from whisper_speedtest.speech.clip import OWN_ORIGIN, Clip, Sentence
from whisper_speedtest.speech.corpus import Corpus

if TYPE_CHECKING:
    from pathlib import Path

MICRO = Case("faster-whisper", "micro", "fp16")
TINY = Case("faster-whisper", "tiny", "fp16")
EQUAL = DecodeSettings()


def clip_of(reference: str | None, *sentences: Sentence) -> Clip:
    """Return a clip in which this is said."""
    return replace(clips()["short"], reference=reference, sentences=sentences)


def heard(*texts: str) -> list[Transcript]:
    """Return the transcripts of some calls."""
    return [Transcript(text, (), fallback=False) for text in texts]


def test_exact_transcript_is_right() -> None:
    """A transcript that differs from the text in case and punctuation alone is right."""
    judge(
        MICRO,
        clip_of("The ship sails."),
        EQUAL,
        heard("the ship sails", "the ship sails"),
        PROVENANCE,
    )


def test_one_wrong_word_of_micro_is_a_failure_that_shows_it() -> None:
    """One wrong word of micro is a failure whose message alone explains it.

    The message has library and version, clip, device and type, the words, and both whole texts.
    """
    said = "The ship sails. " * 10
    text = said.replace("ship", "sheep", 1)

    with pytest.raises(WrongTranscriptError) as caught:
        judge(MICRO, clip_of(said), EQUAL, heard(text), PROVENANCE)

    assert str(caught.value) == (
        "faster-whisper[micro-fp16] on short: expected a word error rate of at most 0.000, got "
        "WER 0.033 over 30 words: 1 wrong, 0 missing, 0 added; word 2: the [ship → sheep] sails "
        "the, on the gpu in float16\n"
        f"  expected: {said}\n"
        f"  got:      {text}\n"
        "  word 2: the [ship → sheep] sails the\n"
        "  computed by lightning-whisper-mlx 0.0.10, mlx 0.32.4 on the gpu in float16"
    )


def test_long_texts_of_a_real_size_are_cut() -> None:
    """The message on a wrong transcript of a real size cuts long texts."""
    said = "The ship sails. " * 100

    with pytest.raises(WrongTranscriptError) as caught:
        judge(TINY, clip_of(said), EQUAL, heard("no word of it"), PROVENANCE)

    assert len(str(caught.value)) < 1000


def test_device_that_no_library_confirms_is_marked() -> None:
    """A device that no library confirms is marked as unknown."""
    unknown = msgspec.structs.replace(PROVENANCE, device_confirmed=False)

    assert computed_by(PROVENANCE).endswith(", mlx 0.32.4 on the gpu in float16")
    assert computed_by(unknown).endswith(", mlx 0.32.4 on the gpu (unknown) in float16")


@pytest.mark.parametrize(("wrong", "right"), [(3, True), (4, False)])
def test_real_sizes_may_have_three_wrong_words_of_ten(wrong: int, right: bool) -> None:
    """A transcript of a real size is right up to 30 % of wrong words, and wrong beyond."""
    words = "ship boat car tree house road hill lake bird fish".split()
    text = " ".join(["wrong"] * wrong + words[wrong:])

    def judged() -> None:
        judge(TINY, clip_of(" ".join(words)), EQUAL, heard(text), PROVENANCE)

    if right:
        judged()
    else:
        with pytest.raises(WrongTranscriptError, match=r"at most 0\.300, got WER 0\.400"):
            judged()


def test_calls_that_hear_different_texts_are_a_failure_that_shows_them() -> None:
    """Calls that hear different texts are a failure that shows the texts, though one is right."""
    clip = clip_of("the ship sails")
    for texts in (("the ship", "the ship sails"), ("the ship sails", "the ship")):
        with pytest.raises(
            WrongTranscriptError,
            match=r"short: expected one transcript from every call, "
            r"got \['the ship', 'the ship sails'\]",
        ):
            judge(MICRO, clip, EQUAL, heard(*texts), PROVENANCE)


def test_no_transcript_at_all_is_a_failure() -> None:
    """A measurement without any transcript is a failure."""
    with pytest.raises(WrongTranscriptError, match=r"one transcript from every call, got \[\]"):
        judge(MICRO, clip_of("the ship"), EQUAL, [], PROVENANCE)


def test_recording_without_a_reference_must_give_words() -> None:
    """A recording without a reference may give any words, but must give some."""
    unknown = clip_of(None)

    judge(MICRO, unknown, EQUAL, heard("anything"), PROVENANCE)
    with pytest.raises(
        WrongTranscriptError,
        match=r"expected words, got an empty transcript, on the gpu in float16\n",
    ):
        judge(MICRO, unknown, EQUAL, heard(""), PROVENANCE)
    with pytest.raises(
        WrongTranscriptError, match=r"expected words, got none in '♪', on the gpu in float16\n"
    ):
        judge(MICRO, unknown, EQUAL, heard("♪"), PROVENANCE)


def test_words_heard_in_silence_are_a_failure() -> None:
    """Words that are heard where an empty reference says that nothing is spoken are a failure."""
    silence = clip_of("")

    for nothing in ("", "♪", " ... ", "[Music]"):
        judge(MICRO, silence, EQUAL, heard(nothing), PROVENANCE)
    with pytest.raises(WrongTranscriptError):
        judge(MICRO, silence, EQUAL, heard("thank you"), PROVENANCE)


def test_failure_of_micro_on_a_human_voice_says_that_it_knows_none() -> None:
    """The failure of micro on a human voice says that micro knows no human voice.

    Failures of other sizes, and on synthetic voices, do not say so.
    """
    human = replace(clip_of("the ship sails"), human=True)

    with pytest.raises(WrongTranscriptError) as micro:
        judge(MICRO, human, EQUAL, heard("a sheep"), PROVENANCE)
    with pytest.raises(WrongTranscriptError) as tiny:
        judge(TINY, human, EQUAL, heard("a sheep"), PROVENANCE)
    with pytest.raises(WrongTranscriptError) as synthetic:
        judge(MICRO, clip_of("the ship sails"), EQUAL, heard("a sheep"), PROVENANCE)

    first_line, *_ = str(micro.value).splitlines()
    assert first_line.startswith(f"faster-whisper[micro-fp16] on short: {NO_HUMAN_VOICE}; expected")
    assert first_line.endswith(
        "2 wrong, 1 missing, 0 added; word 1: [the ship → a sheep] sails, on the gpu in float16"
    )
    assert NO_HUMAN_VOICE not in str(tiny.value) + str(synthetic.value)
    with pytest.raises(WrongTranscriptError, match=f": {NO_HUMAN_VOICE}; expected words, got an "):
        judge(MICRO, replace(clip_of(None), human=True), EQUAL, heard(""), PROVENANCE)


def test_failure_on_a_users_recording_thinks_of_its_text(tmp_path: Path) -> None:
    """A failure on a user's recording advises, in its first line, to correct the text beside it."""
    sound, text = tmp_path / "MEMO.WAV", tmp_path / "MEMO.TXT"
    text.write_text("the ship sails", encoding="utf-8")
    own = replace(
        clip_of("the ship sails\n"), name="MEMO", file=sound, origin=OWN_ORIGIN, human=True
    )
    got = (
        "expected a word error rate of at most {}, got WER 1.000 over 3 words: 2 wrong, 1 missing, "
        "0 added{}, on the gpu in float16"
    )
    changed = "; word 1: [the ship → a sheep] sails"

    def first_line(case: Case, clip: Clip) -> str:
        with pytest.raises(WrongTranscriptError) as caught:
            judge(case, clip, EQUAL, heard("a sheep"), PROVENANCE)
        return str(caught.value).splitlines()[0].partition(": ")[2]

    correct = "; correct MEMO.TXT if that is not what is said"
    beside = "; correct the text beside it if that is not what is said"
    assert first_line(TINY, own) == got.format("0.300", "") + correct
    assert first_line(MICRO, own) == f"{NO_HUMAN_VOICE}; {got.format('0.000', changed)}{correct}"
    private = replace(own, name=f"own-{own.sha256[:8]}")
    assert first_line(TINY, private) == got.format("0.300", "") + beside
    with pytest.raises(
        WrongTranscriptError, match=r"\n  expected: the ship sails\n  got:      a sh"
    ):
        judge(MICRO, own, EQUAL, heard("a sheep"), PROVENANCE)
    text.unlink()
    assert first_line(TINY, own) == got.format("0.300", "") + beside


def test_score_is_none_where_nobody_knows_what_is_said() -> None:
    """A clip without a reference has no score, and one with an empty reference has one."""
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
    """The share of cut words counts the words of sentences that run across a border at 30 s."""
    assert share_of_cut_words(clip_of("", BEFORE, ACROSS, AFTER)) == 0.2
    assert share_of_cut_words(clip_of("", BEFORE, AFTER)) == 0.0
    assert share_of_cut_words(clip_of("")) == 0.0


def test_borders_are_every_thirty_seconds() -> None:
    """Every multiple of 30 s is a border, and a sentence that begins at one is not cut."""
    assert share_of_cut_words(clip_of("", Sentence("a b", 59.0, 61.0))) == 1.0
    assert share_of_cut_words(clip_of("", Sentence("a b", 30.0, 59.9))) == 0.0


@pytest.mark.parametrize("name", REGISTRY)
def test_library_is_cut_as_its_traits_say(name: str) -> None:
    """A library cuts always, never, or only in batches without voice detection, by its traits."""
    batch, vad = replace(EQUAL, batch_size=2), replace(EQUAL, batch_size=2, vad=True)
    expected = {"always": (True, True, True), "in batches": (False, True, False)}
    expected["never"] = (False, False, False)
    case = Case(name, "micro", "fp16")

    cuts = expected[adapter_class(name).traits.cuts]
    assert (is_cut(case, EQUAL), is_cut(case, batch), is_cut(case, vad)) == cuts


def test_limit_grows_by_the_cut_sentences_and_a_little_where_a_library_cuts() -> None:
    """Where a library cuts, the limit grows by the share of cut words and 0.05, if any is cut.

    It is 0 for micro and 0.3 for a real size otherwise.
    """
    clip, whole = clip_of("", BEFORE, ACROSS, AFTER), clip_of("", BEFORE, AFTER)
    batch = replace(EQUAL, batch_size=2)

    assert max_wer(MICRO, clip, EQUAL) == 0.0
    assert max_wer(MICRO, clip, batch) == pytest.approx(0.2 + MAX_EXTRA_WER_OF_CUTS)
    assert max_wer(TINY, clip, batch) == pytest.approx(0.3 + 0.2 + MAX_EXTRA_WER_OF_CUTS)
    assert max_wer(MICRO, whole, batch) == 0.0
    assert max_wer(TINY, whole, EQUAL) == 0.3
    assert MAX_EXTRA_WER_OF_CUTS == 0.05


def test_sentence_that_a_cut_goes_through_may_be_missing() -> None:
    """A sentence that a cut goes through may be missing, even for micro."""
    clip = clip_of(
        "The ship sails. Many gulls. We wave from the shore.",
        Sentence("The ship sails.", 0.0, 29.0),
        Sentence("Many gulls.", 29.0, 31.0),
        Sentence("We wave from the shore.", 31.0, 59.0),
    )
    text = "The ship sails. We wave from the shore."

    judge(MICRO, clip, replace(EQUAL, batch_size=2), heard(text), PROVENANCE)
    with pytest.raises(WrongTranscriptError, match=r"at most 0\.000, got WER 0\.200"):
        judge(MICRO, clip, EQUAL, heard(text), PROVENANCE)


# Times, silence, languages, corpora


def test_segments_are_held_to_the_sentences_of_the_clip() -> None:
    """The score compares segments with the sentences of the clip.

    It has their time error, the number of boundaries, and the words heard in silence.
    """
    sentences = (Sentence("The ship sails.", 0.0, 29.0), Sentence("Many gulls.", 29.0, 31.0))
    clip = clip_of("The ship sails. Many gulls. Now.", *sentences)
    segments = (
        Segment(0.5, 28.0, "The ship sails."),
        Segment(28.9, 31.2, "Many gulls."),
        Segment(40.0, 41.0, "Thank you."),
    )

    scored = score_of(clip, "The ship sails. Many gulls. Thank you.", "en", segments)

    assert scored is not None
    assert scored.time_error == pytest.approx((0.2 + 0.5) / 2)
    assert (scored.boundaries, scored.words_in_silence) == (4, 2)
    assert (scored.reference_words, scored.hits) == (6, 5)


def test_clip_without_times_has_no_time_error() -> None:
    """A clip whose sentence times are unknown has no time error.

    Words in silence are counted only if nobody speaks in the clip at all.
    """
    segments = (Segment(0.0, 1.0, "the ship"),)
    spoken = score_of(clip_of("the ship"), "the ship", "en", segments)
    silent = score_of(clip_of(""), "thank you all", "en", segments)

    assert spoken is not None
    assert (spoken.time_error, spoken.boundaries, spoken.words_in_silence) == (None, 0, None)
    assert silent is not None
    assert (silent.time_error, silent.boundaries, silent.words_in_silence) == (None, 0, 3)


def test_transcript_is_judged_in_its_language() -> None:
    """A transcript is judged in its language: Chinese by letters and not by words."""
    clip, chinese = clip_of("你好世界你好世界你好"), replace(EQUAL, language="zh")

    judge(TINY, clip, chinese, heard("你好世界你好世界再见了"), PROVENANCE)
    with pytest.raises(WrongTranscriptError, match=r"0\.300, got CER 0\.400 over 10 letters"):
        judge(TINY, clip, chinese, heard("你好世界你好"), PROVENANCE)
    unknown = clip_of(None)
    judge(TINY, unknown, chinese, heard("你好"), PROVENANCE)
    judge(TINY, unknown, replace(EQUAL, language="de"), heard("Um."), PROVENANCE)  # no filler there
    scored = score_of(clip, "你好", "zh")
    assert scored is not None
    assert (scored.cer, scored.reference_words) == (0.8, 10)


@pytest.mark.parametrize(
    ("size", "language", "why"),
    [
        ("tiny", "de", ""),
        ("tiny.en", "en", ""),
        ("tiny.en", "de", "tiny.en knows English alone, and no German"),
        ("distil-large-v3", "fr", "distil-large-v3 knows English alone, and no French"),
        ("distil-large-v3", "en", ""),
        ("large-v2", "yue", "large-v2 does not know Cantonese, which came with large-v3"),
        ("micro", "yue", "micro does not know Cantonese, which came with large-v3"),
        ("large-v3", "yue", ""),
        ("large-v3-turbo", "yue", ""),
        ("micro", "de", ""),
    ],
)
def test_model_is_asked_for_the_languages_that_it_knows(size: str, language: str, why: str) -> None:
    """A model is not asked for a language that it does not know, and the reason is given."""
    assert why_not_in(Case("faster-whisper", size, "fp16"), language) == why


def corpus_of(*clips_in_it: Clip) -> Corpus:
    """Return a corpus of some clips."""
    return Corpus(
        name="talks",
        folder=clips()["short"].path.parent,
        language="en",
        clips=clips_in_it,
        sha256="ab" * 32,
        stamps={},
    )


@pytest.mark.parametrize(("wrong", "right"), [(300, True), (301, False)])
def test_corpus_is_right_by_its_pooled_score(wrong: int, right: bool) -> None:
    """A corpus is right if at most 30 % of all of its words are wrong, pooled over its clips.

    The failure has the counts and says what to do.
    """
    counts: dict[str, Any] = {"substitutions": wrong - 50, "deletions": 40, "insertions": 10}
    pooled = replace(results.score(wrong / 1000), **counts)
    corpus = corpus_of(clips()["short"], clips()["human"])

    if right:
        judge_corpus(TINY, corpus, pooled, PROVENANCE)
        return
    with pytest.raises(WrongTranscriptError) as caught:
        judge_corpus(TINY, corpus, pooled, PROVENANCE)
    assert str(caught.value) == (
        "faster-whisper[tiny-fp16] on talks: expected a word error rate of at most 0.300, pooled "
        "over 2 clips; got 0.301 over 1000 words: 251 wrong, 40 missing, 10 added; correct its "
        "texts where they are not what is said, or name the language with --language if it is not "
        "English\n"
        "  computed by lightning-whisper-mlx 0.0.10, mlx 0.32.4 on the gpu in float16"
    )


def test_embedded_model_is_not_judged_on_a_corpus() -> None:
    """Micro is not judged on a corpus, and no model is judged on a corpus without words."""
    corpus = corpus_of(clips()["human"])

    judge_corpus(MICRO, corpus, results.score(0.9), PROVENANCE)
    judge_corpus(TINY, corpus, None, PROVENANCE)
