"""Reads what Linux says of a machine and of its state. `darwin` has functions of the same names."""

from __future__ import annotations

import ctypes
import platform
import re
from pathlib import Path
from statistics import fmean

from adapters.cores import fast_cores
from whisper_speedtest.measure.system import text_of

PROC = "/proc"
SYS = Path("/sys")
NVIDIA = "libnvidia-ml.so.1"
"""NVIDIA's management library, which comes with the driver."""


def chip() -> str | None:
    """Return the name of the processor; None where it is not known, as on most Arm processors."""
    found = re.search(r"^model name\s*: (.+)$", text_of(f"{PROC}/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else None


def model() -> str | None:
    """Return the maker's name of the computer; None where it is not known."""
    return text_of(f"{SYS}/class/dmi/id/product_name").strip() or None


def virtual() -> bool | None:
    """Tell whether this is a virtual machine; None where processors have no flag for it."""
    flags = re.findall(r"^flags\s*:.*$", text_of(f"{PROC}/cpuinfo"), re.MULTILINE)
    return any("hypervisor" in line.split() for line in flags) if flags else None


def system() -> str:
    """Return the version of the kernel, and the distribution's name."""
    try:
        distribution = f" ({platform.freedesktop_os_release()['PRETTY_NAME']})"
    except OSError:  # It has no such file.
        distribution = ""
    return f"Linux {platform.release()}{distribution}"


def cores() -> dict[str, int]:
    """Return the number of physical cores, and of logical ones."""
    import psutil

    counts = {"physical": psutil.cpu_count(logical=False), "logical": psutil.cpu_count()}
    if (usable := fast_cores()) != counts["logical"]:
        counts["usable"] = usable
    return {kind: count for kind, count in counts.items() if count is not None}


def gpus() -> list[tuple[str, str, int | None]]:
    """Return the name, driver and bytes of memory of each NVIDIA GPU."""
    try:
        library = ctypes.CDLL(NVIDIA)
    except OSError:  # There is no such driver.
        return []
    if library.nvmlInit_v2() != 0:
        return []
    try:
        count = ctypes.c_uint()
        library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        return [_gpu(library, number) for number in range(count.value)]
    finally:
        library.nvmlShutdown()


def _gpu(library: ctypes.CDLL, number: int) -> tuple[str, str, int | None]:
    """Return the name, driver and bytes of memory of one GPU. Source: NVIDIA, nvml.h."""
    device = ctypes.c_void_p()
    name, driver = ctypes.create_string_buffer(96), ctypes.create_string_buffer(80)
    memory = (ctypes.c_ulonglong * 3)()  # total, free, used
    library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(device))
    library.nvmlDeviceGetName(device, name, len(name))
    library.nvmlSystemGetDriverVersion(driver, len(driver))
    known = library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == 0
    return name.value.decode(), driver.value.decode(), int(memory[0]) if known else None


def thermal() -> str | None:
    """Return `throttled` if a processor is slowed down for heat, else `nominal`; None: unknown."""
    states = [
        text_of(f"{device}/cur_state").strip()
        for device in SYS.glob("class/thermal/cooling_device*")
        if text_of(f"{device}/type").strip() == "Processor"
    ]
    if not states:
        return None
    return "nominal" if set(states) == {"0"} else "throttled"


def throttled() -> int | None:
    """Return how often all cores together were slowed down for heat since the system started."""
    pattern = "devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
    counts = [int(text) for file in SYS.glob(pattern) if (text := text_of(str(file)))]
    return sum(counts) if counts else None


def power_source() -> str | None:
    """Return where the power comes from; None where no power supply is known."""
    supplies = [
        (text_of(f"{supply}/type").strip(), text_of(f"{supply}/online").strip())
        for supply in SYS.glob("class/power_supply/*")
        if text_of(f"{supply}/scope").strip() != "Device"  # the battery of a mouse, for example
    ]
    if any(online == "1" for kind, online in supplies if kind in {"Mains", "USB"}):
        return "mains"
    return "battery" if "Battery" in dict(supplies) else None


def low_power_mode() -> bool | None:
    """Tell whether the firmware is set to save power."""
    profile = text_of(f"{SYS}/firmware/acpi/platform_profile").strip()
    return profile == "low-power" if profile else None


def governor() -> str | None:
    """Return the kernel's frequency governor, or all of them if processors have different ones."""
    files = SYS.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    names = {text_of(str(file)).strip() for file in files}
    return ", ".join(sorted(names - {""})) or None


def frequency() -> float | None:
    """Return the mean frequency of the processors in MHz."""
    found = re.findall(r"^cpu MHz\s*: ([\d.]+)$", text_of(f"{PROC}/cpuinfo"), re.MULTILINE)
    return fmean(map(float, found)) if found else None
