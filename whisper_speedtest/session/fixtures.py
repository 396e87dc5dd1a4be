"""The fixtures of the benchmarks: a case, its verified model, its processes, a clip, a record."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from adapters import files_of
from adapters.base import DecodeSettings
from fixtures.audio import clips
from whisper_speedtest.session.choice.options import rules_of
from whisper_speedtest.session.choice.selection import settings_of
from whisper_speedtest.session.device import choose_device, why_not_gpu
from whisper_speedtest.session.outcomes import RECORDER
from whisper_speedtest.session.skips import NotMeasured
from whisper_speedtest.session.surroundings import machine_of
from whisper_speedtest.session.terminal.display_plugin import display_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from adapters.base import Audio, Case, Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.engine.pool import EnginePool
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.recording import Recorder
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

    SetUp = tuple[Device, int | None]
    """Device and threads: what engines of one case may differ in."""


STARTED_WITH = "short"
"""The clip that every process transcribes first, whichever tests are selected."""


class NoFolderError(Exception):
    """No folder for engines could be made, for which no engine and no device is to blame."""


@pytest.fixture(scope="session")
def pool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EnginePool]:
    """The engines of the session, which all tests of a case share."""
    from whisper_speedtest.engine.pool import EnginePool, memory_limit_of_machine
    from whisper_speedtest.measure.machine import accelerator_memory

    try:
        tmp_path_factory.getbasetemp()
    except OSError as error:
        raise NoFolderError(
            f"expected a folder for engines, got {error}; name another one, with --basetemp or "
            "PYTEST_DEBUG_TEMPROOT where you used that, else with TMPDIR"
        ) from error
    limit = memory_limit_of_machine()
    accelerator = accelerator_memory(machine_of(request.config))
    with EnginePool(lambda: tmp_path_factory.mktemp("engine"), limit, accelerator) as engines:
        yield engines


@pytest.fixture(scope="session")
def set_ups() -> dict[SetUp, Processes]:
    """The processes of the case under test, by device and number of threads."""
    return {}


@pytest.fixture(scope="session")
def case(
    request: pytest.FixtureRequest,
    pool: EnginePool,
    set_ups: dict[SetUp, Processes],
) -> Iterator[Case]:
    """The adapter, size and variant under test; its engines end with its last test."""
    case: Case = request.param
    yield case
    set_ups.clear()
    pool.end_case(case)


@pytest.fixture(scope="session")
def clip(request: pytest.FixtureRequest) -> Clip:
    """The audio under test."""
    clip: Clip = request.param
    return clip


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """The recordings under test, which are scored together."""
    corpus: Corpus = request.param
    return corpus


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> DecodeSettings:
    """The decode settings for the library."""
    return settings_of(request.node)


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest, case: Case) -> VerifiedModel:
    """The case's verified files; a model that cannot be had skips the test with the reason."""
    from whisper_speedtest.cache.model import Unavailable
    from whisper_speedtest.session.models.prefetch import session_model

    try:
        return session_model(request.config, files_of(case))
    except Unavailable as error:
        raise NotMeasured(case, error.cause or str(error), str(error)) from None


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest, case: Case, model: VerifiedModel) -> Device:
    """The device of the case's library: that of --device, or else the GPU if it works."""
    chosen = choose_device(request.config, case, model)
    if reason := why_not_gpu(request.config, case):
        warnings.warn(reason, stacklevel=1)
    return chosen


@pytest.fixture
def pause(request: pytest.FixtureRequest, case: Case, device: Device) -> float:
    """Seconds of idleness before each call; if there are none, the test is skipped."""
    seconds = rules_of(request.config).pause_on(device)
    if not seconds:
        raise NotMeasured(
            case, f"after a pause a {device.upper()} computes as before; --pause=5 measures it"
        )
    return seconds


@pytest.fixture(scope="session")
def audio(clip: Clip) -> Audio:
    """The clip's samples."""
    return samples_of(clip)


def samples_of(clip: Clip) -> Audio:
    """Return a clip's samples, after checking that its file has the expected hash."""
    from whisper_speedtest.speech.audio import read_audio

    clip.verify()
    return read_audio(clip.path)


@pytest.fixture
def record(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,  # noqa: ARG001 - given the samples once the test has passed
) -> Recorder:
    """The record of this test's measurement."""
    recorder: Recorder = request.node.stash[RECORDER]
    return recorder


@pytest.fixture
def processes(
    request: pytest.FixtureRequest,
    record: Recorder,
    pool: EnginePool,
    case: Case,
    model: VerifiedModel,
    device: Device,
    settings: DecodeSettings,
    set_ups: dict[SetUp, Processes],
) -> Processes:
    """The case's processes, which its tests share. A process is started when it is first needed.

    For variants that the device runs many times slower, only tests of starts are not skipped.
    """
    from whisper_speedtest.measure.processes import Processes
    from whisper_speedtest.measure.protocol import is_slow

    record.model(model)
    if is_slow(case, device) and not record.result.measure.of_a_start:
        raise NotMeasured(
            case, f"many times slower on the {device} than elsewhere: only started there"
        )
    set_up = (device, settings.threads)
    if set_up not in set_ups:
        clip, rules = clips()[STARTED_WITH], rules_of(request.config)
        set_ups[set_up] = Processes(
            new_engine=lambda: pool.new(case, model, device, settings.threads),
            room_for=pool.room_for,
            wanted=rules.processes_of(case, device),
            rules=rules,
            clip=clip,
            audio=samples_of(clip),
            settings=DecodeSettings(threads=settings.threads),
            listener=display_of(request.config),
            end_engines=lambda: pool.end_case(case),
        )
    return set_ups[set_up]
