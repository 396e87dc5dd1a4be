"""Helpers for plugins that end a session, or set its exit status."""

from __future__ import annotations

import pytest


def has_failed_to_collect(session: pytest.Session) -> bool:
    """Tell whether collection failed, so that no test runs; pytest itself says why."""
    goes_on = session.config.getoption("continue_on_collection_errors")
    return bool(session.testsfailed) and not goes_on


def fail(session: pytest.Session) -> None:
    """Set exit status 1, unless the session has already failed with another status."""
    if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
