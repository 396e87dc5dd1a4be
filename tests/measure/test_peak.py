"""The memory of a start, measured of a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters import REGISTRY, files_of
from adapters.base import Case, DecodeSettings
from tests.helpers.toy_adapter import HOARD
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.protocol import Rules
from whisper_speedtest.measure.starts import time_start

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from whisper_speedtest.speech.clip import Clip


def test_peak_of_a_start_is_without_what_its_verification_takes(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peak memory of a start is read before its verification, which takes more memory."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    verified = Store.from_environment().prepare(files_of(Case("toy", "micro", "good")))
    case = Case("toy", "micro", "hoards-verifying")
    silence = np.zeros(clip.samples, np.float32)

    with Engine(case, verified, tmp_path, "cpu") as engine:
        started = time_start(engine, 0, clip, silence, DecodeSettings(), Rules())
        later = engine.memory()

    hoarded = later.footprint - started.memory.footprint
    assert hoarded > 0.9 * HOARD, (
        f"expected a peak that was read before the verification took {HOARD:,} bytes, got one that "
        f"is only {hoarded:,} bytes below that of afterwards"
    )
