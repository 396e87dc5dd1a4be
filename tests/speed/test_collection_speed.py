"""What it costs to collect every benchmark, of which there are hundreds, before any is run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.helpers.project import ROOT, child_environment
from tests.helpers.turns import timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def collect(folder: Path) -> None:
    """Let pytest collect what it finds in a folder, with every plugin that the install brings."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q"],
        cwd=folder, env=child_environment(PYTEST_ADDOPTS=""), capture_output=True, check=True,
    )  # fmt: skip


def test_collection_takes_hardly_longer_than_that_of_an_empty_file(
    compare: Callable[..., None], tmp_path: Path
) -> None:
    """The whole matrix is collected in less than 1.5 times the time of one empty test file."""
    (tmp_path / "test_empty.py").write_text("def test_nothing(): ...\n", encoding="utf-8")

    compare(
        ("collecting the whole matrix", timed(lambda: collect(ROOT))),
        ("collecting one empty file", timed(lambda: collect(tmp_path))),
        limit=1.5,
        turns=11,
    )
