"""The machine that computes, and the state that it is in, as far as it tells without root."""

from __future__ import annotations

from whisper_speedtest.measure.part import Part


class Machine(Part, frozen=True, kw_only=True):
    """What does not change while a session runs. No host, user, folder or address is in it."""

    chip: str
    """As `Apple M4 Pro`, or the name of the processor."""

    system: str
    """Operating system and version, as `macOS 15.5` or `Linux 6.8.0`."""

    architecture: str
    """As `arm64` or `x86_64`."""

    memory: int
    """Bytes."""

    cores: dict[str, int]
    """Kind → number, as `{"performance": 10, "efficiency": 4}`, or `{"logical": 2}`."""


class State(Part, frozen=True, kw_only=True):
    """What may change the speed of the machine. None: the system does not tell."""

    thermal: str | None
    power_source: str | None
    low_power_mode: bool | None
    swap_used: int | None
    """Bytes."""

    frequency: float | None
    """MHz, the mean of the processors."""

    load: float | None
    """The system's load average of the last minute."""
