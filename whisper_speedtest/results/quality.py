"""How often a quantised model is no worse than the one that it was made from, clip by clip.

The pooled error rate of a quantised model may stay the same while single clips that were right
become wrong. So each clip is compared with what the unquantised model of the same library and size
made of it. WhisperKit calls the share of clips that are no worse its quality of inference.
Source: argmaxinc/whisperkit-coreml on the hub, "Quality-of-Inference (QoI) Certification".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.units import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapters.base import Case, DecodeSettings
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.scoring import Score

UNQUANTISED = "fp16"
"""The variant that others are held to."""

AS_PRECISE = frozenset({UNQUANTISED, "float32"})
"""Variants that are not quantised."""

COMPARED = frozenset({Measure.WARM, Measure.LONG_FORM, Measure.CORPUS})
"""Measures that transcribe a clip on equal terms."""


def rates(result: Result) -> list[float]:
    """Return the error rate of each clip of a corpus in which somebody speaks."""
    return [each.score.wer for each in result.clips if each.score and each.score.reference_words]


Heard = tuple[str, "DecodeSettings | None"]
"""The hash of a clip, and what the library was told about decoding."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a quantised model compares to the unquantised one."""

    case: Case
    no_worse: int
    """Clips with no more word errors than those of the unquantised model."""

    clips: int
    """Clips that both have transcribed, with the same settings; at least 1."""

    @property
    def share(self) -> float:
        """The share of clips that are no worse, in [0, 1]."""
        return self.no_worse / self.clips

    @property
    def telling(self) -> bool:
        """Whether it says something: a single clip that is no worse does not."""
        return self.clips > 1 or not self.no_worse

    @property
    def said(self) -> str:
        """It in words, as `3 of 4 clips (75%)`."""
        return f"{self.no_worse} of {counted(self.clips, 'clip')} ({percent(self.share)})"


def qualities(results: Iterable[Result]) -> list[Quality]:
    """Return the quality of each quantised model, in the order in which they first come.

    A clip counts where the unquantised model was right, and the quantised one was heard, right or
    wrong. Of several results of one clip the last one counts.
    """
    models: dict[Case, dict[Heard, tuple[Score, bool]]] = {}
    for result in results:
        scores = models.setdefault(result.case, {})
        for heard, score in _scores(result):
            scores[heard] = score, result.outcome.was_right
    return [
        quality
        for case, scores in models.items()
        if case.variant not in AS_PRECISE
        and (quality := _compared(case, scores, models.get(replace(case, variant=UNQUANTISED), {})))
    ]


def _compared(
    case: Case,
    scores: Mapping[Heard, tuple[Score, bool]],
    unquantised: Mapping[Heard, tuple[Score, bool]],
) -> Quality | None:
    both = [heard for heard in scores if heard in unquantised and unquantised[heard][1]]
    no_worse = [heard for heard in both if scores[heard][0].wer <= unquantised[heard][0].wer]
    return Quality(case, len(no_worse), len(both)) if both else None


def _scores(result: Result) -> Iterator[tuple[Heard, Score]]:
    """Yield the score of each clip that a result is about."""
    settings = result.settings
    if result.measure not in COMPARED or (settings and settings.batch_size > 1):
        return
    for clip in result.clips:
        if clip.score:
            yield (clip.sha256, settings), clip.score
    if result.clip and result.score and not result.clips:
        yield (result.clip.sha256, settings), result.score
