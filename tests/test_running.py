"""How tests are run: all of them by several workers, a part of them by one process."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.conftest import (
    number_of_workers,
    part_of_the_files,
    pytest_cmdline_main,
    usable_cores,
)
from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
import os
import pathlib

import pytest

@pytest.mark.parametrize("number", range(40))
def test_worker(number, request):
    worker_id = getattr(request.config, "workerinput", {"workerid": "master"})["workerid"]
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
        ("tests -p no:xdist", False),
        ("", False),
    ],
)
def test_all_tests_and_they_alone_are_spread(
    project: Path, arguments: str, distributed: bool
) -> None:
    """`pytest tests` has several workers, and whatever else is asked for has none.

    Without pytest-xdist one process runs all of them.

    Nothing that a worker's test starts takes itself for a worker, whose benchmarks would be off.
    """
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments.split()],
        cwd=project, env=child_environment(), capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip

    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
    workers = set((project / "workers").read_text().split())
    spread = {f"gw{number}" for number in range(number_of_workers())}
    assert workers == (spread if distributed else {"master"})


@pytest.mark.parametrize(
    ("cores", "gigabytes", "workers"),
    [(1, 16, 2), (2, 16, 4), (3, 7, 4), (4, 16, 8), (128, 512, 8), (4, 4.4, 2), (2, 1, 1)],
)
def test_workers_are_twice_as_many_as_cores_and_few(
    cores: int, gigabytes: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers are twice as many as cores, with 1.5 GB of memory for each, eight at most."""
    memory = SimpleNamespace(total=int(gigabytes * 1e9))
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    option = SimpleNamespace(
        numprocesses=None, dist="no", tx=[], usepdb=False, capture="fd", collectonly=False
    )
    parameters = SimpleNamespace(dir=ROOT)
    config = SimpleNamespace(
        option=option,
        invocation_params=parameters,
        args=["tests"],
        pluginmanager=SimpleNamespace(hasplugin=lambda name: name == "xdist"),
    )
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)

    pytest_cmdline_main(cast("pytest.Config", config))

    assert (option.numprocesses, option.dist) == (workers, "worksteal")


def test_cores_are_counted_where_a_system_bounds_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All cores are counted where a system bounds no process, as on macOS."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)

    assert usable_cores() == 12


def test_workers_share_out_the_files_that_they_import_first() -> None:
    """Each test file of a room is imported first by one worker, and none that runs apart is."""
    apart = ("tests/browser", "tests/copies", "tests/online", "tests/speed")
    rooms = [path.relative_to(ROOT) for path in ROOT.glob("tests/*/**/test_*.py")]
    names = [
        file.with_suffix("").as_posix().replace("/", ".")
        for file in rooms
        if not str(file).startswith(apart)
    ]

    parts = [part_of_the_files(number, 3, apart) for number in range(3)]

    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


ORDER = """
def test_nothing():
    pass
"""


def test_tests_of_the_whole_project_begin(project: Path) -> None:
    """The test files directly in tests/ come before those of its folders."""
    (project / "tests" / "room").mkdir()
    (project / "tests" / "room" / "test_room.py").write_text(ORDER, encoding="utf-8")
    (project / "tests" / "test_zoo.py").write_text(ORDER, encoding="utf-8")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "--collect-only", "-q", "-k", "nothing"],
        cwd=project, env=child_environment(), capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip

    collected_ids = [line for line in run.stdout.splitlines() if "::" in line]
    assert collected_ids == [
        "tests/test_zoo.py::test_nothing",
        "tests/room/test_room.py::test_nothing",
    ], run.stdout + run.stderr


FAILING = """
import pytest

def test_bare():
    \"\"\"Four is the number of blocks,
    and no other.

    As the rules say.
    \"\"\"
    assert 4 == 3

def test_message():
    \"\"\"Four is said.\"\"\"
    assert 4 == 3, "expected three blocks"

def test_without_docstring():
    assert 4 == 3

def test_error():
    \"\"\"Four is raised.\"\"\"
    raise ValueError("assert four")

def test_passes():
    \"\"\"Four holds.\"\"\"
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_failure_without_a_message_says_which_fact_does_not_hold(
    project: Path, workers: str
) -> None:
    """A failed assertion without a message is reported with its test's docstring as the fact."""
    (project / "tests" / "test_facts.py").write_text(FAILING, encoding="utf-8")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_facts.py", "-n", workers],
        cwd=project, env=child_environment(COLUMNS="200"), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip

    lines = run.stdout.splitlines()
    told = dict(line.removeprefix("FAILED tests/test_facts.py::").split(" - ", 1)
                for line in lines if line.startswith("FAILED"))  # fmt: skip
    assert told == {
        "test_bare": "does not hold: Four is the number of blocks, and no other. assert 4 == 3",
        "test_message": "AssertionError: expected three blocks",
        "test_without_docstring": "assert 4 == 3",
        "test_error": "ValueError: assert four",
    }, run.stdout
    section = next(number for number, line in enumerate(lines) if " does not hold " in line)
    assert lines[section + 1] == "Four is the number of blocks, and no other."
    assert run.stdout.count(" does not hold ---") == 1, run.stdout


