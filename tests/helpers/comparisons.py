"""Comparisons with another side, made by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.base import Case
from tests.helpers.results import MODEL, PROVENANCE, warm
from whisper_speedtest.measure.measures import Measure, Verdict
from whisper_speedtest.measure.result import Comparison, Result, Side
from whisper_speedtest.measure.samples import Turn

BASELINE = Case("lightning-whisper-mlx", "tiny", "8bit")
SIDE = Side(name=str(BASELINE), case=BASELINE, model=MODEL, provenance=PROVENANCE)


def turns(blocks: int, *ratios: float, contaminated: bool = False) -> tuple[Turn, ...]:
    """Return the turns of some blocks, all with the same ratios; the baseline takes 2 s."""
    return tuple(
        Turn(
            block=block,
            baseline_first=number % 2 == 0,
            seconds=2 * ratio,
            baseline_seconds=2.0,
            contaminated=contaminated,
        )
        for block in range(blocks)
        for number, ratio in enumerate(ratios)
    )


def comparison(verdict: Verdict = Verdict.UNDECIDED, **changes: Any) -> Comparison:
    """Return a comparison of six blocks of three turns, 3 % slower, 1 % faster to 7 % slower."""
    fields: dict[str, Any] = {
        "baseline": SIDE,
        "turns": turns(6, 1.03, 1.02, 1.04),
        "planned": 3,
        "ratio": 1.03,
        "low": 0.99,
        "high": 1.07,
        "limit": 0.05,
        "verdict": verdict,
    }
    return Comparison(**fields | changes)


def compared(made: Comparison | None = None, **changes: Any) -> Result:
    """Return the result of a comparison."""
    fields: dict[str, Any] = {
        "measure": Measure.RATIO,
        "samples": (),
        "comparison": made or comparison(),
        "provenance": msgspec.structs.replace(PROVENANCE, empty_call=None),
    }
    return warm(**fields | changes)
