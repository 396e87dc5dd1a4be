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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from adapters import files_of
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.measure.judging import MAX_WER, WrongTranscriptError, judge
from whisper_speedtest.measure.protocol import probe_limit
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.models.prefetch import session_model
from whisper_speedtest.session.surroundings import watch_gpu
from whisper_speedtest.session.terminal.display_plugin import showing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from adapters.base import Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.process import Engine

CLIP = "short"
"""The clip that a probe transcribes."""


Models = str | tuple[str, str] | Case
"""The models that an outcome holds for: all of an adapter; those of an adapter and a variant, as
all sizes use the same code; or one."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The outcome of a probe."""

    fault: str = ""
    """Why the models are not measured on the GPU; "" if they are."""

    refused: bool = False
    """Whether the library itself says, before it loads a model, that it finds no GPU here."""


PROBES = pytest.StashKey[dict[Models, Probed]]()
"""The outcomes of the session's probes. An interrupted probe has none."""


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
    probed = _outcome(config, case)
    if probed is None:
        with showing(config, f"{case.label}: trying the GPU"):
            models, probed = _probe(case, model)
        config.stash[PROBES][models] = probed
    return "cpu" if probed.fault else "gpu"


def _outcome(config: pytest.Config, case: Case) -> Probed | None:
    """Return the outcome that holds for a case; None if there is none yet."""
    probes = config.stash.setdefault(PROBES, {})
    of_variant = probes.get((case.adapter, case.variant))
    return of_variant or probes.get(case.adapter) or probes.get(case)


def why_not_gpu(config: pytest.Config, case: Case) -> str:
    """Return why a case is measured on the CPU although a GPU was to be expected; else "".

    Every Mac has a GPU. On other machines, a library that finds no GPU is nothing unusual.
    """
    probed = _outcome(config, case) or Probed()
    if not probed.fault or (probed.refused and sys.platform != "darwin"):
        return ""
    return f"measuring on the CPU, not the GPU: {probed.fault}"


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


def _probe(case: Case, model: VerifiedModel) -> tuple[Models, Probed]:
    """Probe whether a case's library computes on the GPU.

    Returns the models that the outcome holds for, and the outcome.

    If it fails, the CPU is tried as well. If that fails, too, the case is to blame and not the GPU,
    so that other cases of the library may still use the GPU.
    """
    from whisper_speedtest.engine.errors import EngineError

    failures = (EngineError, WrongTranscriptError)
    variant = (case.adapter, case.variant)
    with _limited_engine(case, model, "gpu") as engine:
        engine.lay_out()
        try:
            engine.launch()
        except EngineError as error:  # before any library is imported
            return case, Probed(str(error))
        try:
            engine.import_library()
        except EngineError as error:
            # It may also have crashed or taken too long.
            return case.adapter, Probed(str(error), refused=error.raised_in == "import_library")
        try:
            engine.load()
            transcribe_once(engine)
        except failures as error:
            fault = str(error)
        else:
            return variant, Probed()
    with _limited_engine(case, model, "cpu") as engine:
        try:
            transcribe_once(engine)
        except failures as error:
            return case, Probed(f"{fault}\nOn the CPU as well: {error}")
        return variant, Probed(fault)


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
