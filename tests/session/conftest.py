"""What the tests of sessions share: a copy of the project with a toy library, a loopback hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.hub_fixtures import hub, loopback, store
from tests.helpers.sessions import Sessions, make_toy_project

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["hub", "loopback", "store"]


@pytest.fixture(name="toy_project", scope="session")
def _toy_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the toy library in its registry, and short time limits."""
    tree = tmp_path_factory.mktemp("project")
    make_toy_project(tree)
    return tree


@pytest.fixture(name="sessions")
def _sessions(toy_project: Path, tmp_path: Path) -> Sessions:
    """Runs sessions in the copied project."""
    return Sessions(toy_project, tmp_path)