TELLS_FILES = """
import pytest

class File(pytest.File):
    def collect(self):
        print("collected:", self.path.relative_to(self.config.rootpath))
        return []

def pytest_pycollect_makemodule(module_path, parent):
    return File.from_parent(parent, path=module_path)
"""
"""A plugin that names each file in which pytest looks for tests, and imports none of them."""


def collected(folder: Path, *arguments: str) -> set[str]:
    """Return the files in which pytest looks for tests, from the root of the project."""
    (folder / "tells_files.py").write_text(TELLS_FILES, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-s", "-p", "tells_files", *arguments],
        cwd=ROOT, env=child_environment(PYTHONPATH=str(folder)), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, run.stdout + run.stderr
    return set(re.findall("^collected: (.*)$", run.stdout, re.MULTILINE))


def test_no_test_file_is_forgotten(tmp_path: Path) -> None:
    """Each test file is run by `pytest tests`, or by the name of a folder that runs apart."""
    every = {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py")}
    apart = ("tests/browser", "tests/copies", "tests/online", "tests/speed")
    files = {folder: {file for file in every if file.startswith(f"{folder}/")} for folder in apart}

    assert collected(tmp_path, "tests") == every.difference(*files.values())
    for folder, of_it in files.items():
        assert of_it, f"{folder}: expected tests, got none"
        assert collected(tmp_path, folder) == of_it


RUNNER = {
    "CI": "true",
    "COLUMNS": "37",
    "FORCE_COLOR": "1",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ENV": "/nowhere/env",
    "GITHUB_OUTPUT": "/nowhere/output",
    "GITHUB_STEP_SUMMARY": "/nowhere/summary",
    "HF_HUB_DISABLE_SYMLINKS": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_COLOR": "1",
    "PYTEST_ADDOPTS": "--color=yes",
}
"""What a workflow's runner or a shell sets, or may set; TERM is not among it."""

SENSITIVE = (
    "tests/cache/test_evidence.py",
    "tests/cache/test_places.py::test_hf_agrees_about_a_cache_that_the_store_filled",
    "tests/results/test_benchmark_plugin.py",
    "tests/results/test_interrupted_plugin.py",
    "tests/results/test_summary_plugin.py",
    "tests/session/models/test_check_models.py::test_loads_that_succeed_have_status_0",
    "tests/session/choice/test_collection.py::test_collection_imports_nothing_heavy",
    "tests/session/choice/test_options.py",
    "tests/session/terminal/test_download_progress.py",
    "tests/session/models/test_model_report.py",
    "tests/speech/test_clip.py",
    "tests/speech/test_scoring.py",
    "tests/test_readme.py::test_options_are_those_of_the_plugins",
)
"""Tests that read what was printed, start what prints, or depend on huggingface_hub's settings."""


def test_tests_pass_with_the_variables_of_a_runner() -> None:
    """Tests that read output pass with the variables that a runner or a shell may set."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *SENSITIVE, "-m", "not property", "-x"],
        cwd=ROOT, env={**child_environment(), **RUNNER}, capture_output=True, text=True,
        check=False, timeout=280,
    )  # fmt: skip

    assert run.returncode == pytest.ExitCode.OK, run.stdout[-6000:] + run.stderr


STARTERS = {f"subprocess.{name}" for name in ("run", "Popen", "check_call", "check_output")}
IN_AN_ENGINE = "tests/helpers/toy_adapter.py"
"""It starts a process as libraries do, in an environment that the engine has."""


def test_each_process_that_a_test_starts_has_an_environment_of_its_own() -> None:
    """Each process that a test starts is given an environment of its own."""
    found = []
    for path in sorted(ROOT.glob("tests/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTERS:
                given = [ast.unparse(each.value) for each in node.keywords if each.arg == "env"]
                if not given or "os.environ," in given[0]:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")

    found = [place for place in found if not place.startswith(IN_AN_ENGINE)]
    assert found == [], f"{found}: expected env=child_environment(), got the environment of pytest"
