"""Results of many sessions and machines, put together so that like stands with like.

Each result counts once, however many journals hold it, and their order changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import Result
from whisper_speedtest.results.aspects import described, differing, of_set_up, of_subject
from whisper_speedtest.results.machines import (
    device_of,
    machine_key,
    machine_names,
    without_suite,
)
from whisper_speedtest.results.order import place
from whisper_speedtest.results.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.results.aspects import Aspects

_Test = tuple[str, Measure]
"""A test and what it measures: one that compares two sides has the id of one that times one."""

UNKNOWN = "no machine recorded"
"""What stands for the machine of results that do not tell theirs."""

Key = frozenset[tuple[str, str]]
"""What is equal of aspects that are all the same."""


@dataclass(frozen=True, slots=True)
class Series:
    """One measurement and its repetitions.

    They are of the same test, model bytes, clip, settings, versions, device and machine.
    """

    latest: Result
    """The one that counts: the last that is not busy, or the last of all."""

    earlier: tuple[Result, ...]
    """The others, oldest first, each of which passed or is busy: the points of its history. Those
    that are busy may be later than the one that counts."""

    differs: str
    """By what it differs from other series of the same test on this machine, as `mlx 0.32.4, commit
    1234567890ab`; "" where there is no other."""


@dataclass(frozen=True, slots=True)
class OnMachine:
    """What was measured on one machine."""

    name: str
    """What people call it: its chip, and as much more as tells it from the other machines."""

    machine: Machine | None
    """None: nobody knows, as results without samples did not tell in older versions."""

    series: tuple[Series, ...]
    """In the order of cases; of a case starts first, then short clips before long ones."""

    unmeasured: tuple[Result, ...]
    """The last result of each test that failed, timed out or was skipped, and was not measured
    later on this machine."""

    comparable: tuple[Result, ...]
    """What may be compared: of each test and device the result that was measured last, or failed
    since. Those that are busy, failed, skipped or undecided are among them, and rank nothing."""


@dataclass(frozen=True, slots=True)
class Across:
    """One test of the same model bytes, clip and settings, on several machines."""

    results: tuple[tuple[str, Result], ...]
    """Name of the machine, and what counts there. It passed, or is busy."""

    differs: tuple[str, ...]
    """In what else they differ, as `mlx` and `device`; empty where they do not."""

    device: str = ""
    """What all of them computed on, where one of the machines has measured the test on several."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Everything that a report tells."""

    machines: tuple[OnMachine, ...]
    """By name; last what is of no known machine."""

    across: tuple[Across, ...]
    """What was measured on more than one machine, in the order of the series."""

    results: tuple[Result, ...]
    """All of them, each once, oldest first: what stands in results.jsonl."""

    @property
    def distinct(self) -> tuple[OnMachine, ...]:
        """The machines, without that of results which tell of none and measured nothing.

        Older versions recorded no machine with a skip, so these are no sign of another machine.
        """
        return tuple(each for each in self.machines if each.machine or each.series) or self.machines

    def sentences(self) -> list[str]:
        """Return what the report answers: of each size and machine, which library was fastest.

        What was measured once and failed since ranks nothing, and yet something was measured.
        """
        from whisper_speedtest.results.summary import ranking_sentences, sentences

        several = len(self.distinct) > 1
        return [
            f"{each.name}: {sentence}" if several else sentence
            for each in self.distinct
            for sentence in (ranking_sentences if each.series else sentences)(each.comparable)
        ]

    def remarks(self) -> list[str]:
        """Return what to know of all results: how many, when, and whether they were made alike."""
        outcomes = [each.outcome for each in self.results]
        told = ", ".join(f"{outcomes.count(each)} {each}" for each in Outcome if each in outcomes)
        machines = counted(len(self.distinct), "machine")
        text = f"{counted(len(outcomes), 'result')} on {machines}"
        if told:
            text += f": {told}"
        if days := [each.when[:10] for each in self.results if each.when]:
            text += f"; {days[0]}" if days[0] == days[-1] else f"; {days[0]} to {days[-1]}"
        lines = [text]
        counting = sum(len(on.series) + len(on.unmeasured) for on in self.machines)
        if others := len(self.results) - counting:
            verb = "is" if others == 1 else "are"
            ones = counted(others, "other")
            lines.append(
                f"Of repetitions the last that is not busy counts; {ones} {verb} in results.csv"
            )
        codes = {each.latest.code for on in self.machines for each in on.series}
        if len(codes) > 1:
            lines.append(
                f"{len(codes)} versions of this suite's code measured what counts: where that was "
                "changed, so may have been what is timed"
            )
        return lines


