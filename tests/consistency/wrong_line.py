"""Finds the line of an adapter's source that makes an entry of its check map what it is.

Each string of the source is changed in turn, and then each name that is read, and the changed
source is run. So it shows which entries depend on which line, however the check map is computed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from adapters.base import ModelFiles
from tests.consistency.published import problem_of, published_for, whole
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from adapters.base import Adapter, Case
    from tests.consistency.published import Part

    Entries: TypeAlias = Mapping[tuple[str, str], ModelFiles]
    """Size and variant → the entry of a check map."""

Kind = Literal["string", "name"]

MARK = "~"
"""What is put at the end of a string to change it."""


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a change in a line did to a check map: which entries it has changed or removed."""

    line: int
    changed: AbstractSet[tuple[str, str]]
    gone: AbstractSet[tuple[str, str]]

    @property
    def touched(self) -> AbstractSet[tuple[str, str]]:
        """All entries that are not what they were."""
        return self.changed | self.gone


def source_of(adapter: type[Adapter]) -> str:
    """Return the path of an adapter's source in the project."""
    return Path(inspect.getfile(adapter)).resolve().relative_to(ROOT).as_posix()


def line_to_fix(case: Case, adapter: type[Adapter], part: Part = whole) -> str:
    """Return `file:line` of what decides on a part of a case's entry, and on no right one.

    That is the string with which this part changes and no right entry does; of several, the one
    that changes the most wrong entries, as one mistake may have made them all. If there is none, it
    is such a name, and then, for a case of which nothing is published, such a string with which the
    case goes. Else it is the string with which this part of the fewest entries changes, of several
    the one that changes the fewest entries at all, and at last the line where the check map begins.
    An entry is right if it is in the list of what is published.
    """
    here = (case.size, case.variant)
    wrong = {
        (size, variant)
        for size, variant in _entries(adapter)
        if (size, variant) == here
        or problem_of(replace(case, size=size, variant=variant), adapter) is not None
    }
    strings = _effects(adapter, "string", part)
    sparing = [one for one in strings if one.touched <= wrong]
    guilty = _most([one for one in sparing if here in one.changed])
    if guilty is None:
        names = _effects(adapter, "name", part)
        guilty = _most([one for one in names if here in one.changed and one.touched <= wrong])
    if guilty is None and not published_for(case, adapter):
        guilty = _most([one for one in sparing if here in one.gone])
    if guilty is None:
        both = zip(strings, _effects(adapter, "string", whole), strict=True)
        some = [pair for pair in both if here in pair[0].changed]
        fewest = min(some, key=lambda pair: [len(one.touched) for one in pair], default=(None,))
        guilty = fewest[0]
    if guilty is not None:
        return f"{source_of(adapter)}:{guilty.line}"
    return line_to_fix(case, adapter) if part is not whole else _beginning(adapter)


def _most(effects: list[_Effect]) -> _Effect | None:
    """Return the first of those that touch the most entries."""
    return max(effects, key=lambda one: len(one.touched), default=None)


def _beginning(adapter: type[Adapter]) -> str:
    """Return the line where an adapter's check map begins, or else its source."""
    lines = (
        node.lineno
        for node in ast.walk(_tree(adapter))
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "check_map"
    )
    return f"{source_of(adapter)}:{next(lines, 1)}"


def _entries(adapter: type[Adapter]) -> Entries:
    return {
        (size, variant): entry
        for size, variants in adapter.check_map.items()
        for variant, entry in variants.items()
    }


def _effects(adapter: type[Adapter], kind: Kind, part: Part) -> list[_Effect]:
    """Return what each change of a kind does to a part of the entries, in the source's order."""
    before = _entries(adapter)
    return [
        _Effect(
            line,
            {key for key in before.keys() & after.keys() if part(before[key]) != part(after[key])},
            before.keys() - after.keys(),
        )
        for line, after in _outcomes(adapter, kind)
    ]


@cache
def _outcomes(adapter: type[Adapter], kind: Kind) -> list[tuple[int, Entries]]:
    """Return the line of each change of a kind, and the check map with which it leaves the adapter.

    A change with which the source cannot be run is left out.
    """
    tree = _tree(adapter)
    outcomes = []
    for node, put in sorted(_places(tree), key=lambda place: place[0].lineno):
        changed = _changed_string(node) if kind == "string" else _changed_name(node)
        if changed is not None:
            put(ast.fix_missing_locations(ast.copy_location(changed, node)))
            entries = _run(tree, adapter)
            put(node)
            if entries is not None:
                outcomes.append((node.lineno, entries))
    return outcomes


def _tree(adapter: type[Adapter]) -> ast.Module:
    """Return an adapter's source without its methods, on which no check map depends."""
    tree = ast.parse((ROOT / source_of(adapter)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body = [one for one in node.body if not isinstance(one, ast.FunctionDef)]
    return tree


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr, Callable[[ast.expr], None]]]:
    """Yield each expression, and the function that puts another in its place."""
    for parent in list(ast.walk(tree)):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.expr):
                yield value, partial(setattr, parent, field)
            elif isinstance(value, list):
                for number, one in enumerate(value):
                    if isinstance(one, ast.expr):
                        yield one, partial(value.__setitem__, number)


def _changed_string(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ast.Constant(node.value + MARK)
    return None


def _changed_name(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return ast.Call(ast.Name("__changed__", ast.Load()), [node], [])
    return None


def _run(tree: ast.Module, adapter: type[Adapter]) -> Entries | None:
    """Return the entries of the adapter in a changed source; None where it cannot be run."""
    names: dict[str, Any] = {"__name__": adapter.__module__, "__changed__": _changed}
    try:
        exec(compile(tree, source_of(adapter), "exec"), names)  # noqa: S102 - it is our own
        return _entries(names[adapter.__name__])
    except Exception:  # noqa: BLE001 - whatever a source says to a change of it
        return None


def _changed(value: Any) -> Any:
    """Return a value in which each string is changed; what has none stays as it is."""
    if isinstance(value, str):
        return value + MARK
    if isinstance(value, tuple):
        return tuple(_changed(one) for one in value)
    if isinstance(value, dict):
        return {key: _changed(one) for key, one in value.items()}
    if isinstance(value, ModelFiles):
        return ModelFiles(value.repo + MARK, _changed(value.files), value.revision + MARK)
    return value
