"""Results made by hand, with values that differ from one another wherever two could be confused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.base import Case, DecodeSettings
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.machine import Machine, State
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.result import ClipFacts, ClipScore, ModelFacts, Provenance, Result
from whisper_speedtest.measure.samples import Repeats, Sample, Start
from whisper_speedtest.speech.scoring import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

CASE = Case("lightning-whisper-mlx", "tiny", "4bit")
SHA256 = "ab" * 16 + "ef" * 16
COMMIT = "12" * 10 + "34" * 10
"""Their ends are not as their beginnings, which people are shown."""

CLIP = ClipFacts(name="short", sha256="cd" * 16 + "01" * 16, seconds=12.0)
MODEL = ModelFacts(
    repo="mlx-community/whisper-tiny-mlx-4bit",
    revision="main",
    commit=COMMIT,
    files={"weights.npz": Proof(23_456_789, SHA256)},
)
SETTINGS = DecodeSettings(threads=4)
PROVENANCE = Provenance(
    device="gpu",
    device_confirmed=True,
    dtype="float16",
    threads=None,
    versions={"lightning-whisper-mlx": "0.0.10", "mlx": "0.32.4"},
    mends=(),
    compiler="g++-13",
    environment={"CUDA_VISIBLE_DEVICES": "1"},
    empty_call=0.000_064,
)


def samples(*seconds: float) -> tuple[Sample, ...]:
    """Return samples of one process, in the order in which they are named."""
    return tuple(Sample(process=0, order=order, seconds=each) for order, each in enumerate(seconds))


def score(wer: float = 0.0) -> Score:
    """Return a score with this word error rate, over 1,000 words."""
    wrong = round(wer * 1000)
    return Score(
        wer=wer,
        coverage=1 - wer,
        reference_words=1000,
        hits=1000 - wrong,
        substitutions=wrong,
        deletions=0,
        insertions=0,
    )


def of_corpus(*rates: float | None, **changes: Any) -> Result:
    """Return the result of a corpus whose clips have these error rates, each over 1,000 words.

    Clip number n takes n + 1 seconds to say and half of that to transcribe.
    """
    clips = tuple(
        ClipScore(
            name=f"{number}.wav",
            sha256=f"{number:064x}",
            seconds=number + 1.0,
            call=(number + 1.0) / 2,
            score=None if rate is None else score(rate),
        )
        for number, rate in enumerate(rates)
    )
    seconds = sum(each.seconds for each in clips)
    known = [rate for rate in rates if rate is not None]
    fields: dict[str, Any] = {
        "test": "test_corpus[lightning-whisper-mlx-tiny-4bit-talks]",
        "measure": Measure.CORPUS,
        "clip": ClipFacts(name="talks", sha256="ce" * 32, seconds=seconds or 1.0),
        "samples": samples(seconds / 2),
        "clips": clips,
        "transcript": None,
        "score": score(sum(known) / len(known)) if known else None,
    }
    return warm(**fields | changes)


def warm(*seconds: float, **changes: Any) -> Result:
    """Return a warm result with these samples."""
    fields: dict[str, Any] = {
        "test": "test_transcribe[lightning-whisper-mlx-tiny-4bit-short]",
        "measure": Measure.WARM,
        "case": CASE,
        "model": MODEL,
        "clip": CLIP,
        "settings": SETTINGS,
        "samples": samples(*(seconds or (2.0, 2.5))),
        "memory": Memory(footprint=777_000_000, accelerator=55_000_000),
        "transcript": "the ship",
        "fallback": False,
        "score": score(),
        "provenance": PROVENANCE,
    }
    return Result(**fields | changes)


def cold(*totals: float, **changes: Any) -> Result:
    """Return a cold start's result whose starts take so many seconds in all."""
    starts = tuple(
        Start(
            process=number,
            launch=total * 0.1,
            import_library=total * 0.2,
            load=total * 0.3,
            first_call=total * 0.4,
        )
        for number, total in enumerate(totals or (5.0, 7.0))
    )
    fields: dict[str, Any] = {
        "test": "test_cold_start_and_memory[lightning-whisper-mlx-tiny-4bit-short]",
        "measure": Measure.COLD,
        "starts": starts,
        "samples": _of_processes(totals or (5.0, 7.0)),
        "repeats": Repeats(processes=len(totals or (5.0, 7.0)), calls=1, max_others=0.1),
        "memory": Memory(footprint=324_600_000, accelerator=44_000_000),
    }
    return warm(**fields | changes)


def load(*seconds: float, **changes: Any) -> Result:
    """Return the result of loads that took so many seconds."""
    fields: dict[str, Any] = {
        "test": "test_load[lightning-whisper-mlx-tiny-4bit]",
        "measure": Measure.LOAD,
        "clip": None,
        "settings": None,
        "samples": _of_processes(seconds or (0.5, 0.7)),
        "repeats": Repeats(processes=len(seconds or (0.5, 0.7)), calls=1, max_others=0.1),
        "memory": Memory(footprint=222_000_000, accelerator=33_000_000),
        "transcript": None,
        "fallback": None,
        "score": None,
    }
    return warm(**fields | changes)


def _of_processes(seconds: Sequence[float]) -> tuple[Sample, ...]:
    return tuple(
        Sample(process=order, order=order, seconds=each) for order, each in enumerate(seconds)
    )


def state(reference: float, gpu_reference: float | None = None, by: str | None = None) -> State:
    """Return the state of a machine on which the references take so many seconds."""
    return State(
        thermal="nominal",
        throttled=0,
        power_source="mains",
        low_power_mode=False,
        governor=None,
        frequency=2400.0,
        swap_used=0,
        load=0.5,
        reference=reference,
        gpu_reference=gpu_reference,
        gpu_reference_by=by,
    )


MACHINE = Machine(
    chip="Apple M4 Pro",
    model="Mac16,8",
    virtual=False,
    system="macOS 15.5",
    architecture="arm64",
    memory=24 * 2**30,
    cores={"performance": 10, "efficiency": 4, "gpu": 20},
    gpus=(),
    suite="34" * 10 + "56" * 10,
)


def measured(name: str, *processes: float, **changes: Any) -> Result:
    """Return the warm result of a library's `small`, one call of each process, on MACHINE.

    `name` is the library and the variant, as `mlx-whisper fp16`, or those and a size.
    """
    adapter, variant, size = [*name.split(), "small"][:3]
    case = Case(adapter, size, variant)
    clip = changes.get("clip", CLIP)
    fields: dict[str, Any] = {
        "test": f"test_transcribe[{case}-{clip.name}]",
        "case": case,
        "samples": _of_processes(processes or (2.0, 2.0, 2.0)),
        "machine": MACHINE,
    }
    return warm(**fields | changes)
