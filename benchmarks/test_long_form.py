"""Throughput on audio of several windows, and how much faster it is to decode them in batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.calls import time_calls
from whisper_speedtest.measure.judging import judge
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.protocol import WINDOW_SECONDS, largest_batch
from whisper_speedtest.session.skips import NotMeasured

if TYPE_CHECKING:
    from adapters.base import Audio, Case, DecodeSettings, Device
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over("long", measure=Measure.LONG_FORM, batches=True)
def test_long_form(
    record: Recorder,
    case: Case,
    device: Device,
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    batch_size: int,
) -> None:
    """Seconds for long audio, with `batch_size` of its 30 s windows decoded at once."""
    windows = math.ceil(clip.seconds / WINDOW_SECONDS)
    largest = largest_batch(clip.seconds, device)
    if batch_size > largest:
        raise NotMeasured(
            case,
            f"all {windows} windows of 30 s that {clip.name} has are in one batch of {largest}: a "
            "larger batch would time the same work again",
        )

    calls = time_calls(processes, clip, audio, settings)

    record.calls(processes, clip, calls)
    judge(case, clip, settings, calls.transcripts, record.provenance)
