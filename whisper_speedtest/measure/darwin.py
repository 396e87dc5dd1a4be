"""Reads what macOS says of a Mac and of its state. `linux` has functions of the same names.

The authors have never run it on a Mac.
"""

from __future__ import annotations

import re

from whisper_speedtest.measure.system import output_of

THERMAL_PRESSURE = ("nominal", "moderate", "heavy", "trapping", "sleeping")
"""The names of macOS's levels 0 to 4. Source: macOS SDK, OSThermalNotification.h."""

MOST_KINDS_OF_CORES = 3
"""How many kinds of cores are asked for. Chips have two so far."""

POWER_SOURCES = {"AC": "mains", "Battery": "battery", "UPS": "ups"}


def chip() -> str | None:
    """Return the name of the chip, as `Apple M4 Pro`."""
    return _sysctl("machdep.cpu.brand_string")


def model() -> str | None:
    """Return Apple's name of the model, as `Mac16,8`."""
    return _sysctl("hw.model")


def virtual() -> bool | None:
    """Tell whether this is a virtual machine, as hosted runners are."""
    found = _sysctl("kern.hv_vmm_present")
    return None if found is None else found != "0"


def system() -> str:
    """Return the version of macOS."""
    return f"macOS {_sysctl('kern.osproductversion') or '(unknown)'}"


def cores() -> dict[str, int]:
    """Return Apple's name of each kind of core → number of cores; `gpu` for the GPU's."""
    kinds = {}
    for level in range(MOST_KINDS_OF_CORES):
        name = _sysctl(f"hw.perflevel{level}.name")
        count = _sysctl(f"hw.perflevel{level}.physicalcpu")
        if name and count:
            kinds[name.lower()] = int(count)
    of_gpu = re.search(
        r'"gpu-core-count" = (\d+)',
        output_of("/usr/sbin/ioreg", "-r", "-d", "1", "-c", "AGXAccelerator"),
    )
    if of_gpu:
        kinds["gpu"] = int(of_gpu[1])
    return kinds


def gpus() -> list[tuple[str, str, int | None]]:
    """Return an empty list: the GPU is part of the chip, and has no memory of its own."""
    return []


def thermal() -> str | None:
    """Return the thermal pressure."""
    key = "com.apple.system.thermalpressurelevel"
    found = re.search(rf"^{key} (\d+)$", output_of("/usr/bin/notifyutil", "-g", key), re.MULTILINE)
    if found is None:
        return None
    level = int(found[1])
    return THERMAL_PRESSURE[level] if level < len(THERMAL_PRESSURE) else f"level {level}"


def throttled() -> int | None:
    """Return None, since macOS does not count it."""
    return None


def power_source() -> str | None:
    """Return where the power comes from."""
    found = re.search(r"^Now drawing from '(\w+) Power'", output_of("/usr/bin/pmset", "-g", "batt"))
    return POWER_SOURCES.get(found[1]) if found else None


def low_power_mode() -> bool | None:
    """Tell whether low-power mode is on.

    A Mac that also has a high-power mode has one setting `powermode`: 0 is automatic, 1 is low.
    """
    settings = output_of("/usr/bin/pmset", "-g")
    for name in ("lowpowermode", "powermode"):
        if found := re.search(rf"^ *{name} +(\d)", settings, re.MULTILINE):
            return found[1] == "1"
    return None


def governor() -> str | None:
    """Return None, since macOS has none."""
    return None


def frequency() -> float | None:
    """Return None, since macOS tells the present frequency only to root."""
    return None


def _sysctl(name: str) -> str | None:
    """Return a value of the kernel's state; None where it has none of this name."""
    return output_of("/usr/sbin/sysctl", "-n", name).strip() or None
