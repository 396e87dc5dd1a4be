"""How a test over cases ended: what is recorded, shown, and handed to pytest-benchmark."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import msgspec
import pytest

from adapters.base import AdapterError, Case, DecodeSettings, WeightsError
from fixtures.audio import clips
from tests.helpers.comparisons import comparison
from tests.helpers.fake_session import FakeSession
from tests.helpers.results import samples, warm
from whisper_speedtest.engine.errors import LAST_LINES, EngineError, EngineTimeoutError
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.recording import UNTOLD, Recorder
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.session import outcomes
from whisper_speedtest.session.choice.shard import SPLIT, Split
from whisper_speedtest.session.choice.values import Shard
from whisper_speedtest.session.outcomes import BUSY_REASON, LEFT_OUT, ON_THE_GPU, RECORDER, RESULTS
from whisper_speedtest.session.skips import NotMeasured
from whisper_speedtest.speech.clip import OWN_ORIGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.result import Result

CASE = Case("mlx-whisper", "micro", "fp16")
OWN = replace(clips()["short"], name="memo", origin=OWN_ORIGIN)
REPEATS = Repeats(processes=1, calls=2, max_others=0.1)


def item_of(measure: str = "warm", *marks: pytest.Mark, clip: Any = None, **options: Any) -> Any:
    """Return a test over a case in a session of its own, with further marks."""
    item = Mock(spec=pytest.Function, nodeid="test_x[id]", stash=pytest.Stash())
    item.name = "test_x[id]"
    marks = (pytest.mark.over("short", measure=measure).mark, *marks)
    item.get_closest_marker = {each.name: each for each in marks}.get
    item.callspec = SimpleNamespace(params={"case": CASE, "clip": clip or clips()["short"]})
    options = {"device": "cpu", "fulltrace": False, "language": None, "private": False, **options}
    item.config = FakeSession(**options)
    outcomes.pytest_configure(item.config)
    item.funcargs = {"benchmark": Mock(extra_info={})}
    return item


def recorded(item: Any, taken: Sequence[Any] = (), **fields: Any) -> Any:
    """Return a test whose record has begun, and has these samples."""
    record = Recorder("test_x[id]", Measure.WARM, CASE, clips()["short"], DecodeSettings())
    fields = {"samples": tuple(taken), "repeats": REPEATS, **fields}
    record.result = msgspec.structs.replace(record.result, **fields)
    item.stash[RECORDER] = record
    return item


def report(item: Any, error: BaseException | None = None, when: Any = "call") -> Any:
    """Return the report of a phase of a test that has raised something, or nothing."""

    def phase() -> None:
        if error:
            raise error

    skipped = isinstance(error, pytest.skip.Exception)
    failed = error is not None and not skipped
    told = SimpleNamespace(
        failed=failed, skipped=skipped, passed=error is None, when=when, longrepr="a traceback"
    )
    hook: Any = outcomes.pytest_runtest_makereport(item, pytest.CallInfo.from_call(phase, when))
    next(hook)
    with pytest.raises(StopIteration) as ended:
        hook.send(told)
    assert ended.value.value is told
    return told


def result_of(item: Any, error: BaseException | None = None) -> Result:
    """Return the one result that a test with this end has."""
    report(item, error)
    results: list[Result] = item.config.stash[RESULTS]
    (result,) = results
    return result


# Before it runs


@pytest.mark.parametrize(
    ("clip", "private", "untold"), [(OWN, True, True), (OWN, False, False), (None, True, False)]
)
def test_record_of_a_private_recording_takes_no_words(
    clip: Any, private: bool, untold: bool
) -> None:
    """The record of a private recording takes no words, and that of the project's clips does."""
    item = item_of(clip=clip, private=private)

    outcomes.pytest_runtest_setup(item)

    reason = item.stash[RECORDER].ended(Outcome.FAILED, "it heard this").reason
    assert reason == (UNTOLD if untold else "it heard this")


@pytest.mark.parametrize(("measure", "language"), [("warm", "de"), ("cold", "de"), ("load", None)])
def test_record_begins_with_what_the_test_is_about(measure: str, language: str | None) -> None:
    """A record begins with the test, measure, case and clip, and the language if it decodes."""
    item = item_of(measure, clip=OWN, language="de")

    outcomes.pytest_runtest_setup(item)

    result = item.stash[RECORDER].result
    assert (result.test, result.measure, result.case) == ("test_x[id]", Measure(measure), CASE)
    assert result.clip.name == "memo"
    assert (result.settings and result.settings.language) == language


