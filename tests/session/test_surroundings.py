"""What is recorded around a measurement, and the wait for a machine to cool down."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from adapters.base import Adapter, Case
from tests.helpers.project import edit
from tests.helpers.results import state
from tests.helpers.sessions import Sessions, make_toy_project
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.measure.result import from_json
from whisper_speedtest.session.outcomes import RECORDER
from whisper_speedtest.session.surroundings import (
    GPU,
    STATES,
    GpuWatch,
    States,
    cool_down,
    pytest_runtest_call,
    watch_gpu,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.helpers.sessions import Session
    from whisper_speedtest.measure.machine import State


class Config:
    """The config of a session with --cooldown, whose machine was first fast and then slow."""

    def __init__(self, cooldown: float, last: float) -> None:
        self.stash = pytest.Stash()
        self.stash[STATES] = States(state(0.100), state(last))
        self._cooldown = cooldown

    def getoption(self, name: str) -> float:
        """Return the option's value."""
        assert name == "cooldown"
        return self._cooldown


@pytest.fixture(name="waits")
def _waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, on a clock that moves by them alone."""
    waits: list[float] = []
    module = "whisper_speedtest.session.surroundings.time"
    monkeypatch.setattr(f"{module}.monotonic", lambda: sum(waits))
    monkeypatch.setattr(f"{module}.sleep", waits.append)
    return waits


def wait(
    monkeypatch: pytest.MonkeyPatch, cooldown: float, last: float, readings: Sequence[float] = ()
) -> Any:
    """Let a session cool down, whose machine shows these readings one after another."""
    left = iter(readings)
    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: state(next(left)))
    config: Any = Config(cooldown, last)
    cool_down(config)
    return config


def test_machine_is_waited_for_until_it_is_as_fast_as_at_first(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """--cooldown waits until the machine is within 5 % as fast as when the session began."""
    config = wait(monkeypatch, 60.0, 0.130, [0.120, 0.106, 0.104])

    assert waits == [1.0, 1.0, 1.0]
    assert config.stash[STATES].last.reference == 0.104


def test_wait_ends_with_its_time(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """The wait of --cooldown ends with its time, however slow the machine still is."""
    wait(monkeypatch, 3.0, 0.130, [0.130] * 9)

    assert waits == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("cooldown", "last"), [(0.0, 0.200), (60.0, 0.105)])
def test_nothing_is_waited_for_without_need(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], cooldown: float, last: float
) -> None:
    """A session does not wait without --cooldown, or if the machine is as fast as at first."""
    wait(monkeypatch, cooldown, last)

    assert waits == []


def test_slow_gpu_is_waited_for_as_well(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """--cooldown waits for a slow GPU as well, though the processor is fast."""
    config: Any = Config(60.0, 0.100)
    config.stash[STATES] = States(state(0.1, 0.5), state(0.1, 0.6))
    left = iter([state(0.1, 0.55), state(0.1, 0.51)])
    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: next(left))

    cool_down(config)

    assert waits == [1.0, 1.0]


def around_tests(
    monkeypatch: pytest.MonkeyPatch, config: Any, sizes: Sequence[str], readings: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Run a test of each size in a new session, on a machine with these readings.

    Returns the readings that were recorded of each: the session's first, before and after.
    """
    left, found = iter(readings), list[tuple[float, float, float]]()
    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: state(next(left)))
    monkeypatch.setattr("whisper_speedtest.session.surroundings.showing", lambda *_: nullcontext())
    monkeypatch.setattr("whisper_speedtest.session.surroundings.case_of", lambda item: item.size)
    del config.stash[STATES]

    def record(*states: State) -> None:
        first, before, after = (each.reference for each in states)
        found.append((first, before, after))

    for size in sizes:
        item: Any = SimpleNamespace(config=config, size=size, stash=pytest.Stash())
        item.stash[RECORDER] = SimpleNamespace(around=record)
        hook = pytest_runtest_call(item)
        next(hook)
        with pytest.raises(StopIteration):
            hook.send(None)
    return found


