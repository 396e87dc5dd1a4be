"""Results that hypothesis draws: few of a kind, so that many are repetitions of one another."""

from __future__ import annotations

from dataclasses import replace as with_fields
from typing import TYPE_CHECKING

import msgspec

from adapters.base import Case
from tests.helpers.results import (
    CLIP,
    COMMIT,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    of_corpus,
    samples,
    score,
    warm,
)
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.samples import Repeats

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from whisper_speedtest.measure.result import Result

replace = msgspec.structs.replace

CASES = [
    *(Case("mlx-whisper", "small", variant) for variant in ("fp16", "4bit")),
    Case("someone's", "small", "=1|`<b>"),
]
MACHINES = [MACHINE, replace(MACHINE, suite=None), replace(MACHINE, chip="Apple M1"), None]
MODELS = [MODEL, replace(MODEL, commit=COMMIT[::-1])]
CLIPS = [CLIP, replace(CLIP, sha256="ef" * 32), replace(CLIP, name="@memo", seconds=60.0)]
VERSIONS = [{"mlx": "1", "numpy": "2"}, {"numpy": "2", "mlx": "1"}, {"mlx": "3"}]
SCORES = [
    None,
    score(0.25),
    with_fields(score(0.5), time_error=0.25, boundaries=3, words_in_silence=2),
    with_fields(score(0.125), cer=0.125, normaliser="whisper basic, letters split"),
]
CORPORA = [of_corpus(0.1, 0.5).clips, of_corpus(0.1, 0.2, None).clips, of_corpus(None).clips]
PAUSES = [None, Repeats(processes=1, calls=1, max_others=None, pause=5.0)]
TIMES = ["", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z", "2026-02-01T00:00:00.000Z"]


def any_results(most: int = 12) -> SearchStrategy[list[Result]]:
    """Return what draws lists of results, of which some are equal, and some differ in one thing."""
    from hypothesis import strategies as st

    def made(
        case: Case, measure: Measure, outcome: Outcome, seconds: list[float], **parts: object
    ) -> Result:
        clip, versions = parts.pop("clip"), parts.pop("versions")
        clips = parts.pop("clips")
        of_load = measure is Measure.LOAD
        facts = replace(PROVENANCE, versions=versions)
        unmeasured = outcome in {Outcome.SKIPPED, Outcome.FAILED, Outcome.TIMED_OUT}
        return warm(
            test=f"test_{measure.name.lower()}[{case}{'' if of_load else f'-{clip.name}'}]",  # type: ignore[attr-defined]
            case=case,
            measure=measure,
            outcome=outcome,
            reason=f"it {outcome}" if outcome is not Outcome.PASSED else "",
            clip=None if of_load else clip,
            settings=None if of_load else SETTINGS,
            samples=() if unmeasured else samples(*seconds),
            provenance=None if unmeasured else facts,
            clips=() if unmeasured or measure is not Measure.CORPUS else clips,
            **parts,
        )

    one = st.builds(
        made,
        case=st.sampled_from(CASES),
        measure=st.sampled_from(
            [Measure.WARM, Measure.LOAD, Measure.CORPUS, Measure.AFTER_PAUSE, Measure.COLD_FILES]
        ),
        outcome=st.sampled_from(Outcome),
        seconds=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=2),
        machine=st.sampled_from(MACHINES),
        model=st.sampled_from(MODELS),
        clip=st.sampled_from(CLIPS),
        versions=st.sampled_from(VERSIONS),
        score=st.sampled_from(SCORES),
        clips=st.sampled_from(CORPORA),
        repeats=st.sampled_from(PAUSES),
        when=st.sampled_from(TIMES),
    )
    return st.lists(one, max_size=most)
