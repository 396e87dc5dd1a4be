"""Which tests there are: each benchmark over the cases, clips and batch sizes that suit it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import REGISTRY, adapter_class, all_cases, usable, why_not_installed, why_unusable
from adapters.base import DecodeSettings
from whisper_speedtest.measure.judging import knows_voice
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.measure.protocol import batch_sizes
from whisper_speedtest.session.options import LONGEST_LIMIT, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _pytest.mark import ParameterSet

    from adapters.base import Case
    from whisper_speedtest.measure.protocol import Rules
    from whisper_speedtest.speech.clip import Clip

MARKERS = (
    (
        "over(*clips, measure, own=False, batches=False): run over every case, with each of the "
        "clips that suits it; own adds the recordings of --audio, batches each batch size of the "
        "library"
    ),
    "unusable(adapter, reason): stands for all cases of an adapter that cannot be used, and fails",
)


@dataclass(frozen=True, slots=True)
class Selected:
    """What one item of a benchmark is about; its parts are the item's parameters."""

    case: Case
    clip: Clip | None = None
    batch_size: int | None = None

    @property
    def key(self) -> str:
        """The part of the test's id in brackets; it is a stored key."""
        parts = [str(self.case)]
        parts += [self.clip.name] if self.clip else []
        parts += [f"batch{self.batch_size}"] if self.batch_size else []
        return "-".join(parts)

    def time_limit(self, rules: Rules) -> float:
        """Return the seconds that the item may take where calls are repeated by these rules."""
        return rules.test_limit(self.case, self.clip.seconds if self.clip else 0.0)


def parameters_of(item: pytest.Function) -> Selected:
    """Return what an item of a test over cases is about, whatever else other plugins add to it."""
    params = cast("dict[str, Any]", item.callspec.params)
    names = [field.name for field in fields(Selected) if field.name in params]
    return Selected(**{name: params[name] for name in names})


