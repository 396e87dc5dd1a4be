"""Compares an adapter's check map with what its library says and does; names the line to fix."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from adapters.base import AdapterError
from adapters.sizes import difference
from tests.consistency.compare import RepoFile, compare, describe
from tests.consistency.published import (
    FILES,
    REPO,
    REVISION,
    Problem,
    format_of,
    has,
    problem_of,
    whole,
)
from tests.consistency.stand_ins import real_dimensions
from tests.consistency.wrong_line import line_to_fix, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from adapters.base import Adapter, Case, ModelFiles, Table
    from adapters.sizes import Dimensions
    from tests.consistency.compare import Mismatch
    from tests.consistency.published import Part

MAY_STAY_UNOPENED = frozenset({"README.md", ".gitattributes", "vocab.json", "merges.txt"})
"""Files that a library may fetch with the rest of a repo, though no check map has them.

It must not open them.
"""


OR_THE_LOAD = ", or what load asks the library for"
"""Said where a library loads another repo than is checked, though that one is a published model."""


class InconsistentError(AssertionError):
    """What is checked is not what is loaded: one line for each difference, with the line to fix."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a library did while it loaded a case.

    `fetched` is what it requested and got. `opened` maps the path of each file that it opened, in
    the working directory, to the served file with the same bytes; None: there is none. `error` says
    how the load failed. `dimensions` are those of the model in memory, where the library tells.
    """

    fetched: frozenset[RepoFile]
    opened: Mapping[str, RepoFile | None]
    error: str | None = None
    dimensions: Dimensions | None = None


@contextmanager
def message_alone() -> Iterator[None]:
    """Let pytest show the message of what is inconsistent alone, without the code that raised it.

    It decorates a test. The same is done with an adapter that cannot be used.
    """
    try:
        yield
    except (InconsistentError, AdapterError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def check_published(case: Case, adapter: type[Adapter]) -> None:
    """Raise InconsistentError unless the case's entry is a published model of its kind."""
    problem = problem_of(case, adapter)
    _raise_for(case, adapter, [problem] if problem else [])


def check_table(case: Case, adapter: type[Adapter], table: Table) -> None:
    """Raise InconsistentError unless the library's own table names the repo that is checked.

    A library without a table need not name it.
    """
    entry = adapter.files(case)
    named = table.get(case.size, {}).get(case.variant)
    if named is not None:
        if entry.by_url:
            said = frozenset({RepoFile(*named.rsplit("/", 2))})
        else:
            said = frozenset(RepoFile(named, entry.revision, file) for file in entry.files)
        _raise_for(case, adapter, _differences(entry, said))
    elif adapter.traits.has_model_table:
        words = f"checked {entry.repo} but the library has no such model"
        _raise_for(case, adapter, [Problem(words, whole)])


def check_offer(name: str, adapter: type[Adapter], table: Table) -> None:
    """Raise InconsistentError unless everything in the library's own table is in the check map."""
    left_out = [
        f"{name}[{size}-{variant}]: loads {repo}, which is not checked; "
        f"add it to the check map in {source_of(adapter)}"
        for size, variants in table.items()
        for variant, repo in variants.items()
        if variant not in adapter.check_map.get(size, {})
    ]
    if left_out:
        raise InconsistentError("\n".join(left_out))


def check_load(case: Case, adapter: type[Adapter], observed: Observation) -> None:
    """Raise InconsistentError unless exactly the checked files were fetched, and then opened.

    A file of MAY_STAY_UNOPENED that was fetched and not opened is no difference. What was loaded
    must have the dimensions of the case's size, as far as the library tells them. Of a model that
    is not in the list of what is published there is no stand-in, so nothing of it can be fetched.
    """
    entry, unpublished = adapter.files(case), problem_of(case, adapter)
    failure = [f"the load failed: {observed.error}"] if observed.error else []
    if not observed.fetched:
        failure.insert(0, "nothing was fetched, so nothing is known")
        nothing = [Problem(words, whole) for words in failure]
        _raise_for(case, adapter, [unpublished, *nothing] if unpublished else nothing)
    opened = frozenset(source for source in observed.opened.values() if source is not None)
    unknown = [
        f"opens {path}, which holds none of the files that were served"
        for path, source in observed.opened.items()
        if source is None
    ]
    fetched = frozenset(
        source
        for source in observed.fetched
        if source.file not in MAY_STAY_UNOPENED or source in opened
    )
    if observed.dimensions is not None:
        real = real_dimensions(format_of(adapter), observed.dimensions)
        failure += filter(None, [difference(case.size, real)])
    differences = [*_differences(entry, fetched), *_differences(entry, opened)]
    others = [Problem(words, whole) for words in (*unknown, *failure)]
    _raise_for(case, adapter, [*differences, *others], "" if unpublished else OR_THE_LOAD)


def _differences(entry: ModelFiles, load: AbstractSet[RepoFile]) -> list[Problem]:
    check = frozenset(RepoFile(entry.repo, entry.revision, file) for file in entry.files)
    return [
        Problem(describe(mismatch), _part_of(mismatch, entry)) for mismatch in compare(check, load)
    ]


def _part_of(mismatch: Mismatch, entry: ModelFiles) -> Part:
    """Return the part of an entry that is wrong where a load differs from it."""
    checked, loaded = mismatch
    if checked is None:
        return FILES
    if loaded is None or checked.file != loaded.file:
        return has(checked.file)
    return REPO if entry.repo != loaded.repo else REVISION


def _raise_for(
    case: Case, adapter: type[Adapter], problems: list[Problem], or_else: str = ""
) -> None:
    """Raise InconsistentError with each of the problems once, if there are any.

    `or_else` is said after the line to fix where a repo or its revision is wrong.
    """
    if problems:
        once = {problem.words: problem.part for problem in problems}
        raise InconsistentError(
            "\n".join(
                f"{case.label}: {words}; fix {line_to_fix(case, adapter, part)}"
                f"{or_else if part in {REPO, REVISION} else ''}"
                for words, part in once.items()
            )
        )
