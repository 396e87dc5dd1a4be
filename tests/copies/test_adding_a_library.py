"""CONTRIBUTING's checklist for a new library, followed to the letter in a copy of the project.

The library is `tests/adding/parrot.py`, its adapter `tests/adding/adapter.py`. What the suite's
tests and benchmarks say of it then is the proof that the checklist is enough.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY
from tests.adding.concerned import reading_the_registry
from tests.helpers.project import ROOT, checklist, child_environment, copy_project, edit

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

NAME = "parrot"
OTHERS = {*REGISTRY, *(re.sub("[-.]", "_", name) for name in REGISTRY)}
OF_NO_LIBRARY = {
    *("faulty", "historic", "is_there_already", "makes_an_environment", "puts_its_work_off"),
    *("test_trial", "torch"),
}
"""Words in the names of tests that take long, and that no library has a part in."""

OF_THE_CHECKLIST = (
    *("tests/adapters", "tests/test_repo_consistency.py", "tests/test_packaging.py"),
    *("tests/consistency/test_published.py", "tests/results/test_models.py"),
    *("tests/session/choice/test_selection.py", "tests/session/choice/test_collection.py"),
    "tests/test_readme.py::test_table_is_the_registry",
    "tests/test_readme.py::test_readme_is_read_in_five_minutes",
)
"""The tests of what is written in the files of the checklist, whether they read the registry."""

CONCERNED = f"{NAME} or not ({' or '.join(sorted(OTHERS | OF_NO_LIBRARY))})"
"""Selects what a new library may break: every test but those of one other library, or of none."""


def add_adapter(tree: Path) -> None:
    """Write the adapter."""
    shutil.copy(ROOT / "tests" / "adding" / "adapter.py", tree / "adapters" / "parrot.py")


def add_registry_line(tree: Path) -> None:
    """Register it, last."""
    registry = '    "parrot": "adapters.parrot:ParrotAdapter",\n'
    edit(tree / "adapters" / "__init__.py", mark := '}\n"""adapter name', registry + mark)


def add_published_model(tree: Path) -> None:
    """Put its repo into the list of what is published, last of a group of its format."""
    line = '    { size = "tiny", variant = "fp16", repo = "example/parrot-tiny" },\n'
    edit(
        tree / "tests" / "consistency" / "published.toml",
        end := "]\n\n# Converted later than the others.",
        line + end,
    )


def add_extra(tree: Path) -> None:
    """Give it an extra, and the lock that `tox -e lock` would write."""
    extra = 'parrot = ["parrot>=1"]\n'
    edit(tree / "pyproject.toml", mark := "\n[dependency-groups]", extra + mark)
    head = "--only-binary :all:\n\n"
    pin = f"parrot==1.0 \\\n    --hash=sha256:{'0' * 64}\n"
    (tree / "requirements" / "parrot.txt").write_text(head + pin, encoding="utf-8")


def add_changelog_line(tree: Path) -> None:
    """Say so."""
    edit(
        tree / "CHANGELOG.md",
        mark := "\n### Results affected",
        f"- The adapter for parrot.\n{mark}",
    )


def write_documents(tree: Path) -> None:
    """Write the table of libraries and the page of models, with the command of the checklist."""
    command = [sys.executable, "-m", "whisper_speedtest.results.models"]
    subprocess.run(command, cwd=tree, env=child_environment(), check=True)


STEPS = {
    "adapters/<library>.py": add_adapter,
    "adapters/__init__.py": add_registry_line,
    "tests/consistency/published.toml": add_published_model,
    "pyproject.toml": add_extra,
    "CHANGELOG.md": add_changelog_line,
    "README.md": write_documents,
}
"""The file that a box of the checklist begins with → how it is done."""


def python_with_the_library(folder: Path) -> Path:
    """Return the Python of a new environment that has all of this one, and the library."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "all_of_the_other.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    shutil.copy(ROOT / "tests" / "adding" / "parrot.py", site)
    (site / "parrot-1.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n"
    (site / "parrot-1.0.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")
    record = "parrot.py,,\nparrot-1.0.dist-info/METADATA,,\n"
    (site / "parrot-1.0.dist-info" / "RECORD").write_text(record, encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture(name="tree", scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project to which the library was added."""
    tree = tmp_path_factory.mktemp("added") / "project"
    copy_project(tree, tests=True)
    for step in STEPS.values():
        step(tree)
    return tree


