"""Reads what the machine is and in which state it is, as far as that needs no root.

What cannot be read is None. Names of hosts, users and folders, serial numbers and addresses are not
read.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from whisper_speedtest.measure.part import Part, Seconds
from whisper_speedtest.measure.reference import reference
from whisper_speedtest.measure.system import output_of

if sys.platform == "darwin":
    from whisper_speedtest.measure import darwin as here
else:
    from whisper_speedtest.measure import linux as here

ROOT = Path(__file__).resolve().parents[2]
"""The suite's own checkout."""


class Gpu(Part, frozen=True, kw_only=True):
    """A GPU with memory of its own. That of Apple silicon is part of the chip."""

    name: str
    """As `NVIDIA H100 80GB HBM3`."""

    driver: str
    memory: int | None
    """Bytes."""


class Machine(Part, frozen=True, kw_only=True):
    """What does not change while a session runs."""

    chip: str | None
    """As `Apple M4 Pro`, or the name of the processor."""

    model: str | None
    """As `Mac16,8`, or what the maker of the computer calls it."""

    virtual: bool | None
    """Whether this is a virtual machine."""

    system: str
    """Operating system and version, as `macOS 15.5` or `Linux 6.8.0`."""

    architecture: str
    """As `arm64` or `x86_64`."""

    memory: int
    """Bytes."""

    cores: dict[str, int]
    """Kind → number, as `{"performance": 10, "efficiency": 4, "gpu": 20}`, or `{"physical": 8,
    "logical": 16}`; `usable` where a process may run on fewer of them."""

    gpus: tuple[Gpu, ...]
    suite: str | None
    """The commit of this checkout of the suite, with `-dirty` behind it if a file was changed; None
    if this is no git checkout."""


class State(Part, frozen=True, kw_only=True):
    """What may change the speed of the machine. None: the system does not tell."""

    thermal: str | None
    """On macOS the thermal pressure, as `nominal`, `moderate` or `heavy`; on Linux `throttled`
    where a processor is slowed down to cool, and else `nominal`."""

    throttled: int | None
    """How often processors were slowed down for heat since the system began; Linux on Intel."""

    power_source: str | None
    """`mains`, `battery` or `ups`."""

    low_power_mode: bool | None
    governor: str | None
    """The kernel's frequency governor; Linux."""

    frequency: float | None
    """MHz, the mean of the processors; Linux on x86."""

    swap_used: int
    """Bytes."""

    load: float
    """The system's load average of the last minute."""

    reference: Seconds
    """Seconds of the reference computation on one core; see `reference`."""

    gpu_reference: Seconds | None = None
    """Seconds of one product of the GPU's reference; None if the session measures nothing on a GPU,
    or the reference failed."""

    gpu_reference_by: str | None = None
    """The adapter whose library computed the GPU's reference, as `mlx-whisper`; None if there is
    none, or an older version of the suite measured."""


def machine() -> Machine:
    """Return what this machine is. That takes a tenth of a second, as programs are run."""
    import psutil

    return Machine(
        chip=here.chip(),
        model=here.model(),
        virtual=here.virtual(),
        system=here.system(),
        architecture=platform.machine(),
        memory=psutil.virtual_memory().total,
        cores=here.cores(),
        gpus=tuple(
            Gpu(name=name, driver=driver, memory=memory) for name, driver, memory in here.gpus()
        ),
        suite=suite_commit(),
    )


def accelerator_memory(machine: Machine) -> int | None:
    """Return the bytes of memory of the smallest GPU, as it is not known which GPU is used.

    None if no GPU has memory of its own, or the size is not known.
    """
    return min((gpu.memory for gpu in machine.gpus if gpu.memory), default=None)


def state(gpu_reference: float | None = None, gpu_reference_by: str | None = None) -> State:
    """Return the present state of this machine. It takes 0.2 s, for the reference computation.

    `gpu_reference` is the seconds that a product of the GPU's reference has just taken, and
    `gpu_reference_by` the adapter whose library computed it.
    """
    import psutil

    return State(
        thermal=here.thermal(),
        throttled=here.throttled(),
        power_source=here.power_source(),
        low_power_mode=here.low_power_mode(),
        governor=here.governor(),
        frequency=here.frequency(),
        swap_used=psutil.swap_memory().used,
        load=os.getloadavg()[0],
        reference=reference(),
        gpu_reference=gpu_reference,
        gpu_reference_by=gpu_reference_by,
    )


def suite_commit(root: Path = ROOT) -> str | None:
    """Return the commit of a checkout, with `-dirty` behind it if a file was changed.

    None if `root` is not the top folder of a checkout, or git is missing or does not trust it.
    """
    if not (root / ".git").exists():
        return None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # `git describe --dirty` would lock the index in any case.
    git_status = ["git", "-C", str(root), "--no-optional-locks", "status"]
    shown = ["--porcelain=v2", "--branch", "--untracked-files=no"]
    told = output_of(*git_status, *shown, environment=environment)
    commit = re.search(r"^# branch\.oid ([0-9a-f]{40,})$", told, re.MULTILINE)
    if commit is None:
        return None
    changed = any(not line.startswith("#") for line in told.splitlines())
    return f"{commit[1]}-dirty" if changed else commit[1]
