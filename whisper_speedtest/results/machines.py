"""The machine and the device of a result: which machines are the same, and what to call each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result


def device_of(result: Result) -> str:
    """Return the device that a result was computed on, `gpu` or `cpu`; "" if nothing was."""
    return result.provenance.device if result.provenance else ""


def without_suite(machine: Machine) -> Machine:
    """Return a machine without the suite's commit: a new commit does not make another machine."""
    return msgspec.structs.replace(machine, suite=None)


def machine_key(machine: Machine | None) -> bytes:
    """Return a key that is equal for machines which are the same in all that is recorded of them.

    It is empty where no machine is recorded.
    """
    if machine is None:
        return b""
    return msgspec.json.encode(without_suite(machine), order="deterministic")


def machine_names(machines: Iterable[Machine]) -> dict[bytes, str]:
    """Return the name of each machine by its key, sorted by name; each machine is named once.

    The name is the chip; where several machines have the same chip, each name also has the model,
    then the memory, then the system, until all names differ. Machines that share even these are
    numbered. The names do not depend on the order of the machines.
    """
    found = {machine_key(each): each for each in machines}
    by_key = {key: found[key] for key in sorted(found)}
    descriptions = [
        [
            each.chip or each.architecture,
            each.model or "",
            f"{each.memory / 2**30:.0f} GiB",
            each.system,
        ]
        for each in by_key.values()
    ]
    names: list[str] = []
    for count in range(1, 5):  # parts of each description
        names = [", ".join(filter(None, parts[:count])) for parts in descriptions]
        if len(set(names)) == len(names):
            break
    else:
        names = [f"{name}, no. {number}" for number, name in enumerate(names, 1)]
    name_of = dict(zip(by_key, names, strict=True))
    return {key: name_of[key] for key in sorted(name_of, key=name_of.__getitem__)}
