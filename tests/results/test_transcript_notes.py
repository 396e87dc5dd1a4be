"""The notes on transcripts: what was heard, and how right that was."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.helpers.notes import NO_COST, noted, quiet
from tests.helpers.results import CASE, CLIP, SETTINGS, load, score
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import ClipFacts, ClipScore


def test_fallback_is_said_of_its_clip() -> None:
    """A note says on which clip a library fell back, with the batch size if there is one."""
    long_form = quiet(
        fallback=True, measure=Measure.LONG_FORM, settings=replace(SETTINGS, batch_size=6)
    )

    (line,) = noted([quiet(fallback=False), long_form])

    label = "lightning-whisper-mlx[tiny-4bit]"
    assert line == f"fallback: {label} on short ×6: decoded anew at a higher temperature"


def test_transcript_that_nobody_could_check_is_shown() -> None:
    """A transcript that nobody could score is shown in the notes, and a scored one is not."""
    assert noted([quiet(transcript="so it goes"), quiet(transcript="so it goes", score=None)]) == [
        "heard:    lightning-whisper-mlx[tiny-4bit] on short: so it goes"
    ]


def test_transcript_is_shown_whether_or_not_its_time_is_to_be_believed() -> None:
    """An unscored transcript is shown of a busy result too, but not of one that failed.

    The failure says all that there is to know.
    """
    busy = quiet(transcript="so it goes", score=None, outcome=Outcome.BUSY)
    broken = quiet(
        transcript="so it goes", score=None, outcome=Outcome.FAILED, reason="it broke", test="t"
    )

    assert noted([busy])[0] == "heard:    lightning-whisper-mlx[tiny-4bit] on short: so it goes"
    assert noted([broken]) == ["failed:   t: it broke"]


def test_long_transcript_is_shown_in_a_line_that_ends() -> None:
    """Of a long transcript the first hundred words are shown, and how many come after them."""
    words = [f"w{number}" for number in range(102)]

    (all_of_it,) = noted([quiet(transcript="\n".join(words[:100]), score=None)])
    (cut,) = noted([quiet(transcript=" ".join(words), score=None)])

    assert all_of_it.endswith(f"on short: {' '.join(words[:100])}")
    assert cut == f"{all_of_it} … and 2 more words"
    (by_one,) = noted([quiet(transcript=" ".join(words[:101]), score=None)])
    assert by_one == f"{all_of_it} … and 1 more word"


def test_recordings_that_micro_was_given_are_told_whatever_came_of_it() -> None:
    """A user's recordings that micro was given are told, even where the test failed.

    It knows no human voice. Other sizes and the project's own clips need no such line.
    """
    micro = replace(CASE, size="micro")
    clip = ClipFacts(name="memo", sha256="ab" * 32, seconds=4.0)
    failed = {"outcome": Outcome.FAILED, "reason": "r", "test": "t"}

    given = [quiet(case=micro, clip=clip), quiet(case=micro, clip=clip, **failed)]

    assert noted(given, recordings=["memo"])[0] == f"voices:   {NO_HUMAN_VOICE}: memo"
    assert noted([quiet(clip=clip), quiet(case=micro)], recordings=["memo"]) == []
    assert noted([load(case=micro, provenance=NO_COST)], recordings=["memo"]) == []


def clip_score(wer: float, words: int = 1000) -> ClipScore:
    """Return what became of a clip of a corpus."""
    scored = replace(score(wer), reference_words=words)
    return ClipScore(name="a.wav", sha256="ab" * 32, seconds=1.0, call=0.5, score=scored)


TALKS = ClipFacts(name="talks", sha256="ab" * 32, seconds=9.0)


def test_corpus_is_told_pooled_and_by_its_clips() -> None:
    """A corpus is told by its error rate over all words and by that of its median clip."""
    result = quiet(
        measure=Measure.CORPUS,
        clip=TALKS,
        score=replace(score(0.042), reference_words=1234),
        clips=tuple(map(clip_score, (0.5, 0.0, 0.1))),
    )

    (line,) = noted([result])

    assert line == (
        f"corpus:   {CASE.label} on talks: WER 4.2% pooled over 1,234 words of 3 clips; 10.0% in "
        "the median clip"
    )


def test_clip_of_whose_reference_nothing_is_left_is_no_median() -> None:
    """A clip whose reference has no words does not count towards a corpus's median clip.

    Its rate is a number of words, not a share. A rate of letters is called CER.
    """
    result = quiet(
        measure=Measure.CORPUS,
        clip=TALKS,
        score=replace(score(0.042), cer=0.042),
        clips=(clip_score(9.0, words=0), clip_score(0.2)),
    )

    (line,) = noted([result])

    assert line == (
        f"corpus:   {CASE.label} on talks: CER 4.2% pooled over 1,000 letters of 2 clips; 20.0% "
        "in the median clip"
    )


def test_words_in_silence_are_told() -> None:
    """Words that were heard while nobody speaks are told, of a failed test as well."""
    one, four = (replace(score(), words_in_silence=words) for words in (1, 4))

    lines = noted(
        [
            quiet(score=one),
            quiet(score=four, measure=Measure.TUNED),
            quiet(score=replace(score(), words_in_silence=0), measure=Measure.LONG_FORM),
            quiet(score=four, outcome=Outcome.FAILED, reason="wrong", test="t"),
        ]
    )

    assert lines == [
        f"silence:  {CASE.label} on short: 1 word heard while nobody speaks",
        f"silence:  {CASE.label} on short tuned: 4 words heard while nobody speaks",
        f"silence:  {CASE.label} on short: 4 words heard while nobody speaks",
        "failed:   t: wrong",
    ]


def test_quality_of_a_quantised_model_is_told() -> None:
    """A note says on how many clips a quantised model is no worse than the unquantised one.

    One clip alone on which it is no worse says nothing.
    """
    full, quantised = (replace(CASE, variant=variant) for variant in ("fp16", "8bit"))
    other = msgspec.structs.replace(CLIP, sha256="ef" * 32)

    one = [quiet(case=full), quiet(case=quantised)]
    two = [quiet(case=full, clip=other), quiet(case=quantised, clip=other, score=score(0.2))]

    assert noted(one) == []
    assert noted(two) == [f"quality:  {quantised.label}: no worse than fp16 on 0 of 1 clip (0%)"]
    assert noted([*one, *two]) == [
        f"quality:  {quantised.label}: no worse than fp16 on 1 of 2 clips (50%)"
    ]
