"""Results of many sessions and machines, put together so that like stands with like.

Each result counts once, however many journals hold it, and their order changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result


@dataclass(frozen=True, slots=True)
class Series:
    """One measurement and its repetitions.

    They are of the same test, model bytes, clip, settings, versions, device and machine.
    """

    latest: Result
    """The one that counts. It passed, or is busy."""

    earlier: tuple[Result, ...]
    """The others, oldest first, each of which passed or is busy: the points of its history."""

    differs: str
    """By what it differs from other series of the same test on this machine, as `mlx 0.32.4, commit
    1234567890ab`; "" where there is no other."""


@dataclass(frozen=True, slots=True)
class OnMachine:
    """What was measured on one machine."""

    name: str
    """What people call it: chip, memory and system; more where two would have the same name."""

    machine: Machine | None
    """None: nobody knows. Results without samples of older versions of this suite are of none."""

    series: tuple[Series, ...]
    """In the order of cases, starts first, then short clips before long ones."""

    unmeasured: tuple[Result, ...]
    """The last result of each test that failed, timed out or was skipped, and that was not measured
    later on this machine."""

    comparable: tuple[Result, ...]
    """What may be compared: of each test the result that was measured last, or failed since. Those
    that are busy, failed, skipped or undecided are among them, and rank nothing."""


@dataclass(frozen=True, slots=True)
class Across:
    """One test of the same model bytes, clip and settings, on several machines."""

    results: tuple[tuple[str, Result], ...]
    """Name of the machine, and its last result."""

    differs: str
    """In what else they differ, as `mlx, device`; "" where they do not."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Everything that a report tells."""

    machines: tuple[OnMachine, ...]
    """By name; the unknown one last."""

    across: tuple[Across, ...]
    """What was measured on more than one machine, in the order of the series."""

    results: tuple[Result, ...]
    """All of them, each once, oldest first: what stands in results.jsonl."""
