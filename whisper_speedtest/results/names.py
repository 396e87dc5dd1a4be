"""The names by which people tell results apart: of a clip, of a measurement, of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.machines import device_of
from whisper_speedtest.results.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.result import Result

PROJECT = "whisper-speedtest"
"""The name of this project, in what it prints and saves."""

MOST_MODELS = 3
"""How many models a text about several tests names; if there are more, they are counted."""


def clip_name(result: Result) -> str:
    """Return a clip's name with how it was measured, if not as usual: `long ×6`, `long tuned`.

    It is "" for a result without a clip, such as a start.
    """
    name = result.clip.name if result.clip else ""
    if result.measure is Measure.AFTER_PAUSE:
        return f"{name} after a pause"
    if result.measure is Measure.LONG_FORM and result.settings:
        return f"{name} ×{result.settings.batch_size}"
    if result.measure is Measure.TUNED:
        return f"{name} tuned"
    return name


def measured_name(result: Result) -> str:
    """Return the name of what was measured: of a start its measure, else the `clip_name`."""
    return str(result.measure) if result.measure.of_a_start else clip_name(result)


def namer(results: Iterable[Result], before_device: str = ", ") -> Callable[[Result], str]:
    """Return a function that names a result beside others of the same size.

    The name is the library and the variant, and the device where these results were computed on
    several. `before_device` stands between variant and device.
    """
    several = len({device_of(each) for each in results} - {""}) > 1

    def name(result: Result) -> str:
        device = device_of(result)
        on = f"{before_device}{device}" if several and device else ""
        return f"{result.case.adapter} {result.case.variant}{on}"

    return name


def names_of_tests(results: Sequence[Result]) -> str:
    """Name the tests that results are of; where these are of many models, count them instead."""
    names: dict[Case, dict[str, None]] = {}
    for each in results:
        names.setdefault(each.case, {})[measured_name(each)] = None
    if len(names) > MOST_MODELS:
        return f"{counted(len(results), 'test')} of {counted(len(names), 'model')}"
    return "; ".join(f"{case.label}: {', '.join(of_case)}" for case, of_case in names.items())