def test_test_that_stands_for_an_unusable_adapter_fails_with_the_reason() -> None:
    """A test that stands for an adapter that cannot be used fails with the reason.

    It has no record, and the reason is kept for the closing summary.
    """
    item = item_of("warm", pytest.mark.unusable(adapter="broken", reason="it is broken").mark)

    with pytest.raises(AdapterError, match="it is broken") as raised:
        outcomes.pytest_runtest_setup(item)

    report(item, raised.value, "setup")
    assert RECORDER not in item.stash
    assert item.config.stash[LEFT_OUT] == {"it is broken": Outcome.FAILED}
    assert item.config.stash[RESULTS] == []


def test_skip_of_a_whole_library_is_kept_for_the_closing_summary() -> None:
    """The skip of a whole library is kept for the closing summary."""
    item = item_of()

    report(item, pytest.skip.Exception("it is not installed"), "setup")

    assert item.config.stash[LEFT_OUT] == {"it is not installed": Outcome.SKIPPED}


# How it ends


def test_test_that_passed_is_recorded_once_and_saved() -> None:
    """A test that passed is recorded once, after its call, and saved."""
    item = recorded(item_of(), samples(2.0, 2.5))

    for when in ("setup", "call", "teardown"):
        report(item, when=when)

    (result,) = item.config.stash[RESULTS]
    assert result.outcome is Outcome.PASSED
    saved = item.funcargs["benchmark"].extra_info
    assert (saved["test"], saved["outcome"]) == ("test_x[id]", "passed")
    assert [each["seconds"] for each in saved["samples"]] == [2.0, 2.5]


def test_test_whose_calls_were_beside_other_work_is_busy_and_not_saved() -> None:
    """A test whose calls were beside other work is recorded as busy, and not saved."""
    marked = [msgspec.structs.replace(each, contaminated=True) for each in samples(2.0, 2.5)]
    item = recorded(item_of(), marked)

    result = result_of(item)

    assert (result.outcome, result.reason) == (Outcome.BUSY, BUSY_REASON)
    assert item.funcargs["benchmark"].extra_info == {}


@pytest.mark.parametrize(
    ("error", "reason", "cause"),
    [
        (NotMeasured(CASE, "no network", "a: no network"), "a: no network", "no network"),
        (NotMeasured(CASE, "no network"), "no network", "no network"),
        (pytest.skip.Exception("why"), "why", "why"),
    ],
)
def test_skip_is_recorded_with_what_others_lack_as_well(
    error: BaseException, reason: str, cause: str
) -> None:
    """A skip is recorded with its reason, and with the cause that it shares with others."""
    result = result_of(recorded(item_of()), error)

    of_the_case = f"{CASE.label}: " if isinstance(error, NotMeasured) else ""
    assert result.outcome is Outcome.SKIPPED
    assert (result.reason, result.cause) == (
        f"{of_the_case}{reason}",
        cause if of_the_case else reason,
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EngineTimeoutError("load did not end within 5 s"), Outcome.TIMED_OUT),
        (pytest.fail.Exception("Timeout (>5.0s) from pytest-timeout."), Outcome.TIMED_OUT),
        (pytest.fail.Exception("it took no Timeout "), Outcome.FAILED),
        (EngineError("it crashed"), Outcome.FAILED),
        (TimeoutError("Timeout of a socket"), Outcome.FAILED),
    ],
)
def test_time_limit_of_an_engine_or_a_test_is_told_from_other_failures(
    error: BaseException, outcome: Outcome
) -> None:
    """A time limit of an engine or of pytest-timeout is recorded as such, and not as a failure."""
    result = result_of(recorded(item_of()), error)

    assert (result.outcome, result.reason) == (outcome, str(error))


def test_reason_is_the_first_line_of_a_failure_and_of_each_note_on_it() -> None:
    """The reason of a failure is the first line of its message and of each note on it."""
    error = EngineError(f"it crashed{LAST_LINES}\n  | why")
    error.add_note(f"stopped during load{LAST_LINES}\n  | how")

    assert result_of(recorded(item_of()), error).reason == "it crashed; stopped during load"


def test_failure_of_what_comes_after_a_test_is_one_of_the_test() -> None:
    """An error after a test that passed is recorded as a further, failed result of the test."""
    item = recorded(item_of(), samples(2.0, 2.5))

    report(item)
    report(item, EngineError("it does not end"), "teardown")

    ended = [(each.outcome, each.reason) for each in item.config.stash[RESULTS]]
    assert ended == [(Outcome.PASSED, ""), (Outcome.FAILED, "it does not end")]


# What is shown


@pytest.mark.parametrize(
    ("over", "error", "full_trace", "shown"),
    [
        (True, WeightsError("wrong"), False, "wrong"),
        (True, WeightsError("wrong"), True, "a traceback"),
        (True, ValueError("wrong"), False, "a traceback"),
        (False, WeightsError("wrong"), False, "a traceback"),
    ],
    ids=["of the suite", "with --full-trace", "unexpected", "of another test"],
)
def test_failure_of_a_benchmark_is_shown_without_a_traceback_where_its_message_says_all(
    over: bool, error: Exception, full_trace: bool, shown: str
) -> None:
    """A benchmark's failure is shown by its message alone, if that is an error of the suite.

    --full-trace shows the traceback, and so does a failure of any other test.
    """
    item = item_of("load", fulltrace=full_trace)
    if not over:
        item.get_closest_marker = {}.get

    assert report(item, error).longrepr == shown


