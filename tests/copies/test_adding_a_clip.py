"""CONTRIBUTING's checklist for a new clip, followed in a copy of the project.

One clip is timed, and another one only checked. What the suite's tests say of them then is the
proof that the checklist is enough.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.test_clips import HERE_ONLY
from tests.helpers.project import checklist, child_environment, copy_project, edit

if TYPE_CHECKING:
    from pathlib import Path

IDS = "tests/session/choice/stored_ids.txt"


def add_plans(tree: Path) -> None:
    """Plan both clips, last, and make them with the command of the checklist."""
    plans = "".join(
        f'    Plan(name="{name}", seed={seed}, sentences=1),\n'
        for name, seed in (("timed", 7), ("checked", 8))
    )
    edit(tree / "fixtures" / "audio" / "make.py", mark := ")\n\n# The recording's", plans + mark)
    command = [sys.executable, "-m", "fixtures.audio.make"]
    subprocess.run(command, cwd=tree, env=child_environment(), check=True)


def use_clips(tree: Path) -> None:
    """Name one of them in the mark of a benchmark, the other with those that are only checked."""
    edit(tree / "benchmarks" / "test_transcribe.py", mark := '"human", ', f'{mark}"timed", ')
    checks = tree / "tests" / "adapters" / "test_libraries.py"
    edit(checks, mark := '"silence")\n"""', mark.replace(")", ', "checked")'))


def add_ids(tree: Path) -> None:
    """Store the ids of the new measurements: each model that another clip is timed with."""
    ids = (tree / IDS).read_text(encoding="utf-8").splitlines()
    new = [each.replace("-noisy]", "-timed]") for each in ids if "-noisy]" in each]
    (tree / IDS).write_text("\n".join([*ids, *new, ""]), encoding="utf-8")


STEPS = {
    "fixtures/audio/make.py": add_plans,
    "benchmarks/test_transcribe.py": use_clips,
    IDS: add_ids,
}
"""The file that a box of the checklist begins with → how it is done."""


def test_checklist_names_the_steps() -> None:
    """The boxes of the checklist for a new clip are the steps that are done here."""
    assert checklist("Adding a clip") == list(STEPS)


@HERE_ONLY
def test_added_clips_pass_the_tests_of_clips_and_of_ids(tmp_path: Path) -> None:
    """Clips that are added by the checklist pass the tests of clips and of ids."""
    tree = tmp_path / "project"
    copy_project(tree, tests=True)
    for step in STEPS.values():
        step(tree)

    told = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q"),
            *("tests/fixtures/test_clips.py", "tests/session/choice/test_selection.py"),
        ],
        cwd=tree, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == pytest.ExitCode.OK, told.stdout
