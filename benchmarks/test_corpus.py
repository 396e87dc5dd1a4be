"""Accuracy over a folder of recordings that --corpus names, each transcribed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.calls import time_corpus
from whisper_speedtest.measure.judging import judge_corpus
from whisper_speedtest.measure.measures import Measure

if TYPE_CHECKING:
    from adapters.base import Case, DecodeSettings
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.corpus import Corpus


@pytest.mark.over(measure=Measure.CORPUS, corpora=True)
def test_corpus(
    record: Recorder, case: Case, processes: Processes, corpus: Corpus, settings: DecodeSettings
) -> None:
    """Word errors of all recordings together, and the seconds that their calls take."""
    calls = time_corpus(processes, corpus, settings)

    record.corpus(processes, calls)
    judge_corpus(case, corpus, record.result.score, record.provenance)
