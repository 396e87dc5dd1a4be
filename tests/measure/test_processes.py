"""The processes of a case: started alike, shared by its tests, as many as there is memory for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.fake_processes import processes_of
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.protocol import Rules

if TYPE_CHECKING:
    from tests.helpers.fake_engine import FakeEngine


@pytest.fixture(name="engines")
def _engines(engine: FakeEngine) -> list[FakeEngine]:
    """Six engines whose first calls take 1 s, 2 s and so on."""
    return [
        replace(engine, log=[], calls=[1.0 + n], pid=10 + n, peak=[100, 300, 200, 9, 9, 9][n])
        for n in range(6)
    ]


def starts(engine: FakeEngine) -> int:
    """Return how often an engine was started."""
    return engine.log.count("launch")


def test_all_processes_are_started_alike_and_once(engines: list[FakeEngine]) -> None:
    """Each goes through the same steps; whoever asks again gets the same starts."""
    processes = processes_of(engines)

    first, again = list(processes.starts()), list(processes.starts())

    assert [start.phases.first_call for start in first] == [1.5, 2.5, 3.5]
    assert [start.phases.process for start in first] == [0, 1, 2]
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert engines[0].log == engines[1].log == engines[2].log
    assert [starts(each) for each in engines] == [1, 1, 1, 0, 0, 0]


def test_engines_are_those_that_were_started(engines: list[FakeEngine]) -> None:
    """All live at once, so that each test goes on with them."""
    processes = processes_of(engines)

    pids = [engine.pid for engine in processes.each()]

    assert pids == [engine.pid for engine in processes.each()] == [10, 11, 12]
    assert not any(each.closed for each in engines)


def test_first_process_is_started_alone(engines: list[FakeEngine]) -> None:
    """For what needs one; the others are started when they are asked for, and it is not again."""
    processes = processes_of(engines)

    assert [processes.first().pid, processes.first().pid] == [10, 10]
    assert [starts(each) for each in engines] == [1, 0, 0, 0, 0, 0]
    assert processes.memory == Memory(100, None)
    assert [engine.pid for engine in processes.each()] == [10, 11, 12]
    assert [starts(each) for each in engines] == [1, 1, 1, 0, 0, 0]


def test_first_process_is_started_anew_where_it_ended(engines: list[FakeEngine]) -> None:
    """As each of them is; and where its start failed, it fails again."""
    processes = processes_of(engines)
    processes.first().close()

    assert processes.first().pid == 11
    assert [start.engine.pid for start in processes.starts()] == [10, 12, 13]


def test_engine_that_ended_is_started_anew_and_costs_no_other(engines: list[FakeEngine]) -> None:
    """A time-out ends one engine; the next test gets a new one in its place."""
    processes = processes_of(engines)
    list(processes.each())
    engines[1].close()

    assert [engine.pid for engine in processes.each()] == [10, 13, 12]
    assert [engine.pid for engine in processes.each()] == [10, 13, 12]
    assert [start.engine.pid for start in processes.starts()] == [10, 11, 12]


def test_start_that_failed_fails_every_test(engines: list[FakeEngine]) -> None:
    """Another try would fare no better, and take its time."""
    processes = processes_of(engines)
    error = EngineError("it does not load")

    def fail() -> None:
        raise error

    engines[1].load = fail  # type: ignore[method-assign]

    for _ in range(2):
        with pytest.raises(EngineError, match="it does not load"):
            processes.starts()
    with pytest.raises(EngineError, match="it does not load"):
        list(processes.each())
    assert [starts(each) for each in engines[:3]] == [1, 1, 0]


@pytest.mark.parametrize(("room", "pids"), [(3, [10, 11, 12]), (2, [10, 11]), (1, [10])])
def test_as_many_live_as_have_room(engines: list[FakeEngine], room: int, pids: list[int]) -> None:
    """The first one tells what one takes; where there is little memory there are fewer."""
    processes = processes_of(engines, room=room)

    assert processes.count == 3
    assert [engine.pid for engine in processes.each()] == pids
    assert processes.count == len(pids)
    assert sum(map(starts, engines)) == len(pids)


def test_processes_that_the_user_wants_live_one_after_another(engines: list[FakeEngine]) -> None:
    """Where they do not fit at once, each is ended before the next begins, in each test anew."""
    processes = processes_of(engines, Rules(processes=2), room=1)

    alive = [
        (engine.pid, [each.pid for each in engines if is_alive(each)])
        for engine in processes.each()
    ]

    assert alive == [(12, [12]), (13, [13])]


def is_alive(engine: FakeEngine) -> bool:
    """Tell whether an engine was started and not closed."""
    return starts(engine) > 0 and not engine.closed


def test_processes_that_the_user_wants_live_at_once_where_they_fit(
    engines: list[FakeEngine],
) -> None:
    """Their number alone is no reason to start anything twice."""
    processes = processes_of(engines, Rules(processes=2), room=2)

    assert [engine.pid for engine in processes.each()] == [10, 11]
    assert [engine.pid for engine in processes.each()] == [10, 11]


def test_memory_is_the_highest_peak_of_all_starts(engines: list[FakeEngine]) -> None:
    """Of the host, and of the accelerator, which need not be of the same process."""
    processes = processes_of(engines)
    processes.starts()

    assert processes.memory == Memory(300, None)

    starts = [
        replace(start, memory=Memory(start.memory.footprint, accelerator))
        for start, accelerator in zip(processes.starts(), (7, None, 3), strict=True)
    ]
    processes._starts[:] = starts

    assert processes.memory == Memory(300, 7)
