"""Transcription by a model that is loaded and has transcribed right before the clock starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.calls import time_calls
from whisper_speedtest.measure.judging import judge
from whisper_speedtest.measure.measures import Measure

if TYPE_CHECKING:
    from adapters.base import Audio, Case, DecodeSettings
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over("short", "paragraph", "window", "noisy", "human", measure=Measure.WARM, own=True)
def test_transcribe(
    record: Recorder,
    case: Case,
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Seconds from a clip's samples to its transcript."""
    calls = time_calls(processes, clip, audio, settings)

    record.calls(processes, clip, calls)
    judge(case, clip, settings, calls.transcripts, record.provenance)


@pytest.mark.tuned
@pytest.mark.over("long", measure=Measure.TUNED, own=True)
def test_tuned(
    record: Recorder,
    case: Case,
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
) -> None:
    """Seconds with the settings that each library's documentation recommends: unequal terms."""
    calls = time_calls(processes, clip, audio, settings)

    record.calls(processes, clip, calls)
    judge(case, clip, settings, calls.transcripts, record.provenance)
