"""Mistakes in check maps, made in a copy of the project: they fail the tests of their own cases.

`tests/consistency/test_wrong_line.py` makes each mistake by itself and holds every message to its
words; here the suite's own tests meet them.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from adapters import REGISTRY, adapter_class, why_invalid, why_not_installed
from tests.consistency.mistakes import MISTAKES, Mistake, wrong_cases
from tests.helpers.project import child_environment, copy_project, edit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ONE_FOR_EACH_LIBRARY = (
    *("size in a table", "file of all sizes", "one more of the newer"),
    *("variant that is not there", "hash of another size", "two sizes swapped"),
)
STATIC = "test_checked_files_are_a_published_model"
TABLE = "test_library_names_the_repo_that_is_checked"
LOAD = "test_library_loads_the_files_that_are_checked"
OF_NO_MAP = "faulty or forked or test_observer or test_trial"
"""Tests that take long, and that look at no check map."""


@dataclass(frozen=True)
class Outcome:
    """What a run of pytest in a copy came to."""

    failures: dict[str, str]
    """The name of each test that failed → its message."""

    messages: dict[str, str]
    """What must be said of each wrong case, by its id."""

    wrong: set[str]
    """The id of each wrong case."""


def run(tree: Path, mistakes: list[Mistake], *arguments: str) -> Outcome:
    """Make mistakes in a copy of the project, and run pytest in it."""
    for name in REGISTRY:
        if reason := why_invalid(name):
            pytest.skip(reason)
        if already := wrong_cases(name, adapter_class(name)):
            pytest.skip(f"the check map of {name} has a mistake already: mend {already[0]} first")
    copy_project(tree, tests=True)
    messages: dict[str, str] = {}
    for mistake in mistakes:
        source = tree / mistake.source
        for old, new in mistake.changes.items():
            edit(source, old, new)
        said = mistake.messages(source.read_text(encoding="utf-8"))
        messages |= {f"{mistake.adapter}-{case}": words for case, words in said.items()}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-m", "not slow and not property"),
            *("--junitxml=told.xml", *arguments),
        ],
        cwd=tree,
        env=child_environment(HF_HOME=str(tree / "hub")),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    cases = list(ET.parse(tree / "told.xml").iter("testcase"))  # noqa: S314 - just written
    assert not [case.get("name") for case in cases if case.find("error") is not None]
    failures = {
        str(case.get("name")): str(failure.get("message")).partition("Failed: ")[2]
        for case in cases
        if (failure := case.find("failure")) is not None
    }
    wrong = {
        name.partition("[")[2].removesuffix("]") for name in failures if name.startswith(STATIC)
    }
    return Outcome(failures, messages, wrong)


def test_mistakes_of_every_library_fail_the_tests_of_their_cases_alone(tmp_path: Path) -> None:
    """Mistakes in the check maps of all libraries fail the tests of their own cases alone.

    The tests of adapters, of the consistency test and of this list are run, where they look at
    check maps, and so are the loads of some models of the library that is always installed.
    """
    mistakes = [MISTAKES[name] for name in ONE_FOR_EACH_LIBRARY]
    some_loads = "lightning and (medium-fp16 or base-fp16)"

    outcome = run(
        tmp_path / "project",
        mistakes,
        *("tests/adapters", "tests/consistency", "tests/test_repo_consistency.py"),
        *("-k", f"(not {LOAD} or ({some_loads})) and not ({OF_NO_MAP})"),
    )

    said = {case: outcome.failures.get(f"{STATIC}[{case}]") for case in outcome.messages}
    assert said == outcome.messages
    assert len(outcome.wrong) == sum(mistake.cases for mistake in mistakes)
    of_wrong_cases = {f"{test}[{case}]" for test in (STATIC, TABLE, LOAD) for case in outcome.wrong}
    assert outcome.failures.keys() <= of_wrong_cases, "expected no other test to fail"
    case = "lightning-whisper-mlx-medium-fp16"
    line = outcome.messages[case].rpartition("; fix ")[2]
    for test in (TABLE, LOAD):
        assert outcome.failures[f"{test}[{case}]"] == (
            "lightning-whisper-mlx[medium-fp16]: checked mlx-community/whisper-base-mlx but loads "
            f"mlx-community/whisper-medium-mlx; fix {line}"
        )


def test_other_size_is_seen_in_the_load_of_a_library_that_takes_any_repo(tmp_path: Path) -> None:
    """A model of another size is seen by its dimensions in the load of mlx-whisper."""
    if reason := why_not_installed("mlx-whisper"):
        pytest.skip(reason)

    outcome = run(
        tmp_path / "project",
        [MISTAKES["size in a new exception"]],
        *("tests/adapters/test_check_maps.py", "tests/test_repo_consistency.py"),
        *("-k", "mlx-whisper and (medium or base)"),
    )

    case = "mlx-whisper-medium-fp16"
    assert outcome.failures.keys() == {f"{STATIC}[{case}]", f"{LOAD}[{case}]"}
    assert outcome.failures[f"{STATIC}[{case}]"] == outcome.messages[case]
    line = outcome.messages[case].rpartition("; fix ")[2]
    assert outcome.failures[f"{LOAD}[{case}]"] == (
        "mlx-whisper[medium-fp16]: the model is not of the size medium: heads: expected 16, got 8; "
        "width: expected 1024, got 512; audio_layers: expected 24, got 6; text_layers: expected "
        f"24, got 6; these are the dimensions of base; fix {line}"
    )
