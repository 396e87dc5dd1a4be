"""What comes before the first warm call: the load, and the cold start with its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.clock import time_load, time_start
from whisper_speedtest.measure.judging import judge
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.protocol import starts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, Case, DecodeSettings, Device
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over(measure=Measure.LOAD)
def test_load(
    record: Recorder, new_engine: Callable[[], Engine], case: Case, device: Device
) -> None:
    """Seconds to load the model, each time in a process that has just imported the library."""
    loads = [time_load(new_engine(), number) for number in range(starts_of(case, device))]

    record.loads(loads)


@pytest.mark.over("short", measure=Measure.COLD)
def test_cold_start_and_memory(
    record: Recorder,
    new_engine: Callable[[], Engine],
    case: Case,
    device: Device,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Seconds from starting a process to its first transcript, by phase, and the memory it took.

    The files have just been hashed, so the system has them in memory. The first start stands apart,
    since on macOS the system keeps compiled GPU code between processes. The peak memory is that of
    the last process, which has loaded the model and transcribed once.
    """
    starts = [
        time_start(new_engine(), number, clip, audio, settings)
        for number in range(starts_of(case, device))
    ]

    record.starts(clip, starts)
    judge(case, clip, settings, [start.transcript for start in starts], record.provenance)
