"""Refuses plugins and options that benchmarks cannot run with, and contains errors of plugins."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.common.files import existing, look_at
from whisper_speedtest.session.choice.options import why_no_limit
from whisper_speedtest.session.ending import fail

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

FAULT = pytest.StashKey[str]()
"""The error of another plugin as the session ended, most likely of saving results."""

NEEDED = {
    "benchmark": "which saves and compares times",
    "funcmanage": "which gives the benchmarks their fixtures",
    "python": "which collects the benchmarks",
    "skipping": "which skips what cannot be measured here",
    "terminal": "which prints the results",
    "terminalreporter": "which prints the results",
    "timeout": "which ends what hangs",
    "tmpdir": "which makes a folder for each engine",
}
"""Plugin that can be turned off → what benchmarks need it for.

pytest itself refuses to run without some others.
"""

INSTALLED_APART = {"benchmark": "pytest-benchmark", "timeout": "pytest-timeout"}
"""Needed plugin that is not part of pytest → its package.

They are not in pytest's setting `required_plugins`, as pytest's error would say neither what they
are needed for nor what to do.
"""

DRAWN_BY = ("pygal", "pygaljs")
"""The packages that pytest-benchmark draws with. It would miss them only after measuring."""

SAVED_BY = ("benchmark_json", "benchmark_save", "benchmark_autosave")
"""The options with which pytest-benchmark saves results, by their names in pytest."""

SPREAD_OVER_WORKERS = (
    "benchmarks: expected one process that runs one test at a time, got workers of pytest-xdist, "
    "whose tests would slow each other down; leave out -n, or add -n 0"
)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Refuse to run without a plugin that benchmarks need.

    This is done before options are read, as the options of that plugin would be unknown.
    """
    for name, plugin in pluginmanager.list_name_plugin():
        if plugin is None and (name in NEEDED or name.startswith("whisper_speedtest.")):
            what = f"pytest's plugin {name}, {NEEDED[name]}" if name in NEEDED else name
            raise pytest.UsageError(f"expected {what}, got -p no:{name}; leave that out")
    for name, package in INSTALLED_APART.items():
        if not pluginmanager.hasplugin(name):
            raise pytest.UsageError(
                f"expected pytest's plugin {name}, {NEEDED[name]}, got a pytest that has not "
                f"loaded {package}; install requirements/tests.txt as README.md says, and unset "
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
            )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that would lose the results, and keep warnings from ending the session.

    A user who turns warnings into errors means warnings in tests, for which pytest sets its filters
    anew each time. Warnings of plugins outside of tests are only shown.
    """
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.simplefilter("default")
    if reason := why_no_limit(config):  # pytest-timeout would raise it, or a timer in some test
        raise pytest.UsageError(reason)
    if config.getoption("dist", "no") != "no" and config.getoption("benchmark_only"):
        raise pytest.UsageError(SPREAD_OVER_WORKERS)
    if path := config.getoption("benchmark_json"):
        refuse_unless_writable("--benchmark-json", Path(path))
    if config.getoption("benchmark_histogram") and not all(map(find_spec, DRAWN_BY)):
        raise pytest.UsageError(
            "--benchmark-histogram: expected the packages pygal and pygaljs, which draw it, got an "
            "environment without them; install both, or leave the option out"
        )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse options that save results if pytest-benchmark is turned off.

    That is known only once it is configured, as it turns itself off in workers of pytest-xdist.
    """
    config = session.config
    asked = [option for option in SAVED_BY if config.getoption(option)]
    if asked and config._benchmarksession.disabled:  # type: ignore[attr-defined]
        names = ", ".join(f"--{option.replace('_', '-')}" for option in asked)
        raise pytest.UsageError(
            f"{names}: expected a pytest-benchmark that saves results, got one that is turned off; "
            f"leave out --benchmark-disable, or {names}, and unset PYTEST_XDIST_WORKER"
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: Sequence[str]) -> None:
    """Refuse pytest-xdist if benchmarks are selected, as soon as a worker has collected them."""
    if any(test.startswith("benchmarks/") for test in ids):
        raise pytest.UsageError(SPREAD_OVER_WORKERS)


def refuse_unless_writable(option: str, path: Path, *, is_folder_made: bool = False) -> None:
    """Refuse an option whose file cannot be written, before anything is measured.

    `is_folder_made` says that missing folders of its path will be made when it is written.
    """
    if found := _why_not_writable(path, is_folder_made=is_folder_made):
        raise pytest.UsageError(
            f"{option}: {path}: expected a file that can be written, got {found}; name another"
        )


def _why_not_writable(path: Path, *, is_folder_made: bool) -> str:
    """Return why no file can be written to a path: what is there instead; "" if one can."""
    try:
        look_at(path)
        there = existing(path.absolute())
        if path.is_dir():
            return "a folder"
        if there == path.absolute():
            return "" if os.access(path, os.W_OK) else "one that may not be written"
        if not there.is_dir():
            return f"no folder {path.parent}, as {there} is a file"
        if there != path.parent.absolute() and not is_folder_made:
            return f"no folder {path.parent}"
        return "" if os.access(there, os.W_OK) else f"none, in {there}, which may not be written"
    except OSError as error:
        return f"one that cannot be looked at: {error.strerror}"


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Catch the error of another plugin as the session ends, so that the table is still printed.

    The session then ends with status 1, unless it has already failed with another status.
    """
    try:
        return (yield)
    except Exception as error:  # noqa: BLE001 - whatever the other plugin raised
        session.config.stash[FAULT] = f"{type(error).__name__}: {error}"
        fail(session)
        return None
