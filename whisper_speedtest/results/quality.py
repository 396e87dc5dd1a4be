"""How often a quantised model is no worse than the one that it was made from, clip by clip.

The pooled error rate of a quantised model may stay the same while single clips that were right
become wrong. So the word errors of each clip are compared with those of the unquantised model of
the same library and size. WhisperKit calls the share of clips that are no worse the quality of
inference.
Source: argmaxinc/whisperkit-coreml on the hub, "Quality-of-Inference (QoI) Certification".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.units import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapters.base import Case, DecodeSettings
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.scoring import Score

UNQUANTISED = "fp16"
"""The variant that quantised ones are compared with."""

NOT_QUANTISED = frozenset({UNQUANTISED, "float32"})
"""All variants that are not quantised, and so are compared with nothing."""

COMPARED = frozenset({Measure.WARM, Measure.LONG_FORM, Measure.CORPUS})
"""Measures that transcribe a clip on equal terms."""

_Clip = tuple[str, "DecodeSettings | None"]
"""The sha256 of a clip, and the settings that it was transcribed with."""


class _Scored(NamedTuple):
    score: Score
    was_right: bool
    """Whether the result of which this is the score was right."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a quantised model compares to the unquantised one."""

    case: Case
    no_worse: int
    """Clips with no more word errors than those of the unquantised model."""

    clips: int
    """Clips that both models have transcribed with the same settings; at least 1."""

    @property
    def share(self) -> float:
        """The share of clips that are no worse, in [0, 1]."""
        return self.no_worse / self.clips

    @property
    def telling(self) -> bool:
        """Whether it is worth a line: a single clip that is no worse is not."""
        return self.clips > 1 or not self.no_worse

    @property
    def said(self) -> str:
        """The clips that are no worse, as people read it: `3 of 4 clips (75%)`."""
        return f"{self.no_worse} of {counted(self.clips, 'clip')} ({percent(self.share)})"


def qualities(results: Iterable[Result]) -> list[Quality]:
    """Return the quality of each quantised model, in the order in which they first come.

    A clip counts where the unquantised model was right, and the quantised one has a transcript,
    right or wrong. Of several results of one clip the last one counts. A model without a clip that
    counts is left out.
    """
    models: dict[Case, dict[_Clip, _Scored]] = {}
    for result in results:
        scores = models.setdefault(result.case, {})
        for clip, score in _scores(result):
            scores[clip] = _Scored(score, result.outcome.was_right)
    found = []
    for case, scores in models.items():
        if case.variant in NOT_QUANTISED:
            continue
        unquantised = models.get(replace(case, variant=UNQUANTISED), {})
        if quality := _compared(case, scores, unquantised):
            found.append(quality)
    return found


def _compared(
    case: Case,
    scores: Mapping[_Clip, _Scored],
    unquantised: Mapping[_Clip, _Scored],
) -> Quality | None:
    """Return the quality of one quantised model; None where no clip counts."""
    both = [clip for clip in scores if clip in unquantised and unquantised[clip].was_right]
    no_worse = [clip for clip in both if scores[clip].score.wer <= unquantised[clip].score.wer]
    return Quality(case, len(no_worse), len(both)) if both else None


def rates(result: Result) -> list[float]:
    """Return the error rate of each clip of a corpus, without those in which nobody speaks."""
    return [each.score.wer for each in result.clips if each.score and each.score.reference_words]


def _scores(result: Result) -> Iterator[tuple[_Clip, Score]]:
    """Yield the score of each clip of a result that was transcribed on equal terms, unbatched."""
    settings = result.settings
    if result.measure not in COMPARED or (settings and settings.batch_size > 1):
        return
    for clip in result.clips:
        if clip.score:
            yield (clip.sha256, settings), clip.score
    if result.clip and result.score and not result.clips:
        yield (result.clip.sha256, settings), result.score
