"""Merges the results of many sessions and machines into what a report shows.

Results are grouped by machine, and on a machine repetitions of the same measurement are one series.
Each result counts once, however many journals hold it, and the order of the results given does not
matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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
"""The id of a test, and its measure: a comparison of two sides has the id of a test of one side."""

UNKNOWN = "no machine recorded"
"""The name in place of a machine's for results in which none is recorded."""

Key = frozenset[tuple[str, str]]
"""Aspects in a form that can be the key of a dict."""


@dataclass(frozen=True, slots=True)
class Series:
    """The repetitions of one measurement: all of its aspects and the machine are the same."""

    latest: Result
    """The repetition that counts: the last one that is not busy, or the last one if all are."""

    earlier: tuple[Result, ...]
    """The other repetitions, oldest first. Each passed or is busy, and those that are busy may be
    later than `latest`."""

    differs: str
    """The aspects by which it differs from other series of the same test on this machine, as
    `mlx 0.32.4, commit 1234567890ab`; "" where there is no other series."""


@dataclass(frozen=True, slots=True)
class OnMachine:
    """What was measured on one machine."""

    name: str
    """Its chip, and as much more as is needed to tell it from the other machines."""

    machine: Machine | None
    """None where it is not recorded: older versions recorded none in results without samples."""

    series: tuple[Series, ...]
    """In the order of `order.place`."""

    unmeasured: tuple[Result, ...]
    """The last result of each test that failed, timed out or was skipped, and was not measured
    later on this machine."""

    comparable: tuple[Result, ...]
    """What tables and rankings are made of: for each test and device the `latest` of the series
    that was measured last; or the failure, for a test that has failed since, or the skip, for one
    that was never measured."""


@dataclass(frozen=True, slots=True)
class Across:
    """One test of the same model bytes, clip and settings, on several machines."""

    results: tuple[tuple[str, Result], ...]
    """Name of the machine, and the result that counts there, which passed or is busy."""

    differs: tuple[str, ...]
    """The names of the aspects in which they differ, as `mlx` and `device`."""

    device: str = ""
    """The device that all of them were computed on, if one of the machines has measured the test on
    several devices; else "", and their devices may differ."""


@dataclass(frozen=True, slots=True)
class Merged:
    """All that a report shows."""

    machines: tuple[OnMachine, ...]
    """Sorted by name; results without a machine come last, as if they were of one."""

    across: tuple[Across, ...]
    """What was measured on more than one machine, in the order of `order.place`."""

    results: tuple[Result, ...]
    """All results, each once, oldest first: those that results.jsonl holds."""

    @property
    def distinct(self) -> tuple[OnMachine, ...]:
        """The machines, without UNKNOWN if nothing was measured there, unless it is the only one.

        Older versions recorded no machine in a skip, so such skips are no sign of another machine.
        """
        return tuple(each for each in self.machines if each.machine or each.series) or self.machines

    def sentences(self) -> list[str]:
        """Return a sentence for each machine and size: which library was the fastest.

        It is only said that nothing was measured on a machine where there is no series at all: what
        has failed since it was measured is not ranked, but it was measured.
        """
        from whisper_speedtest.results.summary import ranking_sentences, sentences

        found = []
        for each in self.distinct:
            sentences_of = ranking_sentences if each.series else sentences
            before = f"{each.name}: " if len(self.distinct) > 1 else ""
            found += [f"{before}{sentence}" for sentence in sentences_of(each.comparable)]
        return found

    def remarks(self) -> list[str]:
        """Return lines on all results: their number, days, and versions of the code."""
        outcomes = Counter(each.outcome for each in self.results)
        counts = ", ".join(f"{outcomes[each]} {each}" for each in Outcome if each in outcomes)
        machines = counted(len(self.distinct), "machine")
        text = f"{counted(len(self.results), 'result')} on {machines}"
        if counts:
            text += f": {counts}"
        if days := [each.when[:10] for each in self.results if each.when]:
            text += f"; {days[0]}" if days[0] == days[-1] else f"; {days[0]} to {days[-1]}"
        lines = [text]
        counting = sum(len(on.series) + len(on.unmeasured) for on in self.machines)
        if others := len(self.results) - counting:
            others_are = f"{counted(others, 'other')} {'is' if others == 1 else 'are'}"
            lines.append(
                f"Of repetitions the last that is not busy counts; {others_are} in results.csv"
            )
        codes = {each.latest.code for on in self.machines for each in on.series}
        if len(codes) > 1:
            lines.append(
                f"{len(codes)} versions of this suite's code measured what counts: where that was "
                "changed, so may have been what is timed"
            )
        return lines