@pytest.mark.parametrize(
    ("device", "error", "hinted"),
    [("gpu", EngineError("no"), 1), ("cpu", EngineError("no"), 0), ("gpu", WeightsError("no"), 0)],
)
def test_user_of_a_gpu_is_told_once_what_measures_on_the_cpu(
    device: str, error: Exception, hinted: int
) -> None:
    """An error of an engine on the GPU says, once, what measures on the CPU."""
    item = item_of(device=device)

    report(item, error)
    shown = report(item, error).longrepr

    assert shown == "\n".join(["no", *[ON_THE_GPU] * hinted])


# What pytest-benchmark is handed


def run(item: Any, error: BaseException | None = None) -> Any:
    """Run a test that raises something, or nothing; return what stands for pytest-benchmark."""
    hook: Any = outcomes.pytest_runtest_call(item)
    next(hook)
    if error:
        with pytest.raises(type(error)):
            hook.throw(error)
    else:
        with pytest.raises(StopIteration):
            hook.send(None)
    return item.funcargs["benchmark"]


def test_samples_are_replayed_by_a_clock_that_shows_them() -> None:
    """pytest-benchmark is handed the samples in their order, by a clock that shows them."""
    late, early = samples(2.5, 2.0)
    taken = [
        msgspec.structs.replace(late, order=1),
        msgspec.structs.replace(early, order=0),
    ]

    benchmark = run(recorded(item_of(), taken))

    assert benchmark.pedantic.call_args.kwargs == {"rounds": 2}
    readings = [benchmark._timer() for _ in range(4)]
    assert [end - begin for begin, end in zip(readings[::2], readings[1::2], strict=True)] == [
        *(2.0, 2.5),
    ]
    assert not benchmark.called


@pytest.mark.parametrize("why", ["busy", "in turns"])
def test_times_that_are_no_times_of_a_call_alone_are_not_handed_over(why: str) -> None:
    """Times of a busy test, or of sides in turns, are not handed to pytest-benchmark."""
    marked = [msgspec.structs.replace(each, contaminated=True) for each in samples(2.0, 2.5)]
    item = (
        recorded(item_of(), marked)
        if why == "busy"
        else recorded(item_of(), comparison=comparison())
    )

    benchmark = run(item)

    assert benchmark.disabled is True
    benchmark.assert_called_once()
    benchmark.pedantic.assert_not_called()


def test_test_that_failed_hands_over_nothing() -> None:
    """A test that failed hands nothing to pytest-benchmark."""
    benchmark = run(recorded(item_of(), samples(2.0, 2.5)), ValueError("wrong"))

    assert benchmark.mock_calls == []


def test_name_of_the_host_is_not_saved() -> None:
    """The name of the host is not saved by pytest-benchmark."""
    info = {"node": "janes-mac", "machine": "arm64"}

    outcomes.pytest_benchmark_update_machine_info(info)

    assert info == {"machine": "arm64"}


# How the session ends


@pytest.mark.parametrize(
    ("ended", "left_out", "in_shards", "before", "after"),
    [
        ([], False, False, 0, 0),
        ([Outcome.PASSED, Outcome.SKIPPED], False, False, 0, 0),
        ([Outcome.BUSY], False, False, 0, 0),
        ([Outcome.SKIPPED], False, False, 0, 5),
        ([Outcome.SKIPPED], False, True, 0, 5),
        ([], True, False, 0, 5),
        ([], True, True, 0, 0),
        ([Outcome.PASSED, Outcome.FAILED], False, False, 0, 1),
        ([Outcome.PASSED, Outcome.TIMED_OUT], False, False, 0, 1),
        ([Outcome.SKIPPED], False, False, 2, 2),
    ],
)
def test_session_that_measured_nothing_or_failed_is_no_success(
    ended: list[Outcome], left_out: bool, in_shards: bool, before: int, after: int
) -> None:
    """A session that measured nothing has status 5, and one with a failure has status 1.

    A shard of libraries that are not installed may measure nothing.
    """
    session = FakeSession()
    session.stash[RESULTS] = [warm(outcome=each) for each in ended]
    session.stash[LEFT_OUT] = {"not installed": Outcome.SKIPPED} if left_out else {}
    session.exitstatus = before
    if in_shards:
        session.stash[SPLIT] = Split(Shard(1, 2), cases=0, of_cases=1, tests=0, of_tests=1)

    outcomes.pytest_sessionfinish(session.real, before)

    assert session.exitstatus == after
