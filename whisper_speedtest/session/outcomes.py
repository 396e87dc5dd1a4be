"""Records how each test over cases ended, and sets the exit status of the session accordingly.

A test over cases is a benchmark: a test that is marked `over` and runs once for each case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import AdapterError
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.session.choice import selection
from whisper_speedtest.session.choice.shard import SPLIT
from whisper_speedtest.session.skips import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchmark.fixture import BenchmarkFixture

    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.measure.result import Result

RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()
"""The record of what a test over cases measures."""

RESULTS: pytest.StashKey[list[Result]] = pytest.StashKey()
"""Every result of the session, in the order in which the tests ended."""

LEFT_OUT = pytest.StashKey[dict[str, Outcome]]()
"""Reason why a library or case was left out altogether → whether that is a skip or a failure."""

BUSY_REASON = "other processes used the machine while most of its calls were timed"

ON_THE_GPU = "--device=auto measures on the CPU what does not work on the GPU"
"""The advice that is added to the failure of an engine where --device=gpu was given."""

OURS = ("adapters", "whisper_speedtest")
"""Our packages. The messages of their errors say all that a user needs, without a traceback."""

TIMEOUT = "Timeout "
"""The beginning of the message with which pytest-timeout ends a test."""


def pytest_configure(config: pytest.Config) -> None:
    """Set up the empty results of the session."""
    config.stash[LEFT_OUT] = {}
    config.stash[RESULTS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the record of a test over cases before its fixtures run, as these may fail.

    A test that stands for an adapter that cannot be used fails here.
    """
    for reason in selection.unusable([item]).values():
        raise AdapterError(reason)
    if record := begin(item):
        item.stash[RECORDER] = record


def begin(item: pytest.Item) -> Recorder | None:
    """Return a record for a test over cases, in which nothing is measured yet; else None."""
    case, measure = selection.case_of(item), selection.measure_of(item)
    if case is None or measure is None or not isinstance(item, pytest.Function):
        return None
    selected = selection.parameters_of(item)
    settings = None if measure is Measure.LOAD else selection.settings_of(item)
    private = item.config.getoption("private") and selected.is_own
    from whisper_speedtest.measure.recording import Recorder

    return Recorder(item.name, measure, case, selected.audio, settings, private=private)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hand the samples of a test over cases to pytest-benchmark once the test has passed.

    So pytest-benchmark saves no time of a wrong transcript, and a time limit or Ctrl-C during a
    measurement costs no results of other tests. Contaminated samples, and those of a comparison,
    are never handed over.
    """
    outcome = yield
    recorder = item.stash.get(RECORDER, None)
    if recorder and (recorder.result.samples or recorder.result.comparison):
        benchmark: BenchmarkFixture = getattr(item, "funcargs", {})["benchmark"]
        if recorder.result.comparison or recorder.result.is_contaminated:
            benchmark.disabled = True
            benchmark(lambda: None)  # Otherwise it would warn that it was not used.
        else:
            _replay(benchmark, recorder.result.seconds)
    return outcome


def _replay(benchmark: BenchmarkFixture, seconds: list[float]) -> None:
    """Make pytest-benchmark record these seconds, by a timer that returns them."""
    readings = iter([reading for duration in seconds for reading in (0.0, duration)])

    def recorded_seconds() -> float:
        return next(readings)

    benchmark._timer = recorded_seconds
    benchmark.pedantic(lambda: None, rounds=len(seconds))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Finish the record of a test over cases with how it ended, and why.

    For an error of the suite's own, pytest shows the message without the traceback, unless
    --full-trace is given.
    """
    report = yield
    if report.failed and call.excinfo and selection.measure_of(item):
        _add_next_step(call.excinfo.value, item.config)
        report.longrepr = _message_alone(call.excinfo.value, item.config) or report.longrepr
    error = call.excinfo.value if call.excinfo else None
    recorder = item.stash.get(RECORDER, None)
    if recorder is None:
        if error is not None:
            _note_left_out(item, error, skipped=report.skipped)
        return report
    if report.passed and report.when != "call":
        return report
    result = _ended(recorder, report, error)
    if result.outcome is Outcome.PASSED:
        from whisper_speedtest.measure.result import to_json

        benchmark: BenchmarkFixture = getattr(item, "funcargs", {})["benchmark"]
        benchmark.extra_info.update(to_json(result))
    item.config.stash[RESULTS].append(result)
    return report


