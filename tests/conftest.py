"""How the suite's own tests are run: `pytest tests` spreads them over several processes.

Nothing in there times anything, so tests may run beside each other. What times something is in
tests/speed/, which only its own name selects (see norecursedirs in pyproject.toml), and runs alone.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest._code.code import ExceptionChainRepr

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from adapters.base import Device

TESTS = Path(__file__).resolve().parent

COLOURING = {"CLICOLOR_FORCE", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"}
HUB = ("HF_", "HUGGING_FACE_", "HUGGINGFACE_")
"""How the names of the variables begin that huggingface_hub reads."""

MOST_WORKERS = 8
"""How many processes run tests at once."""

WORKERS_MEMORY = 1_500_000_000
"""Bytes of memory that there are to be for each: with the engines that it starts it holds 1 GB."""


def usable_cores() -> int:
    """Return how many cores this process may use, which a container bounds."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def number_of_workers() -> int:
    """Return how many processes run all tests: twice as many as cores, if memory has room for them.

    A quarter of the time a test waits: for a time limit, a server or a process that it started.
    """
    import psutil

    in_memory = psutil.virtual_memory().total // WORKERS_MEMORY
    return max(1, min(2 * usable_cores(), in_memory, MOST_WORKERS))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests that really run libraries be run on the GPU of a machine that has one."""
    parser.addoption(
        "--tests-device",
        choices=["cpu", "gpu"],
        default="cpu",
        help="what the suite's own tests let real libraries compute on (default: cpu)",
    )


@pytest.fixture(name="tests_device", scope="session")
def _tests_device(request: pytest.FixtureRequest) -> Device:
    """What a test that really runs a library lets it compute on: --tests-device."""
    device: Device = request.config.getoption("--tests-device")
    return device


def are_all_asked_for(config: pytest.Config) -> bool:
    """Tell whether a session has all tests of the suite itself, and no others."""
    here = config.invocation_params.dir
    return [Path(here, argument).resolve() for argument in config.args] == [TESTS]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads these options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Start several workers where all tests were asked for without -n.

    A part of the tests is run by this process, which answers sooner; so is everything that needs
    the terminal (-s, --pdb) and everything that runs nothing (--collect-only). All tests are where
    pytest-xdist is not installed or is switched off by `-p no:xdist`.
    """
    if hasattr(config, "workerinput"):
        return  # one of those workers, which is given the same arguments
    if not config.pluginmanager.hasplugin("xdist"):
        return
    option = config.option
    chosen = option.numprocesses is not None or option.dist != "no" or option.tx
    at_the_terminal = option.usepdb or option.capture == "no"
    if are_all_asked_for(config) and not chosen and not at_the_terminal and not option.collectonly:
        option.numprocesses = number_of_workers()
        # A worker begins with one contiguous part, so that a module's fixtures are made once, and
        # takes half of another's rest when it has none left.
        option.dist = "worksteal"


def part_of_the_files(number: int, workers: int, apart: Sequence[str]) -> list[str]:
    """Return the modules of the test files that a worker imports first, none of a folder apart."""
    files = sorted(path.relative_to(TESTS.parent) for path in TESTS.glob("*/**/test_*.py"))
    collected = [file for file in files if file.parent.as_posix() not in apart]
    return [".".join(file.with_suffix("").parts) for file in collected[number::workers]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each of several workers import other test files first, before all of them are collected.

    In a fresh checkout pytest compiles each test file, which takes 4 s for all of them. A worker
    then finds most of them compiled by another. What cannot be imported, the collection tells.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or not are_all_asked_for(session.config):
        return
    number = int(worker["workerid"].removeprefix("gw"))
    apart = session.config.getini("norecursedirs")
    for name in part_of_the_files(number, worker["workercount"], apart):
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the whole project, in files right in tests/: many of them are long.

    At the end, a long test would keep one worker while the others have nothing left.
    """
    items.sort(key=lambda item: item.path.parent != TESTS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test out of which the skip of a benchmark comes: it would be skipped for it itself."""
    try:
        return (yield)
    except pytest.skip.Exception as skipped:
        from whisper_speedtest.session.skips import NotMeasured

        if isinstance(skipped, NotMeasured):
            pytest.fail(f"{item.name}: expected no skip, got: {skipped}")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failure whose assertion has no message say which fact does not hold.

    That is what the test's docstring states. What was compared stays in the traceback.
    """
    report = yield
    if not isinstance(report.longrepr, ExceptionChainRepr) or call.excinfo is None:
        return report
    fact = fact_of(item)
    if fact and call.excinfo.exconly().startswith("AssertionError: assert "):
        report.longrepr.addsection("does not hold", fact)
        if crash := report.longrepr.reprcrash:
            crash.message = f"does not hold: {fact} {crash.message}"
    return report


def fact_of(item: pytest.Item) -> str:
    """Return the first paragraph of a test's docstring in one line; "" where it has none."""
    docstring = inspect.getdoc(getattr(item, "function", None)) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a warning fail each test of the suite itself, but for those that pyproject.toml names."""
    filters = ["error", *item.config.getini("filterwarnings")]
    item.add_marker(pytest.mark.filterwarnings(*filters))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the shell colour the text that a test reads, break it, or lead to a proxy.

    CI sets FORCE_COLOR, and a company's machine a proxy, which has nothing of a loopback hub.
    """
    for name in list(os.environ):
        if name in {*COLOURING, "COLUMNS"} or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def need_no_hub(config: pytest.Config) -> bool:
    """Tell whether a session runs tests of the suite alone, none of which asks a user's hub.

    Plain `pytest` runs the benchmarks, too, and tests/online asks the real hub.
    """
    here = config.invocation_params.dir
    paths = [Path(here, argument.partition("::")[0]).resolve() for argument in config.args]
    return all(
        path.is_relative_to(TESTS) and not path.is_relative_to(TESTS / "online") for path in paths
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let what a test starts inherit nothing of how the tests themselves were started.

    It is to take itself for no worker of pytest-xdist, and to end on Ctrl-C also where these tests
    ignore that, as a shell lets a command do that it starts in the background. What the shell says
    of a hub and of its cache goes before huggingface_hub is imported, which reads it once.
    """
    unwanted = ("PYTEST_XDIST_", *(HUB if need_no_hub(session.config) else ()))
    for name in [name for name in os.environ if name.startswith(unwanted)]:
        del os.environ[name]
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
