"""What the benchmarks are given: the engines that tests of a case share, or why there are none."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, Mock, call

import pytest

from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.fake_session import FakeSession
from tests.helpers.results import COMMIT
from whisper_speedtest.cache.model import RepoError, Unavailable, VerifiedModel
from whisper_speedtest.engine import pool as engine_pool
from whisper_speedtest.measure import machine
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.recording import Recorder
from whisper_speedtest.session import fixtures
from whisper_speedtest.session.models import prefetch
from whisper_speedtest.session.skips import NotMeasured
from whisper_speedtest.session.terminal.display import Display
from whisper_speedtest.session.terminal.display_plugin import DISPLAY

if TYPE_CHECKING:
    from adapters.base import Device
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.measure.processes import Processes

CASE = Case("mlx-whisper", "micro", "fp16")
SLOW = Case("mlx-whisper", "micro", "4bit")
"""A variant that a CPU runs many times slower than a GPU does."""

MODEL = VerifiedModel("embedded/micro-mlx-fp16", "main", COMMIT, {})


class Bench:
    """Gives what the fixtures give, in a session of its own."""

    def __init__(self, **options: Any) -> None:
        self.session = FakeSession(**options)
        self.session.stash[DISPLAY] = self.display = Display(None)
        self.request: Any = SimpleNamespace(config=self.session)
        self.pool = Mock()
        self.set_ups: dict[Any, Any] = {}

    def processes(
        self,
        case: Case = CASE,
        device: Device = "cpu",
        measure: Measure = Measure.WARM,
        settings: DecodeSettings | None = None,
    ) -> Processes:
        """Return the engines of a test."""
        settings = settings or DecodeSettings(threads=2)
        record = Recorder("t[id]", measure, case, clips()["short"], settings)
        made: Processes = inspect.unwrap(fixtures.processes)(
            *(self.request, record, self.pool, case, MODEL, device, settings, self.set_ups)
        )
        assert record.result.model.commit == COMMIT, "the record lacks the model"
        return made


def test_engines_are_those_that_the_session_s_options_ask_for() -> None:
    """The engines of a test follow the session's options, and begin with the clip `short`.

    Their first settings are those on equal terms, whatever the test then transcribes.
    """
    bench = Bench(processes=5, calls=7)
    settings = DecodeSettings(language="de", batch_size=6, threads=2)

    made = bench.processes(device="gpu", settings=settings)
    engine = made.new_engine()
    made.end_engines()

    assert (made.wanted, made.rules.calls, made.clip) == (5, 7, clips()["short"])
    assert made.settings == DecodeSettings(threads=2)
    assert len(made.audio) == clips()["short"].samples
    assert made.listener is bench.display
    assert made.room_for is bench.pool.room_for
    assert engine is bench.pool.new.return_value
    assert bench.pool.mock_calls == [call.new(CASE, MODEL, "gpu", 2), call.end_case(CASE)]


def test_tests_of_a_case_share_engines_of_one_device_and_number_of_threads() -> None:
    """Tests of a case share engines, unless the device or the number of threads differs."""
    bench = Bench()
    first = bench.processes()

    assert bench.processes(settings=DecodeSettings(language="de", threads=2)) is first
    assert bench.processes(settings=DecodeSettings(threads=3)) is not first
    assert bench.processes(device="gpu") is not first


def test_variant_that_the_device_runs_slowly_is_only_started_there() -> None:
    """A variant that the device runs slowly is started there, but its calls are not measured."""
    bench = Bench()

    with pytest.raises(NotMeasured) as skipped:
        bench.processes(SLOW)

    why = "many times slower on the cpu than elsewhere: only started there"
    assert str(skipped.value) == f"mlx-whisper[micro-4bit]: {why}"
    assert skipped.value.cause == why
    assert bench.processes(SLOW, measure=Measure.COLD).wanted == 1
    assert bench.processes(SLOW, device="gpu").wanted == 3


def test_pool_is_given_the_memory_that_there_is_and_a_folder_for_each_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pool of engines knows the memory of host and GPU, and makes a folder for each engine."""
    made = MagicMock()
    monkeypatch.setattr(engine_pool, "EnginePool", made)
    monkeypatch.setattr(engine_pool, "memory_limit_of_machine", lambda: 8_000)
    monkeypatch.setattr(machine, "accelerator_memory", lambda _: 2_000)
    monkeypatch.setattr(fixtures, "machine_of", Mock())
    folders = Mock()

    steps = inspect.unwrap(fixtures.pool)(Bench().request, folders)

    assert next(steps) is made.return_value.__enter__.return_value
    new_folder, *limits = made.call_args.args
    assert limits == [8_000, 2_000]
    assert new_folder() is folders.mktemp.return_value
    folders.mktemp.assert_called_once_with("engine")
    assert list(steps) == []
    made.return_value.__exit__.assert_called_once()


