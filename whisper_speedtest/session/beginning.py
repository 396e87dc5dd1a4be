"""Checks, before a session begins, that it can run; handles signals, and tries the adapters.

A session that cannot run is refused with a UsageError that says what to do.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from adapters import try_registry
from adapters.errors import advice_on_limit
from whisper_speedtest.engine.foreign import foreign_package
from whisper_speedtest.session import gpu

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the project."""


def pytest_configure(config: pytest.Config) -> None:
    """Check the project, the GPU and the packages; prepare for engines and adapters."""
    _refuse_another_project(config)
    refuse_absent_gpu(config)
    _refuse_foreign_packages()
    _stop_ignoring_sigchld()
    _try_adapters()


def _refuse_another_project(config: pytest.Config) -> None:
    """Refuse to run with the settings of another project.

    pytest chooses the project by the paths on the command line. It does so before it knows our
    options, so that it takes an option's value after a space for a path.
    """
    if config.inipath is None or config.inipath.resolve() != ROOT / "pyproject.toml":
        raise pytest.UsageError(
            f"expected the settings of {ROOT / 'pyproject.toml'}, got those of "
            f"{config.inipath or config.rootpath}; write options with an equals sign, as "
            "--audio=FILE, and run pytest from this project"
        )


def refuse_absent_gpu(config: pytest.Config) -> None:
    """Refuse --device=gpu on a machine without a GPU, unless the session computes nothing.

    No library is started for that. A library that cannot use a GPU that is there fails in its own
    tests.
    """
    checks = config.getoption("check_models")
    only_checks = checks is not None and "load" not in checks
    only_fetches = config.getoption("prefetch_only")
    computes = not (only_checks or only_fetches or config.getoption("collectonly"))
    if config.getoption("device") == "gpu" and computes and gpu.has_no_gpu():
        looked = ", ".join((*gpu.GPU_DEVICES, gpu.GRAPHICS))
        raise pytest.UsageError(
            f"--device=gpu: expected a GPU, found none of {looked}; leave the option out, or write "
            "--device=cpu"
        )


def _refuse_foreign_packages() -> None:
    """Refuse an environment where engines would import another package in place of one of ours."""
    for name in ("adapters", "whisper_speedtest"):
        if found := foreign_package(name, ROOT):
            raise pytest.UsageError(
                f"{name}: expected no other package of this name beside the one in {ROOT}, got "
                f"{found}; uninstall that, or install this project's requirements into a virtual "
                "environment of their own"
            )


def _stop_ignoring_sigchld() -> None:
    """Set SIGCHLD to its default if it is ignored, as some job servers start pytest.

    While it is ignored, the system discards the exit status of each engine, and Python reports 0.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _try_adapters() -> None:
    """Try in another process which adapters can be imported, before this process imports them."""
    try:
        try_registry()
    except OSError as error:
        what = f"expected to start a process that tries to import the adapters, got {error}"
        if next_step := advice_on_limit(error):
            what += f"; {next_step}"
        raise pytest.UsageError(what) from error


def pytest_sessionstart() -> None:
    """Let SIGTERM and SIGHUP end the session as Ctrl-C does: engines stop, results are written.

    A signal that is already handled or ignored is left as it is: nohup ignores SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may handle signals
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
