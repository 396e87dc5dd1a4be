"""The processes of a case, made of fake engines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adapters.base import DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.measure.processes import Processes
from whisper_speedtest.measure.protocol import Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.helpers.fake_engine import FakeEngine
    from whisper_speedtest.engine.process import Engine

AUDIO = np.zeros(16_000, np.float32)
SETTINGS = DecodeSettings(threads=2)


def processes_of(
    engines: Sequence[FakeEngine], rules: Rules | None = None, room: int = 99
) -> Processes:
    """Return processes that are these engines, in turn, of which so many have room at once.

    They start with the clip `short`.
    """
    left = iter(engines)

    def new_engine() -> Engine:
        return next(left).as_engine

    return Processes(
        new_engine=new_engine,
        room_for=lambda _: room,
        wanted=(rules and rules.processes) or 3,
        rules=rules or Rules(),
        clip=clips()["short"],
        audio=AUDIO,
        settings=SETTINGS,
    )


def three(engine: FakeEngine) -> list[FakeEngine]:
    """Return three engines like this one, each with a log, a process id and a peak of its own."""
    return [
        replace(engine, log=[], calls=engine.calls.copy(), pid=10 + n, peak=100 + n)
        for n in range(3)
    ]
