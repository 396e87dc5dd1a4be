"""Times the start of an engine, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.measure.clock import seconds_of
from whisper_speedtest.measure.cold_files import evict, expect_none_in_memory
from whisper_speedtest.measure.contention import ContentionMeter, is_contaminated
from whisper_speedtest.measure.samples import Sample, Start
from whisper_speedtest.measure.steps import Activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, DecodeSettings, Transcript
    from whisper_speedtest.engine.memory import Memory
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.speech.clip import Clip


@dataclass(frozen=True, slots=True)
class Started:
    """An engine whose start was timed, with its first transcript and its peak of memory."""

    engine: Engine
    phases: Start
    sample: Sample
    """All phases together, as one sample."""

    transcript: Transcript
    memory: Memory


def time_start(
    engine: Engine,
    number: int,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    rules: Rules,
    tell: Callable[[Activity], None] = lambda _: None,
    *,
    cold_files: bool = False,
) -> Started:
    """Time a new engine, the process `number` of its case, up to its first transcript.

    Two steps are not timed: laying out the verified files, and verifying the load. The latter comes
    after the peak of the engine's memory is read, as it takes memory, too. `tell` is called with
    each step as it begins. With `cold_files`, the model's files are evicted from the page cache
    after they were hashed, so that the load reads them from the disk.

    Raises:
        FilesInMemoryError: With `cold_files`, some files cannot be evicted from the page cache, or
            came back before the load.
    """
    transcripts: list[Transcript] = []

    def first_call() -> None:
        engine.hear(clip.name, audio)
        transcripts.append(engine.transcribe(clip.name, settings))

    def timed(activity: Activity, step: Callable[[], object]) -> float:
        tell(activity)
        return seconds_of(step)

    tell(Activity.LAY_OUT)
    engine.lay_out()
    if cold_files:
        tell(Activity.EVICT)
        evict(engine.model)
    with engine.limited(rules.start_limit(engine.case)):
        launch = timed(Activity.LAUNCH, engine.launch)
        meter = ContentionMeter(engine.pid)
        import_library = timed(Activity.IMPORT, engine.import_library)
        if cold_files:
            expect_none_in_memory(engine.model)
        phases = Start(
            process=number,
            launch=launch,
            import_library=import_library,
            load=timed(Activity.LOAD, engine.load),
            first_call=timed(Activity.FIRST_CALL, first_call),
        )
        contention = meter.end()
    sample = Sample(
        process=number,
        order=number,
        seconds=phases.total,
        contention=contention,
        contaminated=is_contaminated(contention, phases.total, rules.most_beside(engine)),
    )
    memory = engine.memory()
    tell(Activity.VERIFY)
    with engine.limited(rules.start_limit(engine.case)):
        engine.verify_load()
    return Started(engine, phases, sample, transcripts[0], memory)
