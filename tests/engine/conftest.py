"""What the tests of engine/ share: a toy model, engines of the toy library, and what they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY
from adapters.base import Case
from tests.helpers.processes import running_engines
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.base import Audio, Device

TEXT = "what the toy says"


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> VerifiedModel:
    """A model of one small file, which holds TEXT."""
    path = tmp_path / "store" / FILE
    path.parent.mkdir()
    path.write_text(TEXT, encoding="utf-8")
    return VerifiedModel("embedded/toy", "main", "0" * 40, {FILE: (path, prove(path))})


@pytest.fixture(name="audio")
def _audio() -> Audio:
    """One second of silence."""
    import numpy as np

    return np.zeros(16_000, np.float32)


@pytest.fixture(name="new_engine")
def _new_engine(
    model: VerifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str, Device], Engine]]:
    """A function that makes an engine of a toy library, by class, variant and device."""
    engines: list[Engine] = []

    def make(name: str, variant: str, device: Device) -> Engine:
        monkeypatch.setitem(REGISTRY, "toy", f"tests.helpers.toy_adapter:{name}")
        folder = tmp_path / f"engine-{len(engines)}"
        folder.mkdir()
        engine = Engine(Case("toy", "micro", variant), model, folder, device, threads=3)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()
    assert running_engines() == [], "expected every engine of this test to end when it is closed"


@pytest.fixture(name="new_toy")
def _new_toy(new_engine: Callable[[str, str, Device], Engine]) -> Callable[[str], Engine]:
    """A function that makes an engine of the toy library, by variant; nothing is started."""
    return lambda variant: new_engine("Toy", variant, "cpu")


@pytest.fixture(name="toy")
def _toy(new_toy: Callable[[str], Engine], audio: Audio) -> Callable[[str], Engine]:
    """A function that makes an engine of the toy library that is ready and has heard `clip`."""

    def make(variant: str) -> Engine:
        engine = new_toy(variant)
        engine.hear("clip", audio)
        return engine

    return make
