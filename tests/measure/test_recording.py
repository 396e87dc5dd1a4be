"""A record is filled in step by step, and keeps what was known when something fails."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from adapters import adapter_class
from adapters.base import Case, Segment, Transcript
from tests.helpers.comparisons import turns
from tests.helpers.fake_engine import CASE
from tests.helpers.fake_processes import AUDIO, SETTINGS, processes_of, three
from tests.helpers.results import COMMIT, MACHINE, SHA256, state
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.engine.errors import EngineTimeoutError
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.calls import time_calls
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.recording import UNTOLD, Recorder, provenance_of
from whisper_speedtest.measure.result import from_json, to_json
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.measure.suite import code_hash
from whisper_speedtest.measure.turns import Pair, RunningComparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.fake_engine import FakeEngine
    from tests.measure.conftest import Machine
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.clip import Clip

OTHER = Case("faster-whisper", "micro", "int8")


def recorder(clip: Clip | None, measure: Measure = Measure.WARM) -> Recorder:
    """Return the record of a test that is about to begin."""
    return Recorder("test_it[id]", measure, CASE, clip, SETTINGS if clip else None)


def record_calls(record: Recorder, engine: FakeEngine, clip: Clip, *seconds: float) -> Result:
    """Time and record calls of one process that take so many seconds each."""
    engine.calls = [30.0, 50.0, *seconds]
    processes = processes_of([engine], Rules(processes=1, calls=len(seconds)))
    record.calls(processes, clip, time_calls(processes, clip, AUDIO, SETTINGS))
    return record.result


def seconds(result: Result) -> list[tuple[int, int, float]]:
    """Return the process, order and seconds of each sample."""
    return [(each.process, each.order, each.seconds) for each in result.samples]


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock on the wall that is nine hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_record_tells_when_it_ended(clip: Clip) -> None:
    """A record tells when it ended in UTC, to the millisecond, whatever the local time zone is."""
    before = datetime.now(UTC)
    record = recorder(clip)
    assert record.result.when == ""

    ended = datetime.fromisoformat(record.ended(Outcome.PASSED).when)
    assert before - timedelta(milliseconds=1) <= ended <= datetime.now(UTC)
    assert record.result.when[-5] == "."
    assert from_json(to_json(record.result)) == record.result


def test_record_tells_the_machine_of_what_was_not_measured(clip: Clip) -> None:
    """The record of a skipped test has the machine, and its state before and after."""
    record = recorder(clip)
    record.on(MACHINE)
    record.around(state(0.5), state(1.0), state(2.0))

    result = record.ended(Outcome.SKIPPED, "no")
    assert result.machine == MACHINE
    assert result.before == state(1.0)
    assert result.after == state(2.0)
    assert result.first == state(0.5)


def test_record_begins_with_what_is_known_before_anything_runs(clip: Clip) -> None:
    """A record begins with test, measure, case and clip, and the repo and revision of the model."""
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
    assert result.code == code_hash()


def test_settings_that_a_library_ignores_stand_as_it_uses_them(clip: Clip) -> None:
    """A setting that a library ignores is recorded as the library has it, and others as asked."""
    ignored = adapter_class(CASE.adapter).ignored_settings
    assert ignored["context"] is True

    result = recorder(clip).result

    assert result.settings == replace(SETTINGS, **ignored)
    assert result.settings is not None
    assert result.settings.language == "en"
    assert result.settings.context is True
    assert result.settings.threads is None


def test_test_without_a_clip_has_neither_clip_nor_settings() -> None:
    """The record of a test without a clip has neither a clip nor settings."""
    result = recorder(None, Measure.LOAD).result

    assert result.clip is None
    assert result.settings is None


def test_verified_model_is_recorded_by_its_own_facts(engine: FakeEngine, clip: Clip) -> None:
    """A verified model is recorded with its own repo, revision, commit, and files with hashes."""
    record = recorder(clip)

    record.model(engine.model)

    model = record.result.model
    assert (model.repo, model.revision, model.commit) == ("embedded/micro-mlx-fp16", "main", COMMIT)
    assert model.files == {"weights.npz": Proof(42, SHA256)}
    assert model.listed_as == ""
    assert not model.unconfirmed

    record.model(replace(engine.model, listed_as="org/new-name", unconfirmed=True))

    assert record.result.model.listed_as == "org/new-name"
    assert record.result.model.unconfirmed
    assert record.result.model.repo == "embedded/micro-mlx-fp16"


def test_segments_and_language_are_those_of_the_score(engine: FakeEngine, clip: Clip) -> None:
    """The score compares the last segments with the sentences, in the language of the settings."""
    engine.segments = (Segment(0.5, 3.5, clip.reference or ""),)
    settings = replace(SETTINGS, language="de")

    result = record_calls(
        Recorder("test_it[id]", Measure.WARM, CASE, clip, settings), engine, clip, 2.0
    )

    assert result.score is not None
    assert result.score.time_error == pytest.approx((0.3 + 0.27) / 2)
    assert (result.score.boundaries, result.score.words_in_silence) == (2, 0)
    assert result.score.normaliser == "whisper basic, marks kept"


def test_calls_are_recorded_with_what_was_heard_last(engine: FakeEngine, clip: Clip) -> None:
    """The record of calls has samples, last transcript, score, memory, and what computed it."""
    engine.texts = ["nothing of it", clip.reference or ""]

    result = record_calls(recorder(clip), engine, clip, 2.0, 3.0)

    assert result.repeats == Repeats(
        processes=1, calls=2, max_others=0.1, chosen=("processes", "calls")
    )
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
    assert facts.environment == {"HF_HUB_OFFLINE": "1"}
    assert facts.empty_call is not None
    assert round(facts.empty_call, 9) == 0.001


def test_device_that_a_library_does_not_tell_is_recorded_as_unknown(engine: FakeEngine) -> None:
    """A device that a library does not confirm is recorded as unconfirmed."""
    engine.told_device = None

    facts = provenance_of(engine.as_engine)

    assert (facts.device, facts.device_confirmed) == ("cpu", False)


def test_fallback_in_any_call_is_recorded(engine: FakeEngine, clip: Clip) -> None:
    """A fallback in any call is recorded, though the last call made none."""
    engine.fallbacks = [False, False, True, False]

    assert record_calls(recorder(clip), engine, clip, 2.0, 3.0).fallback is True


def test_loads_are_recorded_by_process(engine: FakeEngine) -> None:
    """Each load is recorded as a sample of its own process, without any transcript."""
    record = recorder(None, Measure.LOAD)
    engine.calls = [8.0]
    processes = processes_of(three(engine))

    record.loads(processes, processes.start_all())

    result = record.result
    assert seconds(result) == [(0, 0, 4.0), (1, 1, 4.0), (2, 2, 4.0)]
    assert result.repeats == Repeats(processes=3, calls=1, max_others=0.1)
    assert result.memory == Memory(102, None)
    assert result.transcript is None
    assert result.starts == ()
    assert result.provenance is not None
    assert result.provenance.empty_call is None


def test_starts_that_took_too_long_are_recorded(engine: FakeEngine, clip: Clip) -> None:
    """Starts that took too long are counted in the record of every test of their case."""
    engines = three(engine)
    for each in engines:
        each.calls = [8.0]

    def time_out() -> None:
        raise EngineTimeoutError("load did not end within 240 s")

    engines[1].load = time_out  # type: ignore[method-assign]
    processes = processes_of(engines, Rules(budget=3.0))
    load, cold, warm = recorder(None, Measure.LOAD), recorder(clip, Measure.COLD), recorder(clip)

    load.loads(processes, processes.start_all())
    cold.starts(processes, processes.start_all())
    warm.calls(processes, clip, time_calls(processes, clip, AUDIO, SETTINGS))

    for record in (load, cold, warm):
        assert record.result.repeats is not None
        assert record.result.repeats.timed_out == 1
    assert [each.process for each in cold.result.samples] == [0, 1]


def test_processes_are_those_that_were_started_and_not_those_that_were_asked_for(
    engine: FakeEngine, clip: Clip
) -> None:
    """The record has the number of processes that were started, not the number asked for."""
    engine.calls = [8.0]
    record = recorder(clip, Measure.COLD)
    processes = processes_of(three(engine), Rules(processes=3))

    record.starts(processes, processes.start_all()[:2])

    assert record.result.repeats is not None
    assert (record.result.repeats.processes, record.result.repeats.calls) == (2, 1)


def test_start_has_no_budget_and_no_number_of_calls(engine: FakeEngine) -> None:
    """The record of a load has no budget or number of calls, and just the processes as a choice."""
    engine.calls = [8.0]
    load = recorder(None, Measure.LOAD)

    processes = processes_of(three(engine), Rules(processes=2, calls=5, budget=3.0, pause=1.0))
    load.loads(processes, processes.start_all())

    assert load.result.repeats == Repeats(
        processes=2, calls=1, max_others=0.1, chosen=("processes",)
    )


def test_starts_are_recorded_by_phase_and_in_all(engine: FakeEngine, clip: Clip) -> None:
    """The record of starts has all phases, with their sums as samples, and the highest peak."""
    engines = three(engine)
    for number, each in enumerate(engines):
        each.calls, each.peak = [8.0 * 2**number], 100 - number
    record = recorder(clip, Measure.COLD)

    processes = processes_of(engines)
    record.starts(processes, processes.start_all())

    result = record.result
    assert [start.first_call for start in result.starts] == [8.5, 16.5, 32.5]
    assert seconds(result) == [(0, 0, 15.5), (1, 1, 23.5), (2, 2, 39.5)]
    assert result.memory == Memory(100, None)
    assert result.transcript == "the ship"
    assert result.model.commit == COMMIT


def test_marks_and_what_others_did_are_recorded(
    engine: FakeEngine, clip: Clip, machine: Machine
) -> None:
    """A start beside other work is marked in the records of the load and the cold start alike."""
    machine.others = [0.9, 0.0]
    engine.calls = [8.0]
    processes = processes_of(three(engine))
    load, cold = recorder(None, Measure.LOAD), recorder(clip, Measure.COLD)

    load.loads(processes, processes.start_all())
    cold.starts(processes, processes.start_all())

    for record in (load, cold):
        assert [each.contaminated for each in record.result.samples] == [True, False, False]
        assert [each.contention and each.contention.others for each in record.result.samples] == [
            *(0.9, 0.0, 0.0)
        ]


def test_failure_keeps_what_was_recorded_before_it(engine: FakeEngine, clip: Clip) -> None:
    """The record of a failure keeps the transcript, score and samples from before it."""
    engine.texts = ["all of it wrong"]
    record = recorder(clip)
    record_calls(record, engine, clip, 2.0)

    result = record.ended(Outcome.FAILED, "expected other words")

    assert result.outcome is Outcome.FAILED
    assert result.transcript == "all of it wrong"
    assert result.score is not None
    assert result.score.wer > 0
    assert seconds(result) == [(0, 0, 2.0)]


def test_private_record_takes_no_words(engine: FakeEngine, clip: Clip) -> None:
    """A private record has a score and samples, but no transcript, and no text of a failure."""
    record = Recorder("test_it[id]", Measure.WARM, CASE, clip, SETTINGS, private=True)
    engine.texts = ["the secret"]
    record_calls(record, engine, clip, 2.0)

    assert record.result.transcript is None
    assert record.result.score is not None
    assert record.result.samples != ()
    failed = record.ended(Outcome.FAILED, "heard 'secret'", "secret")
    assert (failed.reason, failed.cause) == (UNTOLD, "")


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.FAILED])
def test_private_record_keeps_what_the_suite_itself_says(clip: Clip, outcome: Outcome) -> None:
    """A private record keeps the reason of any outcome but a failure, as it quotes no words."""
    record = Recorder("test_it[id]", Measure.WARM, CASE, clip, SETTINGS, private=True)

    ended = record.ended(outcome, "reason", "cause")

    assert (ended.reason, ended.cause) == ("reason", "cause")


# Comparisons


def compared(engine: FakeEngine, ratio: float) -> RunningComparison:
    """Return a comparison of four blocks, whose sides heard different things."""
    baseline = replace(engine, case=OTHER, told_device=None, repo="embedded/another")
    return RunningComparison(
        planned=2,
        turns=[
            msgspec.structs.replace(turn, seconds=turn.seconds * (1 + turn.block / 100))
            for turn in turns(4, ratio, ratio)
        ],
        transcripts=[
            Transcript("the first", (), fallback=True),
            Transcript("the ship", (), fallback=False),
        ],
        baseline_transcripts=[Transcript("another", (), fallback=False)],
        last=Pair(engine.as_engine, baseline.as_engine),
        empty_call=0.000_07,
    )


@pytest.mark.parametrize(
    ("limit", "ratio", "verdict"),
    [
        (0.05, 1.2, Verdict.SLOWER),
        (0.5, 1.2, Verdict.NOT_SLOWER),
        (None, 1.2, Verdict.SLOWER),
        (None, 0.8, Verdict.NOT_SLOWER),
    ],
)
def test_comparison_is_recorded_with_both_sides(
    engine: FakeEngine, clip: Clip, limit: float | None, ratio: float, verdict: Verdict
) -> None:
    """The record of a comparison has both sides, and the transcript of ours."""
    record = recorder(clip, Measure.RATIO)

    found = compared(engine, ratio)
    record.compared(found, clip, "1a2b3c", SHA256, limit)

    result = record.result
    comparison = result.comparison
    assert comparison is not None
    assert (comparison.limit, comparison.verdict) == (limit, verdict)
    assert (comparison.turns, comparison.planned) == (tuple(found.turns), 2)
    expected = (found.ratio.ratio, found.ratio.low, found.ratio.high)
    assert (comparison.ratio, comparison.low, comparison.high) == expected
    assert comparison.low < comparison.ratio < comparison.high
    side = comparison.baseline
    assert (side.name, side.case, side.code) == ("1a2b3c", OTHER, SHA256)
    assert (result.model.repo, side.model.repo) == ("embedded/micro-mlx-fp16", "embedded/another")
    assert side.model.files == result.model.files
    assert result.model.files == {"weights.npz": Proof(42, SHA256)}
    assert result.provenance is not None
    assert (result.provenance.device_confirmed, side.provenance.device_confirmed) == (True, False)
    assert (result.provenance.empty_call, side.provenance.empty_call) == (0.000_07, None)
    assert (result.transcript, result.fallback, result.samples) == ("the ship", True, ())
    assert not result.is_contaminated
