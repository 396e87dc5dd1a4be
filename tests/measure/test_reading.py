"""What a reading takes from the system's files and calls, and what is nobody's."""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.loads import BUSY, IDLE, cpu_seconds, running, wait_until
from whisper_speedtest.measure import reading
from whisper_speedtest.measure.contention import ContentionMeter
from whisper_speedtest.measure.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAT = """cpu  1000 20 300 4000 50 6 7 80 9 10
cpu0 500 10 150 2000 25 3 3 40 4 5
cpu1 500 10 150 2000 25 3 4 40 5 5
intr 12345 0 9 0
ctxt 4567
btime 1700000000
processes 891
"""
"""Idle for 40 s, waiting for a disk for 0.5 s, stolen for 0.8 s, on two processors."""

PRESSURE = """some avg10=1.00 avg60=2.00 avg300=3.00 total=2500000
full avg10=4.00 avg60=5.00 avg300=6.00 total=700000
"""


class FakeProc:
    """A folder like /proc, of processes whose CPU clocks the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clocks: dict[int, float] = {}
        self.write("stat", STAT)
        self.write("pressure/cpu", PRESSURE)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="ascii")

    def process(
        self, pid: int, cpu: float, waits: dict[int, int], children: str = "", ended: int = 0
    ) -> None:
        """Add a process with its CPU seconds, and what each thread waited in nanoseconds.

        The first thread is the one that started the children; those that have ended took so many
        ticks as user and twice as many as system.
        """
        self.clocks[pid] = cpu
        fields = f"S {' '.join(['1'] * 10)} 111 222 {ended} {2 * ended} 20 0"
        self.write(f"{pid}/stat", f"{pid} (odd ) name) {fields}")
        for thread, waited in waits.items():
            self.write(f"{pid}/task/{thread}/schedstat", f"5000000000 {waited} 77\n")
            self.write(f"{pid}/task/{thread}/children", children)
            children = ""

    def clock_gettime(self, clock: int) -> float:
        """Return what Linux says of a process's CPU clock."""
        for pid, seconds in self.clocks.items():
            if clock == (~pid << 3) | 2:
                return seconds
        raise OSError(22, "Invalid argument")


