"""Peak memory of this process, as the operating system counts it.

psutil gives no peak on either system, and `getrusage` gives the wrong one: on Linux a child begins
with its parent's peak, and on macOS the memory that the GPU shares is left out.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
"""Where Linux tells a process about itself; its kB are units of 1024 bytes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks since the process began, in bytes.

    `accelerator` is the library's own figure for its arrays; None where it has none.
    """

    footprint: int
    accelerator: int | None


def peak_footprint() -> int:
    """Return this process's peak footprint in bytes: VmHWM on Linux, phys_footprint on macOS."""
    if sys.platform == "darwin":
        return darwin_rusage(os.getpid())["lifetime_max_phys_footprint"]
    match = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if match is None:
        raise RuntimeError(f"{STATUS}: expected a line VmHWM, got none; is this Linux?")
    return int(match[1]) * 1024


_RUSAGE_INFO_V4 = 4
_FIELDS = {"user_time": 0, "system_time": 1, "lifetime_max_phys_footprint": 28, "runnable_time": 34}
"""Field of struct rusage_info_v4 → its place among the 64-bit fields behind ri_uuid, from 0.

Source: macOS SDK, sys/resource.h.
"""


def darwin_rusage(pid: int) -> dict[str, int]:
    """Return what macOS counts of a process: bytes, and times in ticks of mach_absolute_time.

    Never run on a Mac by the authors.

    Raises:
        OSError: macOS does not tell, as of a process that has ended.
    """
    libproc = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
    uuid = 16 // 8  # ri_uuid takes 16 bytes, so two fields
    fields = (ctypes.c_uint64 * 64)()  # larger than any version of the struct so far
    if libproc.proc_pid_rusage(pid, _RUSAGE_INFO_V4, ctypes.byref(fields)) != 0:
        raise OSError(ctypes.get_errno(), f"proc_pid_rusage failed for process {pid}")
    return {name: int(fields[uuid + place]) for name, place in _FIELDS.items()}
