"""Transcription by a model that has transcribed before, but not in the last seconds."""

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


@pytest.mark.over("short", measure=Measure.AFTER_PAUSE)
def test_after_pause(
    record: Recorder,
    case: Case,
    processes: Processes,
    clip: Clip,
    audio: Audio,
    settings: DecodeSettings,
    pause: float,
) -> None:
    """Seconds from a clip's samples to its transcript, after some seconds of idleness.

    A GPU slows down while it is idle, and whoever dictates a sentence now and then has to wait.
    """
    calls = time_calls(processes, clip, audio, settings, pause)

    record.calls(processes, clip, calls)
    judge(case, clip, settings, calls.transcripts, record.provenance)