def measure_of(item: pytest.Item) -> Measure | None:
    """Return what a test measures over the cases; None of any other test."""
    marker = item.get_closest_marker("over")
    return Measure(marker.kwargs["measure"]) if marker else None


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that a test runs over; None of any other test.

    The test that stands for a library which is not installed, or for an adapter that cannot be
    used, runs over no case.
    """
    if not isinstance(item, pytest.Function) or measure_of(item) is None:
        return None
    if item.get_closest_marker("skip") or item.get_closest_marker("unusable"):
        return None
    return parameters_of(item).case


def settings_of(item: pytest.Item) -> DecodeSettings:
    """Return what the library of a test over cases is told about decoding.

    That is what all libraries are compared by, with the test's batch size; for a test marked
    `tuned`, it is what the library's own documentation recommends.
    """
    assert isinstance(item, pytest.Function)
    selected = parameters_of(item)
    if item.get_closest_marker("tuned"):
        return replace(DecodeSettings(), **adapter_class(selected.case.adapter).tuned)
    return replace(DecodeSettings(), batch_size=selected.batch_size or 1)


def select(
    marker: pytest.Mark, cases: Sequence[Case], clips: Mapping[str, Clip], own: Sequence[Clip] = ()
) -> Iterator[Selected]:
    """Yield what a test with the marker `over` runs over, in the order of the cases.

    That is each case; where the marker names clips, with each of them that suits it, of `clips` and
    of the user's `own`; and where it says so, with each batch size that its library can be told.
    """
    chosen = [clips[name] for name in marker.args]
    chosen += own if marker.kwargs.get("own") else []
    for case in cases:
        suited = [clip for clip in chosen if suits(case, clip)] if marker.args else [None]
        sizes = batch_sizes(case) if marker.kwargs.get("batches") else [None]
        for clip, batch_size in product(suited, sizes):
            yield Selected(case, clip, batch_size)


def suits(case: Case, clip: Clip) -> bool:
    """Tell whether a clip says anything about a case: the embedded model knows no human voice.

    A user's own recording is tried by every model that the user selects.
    """
    return clip.is_own or knows_voice(case, clip)


def parametrize(metafunc: pytest.Metafunc, clips: Mapping[str, Clip], own: Sequence[Clip]) -> None:
    """Give a test marked `over` its items: case, clip and batch size, each as what it is.

    Of a library that is not installed there is one item, to be skipped with the way to install it.
    Of an adapter that cannot be used there is one, too, last and with no parameters; it will fail.
    """
    marker = metafunc.definition.get_closest_marker("over")
    if marker is None:
        return
    names = ["case"]
    names += ["clip"] if marker.args else []
    names += ["batch_size"] if marker.kwargs.get("batches") else []
    rules = rules_of(metafunc.config)
    installed = [case for case in all_cases() if not why_not_installed(case.adapter)]

    def parameters(selected: Selected, **named: Any) -> ParameterSet:
        return pytest.param(*(getattr(selected, name) for name in names), **named)

    def marks(selected: Selected) -> list[pytest.MarkDecorator]:
        # A limit that the user chose is obeyed, and a mark would come before it.
        found = [_limit(selected.time_limit(rules))] if rules.timeout is None else []
        return [*found, pytest.mark.own] if selected.clip and selected.clip.is_own else found

    items = [
        parameters(each, id=each.key, marks=marks(each))
        for each in select(marker, installed, clips, own)
    ]
    for adapter in filter(why_not_installed, usable()):
        of_it = [case for case in all_cases() if case.adapter == adapter]
        skip = pytest.mark.skip(reason=why_not_installed(adapter))
        items.append(parameters(next(select(marker, of_it, clips)), id=adapter, marks=skip))
    for adapter in filter(why_unusable, REGISTRY):
        broken = pytest.mark.unusable(adapter=adapter, reason=why_unusable(adapter))
        items.append(pytest.param(*[None] * len(names), id=adapter, marks=broken))
    indirect = [name for name in names if name != "batch_size"]
    metafunc.parametrize(names, items, indirect=indirect, scope="session")


@cache
def _limit(seconds: float) -> pytest.MarkDecorator:
    return pytest.mark.timeout(min(seconds, LONGEST_LIMIT))


def sort(items: list[pytest.Item]) -> None:
    """Put the tests of one case together, so that one case's models at a time are in memory.

    Starts come first, as the engine that they leave has loaded the model. All other tests come
    before these, and those that stand for an adapter that cannot be used after them.
    """
    order: dict[Case | None, int] = {case: number for number, case in enumerate(all_cases())}
    order[None] = len(order)

    def place(item: pytest.Item) -> tuple[object, ...]:
        measure = measure_of(item)
        if measure is None or not isinstance(item, pytest.Function):
            return (-1,)
        line = item.function.__code__.co_firstlineno
        case = order[parameters_of(item).case]
        return case, not measure.of_a_start, item.path, line, *item.callspec.indices.values()

    items.sort(key=place)


def needed(items: Sequence[pytest.Item]) -> dict[Case, float]:
    """Return the cases that some tests run over, each with the seconds that one start may take.

    Those are the user's for a test where there are some.
    """
    return {
        case: rules_of(item.config).start_limit(case) for item in items if (case := case_of(item))
    }


def not_installed(items: Sequence[pytest.Item]) -> list[str]:
    """Return why tests of libraries that are not installed will be skipped, each reason once."""
    marks = [item.get_closest_marker("skip") for item in items if measure_of(item)]
    return list(dict.fromkeys(mark.kwargs["reason"] for mark in marks if mark))


def unusable(items: Sequence[pytest.Item]) -> dict[str, str]:
    """Return the adapters that cannot be used and that tests stand for, each with the reason."""
    marks = [item.get_closest_marker("unusable") for item in items]
    return {mark.kwargs["adapter"]: mark.kwargs["reason"] for mark in marks if mark}
