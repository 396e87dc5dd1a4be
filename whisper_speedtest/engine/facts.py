"""What only the engine's own process knows about a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.base import Device


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the child process said of itself and of its model once the load was verified."""

    versions: Mapping[str, str]
    """Distribution → installed version, for the packages that the adapter names."""

    threads: int | None
    """CPU threads that the library computes with; None where it cannot be asked."""

    dtype: str
    """The number type that the model computes in, as `float16`."""

    mends: tuple[str, ...]
    """A line for each thing that had to be changed for the library to load at all."""

    device: Device | None
    """What the library says that the model computes on; None where it does not tell."""

    compiler: str | None
    """The compiler of some of the code that computes; None where nothing was compiled with one.

    As `x86_64-linux-gnu-g++-13`. mlx compiles parts of a model on the CPU, and computes them
    otherwise where no compiler runs.
    """

    environment: Mapping[str, str]
    """The variables that the suite has set, and those that bear on speed; `~` is the engine's own
    folder, and no other path stands in it."""
