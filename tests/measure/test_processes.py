"""The processes of a case: started alike, shared by its tests, as many as there is memory for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.helpers.fake_processes import processes_of
from whisper_speedtest.engine.errors import EngineError, EngineTimeoutError
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure import starts
from whisper_speedtest.measure.cold_files import FilesInMemoryError
from whisper_speedtest.measure.processes import peak_memory
from whisper_speedtest.measure.protocol import Rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.cache.model import VerifiedModel


@pytest.fixture(name="engines")
def _engines(engine: FakeEngine) -> list[FakeEngine]:
    """Six engines whose first calls take 1 s, 2 s and so on."""
    return [
        replace(engine, log=[], calls=[1.0 + n], pid=10 + n, peak=[100, 300, 200, 9, 9, 9][n])
        for n in range(6)
    ]


def starts_of(engine: FakeEngine) -> int:
    """Return how often an engine was started."""
    return engine.log.count("launch")


def test_all_processes_are_started_alike_and_once(engines: list[FakeEngine]) -> None:
    """All processes of a case go through the same steps of a start, and are started only once."""
    processes = processes_of(engines)

    first, again = list(processes.start_all()), list(processes.start_all())

    assert [start.phases.first_call for start in first] == [1.5, 2.5, 3.5]
    assert [start.phases.process for start in first] == [0, 1, 2]
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert engines[0].log == engines[1].log == engines[2].log
    assert [starts_of(each) for each in engines] == [1, 1, 1, 0, 0, 0]


def test_engines_are_those_that_were_started(engines: list[FakeEngine]) -> None:
    """Every test of a case goes on with the same living engines."""
    processes = processes_of(engines)

    pids = [engine.pid for engine in processes.each()]

    assert pids == [engine.pid for engine in processes.each()] == [10, 11, 12]
    assert not any(each.closed for each in engines)


def test_first_process_is_started_alone(engines: list[FakeEngine]) -> None:
    """The first process is started without the others, and not again when they are started."""
    processes = processes_of(engines)

    assert [processes.first().pid, processes.first().pid] == [10, 10]
    assert [starts_of(each) for each in engines] == [1, 0, 0, 0, 0, 0]
    assert peak_memory(processes.starts) == Memory(100, None)
    assert [engine.pid for engine in processes.each()] == [10, 11, 12]
    assert [starts_of(each) for each in engines] == [1, 1, 1, 0, 0, 0]


def test_first_process_is_started_anew_where_it_ended(engines: list[FakeEngine]) -> None:
    """If the first process has ended, a new one is started in its place."""
    processes = processes_of(engines)
    processes.first().close()

    assert processes.first().pid == 11
    assert [start.engine.pid for start in processes.start_all()] == [10, 12, 13]


def test_engine_that_ended_is_started_anew_and_costs_no_other(engines: list[FakeEngine]) -> None:
    """An engine that ended is replaced by a new one, and the other engines stay."""
    processes = processes_of(engines)
    list(processes.each())
    engines[1].close()

    assert [engine.pid for engine in processes.each()] == [10, 13, 12]
    assert [engine.pid for engine in processes.each()] == [10, 13, 12]
    assert [start.engine.pid for start in processes.start_all()] == [10, 11, 12]


def test_start_that_failed_fails_every_test(engines: list[FakeEngine]) -> None:
    """A start that failed fails every test of its case, and is not tried again."""
    processes = processes_of(engines)
    error = EngineError("it does not load")

    def fail() -> None:
        raise error

    engines[1].load = fail  # type: ignore[method-assign]

    for _ in range(2):
        with pytest.raises(EngineError, match="it does not load"):
            processes.start_all()
    with pytest.raises(EngineError, match="it does not load"):
        list(processes.each())
    assert [starts_of(each) for each in engines[:3]] == [1, 1, 0]


@pytest.mark.parametrize(("room", "pids"), [(3, [10, 11, 12]), (2, [10, 11]), (1, [10])])
def test_as_many_live_as_have_room(engines: list[FakeEngine], room: int, pids: list[int]) -> None:
    """As many processes live as there is memory for, and three at most by default."""
    processes = processes_of(engines, room=room)

    assert processes.count == 3
    assert [engine.pid for engine in processes.each()] == pids
    assert processes.count == len(pids)
    assert sum(map(starts_of, engines)) == len(pids)


def test_processes_that_the_user_wants_live_one_after_another(engines: list[FakeEngine]) -> None:
    """If the processes a user wants do not fit into memory at once, they live one after another."""
    processes = processes_of(engines, Rules(processes=2), room=1)

    alive = [
        (engine.pid, [each.pid for each in engines if is_alive(each)])
        for engine in processes.each()
    ]

    assert alive == [(12, [12]), (13, [13])]


def is_alive(engine: FakeEngine) -> bool:
    """Tell whether an engine was started and not closed."""
    return starts_of(engine) > 0 and not engine.closed


def test_processes_that_the_user_wants_live_at_once_where_they_fit(
    engines: list[FakeEngine],
) -> None:
    """If the processes a user wants fit into memory at once, none of them is started twice."""
    processes = processes_of(engines, Rules(processes=2), room=2)

    assert [engine.pid for engine in processes.each()] == [10, 11]
    assert [engine.pid for engine in processes.each()] == [10, 11]


def test_memory_is_the_highest_peak_of_all_starts(engines: list[FakeEngine]) -> None:
    """The memory of all starts is the highest peak of host and accelerator, each by itself."""
    starts = processes_of(engines).start_all()

    assert peak_memory(starts) == Memory(300, None)
    assert peak_memory(
        [
            replace(start, memory=Memory(start.memory.footprint, accelerator))
            for start, accelerator in zip(starts, (5, None, 7), strict=True)
        ]
    ) == Memory(300, 7)


# Starts that take too long


def never(engine: FakeEngine, step: str = "load") -> None:
    """Let a step of an engine's start take longer than its limit, which ends the engine."""

    def time_out() -> None:
        engine.log.append("launch")
        engine.close()
        raise EngineTimeoutError("load did not end within 240 s")

    setattr(engine, step, time_out)


