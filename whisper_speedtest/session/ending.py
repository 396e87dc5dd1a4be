"""What ends a session early, and the exit status that it ends with."""

from __future__ import annotations

import pytest


def has_failed_to_collect(session: pytest.Session) -> bool:
    """Tell whether collection failed, so that no test runs; pytest itself says why."""
    goes_on = session.config.getoption("continue_on_collection_errors")
    return bool(session.testsfailed) and not goes_on


def fail(session: pytest.Session) -> None:
    """Let a session end with status 1, unless it has failed in another way."""
    if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
