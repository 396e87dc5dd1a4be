"""How many threads a library is asked to use on the CPU."""

from __future__ import annotations

import ctypes
import os
import sys

USUAL_THREADS = 4
"""The default of CTranslate2 and whisper.cpp, on a machine with at least as many cores."""


def fast_cores() -> int:
    """Return the number of cores to compute on: on Apple silicon, the performance cores alone.

    On a virtual Mac the system may not distinguish kinds of cores; then all cores count.

    Raises:
        OSError: A Mac does not say how many cores it has.
    """
    if sys.platform == "darwin":
        for name in ("hw.perflevel0.physicalcpu", "hw.physicalcpu"):
            if number := _sysctl(name):
                return number
        raise OSError(f"expected a number of cores, sysctl knows no {name}; is this a Mac?")
    return len(os.sched_getaffinity(0))


def usual_threads() -> int:
    """Return the number of threads that every library is given when they are compared."""
    return min(USUAL_THREADS, fast_cores())


def _sysctl(name: str) -> int:
    """Return a number from the kernel's state; 0 if it has none of this name."""
    value, size = ctypes.c_int32(), ctypes.c_size_t(4)
    system = ctypes.CDLL(None)
    if system.sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0) != 0:
        return 0
    return value.value
