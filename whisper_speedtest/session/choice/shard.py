"""`--shard K/N` runs one part of a selection, so that several machines can share the work.

If there are few cases, a part may be empty by chance. Such a session says so and ends with exit
status 0. If the whole selection is empty, it ends with 5, as pytest always does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.session.choice.selection import case_of, deselect, measure_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from whisper_speedtest.session.choice.values import Shard


@dataclass(frozen=True, slots=True)
class Split:
    """How many cases of a selection are in this part, and in all."""

    shard: Shard
    cases: int
    """Cases in this part."""

    of_cases: int
    """Cases in all parts."""

    tests: int
    of_tests: int

    @property
    def is_empty(self) -> bool:
        """Whether all tests of a selection are in other parts."""
        return not self.tests and self.of_tests > 0

    @property
    def has_no_case(self) -> bool:
        """Whether all cases of a selection are in other parts."""
        return not self.cases and self.of_cases > 0

    @property
    def line(self) -> str:
        """The line that says which part is run."""
        told = f"{self.cases} of {self.of_cases} cases, {self.tests} of {self.of_tests} tests"
        others = "all of this selection is" if self.is_empty else "the others are"
        return f"shard {self.shard}: {told}; {others} in other shards"


SPLIT = pytest.StashKey[Split]()


def subject_of(item: pytest.Item) -> str:
    """Return the text that alone decides in which part a test is: the name of its case.

    For a test that stands for a whole library it is the library, and for a test over no case its
    own id.
    """
    if case := case_of(item):
        return str(case)
    if measure_of(item) and isinstance(item, pytest.Function):
        return item.callspec.id
    return item.nodeid


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Split the selection after all other options and plugins have made it."""
    outcome = yield
    take_part(config, items)
    return outcome


def take_part(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are in other parts."""
    shard: Shard | None = config.getoption("shard")
    if shard is None:
        return
    of_cases, of_tests = _count_cases(items), len(items)
    deselect(config, items, lambda item: shard.has(subject_of(item)))
    config.stash[SPLIT] = Split(
        shard=shard,
        cases=_count_cases(items),
        of_cases=of_cases,
        tests=len(items),
        of_tests=of_tests,
    )


def _count_cases(items: Sequence[pytest.Item]) -> int:
    return len({case for item in items if (case := case_of(item))})


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say how many cases of the selection are run here."""
    split = config.stash.get(SPLIT, None)
    return [split.line] if split else []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Set exit status 0 if the selection is not empty, but this part of it is.

    A status that another plugin has already set, as for a lost case, is left.
    """
    split = session.config.stash.get(SPLIT, None)
    if split and split.is_empty and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
