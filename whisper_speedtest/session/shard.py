"""`--shard K/N`: which part of a selection is run here, so that several machines share the work.

A part is empty by chance where there are few cases. That is no fault, so such a session ends with
exit status 0, and says so; a selection that is empty itself ends with 5, as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.session.selection import case_of, measure_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from whisper_speedtest.session.values import Shard


@dataclass(frozen=True, slots=True)
class Split:
    """What became of a selection."""

    shard: Shard
    cases: int
    """How many are in this part."""

    of_cases: int
    """How many there are in all parts."""

    tests: int
    of_tests: int

    @property
    def is_empty(self) -> bool:
        """Whether all of a selection is in other parts."""
        return not self.tests and self.of_tests > 0

    @property
    def has_no_case(self) -> bool:
        """Whether all cases of a selection are in other parts."""
        return not self.cases and self.of_cases > 0

    @property
    def line(self) -> str:
        """What to say of it."""
        told = f"{self.cases} of {self.of_cases} cases, {self.tests} of {self.of_tests} tests"
        others = "all of this selection is" if self.is_empty else "the others are"
        return f"shard {self.shard}: {told}; {others} in other shards"


SPLIT = pytest.StashKey[Split]()


def subject_of(item: pytest.Item) -> str:
    """Return what decides which part a test is in: its case, and nothing else.

    A test that stands for a whole library goes by the library; one over no case by its own id.
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
    """Split what all other options have selected, so once they have."""
    outcome = yield
    take_part(config, items)
    return outcome


def take_part(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is in other parts."""
    shard: Shard | None = config.getoption("shard")
    if shard is None:
        return
    kept = [item for item in items if shard.has(subject_of(item))]
    left_out = [item for item in items if not shard.has(subject_of(item))]
    config.stash[SPLIT] = Split(shard, _cases(kept), _cases(items), len(kept), len(items))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _cases(items: Sequence[pytest.Item]) -> int:
    return len({case for item in items if (case := case_of(item))})


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say how much of the selection is run here."""
    split = config.stash.get(SPLIT, None)
    return [split.line] if split else []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with status 0 where the selection is not empty, but this part of it is.

    A status that another plugin has set by now, as for a case that was lost, stays.
    """
    split = session.config.stash.get(SPLIT, None)
    if split and split.is_empty and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
