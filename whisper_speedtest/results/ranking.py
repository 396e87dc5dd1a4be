"""Ranks results that may be compared with each other by speed.

These are the warm calls of one size on one clip and one machine, with the settings that most of
them share; of long audio, those with the same batch size. Results of different devices of a machine
are compared, as its owner wants to know which is faster.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from adapters import adapter_class
from adapters.base import AdapterError
from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.machines import device_of, machine_key
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.units import MOST_MARGIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whisper_speedtest.measure.estimate import Estimate
    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result

RANKED = frozenset({Measure.WARM, Measure.LONG_FORM})
"""Measures on equal terms, by which libraries can be compared."""

OTHER_SETTINGS = "with other settings"
UNKNOWN_MACHINE = "of an unknown machine"
"""Why results that passed are left out. Others are left out for their outcome."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The results of one size and clip on one machine."""

    size: str
    clip: str
    """Its name, with the batch size of long audio: `short`, `long ×6`."""

    machine: Machine | None
    ranked: tuple[Result, ...] = ()
    """Fastest first, each with an interval that is narrow enough. Neighbours may be too near to be
    told apart."""

    unranked: tuple[Result, ...] = ()
    """Fastest first; each without such an interval, so that its place is a guess."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why others are not compared → how many: their outcome, OTHER_SETTINGS or UNKNOWN_MACHINE."""

    def near(self, result: Result) -> tuple[Result, ...]:
        """Return the results that rank behind this one, but are not decidedly slower."""
        behind = self.ranked[self.ranked.index(result) + 1 :]
        own = result.estimate
        return tuple(each for each in behind if not ratio(each.estimate, own).decided)


class _Group(NamedTuple):
    """What results must have in common to be ranked together."""

    size: str
    machine: bytes
    """Its `machine_key`."""

    clip: str
    """Its `clip_name`."""

    sound: str
    """The sha256 of the clip."""


def has_place(estimate: Estimate) -> bool:
    """Tell whether an estimate can be ranked: it has an interval, and that is narrow enough."""
    return estimate.margin is not None and estimate.margin <= MOST_MARGIN


def rankings(results: Iterable[Result]) -> list[Ranking]:
    """Return the ranking of each size, machine and clip, the smallest size first.

    Within a size, long audio comes last. Of several results of a case on one device of a machine,
    the last one that passed counts.
    """
    groups: dict[_Group, list[Result]] = {}
    for each in results:
        if each.measure in RANKED and each.clip and each.outcome is not Outcome.SKIPPED:
            machine = machine_key(each.machine)
            group = _Group(each.case.size, machine, clip_name(each), each.clip.sha256)
            groups.setdefault(group, []).append(each)
    return [_ranking(alike) for alike in sorted(groups.values(), key=_place)]


def _place(alike: Sequence[Result]) -> tuple[object, ...]:
    """Return the sort key of the results of one group."""
    first = alike[0]
    return place_of_size(first.case.size), first.measure is Measure.LONG_FORM


def _ranking(results: Sequence[Result]) -> Ranking:
    """Return the ranking of one group, whose results are given in the order of measurement."""
    passed = {
        (each.case, device_of(each)): each
        for each in results
        if each.outcome is Outcome.PASSED and each.counted
    }
    right = {each.case for each in passed.values()}
    outcomes = {each.case: str(each.outcome) for each in results if each.case not in right}
    left_out = Counter(outcomes.values())
    comparable = list(passed.values())
    first = results[0]
    if first.machine is None:
        left_out[UNKNOWN_MACHINE] += len(comparable)
        comparable = []
    usual = _usual_settings(comparable)
    same = [each for each in comparable if _settings(each).items() <= usual.items()]
    left_out[OTHER_SETTINGS] += len(comparable) - len(same)
    fastest_first = sorted(same, key=lambda each: (each.estimate.seconds, str(each.case)))
    return Ranking(
        size=first.case.size,
        clip=clip_name(first),
        machine=first.machine,
        ranked=tuple(each for each in fastest_first if has_place(each.estimate)),
        unranked=tuple(each for each in fastest_first if not has_place(each.estimate)),
        left_out={why: count for why, count in sorted(left_out.items()) if count},
    )


def _usual_settings(results: Iterable[Result]) -> dict[str, object]:
    """Return the value of each setting that most of the results have."""
    values: dict[str, Counter[object]] = {}
    for each in results:
        for name, value in _settings(each).items():
            values.setdefault(name, Counter())[value] += 1
    return {
        name: max(counts, key=lambda value: (counts[value], str(value)))
        for name, counts in values.items()
    }


def _settings(result: Result) -> dict[str, object]:
    """Return the settings of a result, without those that its library ignores."""
    try:
        ignored = adapter_class(result.case.adapter).ignored_settings
    except AdapterError:  # only another checkout of the suite knows this library
        ignored = {}
    settings = asdict(result.settings) if result.settings else {}
    return {name: value for name, value in settings.items() if name not in ignored}
