"""When a session ends before its tests, and what makes it a failure."""

from __future__ import annotations

import pytest

from tests.helpers.fake_session import FakeSession
from whisper_speedtest.session.ending import fail, has_failed_to_collect


@pytest.mark.parametrize(
    ("failed", "goes_on", "ends"),
    [(0, False, False), (0, True, False), (1, False, True), (2, False, True), (1, True, False)],
)
def test_failed_collection_ends_a_session_unless_the_user_goes_on(
    failed: int, *, goes_on: bool, ends: bool
) -> None:
    """A failed collection ends a session, unless the user lets pytest go on after errors."""
    session = FakeSession(failed=failed, continue_on_collection_errors=goes_on)

    assert has_failed_to_collect(session.real) is ends


@pytest.mark.parametrize(("before", "after"), [(0, 1), (5, 1), (1, 1), (2, 2), (3, 3), (6, 6)])
def test_failure_takes_the_place_of_no_other(before: int, after: int) -> None:
    """A failure changes the status of a session that passed or had no test, and no other status."""
    session = FakeSession()
    session.exitstatus = before

    fail(session.real)

    assert session.exitstatus == after
