"""A plugin of pytest: notes how long each test takes, or leaves those out that take the longest.

It is told by variables, which name a file each: TIMES_TO is written, a JSON object of seconds by
test; LEFT_OUT is read, a JSON list of tests.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

TIMES_TO = "MUTANTS_TIMES_TO"
LEFT_OUT = "MUTANTS_LEFT_OUT"
SECONDS_A_ROOM = 60
"""A mutant that nobody notices takes as long as all the tests that it meets."""

_seconds: dict[str, float] = defaultdict(float)


def longest(seconds: Mapping[str, float], most: float = SECONDS_A_ROOM) -> list[str]:
    """Return the tests that take the longest, without which the others take `most` seconds."""
    left_out = []
    rest = sum(seconds.values())
    for test in sorted(seconds, key=lambda test: seconds[test], reverse=True):
        if rest <= most:
            break
        left_out.append(test)
        rest -= seconds[test]
    return left_out


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what a test takes with its fixtures."""
    _seconds[report.nodeid] += report.duration


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests out."""
    if file := os.environ.get(LEFT_OUT):
        left_out = set(json.loads(Path(file).read_text(encoding="utf-8")))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what each test took; fail where none was run.

    A mutant of the suite's own hooks may keep pytest from running any, which is no failure to it.
    """
    if session.items and not _seconds:
        session.exitstatus = 1
    if file := os.environ.get(TIMES_TO):
        Path(file).write_text(json.dumps(_seconds), encoding="utf-8")
