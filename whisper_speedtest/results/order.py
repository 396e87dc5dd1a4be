"""The order in which results are listed, the same everywhere, as sort keys."""

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
    """Return the sort key of a result: by case, then starts first, then short clips before long."""
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
    """Return the sort key of a case: library and size in the order of their lists, fp16 first.

    A library that is not in REGISTRY comes behind the others.
    """
    known = list(REGISTRY)
    library = known.index(case.adapter) if case.adapter in REGISTRY else len(known)
    size, quantised = place_of_size(case.size), case.variant != UNQUANTISED
    return library, case.adapter, size, quantised, case.variant


def place_of_size(size: str) -> tuple[int, str]:
    """Return the sort key of a size: in the order of SIZES, and any other behind these, by name."""
    return SIZES.index(size) if size in SIZES else len(SIZES), size
