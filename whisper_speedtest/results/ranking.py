"""Which results may be compared with each other, and which of these is faster.

Compared are warm calls on the same clip, of the same size, on the same machine, with the settings
that most of them share; of long audio, those with the same batch size. Devices of one machine are
compared, as that is what its owner asks.
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
"""What is measured on equal terms, so that libraries can be compared by it."""

OTHER_SETTINGS = "with other settings"
UNKNOWN_MACHINE = "of an unknown machine"
"""Why results that passed are left out, beside the outcomes for which others are."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The results of one size and clip on one machine."""

    size: str
    clip: str
    """Its name, with the batch size of long audio: `short`, `long ×6`."""

    machine: Machine | None
    ranked: tuple[Result, ...] = ()
    """Fastest first, each with an interval that says something. Neighbours may be too near to be
    told apart."""

    unranked: tuple[Result, ...] = ()
    """Fastest first; each without such an interval, so that its place is a guess."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why others are not compared → how many: `busy`, `failed`, `timed out`, or a reason above."""

    def near(self, result: Result) -> tuple[Result, ...]:
        """Return those that rank behind a result but cannot be told from it."""
        behind = self.ranked[self.ranked.index(result) + 1 :]
        own = result.estimate
        return tuple(each for each in behind if not ratio(each.estimate, own).decided)


class _Group(NamedTuple):
    size: str
    machine: bytes
    clip: str
    sound: str


def has_place(estimate: Estimate) -> bool:
    """Tell whether an interval says enough to rank what has it: of one process there is none."""
    return estimate.margin is not None and estimate.margin <= MOST_MARGIN


def rankings(results: Iterable[Result]) -> list[Ranking]:
    """Return the ranking of each size, machine and clip, the smallest size first.

    Of a size, long audio comes last. Of a case that was measured more than once on a device of a
    machine, its last result counts.
    """
    groups: dict[_Group, list[Result]] = {}
    for each in results:
        if each.measure in RANKED and each.clip and each.outcome is not Outcome.SKIPPED:
            machine = machine_key(each.machine)
            group = _Group(each.case.size, machine, clip_name(each), each.clip.sha256)
            groups.setdefault(group, []).append(each)
    return [_ranking(alike) for _, alike in sorted(groups.items(), key=_place)]


def _place(group: tuple[_Group, Sequence[Result]]) -> tuple[object, ...]:
    """Return by what groups are sorted, each with its results."""
    (size, *_), (first, *_) = group
    return place_of_size(size), first.measure is Measure.LONG_FORM


def _ranking(results: Sequence[Result]) -> Ranking:
    """Return the ranking of what was measured of one size and clip on one machine."""
    passed = {
        (each.case, device_of(each)): each
        for each in results
        if each.outcome is Outcome.PASSED and each.counted
    }
    right = {each.case for each in passed.values()}
    others = {each.case: str(each.outcome) for each in results if each.case not in right}
    left_out = Counter(others.values())
    comparable = list(passed.values())
    first = results[0]
    if first.machine is None:
        left_out[UNKNOWN_MACHINE] += len(comparable)
        comparable = []
    usual = _usual_settings(comparable)
    same = [each for each in comparable if _told(each).items() <= usual.items()]
    left_out[OTHER_SETTINGS] += len(comparable) - len(same)
    fastest_first = sorted(same, key=lambda each: (each.estimate.seconds, str(each.case)))
    return Ranking(
        first.case.size,
        clip_name(first),
        first.machine,
        tuple(each for each in fastest_first if has_place(each.estimate)),
        tuple(each for each in fastest_first if not has_place(each.estimate)),
        dict(sorted((+left_out).items())),
    )


def _usual_settings(results: Iterable[Result]) -> dict[str, object]:
    """Return for each setting the value that most of the results share."""
    values: dict[str, Counter[object]] = {}
    for each in results:
        for name, value in _told(each).items():
            values.setdefault(name, Counter())[value] += 1
    return {
        name: max(counts, key=lambda value: (counts[value], str(value)))
        for name, counts in values.items()
    }


def _told(result: Result) -> dict[str, object]:
    """Return the settings of a result, without those that its library ignores."""
    try:
        ignored = adapter_class(result.case.adapter).ignored_settings
    except AdapterError:  # of a library that another checkout of the suite knows
        ignored = {}
    settings = asdict(result.settings) if result.settings else {}
    return {name: value for name, value in settings.items() if name not in ignored}
