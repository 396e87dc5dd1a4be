"""CONTRIBUTING's checklist for a new library, followed in a copy of the project: it is enough.

The library is `tests/adding/parrot.py`, its adapter `tests/adding/adapter.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, copy_project, edit

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

NAME = "parrot"


def add_adapter(tree: Path) -> None:
    """Write the adapter."""
    shutil.copy(ROOT / "tests" / "adding" / "adapter.py", tree / "adapters" / "parrot.py")


def add_registry_line(tree: Path) -> None:
    """Register it, last."""
    registry = '    "parrot": "adapters.parrot:ParrotAdapter",\n'
    edit(tree / "adapters" / "__init__.py", mark := '}\n"""adapter name', registry + mark)


def add_extra(tree: Path) -> None:
    """Give it an extra; this library has no distribution to name."""
    edit(tree / "pyproject.toml", mark := "\n[dependency-groups]", f"parrot = []\n{mark}")


def add_changelog_line(tree: Path) -> None:
    """Say so."""
    edit(
        tree / "CHANGELOG.md",
        mark := "\n### Results affected",
        f"- The adapter for parrot.\n{mark}",
    )


STEPS = {
    "adapters/<library>.py": add_adapter,
    "adapters/__init__.py": add_registry_line,
    "pyproject.toml": add_extra,
    "CHANGELOG.md": add_changelog_line,
}
"""The file that a box of the checklist begins with → how it is done."""


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A function that runs pytest in a copy of the project to which the library was added."""
    tree = tmp_path_factory.mktemp("copy") / "project"
    copy_project(tree, tests=True)
    for step in STEPS.values():
        step(tree)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-k", NAME, *arguments],
            cwd=tree,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tree / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    return run


def test_checklist_names_the_steps() -> None:
    """Each box of the checklist is a step that is done here, and there is no other."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Adding a library")
    boxes = re.findall(r"^- \[ \] `([^`]+)`", section.partition("\n## ")[0], re.MULTILINE)

    assert boxes == list(STEPS)


def test_added_library_is_checked(run: Run) -> None:
    """`--check-models` tells of its models: the embedded one is there, the published one is not."""
    told = run("benchmarks", "--check-models=json")

    states = {
        (model["size"], model["repo"]): model["cache"]["state"]
        for model in json.loads(told.stdout)["models"]
    }
    assert states == {
        ("micro", "embedded/micro-mlx-fp16"): "complete",
        ("tiny", "example/parrot-tiny"): "missing",
    }


def test_added_library_is_consistent(run: Run) -> None:
    """Its check map is held to its table and to what it requests and opens, by name of its case."""
    told = run("tests/test_repo_consistency.py", "-v")

    assert told.returncode == pytest.ExitCode.OK, told.stdout
    passed = set(re.findall(r"::(\S+) PASSED", told.stdout))
    assert passed == {
        "test_library_names_the_repo_that_is_checked[parrot-tiny-fp16]",
        "test_all_that_a_library_names_is_checked[parrot]",
        "test_library_loads_the_files_that_are_checked[parrot-tiny-fp16]",
    }


def test_added_library_is_measured(run: Run, tmp_path: Path) -> None:
    """Its embedded model runs in an engine through every benchmark; its other size is skipped."""
    told = run("benchmarks", "--benchmark-only", f"--benchmark-json={tmp_path}/saved.json")

    assert told.returncode == pytest.ExitCode.OK, told.stdout
    saved = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    measures = {result["extra_info"]["measure"] for result in saved["benchmarks"]}
    assert measures == {"cold", "load", "warm", "tuned", "long-form"}
    assert all(result["extra_info"]["adapter"] == NAME for result in saved["benchmarks"])
    assert "skipped:" in told.stdout
    assert "example/parrot-tiny" in told.stdout
