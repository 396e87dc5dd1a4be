"""Results for reports: of everything that a page tells, and by the hundred of every case."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from adapters import all_cases, files_of
from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.results import (
    CASE,
    CLIP,
    MACHINE,
    MODEL,
    PROVENANCE,
    cold,
    load,
    measured,
    of_corpus,
    score,
    warm,
)
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.result import ClipFacts, Comparison, Side
from whisper_speedtest.measure.samples import Sample, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result

CLIPS = {
    each.name: ClipFacts(name=each.name, sha256=each.sha256, seconds=each.seconds)
    for each in clips().values()
}


TIMED = replace(score(0.05), time_error=0.064, boundaries=62, words_in_silence=3)

LONG = msgspec.structs.replace(CLIP, name="talk", seconds=600.0, sha256="ee" * 32)


def compared(verdict: Verdict, ratio: float = 1.02, **changes: Any) -> Result:
    """Return a comparison with another side that came to a verdict."""
    made = Comparison(
        baseline=Side(name="main", case=CASE, model=MODEL, provenance=PROVENANCE),
        turns=(Turn(block=0, baseline_first=True, seconds=1.02, baseline_seconds=1.0),),
        ratio=ratio,
        low=0.97,
        high=1.08,
        limit=0.05,
        verdict=verdict,
    )
    fields: dict[str, Any] = {"measure": Measure.RATIO, "test": "test_ratio[x]", "machine": MACHINE}
    return warm(**{**fields, "samples": (), "comparison": made, **changes})


def everything() -> list[Result]:
    """Return results of which each section of the page has something to tell."""
    starts = {"machine": MACHINE, "case": Case("mlx-whisper", "small", "fp16")}
    return [
        measured("mlx-whisper fp16", 2.0, 2.1, 2.2, score=score(0.1), when=day(1)),
        measured("mlx-whisper fp16", 1.9, 2.0, 2.1, score=score(0.1), when=day(2)),
        measured("mlx-whisper 4bit", 1.0, 1.01, 1.02, score=score(0.2)),
        measured(
            "mlx-whisper fp16",
            *(4.0, 4.1, 4.2),
            measure=Measure.AFTER_PAUSE,
            test="test_after_pause[mlx-whisper-small-fp16-short]",
        ),
        measured("mlx-whisper fp16", 60.0, 61.0, 62.0, clip=LONG, score=TIMED),
        *(
            of_corpus(
                *rates,
                case=Case("mlx-whisper", "small", variant),
                test=f"test_corpus[mlx-whisper-small-{variant}-talks]",
                machine=MACHINE,
            )
            for variant, rates in (("fp16", (0.1, 0.2, 0.0)), ("4bit", (0.1, 0.5, 0.0)))
        ),
        cold(5.0, 6.0, **starts),
        cold(7.0, 8.0, **starts, measure=Measure.COLD_FILES, test="test_cold_files[x]"),
        load(0.5, 0.7, **starts),
        compared(Verdict.UNDECIDED),
        warm(
            test="test_failed",
            outcome=Outcome.FAILED,
            reason="out of memory",
            machine=MACHINE,
            samples=(),
        ),
    ]


def day(number: int) -> str:
    """Return a moment of a day of November."""
    return f"2026-11-{number:02}T10:00:00.000Z"


def many(
    count: int, machine: Machine = MACHINE, date: str = "2026-11-26", seed: int = 1
) -> list[Result]:
    """Return so many results of one run, as different cases and clips as there are; one is busy."""
    random = Random(seed)
    results: list[Result] = []
    for number, result in enumerate(_endless(random)):
        if number == count:
            break
        when = f"{date}T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
        results.append(msgspec.structs.replace(result, machine=machine, when=when))
    results[count // 2] = msgspec.structs.replace(results[count // 2], outcome=Outcome.BUSY)
    return results


def _endless(random: Random) -> Iterator[Result]:
    """Yield results of every case: starts and clips; then all of them again."""
    cases = all_cases()
    while True:
        for clip in ("", "short", "paragraph", "long"):
            for case in cases:
                yield from _of_case(case, clip, random)


def _of_case(case: Case, name: str, random: Random) -> Iterator[Result]:
    """Yield the starts of a case, or its calls on a clip."""
    weight = 1 + len(case.size) + 3 * len(case.adapter) / (1 + len(case.variant))
    files = files_of(case)
    model = msgspec.structs.replace(MODEL, repo=files.repo, revision=files.revision)
    versions = {case.adapter: "1.2.3", "numpy": "2.4.6"}
    provenance = msgspec.structs.replace(PROVENANCE, versions=versions)
    facts = {"case": case, "model": model, "provenance": provenance}
    if not name:
        totals = [weight * random.uniform(0.9, 1.1) for _ in range(3)]
        yield cold(*totals, test=f"test_cold_start_and_memory[{case}-short]", **facts)
        yield load(*(total / 5 for total in totals), test=f"test_load[{case}]", **facts)
        return
    clip = CLIPS[name]
    middle = weight * clip.seconds / 100 * random.uniform(0.5, 2)
    samples = tuple(
        Sample(process=order % 3, order=order, seconds=middle * random.uniform(0.98, 1.02))
        for order in range(9)
    )
    said = clips()[name].reference or ""
    words = said.split()
    heard = " ".join(word for word in words if random.random() > 0.02)
    tests = {"long": "test_tuned"}
    yield warm(
        test=f"{tests.get(name, 'test_transcribe')}[{case}-{name}]",
        measure=Measure.TUNED if name == "long" else Measure.WARM,
        clip=clip,
        samples=samples,
        transcript=heard,
        score=score(1 - len(heard.split()) / len(words)),
        **facts,
    )
