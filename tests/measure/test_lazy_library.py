"""A library that reads its weights in its first call is held to its files, whatever is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from tests.helpers.processes import running_engines
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.starts import time_start
from whisper_speedtest.measure.steps import Activity, Listener, Step
from whisper_speedtest.measure.turns import Sides, compare

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.speech.clip import Clip

CALLS = {Activity.FIRST_CALL, Activity.UNTIMED_CALL}


class Exchanging(Listener):
    """Exchanges a file for the time of the first call that is told of."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = file.read_text("utf-8")
        self.called = False

    def tell(self, step: Step) -> None:
        self.tell_activity(step.activity)

    def tell_activity(self, activity: Activity) -> None:
        """Put the file back after the call."""
        if activity in CALLS and not self.called:
            self._file.write_text("other weights", "utf-8")
            self.called = True
        elif self.called:
            self._file.write_text(self._text, "utf-8")


@pytest.mark.parametrize("measured", ["a start", "a comparison"])
def test_file_that_is_exchanged_for_the_first_call_is_found(
    measured: str, tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is exchanged during the first call is found, in a start and in a comparison."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    path = tmp_path / FILE
    path.write_text("weights", encoding="utf-8")
    model = VerifiedModel("embedded/toy", "main", "0" * 40, {FILE: (path, prove(path))})
    audio, settings, rules = np.zeros(clip.samples, np.float32), DecodeSettings(), Rules()
    exchanging = Exchanging(path)
    made: list[Engine] = []

    def new() -> Engine:
        (folder := tmp_path / f"engine-{len(made)}").mkdir()
        made.append(Engine(Case("toy", "micro", "lazy"), model, folder, "cpu"))
        return made[-1]

    def measure() -> None:
        if measured == "a start":
            time_start(new(), 0, clip, audio, settings, rules, exchanging.tell_activity)
        else:
            sides = Sides(new, new, clip, audio, clip, audio, settings)
            compare(sides, rules, limit=0, minutes=1, seed="", listener=exchanging)

    with pytest.raises(EngineError, match=r"toy\[micro-lazy\]: .*changed during the load"):
        measure()

    assert exchanging.called
    assert running_engines() == []
