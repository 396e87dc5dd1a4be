"""Fixtures of several rooms: a copy of the project with a toy library, and sessions in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.sessions import Sessions, make_toy_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def toy_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the toy library in its registry, and short time limits."""
    tree = tmp_path_factory.mktemp("project")
    make_toy_project(tree)
    return tree


@pytest.fixture
def sessions(toy_project: Path, tmp_path: Path) -> Sessions:
    """Runs sessions in the copied project."""
    return Sessions(toy_project, tmp_path)