@pytest.fixture(name="run", scope="module")
def _run(tree: Path) -> Run:
    """A function that runs pytest in the copy, where the library is installed."""
    python = python_with_the_library(tree.parent / "environment")
    environment = child_environment(HF_HUB_OFFLINE="1", HF_HOME=str(tree.parent / "home"))

    def run(*arguments: str, expression: str = NAME) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-m", "pytest", "-k", expression, *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    return run


def test_checklist_names_the_steps() -> None:
    """The boxes of the checklist for a new library are the steps that are done here."""
    assert checklist("Adding a library") == list(STEPS)


def test_tests_that_read_the_registry_are_found(tmp_path: Path) -> None:
    """A test that reads the registry is found, also through a constant, a fixture or a helper."""
    (tmp_path / "tests" / "room").mkdir(parents=True)
    for name, code in {
        "helpers.py": "import adapters\ndef names(): return list(adapters.REGISTRY)",
        "conftest.py": (
            "from adapters import valid_adapters\n"
            "@pytest.fixture(name='library', params=valid_adapters())\n"
            "def _library(): ..."
        ),
        "room/test_a.py": (
            "from adapters import REGISTRY, all_cases as every\n"
            "from tests.helpers import names\n"
            "CASES = every()\n"
            "@pytest.mark.parametrize('name', REGISTRY)\n"
            "def test_mark(name): ...\n"
            "def test_constant(): assert CASES\n"
            "def test_helper(): assert names()\n"
            "def test_fixture(library): ...\n"
            "def test_one_library(): load(REGISTRY['this'])\n"
            "def test_toy(monkeypatch): monkeypatch.setitem(REGISTRY, 'toy', 'a:Toy')\n"
            "def test_none(tmp_path): ..."
        ),
    }.items():
        (tmp_path / "tests" / name).write_text(code, encoding="utf-8")

    found = reading_the_registry(tmp_path)

    assert found == [
        f"tests/room/test_a.py::test_{how}" for how in ("mark", "constant", "helper", "fixture")
    ]


def test_added_library_passes_every_other_test_that_reads_the_registry(
    run: Run, tree: Path, pytestconfig: pytest.Config
) -> None:
    """An added library passes each test that reads the registry; of slow ones, its own are run."""
    known = (*OF_THE_CHECKLIST, *pytestconfig.getini("norecursedirs"))
    others = [test for test in reading_the_registry(tree) if not test.startswith(known)]

    told = run(
        *(*others, "-v", "-m", "not property and (not slow or parametrize)"), expression=CONCERNED
    )

    assert told.returncode == pytest.ExitCode.OK, told.stdout
    assert set(re.findall(rf"::(\S+\[{NAME}\S*\]) PASSED", told.stdout)) >= {
        "test_every_adapter_has_a_spy[parrot]",
        "test_library_is_cut_as_its_traits_say[parrot]",
        "test_real_library_runs_without_what_the_suite_needs[parrot]",
    }


def test_added_library_passes_every_test_of_the_checklist(run: Run) -> None:
    """An added library passes the tests of adapters, consistency, packaging, ids and the README.

    The tests of its own are among them, by the names of its cases.
    """
    told = run(*OF_THE_CHECKLIST, "-v", expression=CONCERNED)

    assert told.returncode == pytest.ExitCode.OK, told.stdout
    of_it = re.findall(rf"::(\S+\[{NAME}\S*\]) (\w+)", told.stdout)
    assert {name for name, outcome in of_it if outcome == "PASSED"} >= {
        "test_calls_are_alike_and_the_load_imports_nothing[parrot-micro-fp16]",
        "test_every_clip_is_exact[parrot-micro-fp16]",
        "test_load_is_verified_and_says_what_it_computes_in[parrot-micro-fp16]",
        "test_other_weight_in_memory_is_found[parrot-micro-fp16]",
        "test_setting_is_handed_to_the_library[parrot-language]",
        "test_setting_is_handed_to_the_library[parrot-beam_size]",
        "test_library_computes_with_the_threads_that_it_is_told[parrot]",
        "test_process_killed_during_a_call_fails_that_call_only[parrot-micro-fp16]",
        "test_corrupt_model_fails_its_load_only[parrot-micro-fp16-zeros]",
        "test_checked_files_are_a_published_model[parrot-tiny-fp16]",
        "test_library_names_the_repo_that_is_checked[parrot-tiny-fp16]",
        "test_all_that_a_library_names_is_checked[parrot]",
        "test_library_loads_the_files_that_are_checked[parrot-tiny-fp16]",
    }
    assert [name for name, outcome in of_it if outcome == "SKIPPED"] == [
        "test_segments_are_the_sentences[parrot-micro-fp16]"  # it knows no timestamps
    ]


