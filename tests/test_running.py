"""How tests are run: all of them by several workers, a part of them by one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
import os
import pathlib

import pytest

@pytest.mark.parametrize("number", range(40))
def test_worker(worker_id, number, request):
    assert not [name for name in os.environ if name.startswith("PYTEST_XDIST_")]
    with open(f"{request.config.rootpath}/workers", "a") as file:
        print(worker_id, file=file)
"""


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A project with these tests' conftest.py, and forty tests that note which worker ran them."""
    for folder in ("tests", "benchmarks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_worker.py").write_text(TEST, encoding="utf-8")
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests/conftest.py")
    options = '[pytest]\naddopts = ["--import-mode=importlib"]\n'
    (tmp_path / "pytest.toml").write_text(options, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "distributed"),
    [
        ("tests", True),
        ("./tests/ -k worker", True),
        ("tests/test_worker.py", False),
        ("benchmarks", False),
        ("tests benchmarks", False),
        ("tests -s", False),
        ("tests -n 0", False),
        ("", False),
    ],
)
def test_all_tests_and_they_alone_are_spread(
    project: Path, arguments: str, distributed: bool
) -> None:
    """`pytest tests` has a worker for each processor; whatever else is asked for has none.

    Nothing that a worker's test starts takes itself for a worker, whose benchmarks would be off.
    """
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments.split()],
        cwd=project, env=child_environment(), capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip

    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
    workers = set((project / "workers").read_text().split())
    spread = {f"gw{number}" for number in range(os.cpu_count() or 1)}
    assert workers == (spread if distributed else {"master"})


def collected(*arguments: str) -> set[str]:
    """Return the test files in which pytest finds tests, from the root of the project."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {line.partition("::")[0] for line in run.stdout.splitlines() if "::" in line}


def test_no_test_file_is_forgotten() -> None:
    """Each test file is run by `pytest tests`, or by `pytest tests/speed` if it lies in there."""
    every = {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py")}
    speed = {file for file in every if file.startswith("tests/speed/")}
    optional = {"tests/mutants/test_mutants.py"}
    """Those that need more than the tests' own lock."""

    assert every - speed - optional == collected("tests") - optional
    assert speed == collected("tests/speed")
