"""What comes before the first warm call: the load, and the cold start with its memory.

Both are measured in the same starts, those of the processes that the case's other tests then use.
With --cold-files, further processes are started, which read the model's files from the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.cold_files import FilesInMemoryError
from whisper_speedtest.measure.judging import judge
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.session.skips import NotMeasured

if TYPE_CHECKING:
    from adapters.base import Case, DecodeSettings
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.clip import Clip


@pytest.mark.over(measure=Measure.LOAD)
def test_load(record: Recorder, processes: Processes) -> None:
    """Seconds to load the model, each time in a process that has just imported the library."""
    starts = processes.start_all()

    record.loads(processes, starts)


@pytest.mark.over("short", measure=Measure.COLD)
def test_cold_start_and_memory(
    record: Recorder, case: Case, processes: Processes, clip: Clip, settings: DecodeSettings
) -> None:
    """Seconds from starting a process to its first transcript, by phase, and its peak of memory.

    The files have just been hashed, so the system has them in memory. The first of several starts
    does not count, as a library may compile code in it and keep that for the next starts.
    """
    starts = processes.start_all()

    record.starts(processes, starts)
    judge(case, clip, settings, [start.transcript for start in starts], record.provenance)


@pytest.mark.over("short", measure=Measure.COLD_FILES)
def test_cold_files(
    record: Recorder, case: Case, processes: Processes, clip: Clip, settings: DecodeSettings
) -> None:
    """Seconds of a cold start while the system's memory holds none of the model's files."""
    try:
        starts = processes.start_all_from_disk()
    except FilesInMemoryError as error:
        raise NotMeasured(case, f"with its files on the disk alone: {error}") from None

    record.starts(processes, starts)
    judge(case, clip, settings, [start.transcript for start in starts], record.provenance)
