"""The notes above the closing table: the machine, the versions of packages, the suite's commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.results.aspects import HASH_SHOWN
from whisper_speedtest.results.machines import machine_key
from whisper_speedtest.results.names import PROJECT
from whisper_speedtest.results.note import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result


KINDS = ("performance", "efficiency", "physical", "logical", "usable", "gpu")
"""Kinds of cores in the order in which they are shown; a result may hold them in any other."""


def header(results: Sequence[Result]) -> list[Note]:
    """Return a note for each machine, one for the versions, and one for the suite, if known."""
    machines = {machine_key(each.machine): each.machine for each in results if each.machine}
    notes = [Note("machine", described(each)) for each in machines.values()]
    versions: dict[str, dict[str, None]] = {}
    for each in results:
        if each.provenance:
            for name, version in each.provenance.versions.items():
                versions.setdefault(name, {})[version] = None
    if versions:
        named = (f"{name} {' and '.join(versions[name])}" for name in sorted(versions))
        notes.append(Note("versions", ", ".join(named)))
    if suites := dict.fromkeys(filter(None, map(_suite, results))):
        notes.append(Note("suite", f"{PROJECT} {' and '.join(suites)}"))
    return notes


def described(machine: Machine) -> str:
    """Return what kind of machine it is: chip, model, cores, GPUs, memory and system."""
    chip = machine.chip or f"unknown {machine.architecture} chip"
    model = f" ({machine.model})" if machine.model else ""
    virtual = ", a virtual machine" if machine.virtual else ""
    kinds = sorted(machine.cores.items(), key=_place_of_kind)
    cores = ", ".join(f"{number} {kind}" for kind, number in kinds)
    gpus = "".join(f", {name}" for name in _counted(each.name for each in machine.gpus))
    return (
        f"{chip}{model}{virtual}, cores: {cores or 'unknown'}{gpus}, "
        f"{machine.memory / 2**30:.0f} GiB, {machine.system}"
    )


def _place_of_kind(cores: tuple[str, int]) -> tuple[int, str]:
    """Return the sort key of a kind of cores, given with their number; unknown kinds come first."""
    kind, _ = cores
    return (KINDS.index(kind) if kind in KINDS else -1), kind


def _counted(names: Iterable[str]) -> list[str]:
    """Return each name once, after its number if it occurs several times: `2 × NVIDIA H100`."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return [name if count == 1 else f"{count} × {name}" for name, count in counts.items()]


def _suite(result: Result) -> str:
    """Return the shortened commit of the suite that measured; "" where it is not recorded."""
    commit = (result.machine.suite if result.machine else None) or ""
    name, _, changed = commit.partition("-")  # `-dirty`, where a file was changed
    return name[:HASH_SHOWN] + (" (changed)" if changed else "")
