"""Compares the set of files that the suite checks with the set that a library loads."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet


class RepoFile(NamedTuple):
    """One file of one revision of one repo."""

    repo: str
    revision: str
    file: str


class Mismatch(NamedTuple):
    """One difference: a file of each side, or None for a side that has no counterpart."""

    checked: RepoFile | None
    loaded: RepoFile | None


_COUNTERPARTS: tuple[Callable[[RepoFile], tuple[str, ...]], ...] = (
    itemgetter(1, 2),  # another repo
    itemgetter(0, 2),  # another revision
    itemgetter(0, 1),  # another file
    itemgetter(2, 2),  # the same file of another repo and revision
)
"""In what two files must agree to be taken for counterparts; the likeliest mistake comes first."""


def compare(check: AbstractSet[RepoFile], load: AbstractSet[RepoFile]) -> list[Mismatch]:
    """Return the differences between two sets of files, each file that differs exactly once."""
    checked, loaded = sorted(check - load), sorted(load - check)
    mismatches = []
    for key in _COUNTERPARTS:
        for mine in list(checked):
            theirs = next((other for other in loaded if key(other) == key(mine)), None)
            if theirs is not None:
                mismatches.append(Mismatch(mine, theirs))
                checked.remove(mine)
                loaded.remove(theirs)
    return [
        *mismatches,
        *(Mismatch(mine, None) for mine in checked),
        *(Mismatch(None, theirs) for theirs in loaded),
    ]


def describe(mismatch: Mismatch) -> str:
    """Return a difference in words without its subject, such as "checked A but loads B"."""
    checked, loaded = mismatch
    if checked is None and loaded is not None:
        return f"loads {loaded.file} of {loaded.repo}@{loaded.revision}, which is not checked"
    if loaded is None and checked is not None:
        return f"checked {checked.file} of {checked.repo}@{checked.revision} but does not load it"
    if checked is None or loaded is None:
        raise ValueError("a mismatch needs a file on one side; make it with compare()")
    if checked.file != loaded.file:
        return f"checked {checked.file} but loads {loaded.file} of {loaded.repo}@{loaded.revision}"
    if checked.revision != loaded.revision:
        return (
            f"checked {checked.repo}@{checked.revision} but loads {loaded.repo}@{loaded.revision}"
        )
    return f"checked {checked.repo} but loads {loaded.repo}"