@pytest.fixture(name="proc")
def _proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeProc:
    """A Linux with one engine, process 100, and the time 1000 s."""
    proc = FakeProc(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(reading, "PROC", str(tmp_path))
    monkeypatch.setattr(time, "clock_gettime", proc.clock_gettime)
    monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
    monkeypatch.setattr(time, "process_time", lambda: 12.5)
    proc.process(100, 7.0, {100: 1_500_000_000, 101: 250_000_000})
    return proc


@pytest.mark.usefixtures("proc")
def test_busy_is_what_is_not_idle() -> None:
    """The system is busy for all CPU time but idling, waiting for a disk, and what was stolen."""
    found = read(100)

    assert found.busy == pytest.approx(2 * 1000 - 40 - 0.5 - 0.8)
    assert found.steal == pytest.approx(0.8)
    assert found.when == 1000.0
    assert found.own == 12.5


@pytest.mark.usefixtures("proc")
def test_each_thread_waited_for_itself() -> None:
    """The waiting time of each thread is the second number of its schedstat, in nanoseconds."""
    assert read(100).waits == {100: 1.5, 101: 0.25}


@pytest.mark.usefixtures("proc")
def test_pressure_is_that_of_any_process() -> None:
    """The CPU pressure is the total of `some` in microseconds, and not `full` or an average."""
    assert read(100).pressure == 2.5


def test_engine_is_its_process_and_all_that_it_started(proc: FakeProc) -> None:
    """The engine's CPU time includes all its descendants, those that have ended by the tick."""
    proc.process(100, 7.0, {100: 1, 101: 2}, children="200 201 ")
    proc.process(200, 20.0, {200: 4}, children="300")
    proc.process(201, 30.0, {201: 5}, ended=40)
    proc.process(300, 40.0, {300: 6})
    proc.process(400, 50.0, {400: 7})
    proc.write("100/task/101/children", "202")
    proc.process(202, 60.0, {202: 8})

    found = read(100)

    assert found.engine == pytest.approx(7 + 20 + 30 + 0.4 + 0.8 + 40 + 60)
    assert set(found.waits or ()) == {100, 101, 200, 201, 202, 300}


def test_process_that_has_ended_spent_nothing(proc: FakeProc) -> None:
    """A process that has ended spent nothing, and reading it is no error."""
    proc.write("100/task/100/children", "200")

    assert read(100).engine == 7.0
    assert (read(999).engine, read(999).waits) == (0.0, None)
    assert read(999).busy == read(100).busy


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
def test_process_may_end_while_its_threads_are_listed(
    proc: FakeProc, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """A process that ends while its threads are listed has no waiting time, but its CPU time."""
    assert read(100).waits is not None

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(os, "scandir", fail)

    assert (read(100).engine, read(100).waits) == (proc.clocks[100], None)


@pytest.mark.parametrize(
    ("file", "unknown"),
    [
        ("stat", ("busy", "steal")),
        ("pressure/cpu", ("pressure",)),
        ("100/task/{}/schedstat", ("waits",)),
    ],
    ids=["stat", "pressure", "schedstat"],
)
def test_what_linux_does_not_tell_is_unknown(
    proc: FakeProc, file: str, unknown: tuple[str, ...]
) -> None:
    """A file that the Linux kernel lacks leaves its own values unknown, and all others known."""
    for thread in (100, 101):
        (proc.folder / file.format(thread)).unlink(missing_ok=True)

    found = read(100)

    fields = ("busy", "steal", "pressure", "waits")
    assert tuple(name for name in fields if getattr(found, name) is None) == unknown
    assert found.engine == 7.0


def test_system_that_does_not_count_was_never_idle(proc: FakeProc) -> None:
    """A system whose CPU counters are all zero does not tell how busy it was."""
    proc.write("stat", "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n")

    assert (read(100).busy, read(100).steal) == (None, None)


def test_pressure_that_is_switched_off_is_unknown(proc: FakeProc) -> None:
    """The CPU pressure is unknown where reading its file fails."""
    (proc.folder / "pressure/cpu").unlink()
    (proc.folder / "pressure/cpu").mkdir()

    assert read(100).pressure is None


class FakeDarwin:
    """What psutil and macOS say of an engine, process 100, that has started 200 and 300."""

    class Error(Exception):
        """What psutil raises of a process that has ended."""

    def __init__(self, *, ended: int | None = None) -> None:
        self._ended = ended
        self._spent = {100: (3.0, 0.5), 200: (20.0, 4.0), 300: (100.0, 50.0)}

    def Process(self, pid: int) -> Any:  # noqa: N802 - psutil's name
        """Return a process as psutil has it."""
        if pid not in self._spent:
            raise self.Error

        def cpu_times() -> Any:
            if pid == self._ended:
                raise self.Error
            user, system = self._spent[pid]
            return SimpleNamespace(user=user, system=system)

        def children(*, recursive: bool) -> list[Any]:
            return [self.Process(200), self.Process(300)] if recursive else []

        return SimpleNamespace(pid=pid, cpu_times=cpu_times, children=children)

    @staticmethod
    def cpu_times() -> Any:
        """Return the system's."""
        return SimpleNamespace(user=1000.0, nice=200.0, system=30.0, idle=4.0)

    def rusage(self, pid: int) -> dict[str, int]:
        """Return what macOS counts of a process, in ticks: runnable is what runs or is ready to."""
        ready = {100: 24_000_000, 200: 48_000_000, 300: 72_000_000}[pid]
        return {"user_time": 500, "system_time": 70, "runnable_time": ready + 570}


@pytest.fixture(name="on_macos")
def _on_macos(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeDarwin], None]:
    """A function that makes this machine a Mac, with a tick of 125/3 ns as on Apple silicon."""

    class System:
        @staticmethod
        def mach_timebase_info(ratio: Any) -> None:
            ratio._obj[0], ratio._obj[1] = 125, 3

    def become(darwin: FakeDarwin) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setitem(sys.modules, "psutil", darwin)
        monkeypatch.setattr(reading, "darwin_rusage", darwin.rusage)
        monkeypatch.setattr("ctypes.CDLL", lambda _: System())
        monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
        monkeypatch.setattr(time, "process_time", lambda: 12.5)

    return become


def test_macos_is_busy_with_whatever_is_not_idle(on_macos: Callable[[FakeDarwin], None]) -> None:
    """On macOS the busy time is the sum of user, nice and system time."""
    on_macos(FakeDarwin())

    found = read(100)

    assert found.busy == 1230.0
    assert (found.when, found.own) == (1000.0, 12.5)
    assert (found.steal, found.pressure) == (None, None)


def test_engine_on_macos_is_its_process_and_all_that_it_started(
    on_macos: Callable[[FakeDarwin], None],
) -> None:
    """On macOS the engine's CPU and waiting times include those of all its descendants."""
    on_macos(FakeDarwin())

    found = read(100)

    assert found.engine == 177.5
    assert dict(found.waits or {}) == pytest.approx({100: 1.0, 200: 2.0, 300: 3.0})


def test_process_that_has_ended_on_macos_spent_nothing(
    on_macos: Callable[[FakeDarwin], None],
) -> None:
    """On macOS a process that has ended spent nothing, and reading it is no error."""
    on_macos(FakeDarwin(ended=200))

    assert read(100).engine == 153.5
    assert list(read(100).waits or ()) == [100, 300]
    assert (read(999).engine, read(999).waits, read(999).busy) == (0.0, None, 1230.0)


CHILD = """import sys, time
while time.process_time() < 0.4: pass
{}
"""


def test_children_of_a_real_engine_are_part_of_it() -> None:
    """What a process has started counts as its own, while it runs and, on Linux, once it has ended.

    Each of two children takes 0.4 CPU seconds; then one ends, and the other sleeps until it loses
    its standard input, which is that of the process that started it.
    """
    counted = 0.75 if sys.platform == "linux" else 0.35  # macOS tells nothing of what has ended
    children = "".join(
        f"subprocess.run([sys.executable, '-c', {CHILD.format(then)!r}])\n"
        for then in ("", "sys.stdin.read()")
    )
    begin = time.perf_counter()
    with running(children) as pid:
        watch = ContentionMeter(pid)
        wait_until(lambda: watch.end().cpu * (time.perf_counter() - begin) > counted)


def test_loop_that_shares_a_processor_waits_for_it() -> None:
    """A loop that shares a processor with another loop is shown to wait for that processor."""
    if sys.platform != "linux":
        pytest.skip("only Linux binds a process to a processor")
    with running(BUSY) as one, running(BUSY) as other:
        processor = min(os.sched_getaffinity(0))
        os.sched_setaffinity(one, {processor})
        os.sched_setaffinity(other, {processor})
        watch, started = ContentionMeter(one), cpu_seconds(one)
        wait_until(lambda: cpu_seconds(one) > started + 0.3)
        found = watch.end()

    assert found.waited is not None
    assert found.waited > found.cpu / 4, (
        f"ran for {found.cpu:.2f}, and waited for {found.waited:.2f}"
    )


def test_engine_that_sleeps_spends_nothing_and_waits_for_nothing() -> None:
    """An engine that sleeps spends hardly any CPU time and waits for none, whatever pytest does."""
    with running(IDLE) as idle:
        watch, end = ContentionMeter(idle), time.process_time() + 0.3
        while time.process_time() < end:
            pass
        found = watch.end()

    assert found.cpu < 0.1
    assert found.waited is None or found.waited < 0.1
