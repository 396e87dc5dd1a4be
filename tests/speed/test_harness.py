"""What the suite itself adds to a library's call."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.project import ROOT
from tests.speed.turns import compare
from whisper_speedtest.measure.record import record_engine, record_transcripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import DecodeSettings, Transcript
    from whisper_speedtest.engine.process import Engine

MAX_RATIO = 1.02
MICRO = pytest.mark.parametrize(
    "case", ["lightning-whisper-mlx-micro-fp16"], indirect=True, scope="session"
)


@pytest.fixture(name="bare_seconds")
def _bare_seconds(engine: Engine, tmp_path: Path) -> Iterator[Callable[[], float]]:
    """A function that makes the library's own call in a process without the suite, and times it."""
    import numpy as np

    from whisper_speedtest.engine.process import sealed_environment
    from whisper_speedtest.speech.audio import read_audio

    model = tmp_path / "mlx_models" / "micro"
    model.mkdir(parents=True)
    for name, (path, _) in engine.model.files.items():
        (model / name).symlink_to(path)
    np.save(tmp_path / "audio.npy", read_audio(clips()["short"].path))
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.speed.bare_call", "audio.npy"],
        cwd=tmp_path,
        env={**sealed_environment(tmp_path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def call() -> float:
            stdin.write("\n")
            stdin.flush()
            return float(stdout.readline())

        yield call
        process.kill()


@MICRO
def test_overhead(
    benchmark: BenchmarkFixture,
    engine: Engine,
    bare_seconds: Callable[[], float],
    settings: DecodeSettings,
) -> None:
    """A warm call through an engine takes at most 1.02 times as long as the library's bare call."""
    from whisper_speedtest.speech.audio import read_audio

    clip = clips()["short"]
    engine.hear(clip.name, read_audio(clip.path))
    transcripts: list[Transcript] = []

    def call() -> None:
        transcripts.append(engine.transcribe(clip.name, settings))

    compare(benchmark, call, bare_seconds, most=MAX_RATIO, turns=3)

    record_engine(benchmark, "overhead", engine)
    record_transcripts(benchmark, engine, clip, settings, transcripts)


@MICRO
def test_empty_call(benchmark: BenchmarkFixture, engine: Engine) -> None:
    """An empty call to an engine: what the pipe between the processes costs."""
    engine.ready()

    benchmark.pedantic(engine.ping, rounds=1000, warmup_rounds=10)

    record_engine(benchmark, "empty call", engine)
