"""An engine that is killed from outside costs the test that meets it, and no other."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters import REGISTRY, files_of
from adapters.base import Case, DecodeSettings
from tests.helpers.processes import running_engines
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.pool import EnginePool
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.calls import time_calls
from whisper_speedtest.measure.processes import Processes
from whisper_speedtest.measure.protocol import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.speech.clip import Clip

CASE = Case("toy", "micro", "good")
SETTINGS = DecodeSettings()


def test_engine_that_is_killed_costs_one_measurement(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is killed fails one measurement; in the next, a new engine takes its place."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    model, silence = Store.from_environment().prepare(files_of(CASE)), np.zeros(16_000, np.float32)
    folders = (tmp_path / str(number) for number in range(99))

    def new_folder() -> Path:
        folder = next(folders)
        folder.mkdir()
        return folder

    with EnginePool(new_folder, memory_limit=10**12) as pool:
        processes = Processes(
            new_engine=partial(pool.new, CASE, model, "cpu"),
            room_for=pool.room_for,
            wanted=2,
            rules=Rules(processes=2, calls=2, max_others=None),
            clip=clip,
            audio=np.zeros(clip.samples, np.float32),
            settings=SETTINGS,
        )
        measure = partial(time_calls, processes, clip, silence, SETTINGS)
        before = measure()
        killed, other = (engine.pid for engine in processes.each())
        os.kill(killed, signal.SIGKILL)

        with pytest.raises(
            EngineError, match=r"toy\[micro-good\]: the engine was ended by SIGKILL"
        ):
            measure()
        after = measure()

        assert [each.process for each in after.samples] == [0, 0, 1, 1]
        assert [each.process for each in before.samples] == [0, 0, 1, 1]
        now = [engine.pid for engine in processes.each()]
        assert now[1] == other
        assert now[0] not in {killed, other}
    assert running_engines() == []
