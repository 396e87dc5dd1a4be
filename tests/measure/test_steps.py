"""A measurement tells what it does next, outside every clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.fake_processes import AUDIO, SETTINGS, processes_of, three
from whisper_speedtest.measure.calls import time_calls
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.steps import Activity, Listener, Step

if TYPE_CHECKING:
    from tests.helpers.fake_engine import FakeEngine
    from tests.measure.conftest import Machine

TELLING = 1e6
"""Seconds that telling takes here: any clock that ran meanwhile would show it."""

START = (
    Activity.LAY_OUT,
    Activity.LAUNCH,
    Activity.IMPORT,
    Activity.LOAD,
    Activity.FIRST_CALL,
    Activity.VERIFY,
)


class Told(Listener):
    """A listener that keeps the steps that it is told, also in the log of what engines are asked.

    Telling takes its time on the clock.
    """

    def __init__(self, engine: FakeEngine) -> None:
        self.steps: list[Step] = []
        self._engine = engine

    def tell(self, step: Step) -> None:
        self.steps.append(step)
        self._engine.log.append(f"told: {step.activity}")
        self._engine.clock.take(TELLING)


def measured(
    engine: FakeEngine, rules: Rules, *, calls: tuple[float, ...] = (2.0,), room: int = 99
) -> tuple[list[Step], list[float]]:
    """Time the clip `paragraph`; return what was told meanwhile, and the seconds of each call."""
    engine.calls = [30.0, 50.0, *calls]
    told = Told(engine)
    processes = processes_of(three(engine), rules, room)
    processes.listener = told
    timed = time_calls(processes, clips()["paragraph"], AUDIO, SETTINGS)
    assert [start.sample.seconds for start in processes.start_all()] == [37.5] * processes.count
    return told.steps, [sample.seconds for sample in timed.samples]


def test_each_step_of_each_start_is_told(engine: FakeEngine) -> None:
    """Each step of a start is told with the number of its process, and how many there will be."""
    steps, _ = measured(engine, Rules(processes=2, calls=1))

    started = [step for step in steps if step.activity.of_a_start]
    assert started == [Step(activity, process, 2) for process in (1, 2) for activity in START]


def test_each_call_of_each_process_is_told(engine: FakeEngine) -> None:
    """Each call is told with its process and number, and how many there are once that is known."""
    steps, seconds = measured(engine, Rules(processes=2, calls=2))

    assert [step for step in steps if not step.activity.of_a_start] == [
        Step(Activity.UNTIMED_CALL, 1, 2),
        Step(Activity.TIMED_CALL, 1, 2, call=1, calls=0),
        Step(Activity.TIMED_CALL, 1, 2, call=2, calls=2),
        Step(Activity.UNTIMED_CALL, 2, 2),
        Step(Activity.TIMED_CALL, 2, 2, call=1, calls=2),
        Step(Activity.TIMED_CALL, 2, 2, call=2, calls=2),
        Step(Activity.EMPTY_CALLS, 2, 2),
    ]
    assert seconds == [2.0] * 4, "expected no clock to run while it is told"


def test_brief_calls_are_told_one_by_one(engine: FakeEngine) -> None:
    """Brief calls are told one by one, though they are watched together."""
    steps, _ = measured(engine, Rules(processes=1, calls=4), calls=(0.01,))

    assert [step.call for step in steps if step.activity is Activity.TIMED_CALL] == [1, 2, 3, 4]


def test_call_that_is_made_again_is_told_as_such(engine: FakeEngine, machine: Machine) -> None:
    """A call that is made again is told as a repetition of the same number."""
    machine.others = [0.0, 0.0, 0.9, 0.0]

    steps, _ = measured(engine, Rules(processes=1, calls=2))

    timed = [(step.call, step.again) for step in steps if step.activity is Activity.TIMED_CALL]
    assert timed == [(1, False), (2, False), (2, True)]


def test_pause_is_told_before_the_call_that_comes_after_it(engine: FakeEngine) -> None:
    """A pause is told before the call that comes after it."""
    engine.calls = [30.0, 50.0, 2.0]
    processes = processes_of([engine], Rules(processes=1, calls=2))
    processes.listener = told = Told(engine)

    time_calls(processes, clips()["paragraph"], AUDIO, SETTINGS, pause=5.0)

    assert told.steps[-5:-1] == [
        Step(activity, 1, 1, call, calls)
        for call, calls in ((1, 0), (2, 2))
        for activity in (Activity.PAUSE, Activity.TIMED_CALL)
    ]


@pytest.mark.parametrize(("room", "processes"), [(2, 2), (1, 1)])
def test_number_of_processes_is_told_as_soon_as_it_is_known(
    engine: FakeEngine, room: int, processes: int
) -> None:
    """The number of processes is told as wanted in the first start, and then as memory allows."""
    steps, _ = measured(engine, Rules(calls=1), room=room)

    assert {step.processes for step in steps[: len(START)]} == {3}
    assert {step.processes for step in steps[len(START) :]} == {processes}
    assert max(step.process for step in steps) == processes


def test_one_long_call_leaves_the_other_processes_out(engine: FakeEngine) -> None:
    """If one long call leaves out the other processes, the last step is of one process of one."""
    steps, _ = measured(engine, Rules(), calls=(9.0,))

    assert steps[-1] == Step(Activity.EMPTY_CALLS, 1, 1)


def test_step_is_told_before_it_is_made(engine: FakeEngine) -> None:
    """Each step is told before it is made."""
    engine.calls = [30.0, 50.0, 2.0]
    processes = processes_of([engine], Rules(processes=1, calls=1))
    processes.listener = Told(engine)

    time_calls(processes, clips()["paragraph"], AUDIO, SETTINGS)

    steps = [step for step in engine.log if "limited" not in step]
    assert steps[: steps.index(f"told: {Activity.EMPTY_CALLS}")] == [
        *(f"told: {Activity.LAY_OUT}", "lay_out"),
        *(f"told: {Activity.LAUNCH}", "launch"),
        *(f"told: {Activity.IMPORT}", "import_library"),
        *(f"told: {Activity.LOAD}", "load"),
        *(f"told: {Activity.FIRST_CALL}", "hear short", "transcribe short", "memory"),
        *(f"told: {Activity.VERIFY}", "verify_load"),
        *(f"told: {Activity.UNTIMED_CALL}", "hear paragraph", "transcribe short"),
        *(f"told: {Activity.TIMED_CALL}", "transcribe paragraph"),
    ]


def test_clock_runs_in_these_steps() -> None:
    """The clock runs in all steps but laying out, evicting, verifying, untimed calls and pauses."""
    assert {activity for activity in Activity if not activity.timed} == {
        *(Activity.LAY_OUT, Activity.EVICT, Activity.VERIFY, Activity.UNTIMED_CALL, Activity.PAUSE)
    }
    assert {activity for activity in Activity if activity.of_a_start} == {*START, Activity.EVICT}
