"""The benchmarks' plugin: options, matrix, fixtures, and what keeps failures to themselves."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import Clip, clips
from whisper_speedtest.measure.clock import is_slow
from whisper_speedtest.session.device import choose_device
from whisper_speedtest.session.selection import key, rows, time_limit
from whisper_speedtest.session.skips import LeftOut
from whisper_speedtest.speech.recordings import own_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from adapters.base import Audio, Device
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.hub.model import VerifiedModel

CASES = {str(case): case for case in all_cases()}
OWN_CLIPS = pytest.StashKey[Mapping[str, Clip]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a user can choose."""
    group = parser.getgroup("whisper-speedtest")
    group.addoption(
        "--device",
        choices=["auto", "gpu", "cpu"],
        default="auto",
        help="what the libraries compute on; auto is the GPU where it works (default: auto)",
    )
    group.addoption(
        "--audio",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="transcribe this file too, any number of times; FILE.txt beside it is its reference",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the user's own recordings, and say at once what is wrong with them."""
    config.addinivalue_line(
        "markers",
        "over(*clips, own=False): run over every case, with each clip that suits it; own adds "
        "the files of --audio",
    )
    config.addinivalue_line(
        "markers", "tuned: the settings that each library's own documentation recommends"
    )
    try:
        own = [own_clip(path) for path in config.getoption("audio")]
    except ValueError as error:
        raise pytest.UsageError(f"--audio: {error}") from error
    config.stash[OWN_CLIPS] = {clip.name: clip for clip in own}


def pytest_sessionstart() -> None:
    """End on SIGTERM and SIGHUP as on Ctrl-C: engines stopped, results so far written."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise the tests marked `over`; a test's id is a stored key: case, clip, batch size.

    Of a library that is not installed there is one test, to be skipped with the extra to install.
    """
    marker = metafunc.definition.get_closest_marker("over")
    if marker is None:
        return
    clips = all_clips(metafunc.config)
    own = metafunc.config.stash[OWN_CLIPS] if marker.kwargs.get("own") else {}
    names = (*marker.args, *own)
    batches = bool(marker.kwargs.get("batches"))
    parameters = [
        pytest.param(*values, id=key(values), marks=_limit(time_limit(case)))
        for case, values in rows(clips, names, batches=batches)
    ]
    for name in filter(why_not_installed, REGISTRY):
        values = [next(case for case in CASES if case.startswith(name)), *names[:1]]
        skipped = pytest.mark.skip(reason=why_not_installed(name))
        parameters.append(pytest.param(*values, *([1] * batches), id=name, marks=skipped))
    indirect = ["case", *(["clip"] if names else [])]
    metafunc.parametrize(
        [*indirect, *(["batch_size"] if batches else [])],
        parameters,
        indirect=indirect,
        scope="session",
    )


@cache
def _limit(seconds: int) -> pytest.MarkDecorator:
    return pytest.mark.timeout(seconds)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of one case together, so that one model at a time is in memory.

    Starts come first: the engine that they leave is warm.
    """
    order = {name: number for number, name in enumerate(CASES)}

    def place(item: pytest.Item) -> tuple[object, ...]:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("over") is None:
            return (-1,)
        line = item.function.__code__.co_firstlineno
        case = str(item.callspec.params["case"])
        starts = item.path.name == "test_start.py"
        return order[case], not starts, item.path, line, *item.callspec.indices.values()

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Tell pytest-benchmark of every way to fail.

    By itself it takes note of exceptions inside the clock alone, and only of those that are no
    BaseException: a wrong transcript would be saved as a good result, and a time limit, a skip or
    a Ctrl-C inside the clock would cost the results of all.
    """
    try:
        return (yield)
    except BaseException:
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if benchmark is not None:
            benchmark.has_error = True
        raise


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Leave the host's name out of the results."""
    del machine_info["node"]


def all_clips(config: pytest.Config) -> dict[str, Clip]:
    """Return the project's clips and the user's own, by name."""
    own = config.stash[OWN_CLIPS]
    return {**clips(), **own}


@pytest.fixture(scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    """The adapter, size and variant under test."""
    return CASES[request.param]


@pytest.fixture(scope="session")
def clip(request: pytest.FixtureRequest) -> Clip:
    """The audio under test."""
    return all_clips(request.config)[request.param]


@pytest.fixture
def settings(case: Case, request: pytest.FixtureRequest) -> DecodeSettings:
    """The decoding that all libraries are compared by; for a test marked tuned, the library's."""
    if request.node.get_closest_marker("tuned"):
        return replace(DecodeSettings(), **adapter_class(case.adapter).tuned)
    return DecodeSettings()


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest, case: Case) -> VerifiedModel:
    """The case's verified files; a model that cannot be had skips the test with the reason."""
    from whisper_speedtest.hub.model import Unavailable
    from whisper_speedtest.session.prefetch import session_model

    files = files_of(case)
    try:
        return session_model(request.config, files)
    except Unavailable as reason:
        raise LeftOut(
            case, reason.cause or str(reason), repo=files.repo, message=str(reason)
        ) from None


@pytest.fixture(scope="session")
def device(
    request: pytest.FixtureRequest,
    case: Case,
    model: VerifiedModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Device:
    """What the case's library computes on: what --device says, or the GPU where it works."""
    return choose_device(request.config, case, model, tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="session")
def audio(clip: Clip) -> Audio:
    """The clip's samples."""
    from whisper_speedtest.speech.audio import read_audio

    clip.verify()
    return read_audio(clip.path)


@pytest.fixture
def make_engine(
    case: Case,
    model: VerifiedModel,
    device: Device,
    settings: DecodeSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], Engine]:
    """A function that returns an engine of the case, not started; whoever calls it ends it."""
    from whisper_speedtest.engine.process import Engine

    return lambda: Engine(case, model, tmp_path_factory.mktemp("engine"), device, settings.threads)


@pytest.fixture(scope="session")
def kept(case: Case) -> Iterator[list[Engine]]:  # noqa: ARG001 - what is kept ends with its case
    """The engine that the tests of a case share, once one of them has asked for it."""
    engines: list[Engine] = []
    yield engines
    _end(engines)


def _end(engines: list[Engine]) -> None:
    while engines:
        engines.pop().close()


@pytest.fixture
def engine(
    case: Case,
    device: Device,
    settings: DecodeSettings,
    kept: list[Engine],
    make_engine: Callable[[], Engine],
) -> Engine:
    """The case's engine, warm from test to test.

    A new one where a call has broken the last, or where it has another number of threads. Skips
    variants that the device runs many times slower: their starts, with one transcript, are enough.
    """
    if is_slow(case, device):
        raise LeftOut(case, f"many times slower on the {device} than elsewhere: only started there")
    if kept and not (kept[-1].usable and kept[-1].threads == settings.threads):
        _end(kept)
    if not kept:
        kept.append(make_engine())
    return kept[-1]


@pytest.fixture
def new_engine(kept: list[Engine], make_engine: Callable[[], Engine]) -> Callable[[], Engine]:
    """A function that returns a new engine and ends the one before: one model is in memory.

    The last one made is kept for later tests, as warm as it is.
    """

    def make() -> Engine:
        _end(kept)
        kept.append(make_engine())
        return kept[-1]

    return make
