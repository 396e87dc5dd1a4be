"""Beside other plugins: what a benchmark must not be run with, and what their faults may cost."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

FAULT = pytest.StashKey[str]()
"""What another plugin raised as the session ended: most likely, results could not be saved."""

NEEDED = {
    "funcmanage": "which gives the benchmarks their fixtures",
    "python": "which collects the benchmarks",
    "skipping": "which skips what cannot be measured here",
    "terminal": "which prints the results",
    "terminalreporter": "which prints the results",
    "tmpdir": "which makes a folder for each engine",
}
"""Plugins of pytest's own that can be turned off, and what they are needed for.

pytest itself refuses to do without some others, and without those of `required_plugins`.
"""

SPREAD_OVER_WORKERS = (
    "benchmarks: expected one process that runs one test at a time, got workers of pytest-xdist, "
    "whose tests would slow each other down; leave out -n, or add -n 0"
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse at once what would cost the results at the end; keep warnings from ending the session.

    Where the user makes errors of warnings, that is for tests, for each of which pytest sets it
    anew. What plugins warn of outside of tests is shown.
    """
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.simplefilter("default")
    _refuse_without_plugins(config)
    if config.getoption("dist", "no") != "no" and config.getoption("benchmark_only"):
        raise pytest.UsageError(SPREAD_OVER_WORKERS)
    if path := config.getoption("benchmark_json"):
        refuse_unless_writable("--benchmark-json", Path(path))


def _refuse_without_plugins(config: pytest.Config) -> None:
    """Refuse to run without what benchmarks cannot do without, wherever it was turned off."""
    for name, plugin in config.pluginmanager.list_name_plugin():
        if plugin is None and (name in NEEDED or name.startswith("whisper_speedtest.")):
            what = f"pytest's plugin {name}, {NEEDED[name]}" if name in NEEDED else name
            raise pytest.UsageError(f"expected {what}, got -p no:{name}; leave that out")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: Sequence[str]) -> None:
    """Refuse workers for benchmarks, of which the first worker knows that they were selected."""
    if any(test.startswith("benchmarks/") for test in ids):
        raise pytest.UsageError(SPREAD_OVER_WORKERS)


def refuse_unless_writable(option: str, path: Path) -> None:
    """Refuse an option's file that results cannot be written to, before they are measured."""
    try:
        if path.is_dir():
            found = "a folder"
        elif not path.parent.is_dir():
            found = f"no folder {path.parent}"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            found = "one that may not be written"
        else:
            return
    except OSError as error:
        found = f"one that cannot be looked at: {error.strerror}"
    raise pytest.UsageError(
        f"{option}: {path}: expected a file that can be written, got {found}; name another"
    )


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Let a fault of another plugin, as it ends the session, cost neither table nor summary.

    The session then ends with status 1, unless it has failed in another way.
    """
    try:
        return (yield)
    except Exception as error:  # noqa: BLE001 - whatever the other plugin raised
        session.config.stash[FAULT] = f"{type(error).__name__}: {error}"
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return None
