"""An engine's peak memory is read where the system keeps it, and is in bytes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.engine import memory

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = """Name:\tpython
VmPeak:\t  900000 kB
VmSize:\t  800000 kB
VmHWM:\t  123456 kB
VmRSS:\t  100000 kB
RssAnon:\t   90000 kB
"""
"""What Linux says in /proc/self/status, in part."""


@pytest.fixture(name="status")
def _status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """A function that puts a text in place of /proc/self/status."""

    def put(text: str) -> None:
        (tmp_path / "status").write_text(text, encoding="ascii")
        monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
        monkeypatch.setattr(sys, "platform", "linux")

    return put


def test_peak_on_linux_is_the_high_water_mark_of_resident_memory(
    status: Callable[[str], None],
) -> None:
    """The peak of memory on Linux is VmHWM, in units of 1024 bytes."""
    status(STATUS)

    assert memory.peak_footprint() == 123_456 * 1024


def test_status_without_a_peak_is_an_error(status: Callable[[str], None]) -> None:
    """A status without VmHWM is an error, and no other figure is taken for the peak of memory."""
    status(STATUS.replace("VmHWM", "Other"))

    with pytest.raises(RuntimeError, match="expected a line VmHWM, got none; is this Linux"):
        memory.peak_footprint()


FIELDS = tuple(
    f"ri_{name}"
    for name in (
        "user_time system_time pkg_idle_wkups interrupt_wkups pageins wired_size resident_size "
        "phys_footprint proc_start_abstime proc_exit_abstime child_user_time child_system_time "
        "child_pkg_idle_wkups child_interrupt_wkups child_pageins child_elapsed_abstime "
        "diskio_bytesread diskio_byteswritten cpu_time_qos_default cpu_time_qos_maintenance "
        "cpu_time_qos_background cpu_time_qos_utility cpu_time_qos_legacy "
        "cpu_time_qos_user_initiated cpu_time_qos_user_interactive billed_system_time "
        "serviced_system_time logical_writes lifetime_max_phys_footprint instructions cycles "
        "billed_energy serviced_energy interval_max_phys_footprint runnable_time"
    ).split()
)
"""The fields of macOS's struct rusage_info_v4 after its ri_uuid. Source: sys/resource.h, macOS."""


class RusageInfo(ctypes.Structure):
    """`struct rusage_info_v4`."""

    _fields_ = (("ri_uuid", ctypes.c_uint8 * 16), *((name, ctypes.c_uint64) for name in FIELDS))


class FakeLibproc:
    """macOS's libproc, which fills in the struct: each field with a number of its own."""

    def __init__(self, status: int = 0) -> None:
        self._status = status
        self.asked: tuple[int, int] | None = None

    def proc_pid_rusage(self, pid: int, flavor: int, buffer: Any) -> int:
        """Fill the struct as macOS does."""
        self.asked = (pid, flavor)
        info = RusageInfo()
        for number, name in enumerate(FIELDS):
            setattr(info, name, 1_000_000 + number)
        info.ri_lifetime_max_phys_footprint = 5_000_000_000
        info.ri_runnable_time = 24_000
        ctypes.memmove(buffer, ctypes.byref(info), ctypes.sizeof(info))
        return self._status


@pytest.fixture(name="on_macos")
def _on_macos(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeLibproc], None]:
    """A function that makes this machine a Mac with the given libproc."""

    def become(libproc: FakeLibproc) -> None:
        libraries = {"/usr/lib/libproc.dylib": libproc}
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(ctypes, "CDLL", lambda path, **_: libraries[path])

    return become


def test_peak_on_macos_is_the_lifetime_s_largest_footprint(
    on_macos: Callable[[FakeLibproc], None],
) -> None:
    """The peak of memory on macOS is the largest footprint of this process's life, in bytes."""
    libproc = FakeLibproc()
    on_macos(libproc)

    assert memory.peak_footprint() == 5_000_000_000
    assert libproc.asked == (os.getpid(), 4)


def test_macos_tells_of_any_process_how_long_it_ran_or_could_have_run(
    on_macos: Callable[[FakeLibproc], None],
) -> None:
    """The times of any process on macOS are read in ticks: user, system and runnable ones."""
    libproc = FakeLibproc()
    on_macos(libproc)

    assert memory.darwin_rusage(4242) == {
        "user_time": 1_000_000 + FIELDS.index("ri_user_time"),
        "system_time": 1_000_000 + FIELDS.index("ri_system_time"),
        "lifetime_max_phys_footprint": 5_000_000_000,
        "runnable_time": 24_000,
    }
    assert libproc.asked == (4242, 4)


def test_macos_that_does_not_answer_is_an_error(on_macos: Callable[[FakeLibproc], None]) -> None:
    """A failure of macOS to tell the memory of a process is an error."""
    on_macos(FakeLibproc(status=-1))

    with pytest.raises(OSError, match=f"proc_pid_rusage failed for process {os.getpid()}"):
        memory.peak_footprint()


def test_peak_stays_when_memory_is_given_back() -> None:
    """The peak of memory of a process that has held 200 MB stays when they are given back."""
    script = (
        "from whisper_speedtest.engine.memory import peak_footprint\n"
        "before = peak_footprint()\n"
        "held = bytearray(b'x') * 200_000_000\n"
        "del held\n"
        "print(peak_footprint() - before)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=child_environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert 190_000_000 < int(ended.stdout) < 400_000_000
