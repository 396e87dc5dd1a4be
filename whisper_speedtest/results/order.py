"""The order in which results stand wherever they are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import REGISTRY
from adapters.base import SIZES
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.results.quality import UNQUANTISED

if TYPE_CHECKING:
    from adapters.base import Case
    from whisper_speedtest.measure.result import Result


def place(result: Result) -> tuple[object, ...]:
    """Return what sorts results by case, then starts first, then short clips before long ones."""
    clip, settings = result.clip, result.settings
    return (
        *_place_of_case(result.case),
        not result.measure.of_a_start,
        list(Measure).index(result.measure),
        clip.seconds if clip else 0.0,
        clip.name if clip else "",
        settings.batch_size if settings else 0,
        result.test,
    )


def _place_of_case(case: Case) -> tuple[object, ...]:
    """Return what sorts cases: by library and size as they are listed, unquantised ones first."""
    known = list(REGISTRY)
    library = known.index(case.adapter) if case.adapter in REGISTRY else len(known)
    size, quantised = place_of_size(case.size), case.variant != UNQUANTISED
    return library, case.adapter, size, quantised, case.variant


def place_of_size(size: str) -> tuple[int, str]:
    """Return what sorts sizes: as they are listed, and by name behind these what is not."""
    return SIZES.index(size) if size in SIZES else len(SIZES), size
