"""The names under which results are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.machines import device_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whisper_speedtest.measure.result import Result


def clip_name(result: Result) -> str:
    """Return a clip's name with what is special about its measurement: `long ×6`, `long tuned`."""
    name = result.clip.name if result.clip else ""
    if result.measure is Measure.AFTER_PAUSE:
        return f"{name} after a pause"
    if result.measure is Measure.LONG_FORM and result.settings:
        return f"{name} ×{result.settings.batch_size}"
    return f"{name} tuned" if result.measure is Measure.TUNED else name


def measured_name(result: Result) -> str:
    """Return what was measured of a case: a clip by its `clip_name`, a start by its measure."""
    return str(result.measure) if result.measure.of_a_start else clip_name(result)


def namer(results: Iterable[Result], before_device: str = ", ") -> Callable[[Result], str]:
    """Return what names a result beside others of its size: library, variant, device if several."""
    several = len({device_of(each) for each in results} - {""}) > 1

    def name(result: Result) -> str:
        device = device_of(result)
        on = f"{before_device}{device}" if several and device else ""
        return f"{result.case.adapter} {result.case.variant}{on}"

    return name