def test_each_record_tells_how_the_session_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of each test has the session's first reading, and those before and after."""
    found = around_tests(monkeypatch, Config(0.0, 0.1), ["tiny", "base"], [0.1, 0.2, 0.3])

    assert found == [(0.1, 0.1, 0.2), (0.1, 0.2, 0.3)]


def test_machine_cools_down_before_each_model(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """--cooldown waits before each model, and not between two tests of one."""
    readings = [0.1, 0.2, 0.3, 0.102, 0.2, 0.3]
    sizes = ["tiny", "tiny", "base", "base"]

    found = around_tests(monkeypatch, Config(60.0, 0.1), sizes, readings)

    assert found == [(0.1, 0.1, 0.2), (0.1, 0.2, 0.3), (0.1, 0.102, 0.2), (0.1, 0.2, 0.3)]
    assert waits == [1.0]


def test_results_hold_the_machine_and_its_state_before_and_after(sessions: Sessions) -> None:
    """Results have the machine and its state: that after one is the one before the next."""
    session = sessions.run("benchmarks", "-k", "toy-micro-good and (load or paragraph or window)")

    assert session.saved is not None, session.output
    results = [from_json(each["extra_info"]) for each in session.saved["benchmarks"]]
    assert len(results) == 3
    for result in results:
        assert result.machine == results[0].machine is not None
        assert result.before is not None
        assert result.after is not None
    for one, following in pairwise(results):
        assert one.after == following.before
        assert one.before != one.after


def gpu_session(tmp_path: Path, reference: str) -> Session:
    """Run a session whose toy library has a GPU, with a reference of this body."""
    make_toy_project(tree := tmp_path / "project")
    edit(tree / "adapters" / "__init__.py", "adapters.toy:Toy", "adapters.toy:ToyWithGPU")
    method = f"    def reference(self, products: int) -> float:\n        {reference}\n\n"
    toy = tree / "adapters" / "toy.py"
    edit(toy, mark := "    def _as_told(self", method + mark)
    return Sessions(tree, tmp_path).run(
        "benchmarks", "-k", "toy-micro-good and (load or paragraph)"
    )


def test_speed_of_the_gpu_is_watched_where_results_use_it(tmp_path: Path) -> None:
    """The speed of the GPU is recorded before and after each result that was computed on it."""
    session = gpu_session(tmp_path, "time.sleep(0.2); return 1.0")

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved is not None
    results = [from_json(each["extra_info"]) for each in session.saved["benchmarks"]]
    assert len(results) == 2
    for result in results:
        assert result.provenance is not None
        assert result.provenance.device == "gpu"
        for around in (result.before, result.after):
            assert around is not None
            assert around.gpu_reference is not None
            assert 0.2 <= around.gpu_reference < 0.4
            assert around.gpu_reference_by == "toy"
    assert "nothing shows how fast the GPU is" not in session.output


def test_reference_that_fails_on_the_gpu_costs_no_test(tmp_path: Path) -> None:
    """A reference that fails on the GPU fails no test, and is told once."""
    session = gpu_session(tmp_path, "raise ValueError('no product today')")

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved is not None
    results = [from_json(each["extra_info"]) for each in session.saved["benchmarks"]]
    for each in results:
        assert each.after is not None
        assert (each.after.gpu_reference, each.after.gpu_reference_by) == (None, None)
    assert session.output.count("nothing shows how fast the GPU is through this session") == 1
    assert "toy[micro-good]: reference raised ValueError: no product today" in session.output


def test_gpu_that_computes_wrongly_is_watched_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that computes wrongly is no longer watched, and the reason is kept."""

    def wrong() -> float:
        raise ArithmeticError("expected 1, got 1.5")

    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: state(0.100))
    config: Any = Config(60.0, 0.130)
    reference: Any = SimpleNamespace(seconds=wrong)
    config.stash[GPU] = watch = GpuWatch(reference, "toy")
    monkeypatch.setattr("whisper_speedtest.session.surroundings.PAUSE", 0.0)

    cool_down(config)

    assert watch.reference is None
    assert config.stash[STATES].last.reference == 0.100
    assert watch.fault.endswith("through this session: expected 1, got 1.5")


def test_processor_that_computes_wrongly_is_not_taken_for_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of the processor's reference is raised, and not taken for one of the GPU."""

    def broken(*_: object) -> None:
        raise ArithmeticError("reference computation: expected the same signals")

    monkeypatch.setattr("whisper_speedtest.measure.machine.state", broken)
    config: Any = Config(60.0, 0.130)
    references: tuple[Any, ...] = (None, SimpleNamespace(seconds=lambda: 0.001))
    for reference in references:
        config.stash[GPU] = GpuWatch(reference, "toy")

        with pytest.raises(ArithmeticError, match="expected the same signals"):
            cool_down(config)

        assert config.stash[GPU] == GpuWatch(reference, "toy")


MODULE = "whisper_speedtest.session.surroundings"


class Libraries:
    """Libraries of which some have a reference; what became of each that was to compute it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **outcomes: str | None) -> None:
        """Give each library what its reference raises; "" where it works, None where it has none.

        `a_b` stands for the library `a-b`.
        """
        self.tried: list[Case] = []
        self._outcomes = {name.replace("_", "-"): what for name, what in outcomes.items()}
        monkeypatch.setattr(f"{MODULE}.adapter_class", self._adapter_class)
        monkeypatch.setattr(f"{MODULE}.valid_adapters", lambda: list(self._outcomes))
        monkeypatch.setattr(
            f"{MODULE}.missing_packages", lambda name: ("it",) if "missing" in name else ()
        )
        monkeypatch.setattr(f"{MODULE}.showing", lambda *_: nullcontext())
        monkeypatch.setattr(f"{MODULE}._gpu_reference", self._gpu_reference)
        monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: state(0.1))

    def _adapter_class(self, name: str) -> Any:
        has_none = self._outcomes[name] is None
        sizes = {"tiny": {"fp16": 0}} if name == "hosted" else {"micro": {"fp16": 0}}
        return SimpleNamespace(
            reference=Adapter.reference if has_none else object(), check_map=sizes
        )

    def _gpu_reference(self, _: object, case: Case) -> object:
        self.tried.append(case)
        if wrong := self._outcomes[case.adapter]:
            raise EngineError(wrong)
        return SimpleNamespace(seconds=lambda: 0.001)


def watched(case: Case) -> Any:
    """Return the config of a session that was told to watch the GPU for a case."""
    config: Any = Config(0.0, 0.100)
    watch_gpu(config, case)
    return config


def test_library_of_transcripts_alone_has_another_one_watch_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a library without a reference, the GPU is watched by the first other one that can."""
    libraries = Libraries(
        monkeypatch, words=None, missing="", hosted="", no_gpu="no GPU", good="", further=""
    )

    config = watched(Case("words", "base", "int8"))

    assert libraries.tried == [Case("no-gpu", "micro", "fp16"), Case("good", "micro", "fp16")]
    watch = config.stash[GPU]
    assert watch.reference.seconds() == 0.001
    assert (watch.by, watch.fault) == ("good", "")


def test_librarys_own_reference_is_replaced_by_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the reference of a library fails on the GPU, no other library computes it instead."""
    libraries = Libraries(monkeypatch, good="", own="no product today")

    config = watched(Case("own", "base", "int8"))

    assert libraries.tried == [Case("own", "base", "int8")]
    assert config.stash[GPU].reference is None
    assert config.stash[GPU].fault == (
        "nothing shows how fast the GPU is through this session: no product today"
    )


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"one": "no GPU", "two": "no driver"}, "no GPU; no driver"),
        ({}, "words computes nothing but transcripts, and no other is installed"),
    ],
)
def test_gpu_that_no_library_can_watch_is_told(
    monkeypatch: pytest.MonkeyPatch, others: dict[str, str], reason: str
) -> None:
    """If no library can watch the GPU, the reason of each is told."""
    Libraries(monkeypatch, words=None, **others)

    config = watched(Case("words", "base", "int8"))

    assert config.stash[GPU].reference is None
    assert config.stash[GPU].fault.endswith(f"through this session: {reason}")


def test_gpu_is_watched_from_the_first_case_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU is watched from the first case on, and is not begun anew by further cases."""
    libraries = Libraries(monkeypatch, good="")
    config = watched(Case("good", "base", "fp16"))
    monkeypatch.setattr(
        "whisper_speedtest.measure.machine.state", lambda gpu, by: state(0.100, gpu, by)
    )
    del config.stash[GPU]

    for _ in range(2):
        watch_gpu(config, Case("good", "base", "fp16"))

    assert len(libraries.tried) == 2
    for around in (config.stash[STATES].first, config.stash[STATES].last):
        assert (around.gpu_reference, around.gpu_reference_by) == (0.001, "good")


def without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each case watch the GPU itself, and have no model."""
    monkeypatch.setattr(f"{MODULE}.showing", lambda *_: nullcontext())
    monkeypatch.setattr(f"{MODULE}.watchers", lambda case: [case])
    monkeypatch.setattr(f"{MODULE}.files_of", lambda _: None)
    monkeypatch.setattr(f"{MODULE}.session_model", lambda *_: None)


def test_gpu_that_cannot_be_watched_for_want_of_a_folder_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the GPU cannot be watched for want of a folder, the reason is kept."""

    def full(**_: str) -> None:
        raise OSError(28, "No space left on device")

    without_a_model(monkeypatch)
    monkeypatch.setattr("tempfile.TemporaryDirectory", full)

    config = watched(Case("toy", "micro", "good"))

    assert config.stash[GPU].reference is None
    assert config.stash[GPU].fault.endswith("No space left on device")


def test_gpu_that_is_watched_later_is_added_to_how_the_session_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the GPU is watched later, its first reading is added to the session's first state.

    The processor's reading stays, and the engine lives until the session ends.
    """
    engine = MagicMock()
    engines = MagicMock(return_value=engine)
    without_a_model(monkeypatch)
    monkeypatch.setattr("whisper_speedtest.engine.process.Engine", engines)
    monkeypatch.setattr(
        "whisper_speedtest.measure.machine.state", lambda gpu, by: state(0.2, gpu, by)
    )
    monkeypatch.setattr(
        "whisper_speedtest.measure.reference.GpuReference",
        lambda _: SimpleNamespace(seconds=lambda: 0.5),
    )
    config: Any = Config(0.0, 0.1)
    cleanups: list[Callable[[], None]] = []
    config.add_cleanup = cleanups.append

    for size in ("micro", "tiny"):
        watch_gpu(config, Case("toy", size, "good"))

    assert engines.call_count == 1, "expected one engine for all models"
    first, last = config.stash[STATES].first, config.stash[STATES].last
    assert (first.reference, first.gpu_reference) == (0.1, 0.5)
    assert (last.reference, last.gpu_reference) == (0.2, 0.5)
    assert not engine.__exit__.called
    for cleanup in cleanups:
        cleanup()
    assert engine.__exit__.called


@pytest.mark.filterwarnings("error")
def test_gpu_that_is_lost_fails_one_test_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is lost fails one test at most, if the user makes errors of warnings."""
    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda *_: state(0.1))
    config: Any = Config(0.0, 0.100)
    config.stash[GPU] = GpuWatch(fault="nothing shows it")
    item: Any = SimpleNamespace(config=config, stash=pytest.Stash())
    item.stash[RECORDER] = SimpleNamespace(around=lambda *_: None)
    monkeypatch.setattr("whisper_speedtest.session.surroundings.case_of", lambda _: None)

    for raised in (pytest.raises(UserWarning, match="nothing shows it"), nullcontext()):
        hook = pytest_runtest_call(item)
        next(hook)
        with raised, pytest.raises(StopIteration):
            hook.send(None)
