"""Machines and devices as results know them: which are the same, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result


def device_of(result: Result) -> str:
    """Return what a result was computed on, `gpu` or `cpu`; "" where nothing was computed."""
    return result.provenance.device if result.provenance else ""


def without_suite(machine: Machine) -> Machine:
    """Return a machine without the suite's commit, which stands beside it and is none of it."""
    return msgspec.structs.replace(machine, suite=None)


def machine_key(machine: Machine | None) -> bytes:
    """Return what is equal of machines that nothing tells apart.

    It is empty of a machine that is not known.
    """
    if machine is None:
        return b""
    return msgspec.json.encode(without_suite(machine), order="deterministic")


def machine_names(machines: Iterable[Machine]) -> dict[bytes, str]:
    """Return the key of each machine → its name, sorted by name, whatever order they come in.

    The name is the chip, and as much more as tells it from the others. Machines that differ in
    nothing said here, as in their cores alone, are numbered.
    """
    found = {machine_key(each): each for each in machines}
    by_key = {key: found[key] for key in sorted(found)}
    described = [
        [
            each.chip or each.architecture,
            each.model or "",
            f"{each.memory / 2**30:.0f} GiB",
            each.system,
        ]
        for each in by_key.values()
    ]
    names: list[str] = []
    for count in range(1, 5):
        names = [", ".join(filter(None, parts[:count])) for parts in described]
        if len(set(names)) == len(names):
            break
    else:
        names = [f"{name}, no. {number}" for number, name in enumerate(names, 1)]
    named = zip(by_key, names, strict=True)
    return dict(sorted(named, key=lambda each: each[1]))