def test_folder_for_engines_that_cannot_be_made_is_told_with_what_names_another() -> None:
    """If the folder for engines cannot be made, the error says how to name another."""
    folders = Mock(getbasetemp=Mock(side_effect=OSError("no room")))

    with pytest.raises(fixtures.NoFolderError) as told:
        next(inspect.unwrap(fixtures.pool)(Bench().request, folders))

    assert str(told.value) == (
        "expected a folder for engines, got no room; name another one, with --basetemp or "
        "PYTEST_DEBUG_TEMPROOT where you used that, else with TMPDIR"
    )


def test_engines_end_with_the_last_test_of_their_case() -> None:
    """The engines of a case end with its last test."""
    bench = Bench()
    bench.request.param = CASE
    bench.processes()

    steps = inspect.unwrap(fixtures.case)(bench.request, bench.pool, bench.set_ups)

    assert next(steps) == CASE
    assert bench.set_ups
    assert bench.pool.end_case.mock_calls == []
    assert list(steps) == []
    assert bench.set_ups == {}
    assert bench.pool.end_case.mock_calls == [call(CASE)]


@pytest.mark.parametrize(
    ("error", "cause"),
    [(Unavailable("a: no network", "no network"), "no network"), (Unavailable("a"), "a")],
)
def test_model_that_cannot_be_had_skips_the_test(
    monkeypatch: pytest.MonkeyPatch, error: ModelError, cause: str
) -> None:
    """A model that cannot be had skips the test with the reason."""
    monkeypatch.setattr(prefetch, "session_model", Mock(side_effect=error))

    with pytest.raises(NotMeasured) as skipped:
        inspect.unwrap(fixtures.model)(Bench().request, CASE)

    assert str(skipped.value) == f"mlx-whisper[micro-fp16]: {error}"
    assert skipped.value.cause == cause


def test_model_that_is_wrong_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the hub does not have fails the test and does not skip it."""
    monkeypatch.setattr(prefetch, "session_model", Mock(side_effect=RepoError("no such repo")))

    with pytest.raises(RepoError, match="no such repo"):
        inspect.unwrap(fixtures.model)(Bench().request, CASE)


@pytest.mark.parametrize("why", ["", "measuring on the CPU, not the GPU: it has no memory"])
def test_device_is_the_chosen_one_and_why_it_is_no_gpu_is_said(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """A test gets the device that was chosen, and a warning says why it is not the GPU."""
    bench = Bench()
    choose = Mock(return_value="cpu")
    monkeypatch.setattr(fixtures, "choose_device", choose)
    monkeypatch.setattr(fixtures, "why_not_gpu", Mock(return_value=why))

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert inspect.unwrap(fixtures.device)(bench.request, CASE, MODEL) == "cpu"

    choose.assert_called_once_with(bench.session, CASE, MODEL)
    assert [str(each.message) for each in warned] == [why] * bool(why)


@pytest.mark.parametrize(
    ("asked", "device", "seconds"),
    [(None, "gpu", 5.0), (None, "cpu", None), (2.0, "cpu", 2.0), (0.0, "gpu", None)],
)
def test_pause_is_that_of_the_device_or_the_user_s(
    asked: float | None, device: Device, seconds: float | None
) -> None:
    """The pause is that of the device or the user; without one, the test is skipped."""
    pause = inspect.unwrap(fixtures.pause)
    request = Bench(pause=asked).request

    if seconds is not None:
        assert pause(request, CASE, device) == seconds
        return
    with pytest.raises(NotMeasured, match=f"after a pause a {device.upper()} computes as before"):
        pause(request, CASE, device)


def test_clip_whose_file_has_changed_is_not_timed() -> None:
    """Another sound would give other times, under the same name."""
    changed = replace(clips()["short"], sha256="0" * 64)

    with pytest.raises(ValueError, match=f"clip short: expected sha256 {'0' * 64}, got "):
        fixtures.samples_of(changed)