def merge(results: Iterable[Result]) -> Merged:
    """Put results together. Neither their order, nor how often each is among them, matters.

    Raises:
        ValueError: One holds what JSON cannot, as a number that is none.
    """
    # What is read from such a line has all its names sorted, whichever of its twins it is made of.
    lines = {msgspec.json.encode(each, order="sorted") for each in results}
    ordered = [msgspec.json.decode(line, type=Result) for line in sorted(lines)]
    ordered.sort(key=lambda each: each.when)
    of_machines: dict[bytes, list[Result]] = defaultdict(list)
    for each in ordered:
        of_machines[machine_key(each.machine)].append(each)
    unknown = of_machines.pop(b"", [])
    machines = [
        _on_machine(name, _machine(of_machines[key]), of_machines[key])
        for key, name in machine_names(map(_machine, of_machines.values())).items()
    ]
    if unknown:
        machines.append(_on_machine(UNKNOWN, None, unknown))
    return Merged(tuple(machines), _across(machines), tuple(ordered))


def _machine(results: Sequence[Result]) -> Machine:
    """Return the machine of results that have one and the same, but for the suite's commit."""
    machine = results[0].machine
    assert machine is not None, "results of the unknown machine stand apart"
    return without_suite(machine)


def _on_machine(name: str, machine: Machine | None, ordered: Sequence[Result]) -> OnMachine:
    """Put the results of one machine together; they come oldest first."""
    repetitions: dict[Key, list[Result]] = defaultdict(list)
    others: dict[_Test, Result] = {}
    measured: dict[_Test, dict[str, Result]] = defaultdict(dict)
    for each in ordered:
        test = each.test, each.measure
        if each.is_measured:
            alike = repetitions[_key(of_subject(each) | of_set_up(each))]
            alike.append(each)
            measured[test][device_of(each)] = _counting(alike)
        else:
            others[test] = each
    unmeasured = {
        test: each
        for test, each in others.items()
        if all(later.when <= each.when for later in measured[test].values())
    }
    comparable: list[Result] = []
    for test in dict.fromkeys((each.test, each.measure) for each in ordered):
        counting = list(measured[test].values())
        other = unmeasured.get(test)
        if other is None:
            comparable += counting
        elif other.outcome is Outcome.SKIPPED:
            comparable += counting or [other]
        else:
            comparable.append(other)
    latest = {key: _counting(found) for key, found in repetitions.items()}
    differs = _differs(latest)
    series = [
        Series(latest[key], tuple(each for each in found if each is not latest[key]), differs[key])
        for key, found in repetitions.items()
    ]
    return OnMachine(
        name,
        machine,
        tuple(sorted(series, key=lambda each: place(each.latest))),
        tuple(sorted(unmeasured.values(), key=place)),
        tuple(sorted(comparable, key=place)),
    )


def _counting(repetitions: Sequence[Result]) -> Result:
    """Return which of some repetitions counts; they come oldest first.

    A busy one says less than one of before that is not.
    """
    quiet = [each for each in repetitions if each.outcome is not Outcome.BUSY]
    return (quiet or repetitions)[-1]


def _key(aspects: Aspects) -> Key:
    return frozenset(aspects.items())


def _differs(latest: Mapping[Key, Result]) -> dict[Key, str]:
    """Return by what each of these differs from the others of its test."""
    of_tests: dict[str, dict[Key, Aspects]] = defaultdict(dict)
    for key, each in latest.items():
        of_tests[each.test][key] = of_subject(each) | of_set_up(each)
    return {
        key: described(aspects, names)
        for alike in of_tests.values()
        for names in [differing(list(alike.values()))]
        for key, aspects in alike.items()
    }


def _across(machines: Sequence[OnMachine]) -> tuple[Across, ...]:
    """Return what was measured on more than one machine, of what may be compared on each.

    Where a machine has measured a test on several devices, each device stands for itself.
    """
    found: dict[Key, list[tuple[str, Result]]] = defaultdict(list)
    for machine in machines:
        for each in machine.comparable:
            if machine.machine and each.is_measured and each.counted:
                found[_key(of_subject(each))].append((machine.name, each))
    across = []
    for on in found.values():
        has_several = len({name for name, _ in on}) < len(on)
        for device in dict.fromkeys(device_of(each) if has_several else "" for _, each in on):
            alike = [(name, each) for name, each in on if device in {"", device_of(each)}]
            if len(alike) > 1:
                differs = differing([of_set_up(each) for _, each in alike])
                across.append(Across(tuple(alike), tuple(differs), device))
    return tuple(sorted(across, key=lambda each: place(each.results[0][1])))
