"""Refuses, before a session begins, what it could not run with, and says what to do."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from adapters import try_registry
from adapters.errors import limit_behind
from whisper_speedtest.engine.foreign import foreign_package
from whisper_speedtest.session import gpu

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the project."""


def pytest_configure(config: pytest.Config) -> None:
    """Refuse another project, an absent GPU, foreign packages and an environment that is full."""
    _refuse_another_project(config)
    refuse_absent_gpu(config)
    _refuse_foreign_packages()
    _learn_how_processes_end()
    _try_adapters()


def _refuse_another_project(config: pytest.Config) -> None:
    """Refuse to run by the settings of another project.

    pytest chooses its project by all paths on the command line, and before it knows an option it
    takes the option's value for a path.
    """
    if config.inipath is None or config.inipath.resolve() != ROOT / "pyproject.toml":
        raise pytest.UsageError(
            f"expected the settings of {ROOT / 'pyproject.toml'}, got those of "
            f"{config.inipath or config.rootpath}; write options with an equals sign, as "
            "--audio=FILE, and run pytest from this project"
        )


def refuse_absent_gpu(config: pytest.Config) -> None:
    """Refuse to measure on a GPU where there is none, before a test of each library fails for it.

    No library is started for that. One that does not compute on the GPU that is there fails its own
    tests. A session that computes nothing needs none.
    """
    option, checks = config.getoption, config.getoption("check_models")
    only_checks = checks is not None and "load" not in checks
    computes = not (only_checks or option("prefetch_only") or option("collectonly"))
    if option("device") == "gpu" and computes and gpu.has_no_gpu():
        looked = ", ".join((*gpu.GPU_DEVICES, gpu.GRAPHICS))
        raise pytest.UsageError(
            f"--device=gpu: expected a GPU, found none of {looked}; leave the option out, or write "
            "--device=cpu"
        )


def _refuse_foreign_packages() -> None:
    """Refuse an environment in which engines would import another package in place of ours."""
    for name in ("adapters", "whisper_speedtest"):
        if found := foreign_package(name, ROOT):
            raise pytest.UsageError(
                f"{name}: expected no other package of this name beside the one in {ROOT}, got "
                f"{found}; uninstall that, or install this project's requirements into a virtual "
                "environment of their own"
            )


def _learn_how_processes_end() -> None:
    """Undo that SIGCHLD is ignored, as by some job servers that start pytest.

    The system would then forget the exit status of each engine, and report 0 for all of them.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _try_adapters() -> None:
    """Find out which adapters pytest's process can import without harm, before it does."""
    try:
        try_registry()
    except OSError as error:
        what = f"expected to start a process that tries to import the adapters, got {error}"
        raise pytest.UsageError("; ".join(filter(None, [what, limit_behind(error)]))) from error


def pytest_sessionstart() -> None:
    """End on SIGTERM and SIGHUP as on Ctrl-C: engines stopped, results so far written.

    A signal that is handled or ignored already stays so: nohup ignores SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may handle signals
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
