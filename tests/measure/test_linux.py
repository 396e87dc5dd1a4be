"""What is read from Linux's files, and from NVIDIA's library."""

from __future__ import annotations

import ctypes
import platform
from typing import TYPE_CHECKING, Any

import pytest

from whisper_speedtest.measure import linux

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPUINFO = """processor\t: 0
model\t\t: 68
model name\t: AMD Ryzen 7 PRO 4750U with Radeon Graphics
cpu MHz\t\t: 1400.000
flags\t\t: fpu vme sse2 {}
vmx flags\t: hypervisor

processor\t: 1
model name\t: AMD Ryzen 7 PRO 4750U with Radeon Graphics
cpu MHz\t\t: 4100.500
flags\t\t: fpu vme sse2 {}
"""


class Files:
    """Folders like /proc and /sys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")

    def supply(self, name: str, **texts: str) -> None:
        """Add a supply of power."""
        for file, text in texts.items():
            self.write(f"sys/class/power_supply/{name}/{file}", f"{text}\n")


@pytest.fixture(name="files")
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Files:
    """Folders in place of /proc and /sys, with nothing in them yet."""
    monkeypatch.setattr(linux, "PROC", f"{tmp_path}/proc")
    monkeypatch.setattr(linux, "SYS", tmp_path / "sys")
    return Files(tmp_path)


def test_what_a_machine_is(files: Files) -> None:
    """A Linux machine is described by its processor's name and the maker's product name."""
    files.write("proc/cpuinfo", CPUINFO)
    files.write("sys/class/dmi/id/product_name", "20UD\n")

    assert linux.chip() == "AMD Ryzen 7 PRO 4750U with Radeon Graphics"
    assert linux.model() == "20UD"


def test_virtual_machine_is_told_by_its_processors(files: Files) -> None:
    """A virtual machine is recognised by the exact processor flag `hypervisor`.

    Processors without a line of flags, as Arm's are, leave it unknown.
    """
    files.write("proc/cpuinfo", CPUINFO.format("", ""))
    assert linux.virtual() is False

    files.write("proc/cpuinfo", CPUINFO.format("hypervisor", "hypervisor"))
    assert linux.virtual() is True

    files.write("proc/cpuinfo", CPUINFO.format("hypervisors", "nohypervisor"))
    assert linux.virtual() is False

    files.write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n")
    assert linux.virtual() is None
    assert linux.chip() is None


def test_frequency_is_the_mean_of_the_processors(files: Files) -> None:
    """The frequency is the mean over all processors, in MHz."""
    files.write("proc/cpuinfo", CPUINFO)

    assert linux.frequency() == pytest.approx(2750.25)


def test_system_is_the_kernel_and_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is named by kernel and distribution, and by the kernel alone if that is all."""
    monkeypatch.setattr(platform, "release", lambda: "6.8.0-31-generic")
    monkeypatch.setattr(
        platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "Ubuntu 24.04 LTS", "ID": "u"}
    )
    assert linux.system() == "Linux 6.8.0-31-generic (Ubuntu 24.04 LTS)"

    def missing() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert linux.system() == "Linux 6.8.0-31-generic"


@pytest.mark.parametrize(
    ("physical", "logical", "usable", "cores"),
    [
        (8, 16, 16, {"physical": 8, "logical": 16}),
        (8, 16, 4, {"physical": 8, "logical": 16, "usable": 4}),
        (None, 2, 2, {"logical": 2}),
    ],
)
def test_cores(
    monkeypatch: pytest.MonkeyPatch,
    physical: int | None,
    logical: int,
    usable: int,
    cores: dict[str, int],
) -> None:
    """The number of cores that this process may use is told only if it may not use all."""
    counts = {True: logical, False: physical}
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: counts[logical])
    monkeypatch.setattr(linux, "fast_cores", lambda: usable)

    assert linux.cores() == cores


@pytest.mark.parametrize(
    ("states", "thermal"), [((0, 0), "nominal"), ((0, 2), "throttled"), ((3, 0), "throttled")]
)
def test_processor_that_cools_is_throttled(
    files: Files, states: tuple[int, int], thermal: str
) -> None:
    """A processor with an active cooling device is throttled; a turning fan does not count."""
    for number, state in enumerate(states):
        device = f"sys/class/thermal/cooling_device{number}"
        files.write(f"{device}/type", "Processor\n")
        files.write(f"{device}/cur_state", f"{state}\n")
    files.write("sys/class/thermal/cooling_device7/type", "Fan\n")
    files.write("sys/class/thermal/cooling_device7/cur_state", "1\n")

    assert linux.thermal() == thermal


def test_throttling_is_counted_over_all_cores(files: Files) -> None:
    """Throttling is counted over all cores, without the count of the package that each repeats."""
    for number, count in enumerate((3, 40)):
        folder = f"sys/devices/system/cpu/cpu{number}/thermal_throttle"
        files.write(f"{folder}/core_throttle_count", f"{count}\n")
        files.write(f"{folder}/package_throttle_count", "500\n")

    assert linux.throttled() == 43


