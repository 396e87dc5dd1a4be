"""The facts about a loaded model that only the engine's own process knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.base import Device


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the child process says of itself and its model, after the load was verified."""

    versions: Mapping[str, str]
    """Distribution → installed version, for the packages that the adapter names."""

    threads: int | None
    """CPU threads that the library computes with; None if it does not say."""

    dtype: str
    """The number type that the model computes in, as `float16`."""

    mends: tuple[str, ...]
    """A line for each change that the library needed to load at all."""

    device: Device | None
    """The device that the model computes on according to the library; None if it does not say."""

    compiler: str | None
    """The compiler that mlx has compiled parts of the model with, as `x86_64-linux-gnu-g++-13`.

    None if nothing was compiled: mlx does it on the CPU only, and not if no compiler runs.
    """

    environment: Mapping[str, str]
    """The variables that the suite has set, and those that affect speed; `~` is the engine's
    folder, and no other path is included."""
