"""What a session of tests/speed adds: comparisons in turns, with their results below the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(name="compare")
def _compare(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that has two things timed in turns, and holds their ratio to a limit.

    Each is a name and a call that returns seconds; the rest is for `take_turns`.
    """

    def compare(
        ours: tuple[str, Callable[[], float]],
        theirs: tuple[str, Callable[[], float]],
        *,
        limit: float,
        turns: int,
        before_each: Callable[[], object] = lambda: None,
    ) -> None:
        comparison = take_turns(ours[1], theirs[1], turns=turns, before_each=before_each)
        measured = request.config.stash.setdefault(MEASURED, [])
        measured.append(f"{ours[0]} against {theirs[0]}: {comparison}; limit: {limit:g} times")
        comparison.expect_at_most(limit, ours=ours[0], theirs=theirs[0])

    return compare


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was measured, whether or not it kept to its limit."""
    if measured := config.stash.get(MEASURED, []):
        terminalreporter.section("speed of the suite itself")
        for line in measured:
            terminalreporter.line(line)
