"""Compares an adapter's check map with what its library says and does; names the line to fix."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.consistency.compare import RepoFile, compare, describe
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from adapters.base import Adapter, Case, ModelFiles, Table


MAY_STAY_UNOPENED = frozenset({"README.md", ".gitattributes", "vocab.json", "merges.txt"})
"""Files that a library may fetch with the rest of a repo, though no check map has them.

It must not open them.
"""


class InconsistentError(AssertionError):
    """What is checked is not what is loaded: one line for each difference, with the line to fix."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a library did while it loaded a case.

    `fetched` is what it requested and got. `opened` maps the path of each file that it opened, in
    the working directory, to the served file with the same bytes; None: there is none. `error` says
    how the load failed.
    """

    fetched: frozenset[RepoFile]
    opened: Mapping[str, RepoFile | None]
    error: str | None = None


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
        _raise_for(case, adapter, [f"checked {entry.repo} but the library has no such model"])


def check_offer(name: str, adapter: type[Adapter], table: Table) -> None:
    """Raise InconsistentError unless everything in the library's own table is in the check map."""
    left_out = [
        f"{name}[{size}-{variant}]: loads {repo}, which is not checked; "
        f"add it to the check map in {_source_of(adapter)}"
        for size, variants in table.items()
        for variant, repo in variants.items()
        if variant not in adapter.check_map.get(size, {})
    ]
    if left_out:
        raise InconsistentError("\n".join(left_out))


def check_load(case: Case, adapter: type[Adapter], observed: Observation) -> None:
    """Raise InconsistentError unless exactly the checked files were fetched, and then opened.

    A file of MAY_STAY_UNOPENED that was fetched and not opened is no difference.
    """
    entry = adapter.files(case)
    failure = [f"the load failed: {observed.error}"] if observed.error else []
    if not observed.fetched:
        _raise_for(case, adapter, ["nothing was fetched, so nothing is known", *failure])
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
    differences = [*_differences(entry, fetched), *_differences(entry, opened)]
    _raise_for(case, adapter, [*differences, *unknown, *failure])


def line_to_fix(case: Case, adapter: type[Adapter]) -> str:
    """Return `file:line` of a case's entry in the adapter's source.

    That is the variant's line in a literal `size: {variant: …}`. Where the check map is computed,
    it is the line that names the repo, or else the one where the check map begins.
    """
    tree = _without_functions(ast.parse((ROOT / _source_of(adapter)).read_text(encoding="utf-8")))
    repo = adapter.files(case).repo
    values = [
        value.lineno
        for size, variants in _items(ast.walk(tree))
        if size == case.size
        for variant, value in _items([variants])
        if variant == case.variant
    ]
    names = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value == repo]
    maps = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "check_map"
    ]
    line = next(iter([*values, *names, *maps]), 1)
    return f"{_source_of(adapter)}:{line}"


def _without_functions(tree: ast.Module) -> ast.Module:
    """Remove the functions from a module: the check map is data, and stands in none of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body = [one for one in node.body if not isinstance(one, ast.FunctionDef)]
    return tree


def _items(nodes: Iterable[ast.AST]) -> Iterator[tuple[object, ast.expr]]:
    """Yield each constant key of the literal dicts among `nodes`, and its value."""
    for node in nodes:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield key.value, value


def _source_of(adapter: type[Adapter]) -> str:
    return Path(inspect.getfile(adapter)).resolve().relative_to(ROOT).as_posix()


def _differences(entry: ModelFiles, load: AbstractSet[RepoFile]) -> list[str]:
    check = frozenset(RepoFile(entry.repo, entry.revision, file) for file in entry.files)
    return [describe(mismatch) for mismatch in compare(check, load)]


def _raise_for(case: Case, adapter: type[Adapter], complaints: list[str]) -> None:
    """Raise InconsistentError with each of the complaints once, if there are any."""
    if complaints:
        line = line_to_fix(case, adapter)
        raise InconsistentError(
            "\n".join(
                f"{case.label}: {complaint}; fix {line}" for complaint in dict.fromkeys(complaints)
            )
        )
