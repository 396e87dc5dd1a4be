"""Machines: which are the same, and by what name each is told from the others."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec

from tests.helpers.results import MACHINE
from whisper_speedtest.results.machines import machine_key, machine_names

if TYPE_CHECKING:
    from whisper_speedtest.measure.machine import Machine

replace = msgspec.structs.replace


def test_machine_is_the_same_whatever_checkout_measures_on_it() -> None:
    """A machine is the same whatever the suite's commit and the order of its kinds of cores."""
    turned = dict(reversed(MACHINE.cores.items()))

    assert machine_key(replace(MACHINE, suite=None, cores=turned)) == machine_key(MACHINE)


def test_machines_differ_in_whatever_bears_on_speed() -> None:
    """Machines differ by chip, model, memory, cores or system; an unknown one equals none."""
    others = [
        replace(MACHINE, chip="Apple M4"),
        replace(MACHINE, model="Mac16,7"),
        replace(MACHINE, memory=48 * 2**30),
        replace(MACHINE, cores=MACHINE.cores | {"gpu": 16}),
        replace(MACHINE, system="macOS 15.6"),
        None,
    ]

    assert len({machine_key(each) for each in [MACHINE, *others]}) == 7
    assert machine_key(None) == b""


def names(machines: list[Machine]) -> list[str]:
    """Return the names of some machines, in their order."""
    return list(machine_names(machines).values())


def test_machine_has_the_shortest_name_that_tells_it_from_the_others() -> None:
    """A machine is named by its chip, and by more only where that does not tell it from others.

    Its model is added first, then its memory, its system and at last a number.
    """
    other = replace(MACHINE, chip="Apple M1")
    model = replace(MACHINE, model="Mac16,7")
    memory = replace(MACHINE, memory=48 * 2**30)
    system = replace(MACHINE, system="macOS 15.6")
    cores = replace(MACHINE, cores={"performance": 8})

    assert machine_names([]) == {}
    assert names([MACHINE]) == ["Apple M4 Pro"]
    assert names([MACHINE, other]) == ["Apple M1", "Apple M4 Pro"]
    assert names([MACHINE, model]) == ["Apple M4 Pro, Mac16,7", "Apple M4 Pro, Mac16,8"]
    assert names([MACHINE, memory]) == [
        "Apple M4 Pro, Mac16,8, 24 GiB",
        "Apple M4 Pro, Mac16,8, 48 GiB",
    ]
    assert names([MACHINE, system]) == [
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.5",
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.6",
    ]
    assert names([MACHINE, cores]) == [
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.5, no. 1",
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.5, no. 2",
    ]


def test_machine_without_a_chip_is_named_by_its_architecture() -> None:
    """A machine without a known chip is named by its architecture.

    One without a known model has none in its name.
    """
    bare = replace(MACHINE, chip=None, model=None)
    more = replace(bare, memory=48 * 2**30)

    assert names([bare, more]) == ["arm64, 24 GiB", "arm64, 48 GiB"]


def test_machine_has_the_same_name_whatever_order_they_come_in() -> None:
    """Machines have the same names in whatever order they come, their numbers included.

    A machine that comes twice is one machine.
    """
    eight, four = (replace(MACHINE, cores={"performance": count}) for count in (8, 4))
    other = replace(MACHINE, chip="Apple M1")
    machines = [eight, other, four]
    told = machine_names(machines)

    assert {told[machine_key(each)] for each in (eight, four)} == {
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.5, no. 2",
        "Apple M4 Pro, Mac16,8, 24 GiB, macOS 15.5, no. 3",
    }
    for turned in permutations(machines):
        assert list(machine_names([*turned, turned[0]]).items()) == list(told.items())
