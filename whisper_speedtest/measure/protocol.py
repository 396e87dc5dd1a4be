"""How often things are timed and how long they may take, decided before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import adapter_class

if TYPE_CHECKING:
    from adapters.base import Case, Device

LIMITED_SECONDS = 120
"""The length of the longest clip that the limits below are made for; those of longer ones grow."""

TIME_LIMITS = {
    "micro": 240,
    "tiny": 180,
    "base": 240,
    "small": 420,
    "medium": 900,
    "large": 1800,
}
"""Seconds that one test may take, by the name that is part of the size."""

BATCH_SIZES = (1, 6, 12, 24)
"""How many windows of 30 s are decoded at once, on long audio."""

WINDOW_SECONDS = 30
"""The length of audio that a Whisper model hears at once."""

BRIEF_SECONDS = 15
"""The length of the longest clip that counts as brief."""

CALLS = {"gpu": (10, 5), "cpu": (2, 1)}
"""How many calls are timed, by device: of a brief clip, and of a longer one."""

STARTS = {"gpu": 3, "cpu": 2}
"""How many starts are timed, by device."""


def time_limit(case: Case, seconds: float = 0.0) -> float:
    """Return the seconds that a test of this case may take, with a clip of so many seconds."""
    limit = next(limit for name, limit in TIME_LIMITS.items() if name in case.size)
    return limit * max(1.0, seconds / LIMITED_SECONDS)


def probe_limit(case: Case) -> float:
    """Return the seconds that a library may take to show that it can compute on the GPU.

    That is a start and one transcription of a short clip, for which half of a test's time is
    ample. The tests of the case have all of theirs left.
    """
    return time_limit(case) / 2


def batch_sizes(case: Case) -> tuple[int, ...]:
    """Return the batch sizes that a case's library can be told; (1,) where it cannot be told."""
    return BATCH_SIZES if adapter_class(case.adapter).traits.batches else BATCH_SIZES[:1]


def is_slow(case: Case, device: Device) -> bool:
    """Tell whether a device runs a case's variant many times slower than others do."""
    return case.variant in adapter_class(case.adapter).slow_variants.get(device, ())


def calls_of(seconds: float, device: Device) -> int:
    """Return how many calls are timed of a clip of so many seconds."""
    brief, longer = CALLS[device]
    return brief if seconds <= BRIEF_SECONDS else longer


def starts_of(case: Case, device: Device) -> int:
    """Return how many starts of a case are timed."""
    return 1 if is_slow(case, device) else STARTS[device]
