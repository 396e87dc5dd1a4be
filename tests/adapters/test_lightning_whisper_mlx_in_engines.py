"""lightning-whisper-mlx, the library of the default install, really run in engines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.project import child_environment
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.engine.worker import COMPILER
from whisper_speedtest.hub.store import Store
from whisper_speedtest.speech.audio import read_audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.base import Device, Transcript

    Transcribe = Callable[[Engine, str], Transcript]

pytestmark = pytest.mark.slow
ADAPTER = "lightning-whisper-mlx"
SETTINGS = DecodeSettings()


def compiler_runs() -> bool:
    """Tell whether mlx finds a compiler that it can run."""
    if shutil.which(COMPILER) is None:
        return False
    asked = subprocess.run([COMPILER, "--version"], env=child_environment(), check=False)
    return asked.returncode == 0


@pytest.fixture(name="compiled", scope="module")
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all engines of these tests keep what they compile."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(name="new_engine", scope="module")
def _new_engine(
    tmp_path_factory: pytest.TempPathFactory, tests_device: Device, compiled: Path
) -> Iterator[Callable[[str], Engine]]:
    """A function that makes an engine of the embedded model, by variant."""
    engines: list[Engine] = []
    check_map = adapter_class(ADAPTER).check_map["micro"]

    def make(variant: str) -> Engine:
        folder = tmp_path_factory.mktemp("engine")
        case = Case(ADAPTER, "micro", variant)
        model = Store.from_environment().prepare(check_map[variant])
        engines.append(Engine(case, model, folder, tests_device, compiled=compiled))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture(name="engine", scope="module")
def _engine(new_engine: Callable[[str], Engine]) -> Engine:
    """The unquantised embedded model, warm once it has been used."""
    return new_engine("fp16")


@pytest.fixture(name="other", scope="module")
def _other(new_engine: Callable[[str], Engine]) -> Engine:
    """A second engine of the same model."""
    return new_engine("fp16")


@pytest.fixture(name="transcribe", scope="module")
def _transcribe() -> Transcribe:
    """A function that returns what an engine makes of a clip; it is asked once."""

    @cache
    def transcribe(engine: Engine, name: str) -> Transcript:
        engine.hear(name, read_audio(clips()[name].path))
        return engine.transcribe(name, SETTINGS)

    return transcribe


@pytest.mark.parametrize("variant", ["4bit", "8bit"])
def test_quantised_variant_loads_and_says_what_was_mended(
    new_engine: Callable[[str], Engine], variant: str
) -> None:
    """4bit and 8bit load with the current mlx, and the engine's facts carry the mend.

    That they transcribe exactly is held by the benchmarks: it takes long on mlx's CPU backend.
    """
    engine = new_engine(variant)

    engine.ready()

    (mended,) = engine.facts.mends
    assert "QuantizedLinear.quantize_module" in mended


def test_unquantised_variant_runs_as_released(engine: Engine) -> None:
    """The unquantised variant of lightning-whisper-mlx runs with nothing mended."""
    engine.ready()

    assert engine.facts.mends == ()


def test_second_engine_computes_with_what_the_first_has_compiled(
    engine: Engine, other: Engine, transcribe: Transcribe, compiled: Path, tests_device: Device
) -> None:
    """A second engine finds mlx's code compiled by the first, and compiles nothing anew.

    On a CPU that takes a compiler; on a Mac's GPU the system keeps it elsewhere.
    """
    if tests_device == "gpu" and sys.platform == "darwin":
        pytest.skip("the system keeps what is compiled for the GPU of a Mac")
    if not compiler_runs():
        pytest.skip("there is no g++ here that runs")

    def kept() -> dict[Path, int]:
        files = (path for path in compiled.rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in files}

    transcribe(engine, "short")
    before = kept()
    transcribe(other, "short")

    assert {path.relative_to(compiled).parts[:2] for path in before} == {("tmp", "mlx")}
    assert kept() == before


@pytest.mark.parametrize("runs", [True, False])
def test_compiler_is_told_where_its_code_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    """An engine names the compiler whose code it found, and none if the compiler fails.

    What a first engine has compiled is used by the next, which can tell of it before any call.
    """
    if not compiler_runs():
        pytest.skip("there is no g++ here that runs")
    if not runs:
        (tmp_path / COMPILER).write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
        (tmp_path / COMPILER).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = shutil.which(COMPILER)
    assert found is not None
    case = Case(ADAPTER, "micro", "fp16")
    model = Store.from_environment().prepare(adapter_class(ADAPTER).files(case))
    told = []
    for name in ("first", "second"):
        (folder := tmp_path / name).mkdir()
        with Engine(case, model, folder, "cpu", compiled=tmp_path / "compiled") as engine:
            engine.ready()
            told.append(engine.facts.compiler)
            if name == "first":
                engine.hear("short", read_audio(clips()["short"].path))
                engine.transcribe("short", SETTINGS)

    assert told == [None, Path(found).resolve().name if runs else None]


def test_two_engines_give_the_same_transcripts(
    engine: Engine, other: Engine, transcribe: Transcribe
) -> None:
    """Two engines give the same transcripts, of known speech and of a human voice."""
    for name in ("short", "human"):
        assert transcribe(other, name) == transcribe(engine, name)


def test_segments_are_in_seconds(engine: Engine, transcribe: Transcribe) -> None:
    """The segment that lightning-whisper-mlx gives for a clip is as long as the clip in seconds."""
    clip = clips()["short"]

    (segment,) = transcribe(engine, clip.name).segments

    assert segment.start == 0.0
    assert segment.end == pytest.approx(clip.seconds, abs=0.05)
    assert segment.text == clip.reference


def test_memory_is_that_of_the_engine(engine: Engine) -> None:
    """An engine's peak memory exceeds its model's files, and mlx's arrays take a part of it."""
    engine.ready()
    memory = engine.memory()

    assert memory.footprint > engine.model.size
    assert memory.accelerator is not None
    assert 0 < memory.accelerator < memory.footprint