def test_extra_without_its_lock_fails_one_test(run: Run, tree: Path) -> None:
    """It names the file, and the command that writes it."""
    lock = tree / "requirements" / "parrot.txt"
    written = lock.read_text(encoding="utf-8")
    lock.unlink()
    told = run("tests/test_packaging.py", expression="lock or extra")
    lock.write_text(written, encoding="utf-8")

    assert told.returncode == pytest.ExitCode.TESTS_FAILED, told.stdout
    assert re.findall(r"^FAILED \S+::(\S+)", told.stdout, re.MULTILINE) == [
        "test_each_extra_and_group_has_a_lock"
    ]
    assert (
        "requirements/parrot.txt: expected a lock for each extra and each dependency group of "
        "pyproject.toml, got none; `tox -e lock` writes it"
    ) in told.stdout


def test_added_library_is_checked(run: Run) -> None:
    """`--check-models` tells of an added library's models, the embedded and the published one."""
    told = run("benchmarks", "--check-models=json")

    states = {
        (model["size"], model["repo"]): model["cache"]["state"]
        for model in json.loads(told.stdout)["models"]
    }
    assert states == {
        ("micro", "embedded/micro-mlx-fp16"): "complete",
        ("tiny", "example/parrot-tiny"): "missing",
    }


def test_added_library_is_measured(run: Run, tmp_path: Path) -> None:
    """An added library is measured by every benchmark, and its model that is not there skipped."""
    told = run(
        "benchmarks",
        "--benchmark-only",
        "--max-others=inf",
        "--processes=1",
        f"--benchmark-json={tmp_path}/saved.json",
    )

    assert told.returncode == pytest.ExitCode.OK, told.stdout
    saved = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    results = [benchmark["extra_info"] for benchmark in saved["benchmarks"]]
    assert {result["measure"] for result in results} == {
        *("cold", "load", "warm", "tuned", "long-form")
    }
    assert {result["case"]["adapter"] for result in results} == {NAME}
    assert "skipped:" in told.stdout
    assert "example/parrot-tiny" in told.stdout


def test_incomplete_adapter_fails_with_what_it_lacks(run: Run, tree: Path) -> None:
    """An incomplete adapter fails with the part of the contract that it lacks."""
    adapter = tree / "adapters" / "parrot.py"
    complete = adapter.read_text(encoding="utf-8")
    adapter.write_text(complete.replace("def select_device(", "def device("), encoding="utf-8")
    told = run("benchmarks", "--device=cpu")
    command = [sys.executable, "-m", "whisper_speedtest.results.models"]
    written = subprocess.run(
        command, cwd=tree, env=child_environment(), capture_output=True, text=True, check=False
    )
    adapter.write_text(complete, encoding="utf-8")

    missing = "  the method select_device(self, device: Device, threads: int) -> None is missing"
    assert told.returncode == pytest.ExitCode.TESTS_FAILED
    assert "5 errors" in told.stdout
    _, _, summary = told.stdout.partition("= whisper-speedtest =")
    assert summary.splitlines()[1:5] == [
        "nothing was measured: every test that was begun failed or was skipped",
        "",
        (
            'failed:   adapters/__init__.py, REGISTRY, "parrot": "adapters.parrot:ParrotAdapter": '
            "adapters.parrot.ParrotAdapter is no complete adapter; class Adapter in "
            "adapters/base.py describes each part:"
        ),
        missing,
    ]
    assert (written.returncode, written.stderr.splitlines()[1:]) == (1, [missing])
    assert (tree / "docs" / "models.md").stat().st_size > 0, "expected the documents as they were"