def _note_left_out(item: pytest.Item, error: BaseException, *, skipped: bool) -> None:
    """Note why a library was left out altogether, if that is what a test without a record says.

    Such a test is skipped if the library is not installed, and fails if its adapter is unusable.
    """
    if skipped and selection.measure_of(item):
        item.config.stash[LEFT_OUT][str(error)] = Outcome.SKIPPED
    elif not skipped and selection.unusable([item]):
        item.config.stash[LEFT_OUT][str(error)] = Outcome.FAILED


def _ended(recorder: Recorder, report: pytest.TestReport, error: BaseException | None) -> Result:
    """Record how a test over cases ended, and return the result."""
    if report.skipped:
        cause = error.cause if isinstance(error, NotMeasured) else ""
        return recorder.ended(Outcome.SKIPPED, str(error), cause or str(error))
    if report.failed:
        outcome = Outcome.TIMED_OUT if _is_timeout(error) else Outcome.FAILED
        return recorder.ended(outcome, _first_lines(error) if error else "")
    if recorder.result.is_contaminated:
        return recorder.ended(Outcome.BUSY, BUSY_REASON)
    return recorder.ended(Outcome.PASSED)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Set exit status 5 if all tests over cases were skipped, and 1 if a measurement failed.

    A session that measured nothing is no success, unless it is a shard without tests over cases. A
    failed measurement stays a failure where another plugin has run its test again until it passed.
    """
    stash = session.config.stash
    results = stash[RESULTS]
    outcomes = {result.outcome for result in results}
    if exitstatus != pytest.ExitCode.OK:
        return
    if outcomes <= {Outcome.SKIPPED} and (results or (stash[LEFT_OUT] and SPLIT not in stash)):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    elif outcomes & {Outcome.FAILED, Outcome.TIMED_OUT}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _add_next_step(error: BaseException, config: pytest.Config) -> None:
    """Add the advice ON_THE_GPU to an engine's error where --device=gpu was given."""
    from whisper_speedtest.engine.errors import EngineError

    if config.getoption("device") != "gpu" or not isinstance(error, EngineError):
        return
    # An engine raises the same error again and again.
    if ON_THE_GPU not in getattr(error, "__notes__", ()):
        error.add_note(ON_THE_GPU)


def _message_alone(error: BaseException, config: pytest.Config) -> str:
    """Return an error's message and notes, to show without a traceback; "" if it is not ours."""
    if type(error).__module__.partition(".")[0] not in OURS or config.getoption("fulltrace"):
        return ""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def _is_timeout(error: BaseException | None) -> bool:
    """Tell whether the time limit of an engine, or of the whole test, ended a test."""
    from whisper_speedtest.engine.errors import EngineTimeoutError

    return isinstance(error, EngineTimeoutError) or (
        isinstance(error, pytest.fail.Exception) and str(error).startswith(TIMEOUT)
    )


def _first_lines(error: BaseException) -> str:
    """Return the first line of an error, and the first line of each of its notes.

    An engine adds a note to errors that other code has raised, as the error of a time limit.
    """
    from whisper_speedtest.engine.errors import LAST_LINES

    lines = [str(text).partition("\n")[0] for text in (error, *getattr(error, "__notes__", ()))]
    return "; ".join(line.removesuffix(LAST_LINES) for line in lines)


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Remove the name of this machine from what pytest-benchmark saves."""
    del machine_info["node"]
