"""What a library computes on in this session, and how it shows that it can.

With `--device=auto` that is the GPU where the library has really loaded a model and transcribed a
short clip on it, rightly and in time. It does so in a process of its own, before the first test of
the case begins, so that this takes nothing of any test's time. Where there is plainly no GPU, the
library says so before it loads anything.
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
from whisper_speedtest.session.display_plugin import showing
from whisper_speedtest.session.prefetch import session_model
from whisper_speedtest.session.selection import case_of
from whisper_speedtest.session.surroundings import watch_gpu

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from adapters.base import Case, Device
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.hub.model import VerifiedModel

CLIP = "short"
"""What is transcribed to see whether a library computes."""


@dataclass(slots=True)
class Probes:
    """What the probes of a session have shown. One that was interrupted has shown nothing."""

    works: set[tuple[str, str]] = field(default_factory=set)
    """Adapter and variant of whatever has computed on the GPU; other sizes use the same code."""

    refused: dict[str, str] = field(default_factory=dict)
    """adapter → why its library takes no GPU here, as it says before it loads anything."""

    ended: dict[str, str] = field(default_factory=dict)
    """adapter → how its engine ended before the load otherwise, as by a crash or a time-out."""

    broken: dict[tuple[str, str], str] = field(default_factory=dict)
    """Adapter and variant → why they compute on the CPU and not on the GPU."""

    neither: dict[Case, str] = field(default_factory=dict)
    """Case → what fails on the GPU, and on the CPU as well, so that it says nothing of the GPU; or
    why no process could be started to try it."""

    def fault(self, case: Case) -> str | None:
        """Return why a case is not measured on the GPU; "" where it is; None where none knows."""
        kind = (case.adapter, case.variant)
        if kind in self.works:
            return ""
        of_all = self.refused.get(case.adapter) or self.ended.get(case.adapter)
        return of_all or self.broken.get(kind) or self.neither.get(case)


PROBES = pytest.StashKey[Probes]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Choose the device of a test's case before the test, and its time limit, begin.

    Also begin to watch the GPU's speed, where that is the device.
    """
    case = case_of(item)
    if case is not None and "device" in getattr(item, "fixturenames", ()):
        # What is wrong with the model is raised again by the fixtures, as this test's own error; of
        # a GPU that cannot be watched a warning tells.
        with suppress(Exception):
            model = session_model(item.config, files_of(case))
            if choose_device(item.config, case, model) == "gpu":
                watch_gpu(item.config, case)
    return (yield)


def choose_device(config: pytest.Config, case: Case, model: VerifiedModel) -> Device:
    """Return what a case's library is to compute on; try the GPU where nobody knows yet.

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
    """Return why a case is measured on the CPU where a GPU was to be expected; "" elsewhere.

    Every Mac has a GPU. On another machine a library that finds none is nothing to speak of.
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
        EngineError: It failed, or was not done within the engine's limit.
        WrongTranscriptError: A word of the embedded model's transcript is wrong, or another model
            heard nothing. How well that one hears is not asked here.
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
    """Have a case's library compute on the GPU, and note what that shows.

    Where it fails, the CPU is tried as well: what fails there too is the fault of the case and not
    of the GPU, and must not cost other cases of the library their GPU.
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
            by_itself = error.raised_in == "import_library"
            (probes.refused if by_itself else probes.ended)[case.adapter] = str(error)
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
    """Give an engine that is not started, for no longer than a probe may take."""
    from whisper_speedtest.engine.process import Engine

    with (
        tempfile.TemporaryDirectory(prefix="whisper-speedtest-") as folder,
        Engine(case, model, Path(folder), device) as engine,
        engine.limited(probe_limit(case)),
    ):
        yield engine
