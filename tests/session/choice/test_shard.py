"""`--shard`: the parts of a selection, which are disjoint, whole and always the same."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from adapters import all_cases
from adapters.base import Case
from tests.helpers.fake_session import FakeSession
from tests.helpers.project import ROOT, child_environment
from tests.helpers.results import warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.session import head_to_head
from whisper_speedtest.session.choice import shard as shard_module
from whisper_speedtest.session.choice.shard import (
    SPLIT,
    Split,
    pytest_report_collectionfinish,
    pytest_sessionfinish,
    subject_of,
    take_part,
)
from whisper_speedtest.session.choice.values import Shard, parse_shard
from whisper_speedtest.session.models.prefetch import exit_without_models
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS
from whisper_speedtest.session.outcomes import pytest_sessionfinish as judge

OK, EMPTY = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED


def test_case_is_in_one_part_of_each_number() -> None:
    """Each case is in exactly one shard, however many shards there are."""
    for count in (1, 2, 5, 9):
        for case in map(str, all_cases()):
            parts = [number for number in range(1, count + 1) if Shard(number, count).has(case)]
            assert len(parts) == 1, f"{case} is in the parts {parts} of {count}"


def test_case_is_in_the_same_part_for_ever() -> None:
    """A case is in the same shard in every version of the suite and of Python."""
    parts = {
        case: next(number for number in range(1, 6) if Shard(number, 5).has(case))
        for case in ("mlx-whisper-small-fp16", "whisper.cpp-tiny.en-q5_1", "whisper.cpp")
    }

    assert parts == {
        "mlx-whisper-small-fp16": 2,
        "whisper.cpp-tiny.en-q5_1": 5,
        "whisper.cpp": 5,
    }
    of_seven = [
        next(number for number in range(1, 8) if Shard(number, 7).has(case)) for case in parts
    ]
    assert of_seven == [3, 3, 7], "the order of a hash's bytes makes no difference to five parts"


def test_cases_are_spread_over_all_parts() -> None:
    """Each of five shards has between half and twice its share of all cases."""
    cases = list(map(str, all_cases()))
    counts = [sum(map(Shard(number, 5).has, cases)) for number in range(1, 6)]

    assert sum(counts) == len(cases)
    assert min(counts) > len(cases) / 10, f"cases of each part: {counts}"
    assert max(counts) < len(cases) / 2.5, f"cases of each part: {counts}"


@pytest.mark.property
def test_parts_of_any_selection_are_the_whole_and_disjoint() -> None:
    """The shards of any selection are disjoint and together the whole.

    What is in a shard does not depend on the rest of the selection, or on its order.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st

    subjects = st.one_of(st.sampled_from([str(case) for case in all_cases()]), st.text())

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.lists(subjects), st.lists(subjects), st.integers(1, 40), st.randoms())
    def holds(selection: list[str], more: list[str], count: int, chance: Any) -> None:
        shards = [Shard(number, count) for number in range(1, count + 1)]
        parts = [[each for each in selection if shard.has(each)] for shard in shards]
        assert sorted(each for part in parts for each in part) == sorted(selection)
        for number, part in enumerate(parts):
            assert not any(set(part) & set(other) for other in parts[number + 1 :])
        larger = [*more, *selection]
        chance.shuffle(larger)
        for shard, part in zip(shards, parts, strict=True):
            assert set(part) == {each for each in larger if shard.has(each)} & set(selection)

    holds()


@pytest.mark.parametrize("text", ["1/1", "2/5", "5/5", "10/12"])
def test_part_is_read_as_it_is_written(text: str) -> None:
    """A shard is read as K/N: which one of how many, counted from 1."""
    shard = parse_shard(text)

    assert str(shard) == text
    assert (shard.number, shard.count) == tuple(map(int, text.split("/")))


class Item:
    """A test of a subject."""

    def __init__(self, subject: str, case: str | None = None) -> None:
        self.subject, self.case = subject, case


