"""The clock goes round each phase of a start, and round nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.base import DecodeSettings
from tests.helpers.fake_processes import AUDIO
from whisper_speedtest.measure import contention, starts
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.starts import time_start
from whisper_speedtest.measure.steps import Activity

if TYPE_CHECKING:
    import pytest

    from tests.helpers.fake_engine import FakeEngine
    from tests.measure.conftest import Machine
    from whisper_speedtest.measure.starts import Started
    from whisper_speedtest.speech.clip import Clip

SETTINGS = DecodeSettings()


def test_start_is_timed_by_phase(engine: FakeEngine, clip: Clip) -> None:
    """A start has the time of each phase; in the first call, handing over the audio is included."""
    engine.calls = [8.0]

    started = time_start(engine.as_engine, 2, clip, AUDIO, SETTINGS, Rules())

    assert started.phases.process == 2
    assert started.phases.launch == 1.0
    assert started.phases.import_library == 2.0
    assert started.phases.load == 4.0
    assert started.phases.first_call == 8.5
    assert started.phases.total == 15.5
    assert started.transcript.text == "the ship"
    sample = started.sample
    assert (sample.process, sample.order, sample.seconds) == (2, 2, 15.5)
    assert sample.contaminated is False


def test_first_call_is_of_the_audio_and_the_settings_that_are_given(
    engine: FakeEngine, clip: Clip
) -> None:
    """The first call of a start is made with the audio and settings that it is given."""
    engine.calls = [8.0]
    settings = DecodeSettings(language="de", threads=2)

    time_start(engine.as_engine, 0, clip, AUDIO, settings, Rules())

    assert engine.sent == [("short", 16_000)]
    assert engine.told == [("short", settings)]


def test_start_is_verified_after_its_memory_was_read(engine: FakeEngine, clip: Clip) -> None:
    """A load is verified after the memory of the start was read."""
    engine.calls = [8.0]

    started = time_start(engine.as_engine, 0, clip, AUDIO, SETTINGS, Rules())

    steps = [step for step in engine.log if "limited" not in step]
    phases = ["launch", "import_library", "load", "hear short", "transcribe short"]
    assert steps == ["lay_out", *phases, "memory", "verify_load"]
    assert started.memory.footprint == 100


def test_start_and_its_verification_have_the_limit_of_a_start_each(
    engine: FakeEngine, clip: Clip
) -> None:
    """Nothing that an engine does may hang for ever, whether it is timed or not."""
    engine.calls = [8.0]

    time_start(engine.as_engine, 0, clip, AUDIO, SETTINGS, Rules(timeout=7.0))

    limit = "limited to 7 s"
    told = {limit, "unlimited", "launch", "verify_load"}
    assert [step for step in engine.log if step in told] == [
        *(limit, "launch", "unlimited"),
        *(limit, "verify_load", "unlimited"),
    ]


def test_start_from_the_disk_drops_the_files_first_and_looks_right_before_the_load(
    engine: FakeEngine, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start from the disk evicts the files before the launch and checks them before the load.

    Neither is within the clock, and other starts do neither.
    """
    monkeypatch.setattr(starts, "evict", lambda model: engine.log.append(f"evict {model.repo}"))
    monkeypatch.setattr(
        starts, "expect_none_in_memory", lambda model: engine.log.append(f"look at {model.repo}")
    )
    engine.calls = [8.0, 8.0]
    told: list[Activity] = []

    def start(*, cold_files: bool) -> Started:
        return time_start(
            *(engine.as_engine, 0, clip, AUDIO, SETTINGS, Rules(), told.append),
            cold_files=cold_files,
        )

    assert start(cold_files=True).phases.total == 15.5
    repo = engine.as_engine.model.repo
    steps = [step for step in engine.log if "limited" not in step]
    assert steps[:6] == [
        "lay_out", f"evict {repo}", "launch", "import_library", f"look at {repo}", "load"
    ]  # fmt: skip
    assert told[:3] == [Activity.LAY_OUT, Activity.EVICT, Activity.LAUNCH]

    engine.log.clear()
    start(cold_files=False)
    assert not [step for step in engine.log if repo in step]


def test_start_beside_other_work_is_marked_and_not_made_again(
    engine: FakeEngine, clip: Clip, machine: Machine
) -> None:
    """A start beside other work is marked and not made again."""
    machine.others = [0.9]
    engine.calls = [8.0]

    started = time_start(engine.as_engine, 0, clip, AUDIO, SETTINGS, Rules())

    assert started.sample.contaminated is True
    assert engine.log.count("load") == 1


def test_mark_of_a_start_is_for_all_of_its_phases(
    engine: FakeEngine, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start is judged as a whole, by the seconds of all its phases together.

    Others may take half of the processors that the library leaves free, beside --max-others.
    """
    judged: list[tuple[float, float | None]] = []

    def judge(_: object, seconds: float, most: float | None) -> bool:
        judged.append((seconds, most))
        return False

    monkeypatch.setattr(starts, "is_contaminated", judge)
    monkeypatch.setattr(contention, "free_processors", lambda threads: 8 - threads)
    engine.calls, engine.threads = [8.0], 2

    started = time_start(engine.as_engine, 0, clip, AUDIO, SETTINGS, Rules(max_others=0.25))

    assert started.phases.total == 15.5
    assert judged == [(15.5, 0.25 + 6 / 2)]