def test_laptop_on_mains(files: Files) -> None:
    """A laptop with one power supply on is on mains, though it has a battery and another supply."""
    files.supply("AC", type="Mains", online="1")
    files.supply("USB1", type="USB", online="0")
    files.supply("BAT0", type="Battery", status="Charging")

    assert linux.power_source() == "mains"


def test_laptop_on_usb(files: Files) -> None:
    """A laptop that is powered by its USB socket is on mains."""
    files.supply("AC", type="Mains", online="0")
    files.supply("USB1", type="USB", online="1")

    assert linux.power_source() == "mains"


def test_laptop_on_battery(files: Files) -> None:
    """A laptop without a power supply that is on runs on its battery."""
    files.supply("AC", type="Mains", online="0")
    files.supply("BAT0", type="Battery", online="1")

    assert linux.power_source() == "battery"


def test_battery_of_a_mouse_is_no_source(files: Files) -> None:
    """The battery of a mouse is no power source of the machine."""
    files.supply("hidpp", type="Battery", scope="Device")

    assert linux.power_source() is None


@pytest.mark.parametrize(
    ("profile", "low"), [("low-power", True), ("balanced", False), ("performance", False)]
)
def test_low_power_mode(files: Files, profile: str, low: bool) -> None:
    """The firmware's profile `low-power`, and no other, is the low-power mode."""
    files.write("sys/firmware/acpi/platform_profile", f"{profile}\n")

    assert linux.low_power_mode() is low


def test_governor_is_named_once(files: Files) -> None:
    """Governors of the processors are named once each, in alphabetical order."""
    governor = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    files.write(governor.format(0), "schedutil\n")
    files.write(governor.format(1), "schedutil\n")
    assert linux.governor() == "schedutil"

    files.write(governor.format(2), "performance\n")
    assert linux.governor() == "performance, schedutil"

    files.write(governor.format(3), "")
    assert linux.governor() == "performance, schedutil", "a sleeping core has none"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "ask",
    [
        linux.chip,
        linux.model,
        linux.virtual,
        linux.frequency,
        linux.thermal,
        linux.throttled,
        linux.power_source,
        linux.low_power_mode,
        linux.governor,
    ],
)
def test_linux_that_does_not_tell(ask: Callable[[], object]) -> None:
    """What a Linux machine does not tell is None, and no error."""
    assert ask() is None


class FakeNvml:
    """NVIDIA's library on a machine with two GPUs."""

    def __init__(self, *, status: int = 0, memory_status: int = 0) -> None:
        self._status = status
        self._memory_status = memory_status
        self.ended = False

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVIDIA's name
        """Begin."""
        return self._status

    def nvmlShutdown(self) -> int:  # noqa: N802
        """End."""
        self.ended = True
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        """Give the number of GPUs."""
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number: int, device: Any) -> int:  # noqa: N802
        """Give what stands for a GPU."""
        device._obj.value = 1000 + number
        return 0

    def nvmlDeviceGetName(self, device: Any, name: Any, length: int) -> int:  # noqa: N802
        """Give the name of a GPU."""
        name.value = f"NVIDIA H{device.value - 900}"[:length].encode()
        return 0

    def nvmlSystemGetDriverVersion(self, version: Any, length: int) -> int:  # noqa: N802
        """Give the driver's version."""
        version.value = b"580.159.04"[:length]
        return 0

    def nvmlDeviceGetMemoryInfo(self, device: Any, memory: Any) -> int:  # noqa: N802
        """Give total, free and used bytes."""
        memory._obj[:] = (device.value * 1000, 7, 8)
        return self._memory_status


@pytest.fixture(name="nvml")
def _nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeNvml], FakeNvml]:
    """A function that puts a library in place of NVIDIA's."""

    def put(library: FakeNvml) -> FakeNvml:
        libraries = {"libnvidia-ml.so.1": library}
        monkeypatch.setattr(ctypes, "CDLL", lambda name: libraries[name])
        return library

    return put


def test_gpus_go_by_name_driver_and_memory(nvml: Callable[[FakeNvml], FakeNvml]) -> None:
    """Each NVIDIA GPU is listed with its name, driver and total memory in bytes."""
    library = nvml(FakeNvml())

    assert linux.gpus() == [
        ("NVIDIA H100", "580.159.04", 1_000_000),
        ("NVIDIA H101", "580.159.04", 1_001_000),
    ]
    assert library.ended


def test_gpu_that_shares_the_memory_has_none_of_its_own(
    nvml: Callable[[FakeNvml], FakeNvml],
) -> None:
    """A GPU whose memory the driver does not tell has no memory of its own."""
    nvml(FakeNvml(memory_status=3))

    assert [memory for _, _, memory in linux.gpus()] == [None, None]


def test_driver_that_finds_no_gpu_has_none(nvml: Callable[[FakeNvml], FakeNvml]) -> None:
    """A machine whose NVIDIA library cannot begin has no GPU."""
    library = nvml(FakeNvml(status=9))

    assert linux.gpus() == []
    assert not library.ended


def test_machine_without_the_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the NVIDIA library has no GPU, and that is no error."""
    monkeypatch.setattr(linux, "NVIDIA", "libno-such-library.so.1")

    assert linux.gpus() == []