@pytest.fixture(name="selection")
def _selection(monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """Three tests of each of ten cases, and two of no case."""
    monkeypatch.setattr(shard_module, "subject_of", lambda item: item.subject)
    monkeypatch.setattr(shard_module, "case_of", lambda item: item.case)
    of_cases = [Item(f"case {number}", f"case {number}") for number in range(10) for _ in range(3)]
    return [Item("library"), *of_cases, Item("tests/test_a.py::test_b")]


def config_of(shard: Shard | None) -> Any:
    """Return the config of a session with this option, and what it is told of deselected tests."""
    session: Any = FakeSession(shard=shard)
    session.deselected = []
    session.hook = SimpleNamespace(
        pytest_deselected=lambda items: session.deselected.append(list(items))
    )
    return session


def test_part_of_a_selection_is_left(selection: list[Item]) -> None:
    """A shard keeps its own part of a selection, in its order, and says how many tests that has.

    The other tests are deselected.
    """
    kept: list[list[Item]] = []
    for number in (1, 2, 3):
        config, items = config_of(Shard(number, 3)), list(selection)
        take_part(config, cast("list[pytest.Item]", items))
        kept.append(items)
        (left_out,) = config.deselected
        assert sorted(map(id, [*items, *left_out])) == sorted(map(id, selection))
        assert items == [each for each in selection if each in items]
        cases = len({each.case for each in items if each.case})
        counts = f"{cases} of 10 cases, {len(items)} of 32 tests"
        line = f"shard {number}/3: {counts}; the others are in other shards"
        assert pytest_report_collectionfinish(config) == [line]
    subjects = [{each.subject for each in items} for items in kept]
    assert sorted(map(len, kept)) != [0, 0, 32]
    assert sum(map(len, kept)) == 32
    assert sum(map(len, subjects)) == 12, "tests of one case are in several parts"


def test_one_part_of_one_is_everything(selection: list[Item]) -> None:
    """A single shard is the whole selection, with nothing deselected."""
    config, items = config_of(Shard(1, 1)), list(selection)
    take_part(config, cast("list[pytest.Item]", items))
    assert (items, config.deselected) == (selection, [])

    config = config_of(None)
    take_part(config, cast("list[pytest.Item]", items))
    assert items == selection
    assert pytest_report_collectionfinish(config) == []


def item_of(case: Case | None, *marks: pytest.MarkDecorator, key: str = "") -> pytest.Item:
    """Return a test over cases with these marks, or over none."""
    marked = {each.name: each.mark for each in marks}
    item = Mock(spec=pytest.Function, nodeid="tests/test_a.py::test_b")
    item.get_closest_marker = marked.get
    item.callspec = SimpleNamespace(params={"case": case}, id=key)
    return cast("pytest.Item", item)


def test_part_of_a_test_goes_by_its_case() -> None:
    """A test's shard depends on its case, or on its library where it stands for all of that."""
    case, over = Case("whisper.cpp", "tiny", "q5_1"), pytest.mark.over(measure="warm")
    skipped = item_of(case, over, pytest.mark.skip(reason="absent"), key="whisper.cpp")
    broken = item_of(None, over, pytest.mark.unusable(adapter="x", reason="no"), key="x")

    assert subject_of(item_of(case, over, key="whisper.cpp-tiny-q5_1-short")) == (
        "whisper.cpp-tiny-q5_1"
    )
    assert subject_of(skipped) == "whisper.cpp"
    assert subject_of(broken) == "x"
    assert subject_of(item_of(None)) == "tests/test_a.py::test_b"


EMPTY_PART = Split(Shard(4, 5), cases=0, of_cases=3, tests=0, of_tests=9)
NO_CASE = Split(Shard(4, 5), cases=0, of_cases=3, tests=1, of_tests=9)
NOTHING = Split(Shard(4, 5), cases=0, of_cases=0, tests=0, of_tests=0)
SOME = Split(Shard(4, 5), cases=1, of_cases=3, tests=3, of_tests=9)


@pytest.mark.parametrize(
    ("split", "status", "expected"),
    [
        (EMPTY_PART, EMPTY, OK),
        (EMPTY_PART, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.TESTS_FAILED),
        (NOTHING, EMPTY, EMPTY),
        (SOME, EMPTY, EMPTY),
        (None, EMPTY, EMPTY),
        (SOME, OK, OK),
    ],
    ids=["empty", "failed", "nothing selected", "all skipped", "no shard", "some"],
)
def test_empty_part_of_a_selection_is_no_fault(
    split: Split | None, status: pytest.ExitCode, expected: pytest.ExitCode
) -> None:
    """A session with an empty shard of a selection passes; one that selects nothing does not."""
    session: Any = FakeSession()
    session.exitstatus = status
    if split:
        session.stash[SPLIT] = split
    pytest_sessionfinish(session)

    assert session.exitstatus == expected


def test_empty_part_says_so() -> None:
    """An empty shard says that all of its selection is in other shards."""
    assert EMPTY_PART.line == (
        "shard 4/5: 0 of 3 cases, 0 of 9 tests; all of this selection is in other shards"
    )
    assert NO_CASE.line.endswith("1 of 9 tests; the others are in other shards")


@pytest.mark.parametrize(
    ("split", "expected"),
    [(EMPTY_PART, OK), (NO_CASE, OK), (NOTHING, EMPTY), (None, EMPTY)],
    ids=["empty", "no case", "nothing selected", "no shard"],
)
def test_part_that_needs_no_model_is_checked_and_fetched(
    split: Split | None, expected: pytest.ExitCode
) -> None:
    """A shard that needs no model succeeds in a session that only checks or fetches models."""
    session: Any = FakeSession()
    if split:
        session.stash[SPLIT] = split
    with pytest.raises(pytest.exit.Exception) as raised:
        exit_without_models(session)

    assert raised.value.returncode == expected
    if expected is OK:
        assert split
        assert str(raised.value) == f"no model is needed here; {split.line}"
    else:
        assert str(raised.value).startswith("no selected test needs a model")


@pytest.mark.parametrize("split", [SOME, None], ids=["shard", "no shard"])
def test_part_with_libraries_that_are_not_installed_alone_is_no_fault(split: Split | None) -> None:
    """A shard of nothing but libraries that are not installed is no failure."""

    def status(results: list[Outcome], left_out: dict[str, Outcome]) -> pytest.ExitCode:
        session: Any = FakeSession()
        session.exitstatus = OK
        session.stash[RESULTS] = [warm(outcome=each) for each in results]
        session.stash[LEFT_OUT] = left_out
        if split:
            session.stash[SPLIT] = split
        judge(session, OK)
        return cast("pytest.ExitCode", session.exitstatus)

    absent = {"x is not installed": Outcome.SKIPPED}
    assert status([], absent) == (OK if split else EMPTY)
    assert status([Outcome.SKIPPED], absent) == EMPTY
    assert status([Outcome.PASSED], absent) == OK


def collected(*arguments: str) -> list[str]:
    """Return the ids of the benchmarks that the real pytest collects."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", *arguments],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == OK, run.stdout + run.stderr
    return re.findall(r"^benchmarks/\S+::(\S+)$", run.stdout, re.MULTILINE)


@pytest.mark.slow
def test_real_selection_is_split_by_case() -> None:
    """The benchmarks of a case are all in one shard, and each shard keeps their order."""
    whole = collected("-k", "not tuned")
    parts = [collected("-k", "not tuned", f"--shard={number}/2") for number in (1, 2)]

    assert len(whole) == len(set(whole)) > 100
    assert sorted(parts[0] + parts[1]) == sorted(whole)
    for part in parts:
        assert part == [each for each in whole if each in set(part)]
        assert len(part) > len(whole) / 5
    cases = [
        {str(case) for case in all_cases() if f"[{case}-short]" in str(part)} for part in parts
    ]
    assert cases[0]
    assert cases[1]
    assert not cases[0] & cases[1], "tests of a case are in both parts"


@pytest.mark.slow
def test_part_that_has_the_baseline_alone_is_empty() -> None:
    """A shard with the baseline alone is empty, as a case does not take turns with itself."""
    name = "lightning-whisper-mlx-micro-fp16"
    shard = next(number for number in range(1, 6) if Shard(number, 5).has(name))
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q"),
            *("--head-to-head", f"--baseline={name}", f"--shard={shard}/5"),
            *("-k", "lightning and micro and short"),
        ],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == OK, ran.stdout
    counts = "0 of 2 cases, 0 of 2 tests; all of this selection is in other shards"
    assert f"shard {shard}/5: {counts}" in ran.stdout


def test_part_is_taken_of_what_all_other_options_have_left(pytestconfig: pytest.Config) -> None:
    """The tests of a shard are chosen after every other option has left out its own."""
    hook = pytestconfig.pluginmanager.hook.pytest_collection_modifyitems
    wrappers = [each.plugin for each in hook.get_hookimpls() if each.wrapper]

    assert shard_module in wrappers


def test_status_is_settled_before_others_look_at_it(pytestconfig: pytest.Config) -> None:
    """An empty shard makes its session a success before other plugins look at the status."""
    hook = pytestconfig.pluginmanager.hook.pytest_sessionfinish
    order = [each.plugin for each in reversed(hook.get_hookimpls())]

    assert order.index(shard_module) < order.index(head_to_head)