@pytest.mark.parametrize("step", ["load", "verify_load"])
@pytest.mark.parametrize(
    ("late", "pids"), [((1,), [10, 12]), ((2,), [10, 11]), ((1, 2), [10])], ids=str
)
def test_start_that_takes_too_long_costs_its_own_process_alone(
    engines: list[FakeEngine], step: str, late: tuple[int, ...], pids: list[int]
) -> None:
    """A start that takes too long leaves out its process; the others are numbered without a gap.

    Starts that took too long are counted and not tried again.
    """
    for number in late:
        never(engines[number], step)
    processes = processes_of(engines)

    starts = processes.start_all()

    assert [start.engine.pid for start in starts] == pids
    assert [start.phases.process for start in starts] == list(range(len(pids)))
    assert (processes.count, processes.timed_out) == (len(pids), len(late))
    assert [engine.pid for engine in processes.each()] == pids
    assert sum(starts_of(each) > 0 for each in engines) == 3, "no start is tried again"


def test_first_start_that_takes_too_long_fails_the_case(engines: list[FakeEngine]) -> None:
    """If the first start takes too long, the case fails, and no other start is tried."""
    never(engines[0])
    processes = processes_of(engines)

    for _ in range(2):
        with pytest.raises(EngineTimeoutError, match="did not end within 240 s"):
            processes.start_all()
    assert (processes.count, processes.timed_out) == (3, 0)
    assert [starts_of(each) > 0 for each in engines[:2]] == [True, False]


# Starts from the disk


@pytest.fixture(name="evictions")
def _evictions(engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what is done to the files of a model into the log of the engine that starts."""

    def note(what: str) -> Callable[[VerifiedModel], None]:
        def noted(_: VerifiedModel) -> None:
            running = [each for each in engines if each.log and not each.closed]
            running[-1].log.append(what)

        return noted

    monkeypatch.setattr(starts, "evict", note("evict"))
    monkeypatch.setattr(starts, "expect_none_in_memory", note("expect none in memory"))


@pytest.mark.usefixtures("evictions")
def test_files_are_out_of_memory_between_their_hashing_and_the_load(
    engines: list[FakeEngine],
) -> None:
    """Files leave memory after they were hashed, and are checked again right before the load."""
    processes_of(engines).start_all_from_disk()

    steps = [step for step in engines[1].log if "limited" not in step]
    assert steps == [
        *("lay_out", "evict", "launch", "import_library", "expect none in memory", "load"),
        *("hear short", "transcribe short", "memory", "verify_load"),
    ]


@pytest.mark.usefixtures("evictions")
def test_one_engine_lives_while_files_are_out_of_memory(engines: list[FakeEngine]) -> None:
    """While files are out of memory, one engine lives at a time, and at the end none does."""
    processes = processes_of(engines)
    first = list(processes.start_all())
    alive: list[list[int]] = []
    load = type(engines[0]).load

    def end_engines() -> None:
        for each in engines:
            if each.log:
                each.close()

    def loading(engine: FakeEngine) -> None:
        alive.append([each.pid for each in engines if is_alive(each)])
        load(engine)

    for each in engines[3:]:
        each.load = partial(loading, each)  # type: ignore[method-assign]
    processes.end_engines = end_engines

    starts = processes.start_all_from_disk()

    assert alive == [[13], [14], [15]]
    assert [start.engine.pid for start in starts] == [13, 14, 15]
    assert [start.phases.process for start in starts] == [0, 1, 2]
    assert not any(is_alive(each) for each in engines)
    assert list(processes.start_all()) == first


def test_engines_have_ended_where_files_stay_in_memory(
    engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If files stay in memory, the engines of the case have ended before the error is raised."""

    def keep(_: VerifiedModel) -> None:
        raise FilesInMemoryError("weights.npz: expected none of its 42 bytes in memory")

    monkeypatch.setattr(starts, "evict", keep)
    processes, ended = processes_of(engines), list[int]()
    processes.end_engines = lambda: ended.append(engines[0].log.count("lay_out"))

    with pytest.raises(FilesInMemoryError, match="none of its 42 bytes"):
        processes.start_all_from_disk()

    assert ended == [0, 1]
