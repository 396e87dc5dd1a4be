"""Reads the system's counters of CPU time and waiting, as far as that needs no root.

A reading is taken before a call and another after it, both outside the clock. On Linux one takes
0.15 ms for an engine of one thread, and 0.01 ms more for each further thread. On macOS psutil lists
all processes to find those that the engine has started, which may take some milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.engine.memory import darwin_rusage
from whisper_speedtest.measure.system import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PROC = "/proc"
"""The folder in which Linux describes itself and its processes."""

TICK = 0.01
"""The unit, in seconds, in which Linux and macOS count the CPU time of the whole system."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment, in seconds. Only their differences have a meaning."""

    when: float
    busy: float | None
    """CPU time of all processes of the system; None where the system does not count it."""

    own: float
    """CPU time of this process."""

    engine: float
    """CPU time of the engine's process and of those that it has started; on macOS, only of those
    that still run."""

    waits: Mapping[int, float] | None
    """How long each thread (on macOS: each process) was ready to run and had no processor."""

    steal: float | None
    """CPU time that a hypervisor gave to other machines; None where that is not counted."""

    pressure: float | None
    """How long at least one process waited for a processor; None where that is not counted."""


def read(pid: int) -> Reading:
    """Take a reading of the process `pid`, of the processes that it has started, and of the system.

    A process that has ended counts with 0 s; the next call to its engine raises the reason.
    """
    return _read_darwin(pid) if sys.platform == "darwin" else _read_linux(pid)


def _read_linux(pid: int) -> Reading:
    # psutil would look for children among all processes, which takes 1 to 9 ms, and rounds what
    # each has spent to hundredths of a second.
    engine, waits, processes = 0.0, dict[int, float](), [pid]
    while processes:
        process = processes.pop()
        for thread in _threads(process):
            folder = f"{PROC}/{process}/task/{thread}"
            processes += map(int, text_of(f"{folder}/children").split())
            for waited in text_of(f"{folder}/schedstat").split()[1:2]:
                waits[thread] = int(waited) / 1e9
        engine += _cpu_seconds(process)
    when = time.perf_counter()
    busy, steal = _system(when)
    pressure = re.search(r"^some .* total=(\d+)$", text_of(f"{PROC}/pressure/cpu"), re.MULTILINE)
    return Reading(
        when=when,
        busy=busy,
        own=time.process_time(),
        engine=engine,
        waits=waits or None,
        steal=steal,
        pressure=int(pressure[1]) / 1e6 if pressure else None,
    )


def _system(when: float) -> tuple[float | None, float | None]:
    """Return the CPU seconds that the system was busy, and those that were stolen, up to `when`.

    Busy time is computed as time that is not idle. The kernel counts idle time exactly, but samples
    busy time once a tick: over 30 ms the standard errors are 2 ms and 6 ms. None on a system that
    has no idle time at all, as it does not count.
    """
    lines = re.findall(r"^cpu\d*((?: +\d+)+)$", text_of(f"{PROC}/stat"), re.MULTILINE)
    if not lines:
        return None, None
    total, *processors = lines
    _, _, _, idle, iowait, _, _, steal, *_ = (int(ticks) * TICK for ticks in total.split())
    if idle == 0:
        return None, None
    return len(processors) * when - idle - iowait - steal, steal


def _cpu_seconds(process: int) -> float:
    """Return the CPU seconds of a process, and of its children that have ended."""
    clock = ~process << 3 | 2  # Source: Linux, posix-timers_types.h, make_process_cpuclock
    try:
        seconds = time.clock_gettime(clock)
    except OSError:  # It has ended.
        return 0.0
    _, _, fields = text_of(f"{PROC}/{process}/stat").rpartition(")")
    return seconds + TICK * sum(map(int, fields.split()[13:15]))


def _threads(process: int) -> list[int]:
    """Return the ids of a process's threads; none if it has ended."""
    try:
        return [int(entry.name) for entry in os.scandir(f"{PROC}/{process}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read_darwin(pid: int) -> Reading:
    """Take a reading on macOS. The authors have never run this on a Mac."""
    import psutil
    from psutil import Error

    engine, waits = 0.0, dict[int, float]()
    try:
        process = psutil.Process(pid)
        processes = [process, *process.children(recursive=True)]
    except Error:
        processes = []
    for process in processes:
        try:
            spent = process.cpu_times()
            told = darwin_rusage(process.pid)
        except (Error, OSError):  # It has ended, or is another user's.
            continue
        engine += spent.user + spent.system
        # Runnable is what runs, too. Source: XNU, osfmk/kern/thread.h, runnable_timer.
        ready = told["runnable_time"] - told["user_time"] - told["system_time"]
        waits[process.pid] = ready * _darwin_tick()
    system = psutil.cpu_times()
    return Reading(
        when=time.perf_counter(),
        busy=system.user + system.nice + system.system,
        own=time.process_time(),
        engine=engine,
        waits=waits or None,
        steal=None,
        pressure=None,
    )


def _darwin_tick() -> float:
    """Return the seconds of a tick of macOS's mach_absolute_time. Never run on a Mac."""
    ratio = (ctypes.c_uint32 * 2)()  # struct mach_timebase_info: numerator, denominator
    ctypes.CDLL(None).mach_timebase_info(ctypes.byref(ratio))
    return float(ratio[0] / ratio[1] / 1e9)
