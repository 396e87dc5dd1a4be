"""The clock: the only place of the project that times a library.

Python's garbage collector, tracers and profilers of this process are paused while it runs.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from whisper_speedtest.measure.result import Sample, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.base import Audio, DecodeSettings, Transcript
    from whisper_speedtest.engine.memory import Memory
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.speech.clip import Clip

EMPTY_CALLS = 21
"""How many empty calls tell what a call through an engine costs; odd, so that one is the median."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What timed calls took, and what was heard in each of them."""

    samples: tuple[Sample, ...]
    transcripts: tuple[Transcript, ...]
    empty_call: float
    """What a call through the engine costs by itself, in seconds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine that loaded its model under the clock, and the memory that this took."""

    engine: Engine
    sample: Sample
    memory: Memory


@dataclass(frozen=True, slots=True)
class Started:
    """An engine that was started under the clock, what it heard first, and the memory it took."""

    engine: Engine
    phases: Start
    transcript: Transcript
    memory: Memory


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Pause what would take time of its own while the block runs."""
    tracer, profiler, collects = sys.gettrace(), sys.getprofile(), gc.isenabled()
    sys.settrace(None)
    sys.setprofile(None)
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        sys.setprofile(profiler)
        sys.settrace(tracer)


def seconds_of(step: Callable[[], object]) -> float:
    """Return how many seconds a step takes."""
    with _undisturbed():
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin


def time_calls(
    engine: Engine, clip: Clip, audio: Audio, settings: DecodeSettings, calls: int
) -> Calls:
    """Time so many transcriptions of a clip by a warm engine; then some empty calls.

    An engine is warm once it has transcribed something: where it has not, it does so here first,
    outside the clock. The audio is handed over before the clock, too.
    """
    engine.hear(clip.name, audio)
    transcripts: list[Transcript] = []

    def call() -> None:
        transcripts.append(engine.transcribe(clip.name, settings))

    if not engine.warm:
        call()
        transcripts.clear()
    samples = [Sample(process=0, order=order, seconds=seconds_of(call)) for order in range(calls)]
    empty_call = time_empty_calls(engine, clip, settings)
    return Calls(tuple(samples), tuple(transcripts), empty_call)


def time_load(engine: Engine, number: int) -> Loaded:
    """Time the load of a new engine, which is the start `number` of this measurement.

    The load is verified afterwards, and after the peak of the memory was read, to which that adds.
    """
    engine.lay_out()
    engine.launch()
    engine.import_library()
    sample = Sample(process=number, order=number, seconds=seconds_of(engine.load))
    memory = engine.memory()
    engine.verify_load()
    return Loaded(engine, sample, memory)


def time_start(
    engine: Engine, number: int, clip: Clip, audio: Audio, settings: DecodeSettings
) -> Started:
    """Time a new engine, the start `number` of this measurement, up to its first transcript.

    What belongs to no start is outside the clock: laying out the verified files, and verifying the
    load, which comes last, since it adds to the peak of the engine's memory.
    """
    engine.lay_out()
    launch = seconds_of(engine.launch)
    import_library = seconds_of(engine.import_library)
    load = seconds_of(engine.load)
    transcripts: list[Transcript] = []

    def first_call() -> None:
        engine.hear(clip.name, audio)
        transcripts.append(engine.transcribe(clip.name, settings))

    phases = Start(
        process=number,
        launch=launch,
        import_library=import_library,
        load=load,
        first_call=seconds_of(first_call),
    )
    (transcript,) = transcripts
    memory = engine.memory()
    engine.verify_load()
    return Started(engine, phases, transcript, memory)


def time_empty_calls(engine: Engine, clip: Clip, settings: DecodeSettings) -> float:
    """Return what a call through an engine costs by itself, in seconds: the median of some.

    Request and answer are those of a transcription of the clip, which the engine has made before.
    """

    def call() -> None:
        engine.echo(clip.name, settings)

    call()
    return median(seconds_of(call) for _ in range(EMPTY_CALLS))
