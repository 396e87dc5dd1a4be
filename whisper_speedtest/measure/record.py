"""What is kept beside a time, so that it can be believed, and what makes it a failure instead.

Everything goes to pytest-benchmark's `extra_info`, and so to its JSON. No host name, user name,
path or token is among it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class
from whisper_speedtest.session.selection import max_wer
from whisper_speedtest.speech.recordings import is_unreferenced
from whisper_speedtest.speech.scoring import difference, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import DecodeSettings, Transcript
    from fixtures.audio import Clip
    from whisper_speedtest.engine.memory import Memory
    from whisper_speedtest.engine.process import Engine


def record_engine(
    benchmark: BenchmarkFixture, measure: str, engine: Engine, memory: Memory | None = None
) -> None:
    """Record which model ran, where, in which versions, and how much memory it took.

    `measure` says what the times are: warm, tuned, cold, load or long-form. `memory` is the peak;
    None: that of now.
    """
    case, model, facts, memory = engine.case, engine.model, engine.facts, memory or engine.memory()
    benchmark.extra_info.update(
        measure=measure,
        adapter=case.adapter,
        size=case.size,
        variant=case.variant,
        repo=model.repo,
        commit=model.commit,
        files={name: asdict(proof) for name, (_, proof) in model.files.items()},
        device=engine.device,
        dtype=facts.dtype,
        versions=dict(facts.versions),
        compat=list(facts.mends),
        peak_memory_bytes=memory.footprint,
        accelerator_memory_bytes=memory.accelerator,
    )


def record_transcripts(
    benchmark: BenchmarkFixture,
    engine: Engine,
    clip: Clip,
    settings: DecodeSettings,
    transcripts: Sequence[Transcript],
) -> None:
    """Record what was heard and how well; fail the test if any of the transcripts is wrong.

    What a library cannot be told stands among the settings as it does it.
    """
    heard = transcripts[-1]
    benchmark.extra_info.update(
        clip=clip.name,
        clip_sha256=clip.sha256,
        clip_seconds=clip.seconds,
        settings={**asdict(settings), **adapter_class(engine.case.adapter).fixed},
        transcript=heard.text,
        fallback=any(transcript.fallback for transcript in transcripts),
        wer=None,
    )
    started = benchmark.extra_info["measure"] == "cold"  # of which it would say nothing
    if benchmark.stats is not None and not started:  # None with --benchmark-disable
        benchmark.extra_info["rtfx"] = clip.seconds / benchmark.stats.stats.median
    subject = f"{engine.case.label} on {clip.name}"
    if (texts := {transcript.text for transcript in transcripts}) != {heard.text}:
        pytest.fail(f"{subject}: expected one transcript from every call, got {sorted(texts)}")
    if is_unreferenced(clip):
        if not heard.text:
            pytest.fail(f"{subject}: expected words, got an empty transcript")
        return
    limit = max_wer(engine.case, clip, settings)
    scored = score(clip.reference, heard.text)
    benchmark.extra_info.update(wer=scored.wer, coverage=scored.coverage)
    if scored.wer > limit:
        pytest.fail(
            f"{subject}: expected a word error rate of at most {limit:.3f}; "
            f"{difference(clip.reference, heard.text)}"
        )