def merge(results: Iterable[Result]) -> Merged:
    """Merge results. Neither their order, nor how often each is among them, matters.

    Raises:
        ValueError: A result holds what JSON cannot express, such as a NaN.
    """
    # Equal results may hold their dicts in different orders; sorting them makes the lines equal.
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
    """Return the machine of some results that share a `machine_key`."""
    machine = results[0].machine
    assert machine is not None, "results without a machine are merged apart from others"
    return without_suite(machine)


def _on_machine(name: str, machine: Machine | None, ordered: Sequence[Result]) -> OnMachine:
    """Merge the results of one machine, given oldest first."""
    repetitions: dict[Key, list[Result]] = defaultdict(list)
    measured: dict[_Test, dict[str, Result]] = defaultdict(dict)  # by device, what counts
    not_measured: dict[_Test, Result] = {}
    for each in ordered:
        test = each.test, each.measure
        if each.is_measured:
            alike = repetitions[_key(of_subject(each) | of_set_up(each))]
            alike.append(each)
            measured[test][device_of(each)] = _counting(alike)
        else:
            not_measured[test] = each
    unmeasured = {
        test: each
        for test, each in not_measured.items()
        if all(counting.when <= each.when for counting in measured[test].values())
    }
    comparable: list[Result] = []
    for test in dict.fromkeys((each.test, each.measure) for each in ordered):
        comparable += _comparable(list(measured[test].values()), unmeasured.get(test))
    return OnMachine(
        name,
        machine,
        series=tuple(sorted(_series(repetitions), key=lambda each: place(each.latest))),
        unmeasured=tuple(sorted(unmeasured.values(), key=place)),
        comparable=tuple(sorted(comparable, key=place)),
    )


def _comparable(counting: Sequence[Result], unmeasured: Result | None) -> Sequence[Result]:
    """Return what may be compared of one test.

    `counting` is the result that counts on each device, and `unmeasured` the one that came later
    and measured nothing, if any. A skip says nothing of what was measured before; a failure does.
    """
    if unmeasured is None:
        return counting
    if unmeasured.outcome is Outcome.SKIPPED:
        return counting or [unmeasured]
    return [unmeasured]


def _series(repetitions: Mapping[Key, Sequence[Result]]) -> list[Series]:
    """Return the series of all repetitions, each given oldest first."""
    latest = {key: _counting(alike) for key, alike in repetitions.items()}
    differs = _differs(latest)
    return [
        Series(latest[key], tuple(each for each in alike if each is not latest[key]), differs[key])
        for key, alike in repetitions.items()
    ]


def _counting(repetitions: Sequence[Result]) -> Result:
    """Return which of some repetitions counts, given oldest first.

    A busy one says less than an earlier one that is not busy.
    """
    quiet = [each for each in repetitions if each.outcome is not Outcome.BUSY]
    return (quiet or repetitions)[-1]


def _key(aspects: Aspects) -> Key:
    return frozenset(aspects.items())


def _differs(latest: Mapping[Key, Result]) -> dict[Key, str]:
    """Return the aspects by which each series differs from the others of its test, in words."""
    of_tests: dict[str, dict[Key, Aspects]] = defaultdict(dict)
    for key, each in latest.items():
        of_tests[each.test][key] = of_subject(each) | of_set_up(each)
    differs: dict[Key, str] = {}
    for of_test in of_tests.values():
        names = differing(list(of_test.values()))
        differs |= {key: described(aspects, names) for key, aspects in of_test.items()}
    return differs


def _across(machines: Sequence[OnMachine]) -> tuple[Across, ...]:
    """Return what may be compared on more than one machine.

    Where a machine has measured a test on several devices, each device is compared for itself.
    """
    subjects: dict[Key, list[tuple[str, Result]]] = defaultdict(list)
    for on in machines:
        for each in on.comparable:
            if on.machine and each.is_measured and each.counted:
                subjects[_key(of_subject(each))].append((on.name, each))
    across = []
    for named in subjects.values():
        has_several_devices = len({name for name, _ in named}) < len(named)
        by_device: dict[str, list[tuple[str, Result]]] = defaultdict(list)
        for name, each in named:
            by_device[device_of(each) if has_several_devices else ""].append((name, each))
        for device, alike in by_device.items():
            if len(alike) > 1:
                differs = differing([of_set_up(each) for _, each in alike])
                across.append(Across(tuple(alike), tuple(differs), device))
    return tuple(sorted(across, key=lambda each: place(each.results[0][1])))
