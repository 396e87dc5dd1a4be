"""The mutation tester itself: what it changes, what it leaves alone, and what it calls noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed; see `tox -e mutants`")

from tests.helpers import project
from tests.mutants import mutants, quick, running
from tests.mutants.mutants import changed_lines, equivalents, mutants_of, sample
from tests.mutants.quick import longest
from tests.mutants.rooms import ROOMS
from tests.mutants.running import Baseline, BaselineError, Copy, Outcome

FILE = "whisper_speedtest/results/toy.py"
CODE = '''
from __future__ import annotations

from functools import cache
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    NEVER = 1 < 2

LIMIT = 3


@cache
def below(number: int | None) -> bool:
    """Tell whether a number is below the limit."""
    local: list[int | str] = []
    local.append(LIMIT)
    return number is not None and number < LIMIT


def count(most: int) -> int:
    """Count, without a processor of its own while it does so without end."""
    number = 0
    while number < most and not sleep(0.01):
        number += 1
    return number
'''
TESTS = """
from whisper_speedtest.results.toy import below, count

def test_below():
    assert below(1) and not below(9)

def test_count():
    assert count(4) == 4
"""


@pytest.fixture(name="root", autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one module, whose tests do not look at the limit itself."""
    root = tmp_path / "project"
    for name, text in {
        FILE: CODE,
        "tests/results/test_toy.py": TESTS,
        "tests/mutants/quick.py": Path(quick.__file__).read_text(encoding="utf-8"),
        "pyproject.toml": '[tool.pytest]\npythonpath = ["."]\nmarkers = ["slow"]\n',
        ".ci/run": "",
        ".github/workflow": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(project, "ROOT", root)
    monkeypatch.setattr(running, "ROOT", root)
    return root


def test_every_statement_that_runs_is_mutated(root: Path) -> None:
    """Every statement that runs is mutated, and no annotation is."""
    changes = {(mutant.operator, *changed_lines(root, mutant)) for mutant in mutants_of(root, FILE)}

    less, returned = "number < LIMIT", "return number is not None and"
    assert ("NumberReplacer", "LIMIT = 3", "LIMIT = 4") in changes
    assert ("RemoveDecorator", "@cache", "") in changes
    assert ("DropCall", "local.append(LIMIT)", "None") in changes
    assert ("ReturnNone", f"{returned} {less}", "return None") in changes
    assert (
        "ReplaceComparisonOperator_Lt_LtE",
        f"{returned} {less}",
        f"{returned} number <= LIMIT",
    ) in changes
    assert not [old for _, old, _ in changes if "NEVER" in old or "def " in old or "list" in old]


def test_sample_is_the_same_for_the_same_seed(root: Path) -> None:
    """A seed draws the same mutants, one of each place, and another seed draws others."""
    every = list(mutants_of(root, FILE))
    drawn = sample(every, 5, seed=1)

    assert sample(every, 5, seed=1) == drawn
    assert len({mutant.place for mutant in drawn}) == 5
    assert sample(every, 5, seed=2) != drawn
    assert sample(every, None, seed=1) == every
    assert len(sample(every, 10_000, seed=1)) == len({mutant.place for mutant in every})


def test_mutants_are_noticed_survive_or_are_stopped(root: Path, tmp_path: Path) -> None:
    """A mutant is noticed by a failing test, survives without one, and is stopped if endless."""
    copy = Copy(tmp_path / "copy")
    baseline = replace(copy.baseline(ROOMS["results"]), seconds=-7)
    code = (copy.root / FILE).read_bytes()

    outcomes = {
        changed_lines(root, mutant)[1]: copy.outcome(mutant, baseline)
        for mutant in mutants_of(root, FILE)
        if mutant.operator
        in {"ReplaceComparisonOperator_Lt_LtE", "DropCall", "ReplaceBinaryOperator_Add_Sub"}
        or changed_lines(root, mutant)[1] == "number += 0"
    }

    assert outcomes == {
        "return number is not None and number <= LIMIT": Outcome.SURVIVED,
        "while number <= most and not sleep(0.01):": Outcome.NOTICED,
        "number += 0": Outcome.TIMED_OUT,
        "None": Outcome.SURVIVED,
    }
    assert (copy.root / FILE).read_bytes() == code, (
        "expected the copy as it was, without the mutant"
    )


def test_tests_that_fail_by_themselves_say_nothing(root: Path, tmp_path: Path) -> None:
    """Where the tests of a room fail on the code as it is, no mutant is tried."""
    failing = "def test_fails():\n    assert False, 'by itself'\n"
    (root / "tests/results/test_toy.py").write_text(failing, encoding="utf-8")

    with pytest.raises(
        BaselineError, match=r"(?s)tests/results: expected all tests to pass.*by itself"
    ):
        Copy(tmp_path / "copy").baseline(ROOMS["results"])


def test_slowest_tests_are_left_out(root: Path, tmp_path: Path) -> None:
    """Where the tests of a room take over a minute, the slowest are not run on mutants."""
    seconds = {"a": 50.0, "b": 5.0, "c": 4.0, "d": 1.0}
    assert longest(seconds) == []
    assert longest(seconds | {"d": 1.5}) == ["a"]
    assert longest(seconds, most=5) == ["a", "b"]

    copy = Copy(tmp_path / "copy")
    [mutant] = [
        mutant
        for mutant in mutants_of(root, FILE)
        if changed_lines(root, mutant)[1] == "while number <= most and not sleep(0.01):"
    ]
    test = "tests/results/test_toy.py::test_count"
    assert copy.outcome(mutant, Baseline(1, ())) is Outcome.NOTICED
    assert copy.outcome(mutant, Baseline(1, (test,))) is Outcome.SURVIVED


def test_test_files_of_a_module_come_first(root: Path) -> None:
    """The tests of the mutated file run first: they fail soonest, and the first failure ends."""
    for name in ("test_a.py", "test_table.py"):
        (root / "tests/results" / name).touch()

    files = ROOMS["results"].test_files(root, "whisper_speedtest/results/table.py")

    assert files == [f"tests/results/test_{name}.py" for name in ("table", "a", "toy")]


def test_listed_equivalents_exist() -> None:
    """Each mutant listed as one that changes nothing is one that there is, with a reason."""
    root = Path(mutants.__file__).resolve().parents[2]
    gone = equivalents()
    for file in sorted({file for file, _, _ in gone}):
        text = (root / file).read_text(encoding="utf-8").splitlines()
        listed = {line for name, lines, _ in gone if name == file for line in lines.splitlines()}
        # To make a mutant takes long: those that begin on a listed line are the first to be made.
        for mutant in sorted(
            mutants_of(root, file), key=lambda mutant: text[mutant.line - 1].strip() not in listed
        ):
            gone.discard((file, *changed_lines(root, mutant)))
            if file not in {name for name, _, _ in gone}:
                break

    assert not gone, f"{mutants.EQUIVALENT.name}: no such mutants, so take them out: {gone}"


def test_mutant_that_lets_no_test_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant with which no test runs is noticed."""
    monkeypatch.setattr(quick, "_seconds", {})
    monkeypatch.delenv(quick.TIMES_TO, raising=False)
    ended = [
        SimpleNamespace(items=["a test"], exitstatus=0),
        SimpleNamespace(items=[], exitstatus=5),
    ]

    for session in ended:
        quick.pytest_sessionfinish(cast("pytest.Session", session))

    assert [session.exitstatus for session in ended] == [1, 5]
