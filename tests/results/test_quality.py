"""How quantised models compare to unquantised ones: which clips count, and what is no worse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import CLIP, SETTINGS, of_corpus, score, warm
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.quality import Quality, qualities, rates

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result

FULL = Case("whisper.cpp", "small", "fp16")
Q5 = replace(FULL, variant="q5_0")


def heard(case: Case, wer: float, clip: str = "ab", **changes: Any) -> Result:
    """Return a result with this word error rate on a clip, known by the beginning of its hash."""
    facts = msgspec.structs.replace(CLIP, sha256=clip * 32)
    return warm(case=case, clip=facts, score=score(wer), **changes)


def corpus(case: Case, *rates: float | None, **changes: Any) -> Result:
    """Return the result of a corpus whose clips have these word error rates."""
    return of_corpus(*rates, case=case, score=score(0.5), **changes)


@pytest.mark.parametrize(("wer", "no_worse"), [(0.1, 1), (0.099, 1), (0.101, 0)])
def test_clip_is_no_worse_where_it_has_no_more_errors(wer: float, no_worse: int) -> None:
    """A quantised model with as many errors on a clip as the unquantised one is no worse."""
    assert qualities([heard(FULL, 0.1), heard(Q5, wer)]) == [Quality(Q5, no_worse, 1)]


def test_share_is_that_of_all_clips() -> None:
    """A quantised model that is worse on one of four clips has a share of 75 %.

    The sum of all errors makes no difference.
    """
    (found,) = qualities([corpus(FULL, 0.1, 0.1, 0.1, 0.4), corpus(Q5, 0.1, 0.2, 0.0, 0.1)])

    assert (found.no_worse, found.clips, found.share) == (3, 4, 0.75)


def test_order_of_the_results_decides_nothing_but_the_order_of_the_models() -> None:
    """A quantised model's quality is the same if it was measured before the unquantised one."""
    other = replace(Q5, variant="q8_0")
    results = [heard(other, 0.0), heard(Q5, 0.2), heard(FULL, 0.1)]

    assert qualities(results) == [Quality(other, 1, 1), Quality(Q5, 0, 1)]
    assert qualities(results[::-1]) == [Quality(Q5, 0, 1), Quality(other, 1, 1)]


@pytest.mark.parametrize(
    "other",
    [
        heard(replace(Q5, size="base"), 0.2),
        heard(replace(Q5, adapter="mlx-whisper"), 0.2),
        heard(Q5, 0.2, "cd"),
        heard(Q5, 0.2, settings=replace(SETTINGS, beam_size=5)),
        heard(Q5, 0.2, measure=Measure.TUNED),
        heard(Q5, 0.2, measure=Measure.COLD),
        heard(replace(Q5, variant="float32"), 0.2),
        warm(case=Q5, clip=None, score=score(0.2)),
        warm(case=Q5, score=None),
    ],
    ids=["size", "library", "clip", "settings", "tuned", "start", "precise", "clipless", "unknown"],
)  # fmt: skip
def test_only_the_same_clip_with_the_same_settings_is_compared(other: Result) -> None:
    """Variants are compared only within a library and size, on one clip with equal settings.

    The measure has to be the same as well. A variant as precise as fp16 is not held to it.
    """
    assert qualities([heard(FULL, 0.1), other]) == []


@pytest.mark.parametrize("size", [2, 6])
def test_long_audio_is_compared_one_window_after_another_alone(size: int) -> None:
    """Quality on long audio is compared one window after another, and not in batches.

    In batches it is the same clip once more.
    """
    batch = replace(SETTINGS, batch_size=size)
    long = [heard(case, 0.1, measure=Measure.LONG_FORM) for case in (FULL, Q5)]
    batched = [heard(case, 0.2, measure=Measure.LONG_FORM, settings=batch) for case in (FULL, Q5)]

    assert qualities([*long, *batched]) == [Quality(Q5, 1, 1)]


def test_wrong_transcript_of_a_quantised_model_is_worse() -> None:
    """A failed quantised model counts as worse, and nothing is compared with a failed fp16."""
    failed = Outcome.FAILED

    assert qualities([heard(FULL, 0.1), heard(Q5, 0.9, outcome=failed)]) == [Quality(Q5, 0, 1)]
    assert qualities([heard(FULL, 0.9, outcome=failed), heard(Q5, 0.1)]) == []
    assert qualities([heard(FULL, 0.1, outcome=Outcome.BUSY), heard(Q5, 0.1)]) == [
        Quality(Q5, 1, 1)
    ]


def test_last_of_several_results_of_a_clip_counts_and_each_clip_once() -> None:
    """Of several results of a model on one clip the last counts, and the clip counts once."""
    results = [heard(FULL, 0.1), heard(Q5, 0.2), heard(Q5, 0.1)]

    assert qualities(results) == [Quality(Q5, 1, 1)]
    assert qualities([*results, heard(Q5, 0.3)]) == [Quality(Q5, 0, 1)]


def test_clip_of_a_corpus_without_a_score_does_not_count() -> None:
    """A clip of a corpus without a score does not count, and neither does the pooled score."""
    assert qualities([corpus(FULL, 0.1, None), corpus(Q5, 0.1, 0.9)]) == [Quality(Q5, 1, 1)]
    assert qualities([corpus(FULL), corpus(Q5)]) == [Quality(Q5, 1, 1)]


def test_clips_of_a_corpus_are_compared_with_the_same_settings_alone() -> None:
    """Clips of a corpus are compared only where the settings are the same."""
    other = corpus(Q5, 0.2, settings=replace(SETTINGS, beam_size=5))

    assert qualities([corpus(FULL, 0.1), other]) == []
    assert qualities([corpus(FULL, 0.1), heard(Q5, 0.2, "00")]) == [Quality(Q5, 0, 1)]


@pytest.mark.parametrize(
    ("no_worse", "clips", "said"),
    [(3, 4, "3 of 4 clips (75%)"), (0, 1, "0 of 1 clip (0%)"), (1, 1, "1 of 1 clip (100%)")],
)
def test_quality_in_words_tells_how_many_clips_it_is_about(
    no_worse: int, clips: int, said: str
) -> None:
    """The quality of a quantised model is told as a number of clips and as a share.

    Of one clip alone it says something only where that is worse.
    """
    quality = Quality(Q5, no_worse, clips)

    assert quality.said == said
    assert quality.telling == (said != "1 of 1 clip (100%)")


def test_rates_of_a_corpus_are_those_of_clips_in_which_somebody_speaks() -> None:
    """The error rates of a corpus are those of its clips with speech and a score, in order.

    A clip of silence has no words that could be wrong.
    """
    silent = replace(score(), reference_words=0, wer=3.0)
    found = of_corpus(0.2, None, 0.0, 0.1)
    clips = (*found.clips, msgspec.structs.replace(found.clips[0], score=silent))

    assert rates(msgspec.structs.replace(found, clips=clips)) == [0.2, 0.0, 0.1]
    assert rates(warm()) == []
