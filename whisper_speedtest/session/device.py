"""Chooses the device that each library computes on: the GPU or the CPU.

With `--device=auto` it is the GPU if a probe succeeds: in a process of its own, the library loads a
model and transcribes a short clip on the GPU, correctly and in time. The probe runs before the
first test of a case, outside the time limits of tests. If there is no GPU, the library says so
before it loads a model.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from adapters import files_of
from adapters.base import DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.measure.judging import MAX_WER, WrongTranscriptError, judge
from whisper_speedtest.measure.protocol import probe_limit
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.models.prefetch import session_model
from whisper_speedtest.session.surroundings import watch_gpu
from whisper_speedtest.session.terminal.display_plugin import showing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from adapters.base import Case, Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.process import Engine

CLIP = "short"
"""The clip that a probe transcribes."""


@dataclass(slots=True)
class Probes:
    """The outcomes of the session's probes. An interrupted probe has none."""

    works: set[tuple[str, str]] = field(default_factory=set)
    """Adapter and variant of each probe that succeeded; other sizes use the same code."""

    refused: dict[str, str] = field(default_factory=dict)
    """Adapter → why its library finds no GPU here, as it says before it loads a model."""

    ended: dict[str, str] = field(default_factory=dict)
    """Adapter → how else its engine ended before the load: by a crash or a timeout, for example."""

    broken: dict[tuple[str, str], str] = field(default_factory=dict)
    """Adapter and variant → why they compute on the CPU and not on the GPU."""

    neither: dict[Case, str] = field(default_factory=dict)
    """Case → why it fails on the GPU and the CPU alike, so that the GPU is not to blame; or why no
    process could be started to try it."""

    def fault(self, case: Case) -> str | None:
        """Return why a case is not measured on the GPU; "" if it is; None if not yet probed."""
        kind = (case.adapter, case.variant)
        if kind in self.works:
            return ""
        of_all = self.refused.get(case.adapter) or self.ended.get(case.adapter)
        return of_all or self.broken.get(kind) or self.neither.get(case)


PROBES = pytest.StashKey[Probes]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Choose the device of a test's case before the test and its time limit begin.

    If it is the GPU, also begin to time the GPU's reference.
    """
    case = case_of(item)
    if case is not None and "device" in getattr(item, "fixturenames", ()):
        # A fault of the model is raised again by the fixtures, as an error of this test. A warning
        # tells of a GPU that cannot be watched.
        with suppress(Exception):
            model = session_model(item.config, files_of(case))
            if choose_device(item.config, case, model) == "gpu":
                watch_gpu(item.config, case)
    return (yield)


def choose_device(config: pytest.Config, case: Case, model: VerifiedModel) -> Device:
    """Return the device of a case's library, after probing the GPU if that was not yet done.

    Raises:
        ModelError: A file of the model has changed.
    """
    asked: Device | Literal["auto"] = config.getoption("device")
    if asked != "auto":
        return asked
    probes = config.stash.setdefault(PROBES, Probes())
    if probes.fault(case) is None:
        with showing(config, f"{case.label}: trying the GPU"):
            _probe(probes, case, model)
    return "cpu" if probes.fault(case) else "gpu"


def why_not_gpu(config: pytest.Config, case: Case) -> str:
    """Return why a case is measured on the CPU although a GPU was to be expected; else "".

    Every Mac has a GPU. On other machines, a library that finds no GPU is nothing unusual.
    """
    probes = config.stash.get(PROBES, Probes())
    fault = probes.fault(case)
    if not fault or (case.adapter in probes.refused and sys.platform != "darwin"):
        return ""
    return f"measuring on the CPU, not the GPU: {fault}"


def transcribe_once(engine: Engine) -> None:
    """Have an engine load its model, unless it has, transcribe a short clip, and verify the load.

    The load is verified after that first call, as in every start that is measured: until then a
    library may open more files.

    Raises:
        EngineError: The engine failed, or exceeded its limit.
        WrongTranscriptError: The transcript of the embedded model has a wrong word, or that of
            another model is empty. The words of other models are not compared here.
    """
    from whisper_speedtest.measure.recording import provenance_of
    from whisper_speedtest.speech.audio import read_audio

    clip, settings = clips()[CLIP], DecodeSettings()
    engine.start()
    engine.hear(CLIP, read_audio(clip.path))
    transcript = engine.transcribe(CLIP, settings)
    engine.verify_load()
    if engine.case.size not in MAX_WER:
        clip = replace(clip, reference=None)
    judge(engine.case, clip, settings, [transcript], provenance_of(engine))


def _probe(probes: Probes, case: Case, model: VerifiedModel) -> None:
    """Probe whether a case's library computes on the GPU, and note the outcome.

    If it fails, the CPU is tried as well. If that fails, too, the case is to blame and not the GPU,
    so that other cases of the library may still use the GPU.
    """
    from whisper_speedtest.engine.errors import EngineError

    failures = (EngineError, WrongTranscriptError)
    kind = (case.adapter, case.variant)
    with _limited_engine(case, model, "gpu") as engine:
        engine.lay_out()
        try:
            engine.launch()
        except EngineError as error:  # before any library is imported
            probes.neither[case] = str(error)
            return
        try:
            engine.import_library()
        except EngineError as error:
            if error.raised_in == "import_library":
                probes.refused[case.adapter] = str(error)
            else:
                probes.ended[case.adapter] = str(error)
            return
        try:
            engine.load()
            transcribe_once(engine)
        except failures as error:
            fault = str(error)
        else:
            probes.works.add(kind)
            return
    with _limited_engine(case, model, "cpu") as engine:
        try:
            transcribe_once(engine)
        except failures as error:
            probes.neither[case] = f"{fault}\nOn the CPU as well: {error}"
        else:
            probes.broken[kind] = fault


@contextmanager
def _limited_engine(case: Case, model: VerifiedModel, device: Device) -> Iterator[Engine]:
    """Yield an engine that is not started yet, with the time limit of a probe."""
    from whisper_speedtest.engine.process import Engine

    with (
        tempfile.TemporaryDirectory(prefix="whisper-speedtest-") as folder,
        Engine(case, model, Path(folder), device) as engine,
        engine.limited(probe_limit(case)),
    ):
        yield engine
