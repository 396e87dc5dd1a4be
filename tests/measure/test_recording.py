"""A record is filled in step by step, and keeps what was known when something fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapters import adapter_class
from adapters.base import DecodeSettings
from tests.helpers.fake_engine import CASE
from tests.helpers.results import COMMIT, SHA256
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.hub.hashes import Proof
from whisper_speedtest.measure.clock import time_calls, time_load, time_start
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.recording import Recorder, provenance_of

if TYPE_CHECKING:
    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.clip import Clip

AUDIO = np.zeros(16_000, np.float32)
SETTINGS = DecodeSettings(threads=2)


def recorder(clip: Clip | None, measure: Measure = Measure.WARM) -> Recorder:
    """Return the record of a test that is about to begin."""
    return Recorder("test_it[id]", measure, CASE, clip, SETTINGS if clip else None)


def three(engine: FakeEngine) -> list[FakeEngine]:
    """Return three engines like this one, which differ in their threads and their memory."""
    return [replace(engine, threads=10 + n, peak=100 + n) for n in range(3)]


def seconds(result: Result) -> list[tuple[int, int, float]]:
    """Return the process, order and seconds of each sample."""
    return [(each.process, each.order, each.seconds) for each in result.samples]


def test_record_begins_with_what_is_known_before_anything_runs(clip: Clip) -> None:
    """Test, measure, case, clip, and the repo and revision that the check map names."""
    result = recorder(clip).ended(Outcome.FAILED, "the reason", "the cause")

    assert (result.test, result.measure, result.case) == ("test_it[id]", Measure.WARM, CASE)
    assert (result.outcome, result.reason, result.cause) == (
        Outcome.FAILED,
        "the reason",
        "the cause",
    )
    assert (result.model.repo, result.model.revision) == ("embedded/micro-mlx-fp16", "main")
    assert (result.model.commit, result.model.files) == (None, {})
    assert result.clip is not None
    assert (result.clip.name, result.clip.sha256) == (clip.name, clip.sha256)
    assert result.clip.seconds == clip.seconds
    assert result.samples == ()
    assert result.provenance is None


def test_settings_that_a_library_ignores_stand_as_it_uses_them(clip: Clip) -> None:
    """lightning-whisper-mlx takes a language and a batch size, and does the rest its own way."""
    ignored = adapter_class(CASE.adapter).ignored_settings
    assert ignored["context"] is True

    result = recorder(clip).result

    assert result.settings == replace(SETTINGS, **ignored)
    assert result.settings is not None
    assert result.settings.language == "en"
    assert result.settings.context is True
    assert result.settings.threads is None


def test_test_without_a_clip_has_neither_clip_nor_settings() -> None:
    """A load transcribes nothing."""
    result = recorder(None, Measure.LOAD).result

    assert result.clip is None
    assert result.settings is None


def test_verified_model_is_recorded_by_its_own_facts(engine: FakeEngine, clip: Clip) -> None:
    """Repo, revision, commit and each file's size and hash are those of the verified model."""
    record = recorder(clip)

    record.model(engine.model)

    model = record.result.model
    assert (model.repo, model.revision, model.commit) == ("embedded/micro-mlx-fp16", "main", COMMIT)
    assert model.files == {"weights.npz": Proof(42, SHA256)}
    assert model.listed_as == ""

    record.model(replace(engine.model, listed_as="org/new-name"))

    assert record.result.model.listed_as == "org/new-name"
    assert record.result.model.repo == "embedded/micro-mlx-fp16"


def test_calls_are_recorded_with_what_was_heard_last(engine: FakeEngine, clip: Clip) -> None:
    """Samples, transcript, score, memory, and how the engine computes."""
    engine.warm = True
    engine.calls = [2.0, 3.0]
    engine.texts = ["nothing of it", clip.reference or ""]
    record = recorder(clip)

    record.calls(engine.as_engine, clip, time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 2))

    result = record.result
    assert seconds(result) == [(0, 0, 2.0), (0, 1, 3.0)]
    assert result.transcript == clip.reference
    assert result.score is not None
    assert result.score.wer == 0.0
    assert result.memory is not None
    assert result.memory.footprint == 100
    assert result.fallback is False
    assert result.model.commit == COMMIT
    facts = result.provenance
    assert facts is not None
    assert (facts.device, facts.dtype, facts.threads) == ("cpu", "float16", 3)
    assert (facts.versions, facts.mends) == ({"mlx": "0.32.4"}, ("a mend",))
    assert (facts.device_confirmed, facts.compiler) == (True, "g++-13")
    assert facts.empty_call is not None
    assert round(facts.empty_call, 9) == 0.001


def test_device_that_a_library_does_not_tell_is_recorded_as_unknown(engine: FakeEngine) -> None:
    """It is what the library was told, and nobody knows whether it computes there."""
    engine.told_device = None

    facts = provenance_of(engine.as_engine)

    assert (facts.device, facts.device_confirmed) == ("cpu", False)


def test_fallback_in_any_call_is_recorded(engine: FakeEngine, clip: Clip) -> None:
    """Also when the last call made none."""
    engine.warm = True
    engine.calls = [2.0]
    engine.fallbacks = [True, False]
    record = recorder(clip)

    record.calls(engine.as_engine, clip, time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 2))

    assert record.result.fallback is True


def test_loads_are_recorded_with_the_last_engine(engine: FakeEngine) -> None:
    """Each load is a sample of a process of its own; nothing was heard."""
    record = recorder(None, Measure.LOAD)
    loads = [time_load(each.as_engine, number) for number, each in enumerate(three(engine))]

    record.loads(loads)

    result = record.result
    assert seconds(result) == [(0, 0, 4.0), (1, 1, 4.0), (2, 2, 4.0)]
    assert result.memory == Memory(102, None)
    assert result.provenance is not None
    assert result.provenance.threads == 12
    assert result.transcript is None
    assert result.provenance is not None
    assert result.provenance.empty_call is None


def test_starts_are_recorded_by_phase_and_in_all(engine: FakeEngine, clip: Clip) -> None:
    """The samples are the sums of the phases, and the memory is that of the last start."""
    engine.calls = [8.0, 16.0, 32.0]
    record = recorder(clip, Measure.COLD)
    starts = [
        time_start(each.as_engine, number, clip, AUDIO, SETTINGS)
        for number, each in enumerate(three(engine))
    ]

    record.starts(clip, starts)

    result = record.result
    assert [start.first_call for start in result.starts] == [8.5, 16.5, 32.5]
    assert seconds(result) == [(0, 0, 15.5), (1, 1, 23.5), (2, 2, 39.5)]
    assert result.memory == Memory(102, None)
    assert result.provenance is not None
    assert result.provenance.threads == 12
    assert result.transcript == "the ship"
    assert result.model.commit == COMMIT


def test_failure_keeps_what_was_recorded_before_it(engine: FakeEngine, clip: Clip) -> None:
    """A wrong transcript is in the record, with its samples, its score and the reason."""
    engine.warm = True
    engine.calls = [2.0]
    engine.texts = ["all of it wrong"]
    record = recorder(clip)
    record.calls(engine.as_engine, clip, time_calls(engine.as_engine, clip, AUDIO, SETTINGS, 1))

    result = record.ended(Outcome.FAILED, "expected other words")

    assert result.outcome is Outcome.FAILED
    assert result.transcript == "all of it wrong"
    assert result.score is not None
    assert result.score.wer > 0
    assert seconds(result) == [(0, 0, 2.0)]
