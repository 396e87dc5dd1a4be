"""The mutants that there are, and a sample of them."""

from __future__ import annotations

import ast
import difflib
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import DropCall, ReturnNone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
"""Mutants that do what the code does, each with the reason: nobody can notice them."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change at one place: that number of the places in a file that an operator can change."""

    file: str
    """From the root of the project."""

    line: int
    column: int
    operator: str
    occurrence: int

    @property
    def place(self) -> tuple[str, int, int, str]:
        """Where it is, and what kind of change it makes there: several mutants share a place."""
        return self.file, self.line, self.column, self.operator.partition("_")[0]


def _operators() -> dict[str, Any]:
    """Return each operator by its name, such as ReplaceComparisonOperator_Lt_LtE."""
    found = {
        name.partition("/")[2]: cosmic_ray.plugins.get_operator(name)
        for name in sorted(cosmic_ray.plugins.operator_names())
    }
    whole = {name: kind() for name, kind in found.items() if not kind.arguments()}
    return whole | {"ReturnNone": ReturnNone(), "DropCall": DropCall()}


OPERATORS = _operators()


def mutants_of(root: Path, file: str) -> Iterator[Mutant]:
    """Yield every mutant of a file, without those in annotations, which do nothing when it runs."""
    code = (root / file).read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(code)))
    without_effect = list(_only_for_types(code))
    for name, operator in OPERATORS.items():
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(positions):
            if not any(first <= start < last for first, last in without_effect):
                yield Mutant(file, start[0], start[1], name, occurrence)


def _only_for_types(code: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where annotations, and what is imported for them, begin and end."""
    lines = code.splitlines()

    def column(line: int, in_bytes: int) -> int:
        return len(lines[line - 1].encode()[:in_bytes].decode())

    for node in ast.walk(ast.parse(code)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            if isinstance(part, ast.expr | ast.stmt):
                assert part.end_lineno is not None
                assert part.end_col_offset is not None
                first = (part.lineno, column(part.lineno, part.col_offset))
                yield first, (part.end_lineno, column(part.end_lineno, part.end_col_offset))


def code_of(root: Path, mutant: Mutant) -> str:
    """Return a mutant's file as the mutant has it."""
    code = (root / mutant.file).read_text(encoding="utf-8")
    mutated: str | None = mutate_code(code, OPERATORS[mutant.operator], mutant.occurrence)
    assert mutated is not None, f"cosmic-ray does not find {mutant} again"
    return mutated


def sample(mutants: Sequence[Mutant], size: int | None, seed: int) -> list[Mutant]:
    """Return one mutant of each of `size` places; the same seed draws the same. None is all."""
    if size is None:
        return list(mutants)
    chance = random.Random(seed)
    places: dict[tuple[str, int, int, str], list[Mutant]] = {}
    for mutant in mutants:
        places.setdefault(mutant.place, []).append(mutant)
    drawn = chance.sample(list(places.values()), min(size, len(places)))
    return sorted((chance.choice(at_place) for at_place in drawn), key=lambda mutant: mutant.place)


def changed_lines(root: Path, mutant: Mutant) -> tuple[str, str]:
    """Return the lines that a mutant changes, and what they become, without indentation."""
    before = (root / mutant.file).read_text(encoding="utf-8").splitlines()
    after = code_of(root, mutant).splitlines()
    changes = [(line[0], line[2:].strip()) for line in difflib.ndiff(before, after)]
    old, new = ("\n".join(line for sign, line in changes if sign == kind and line) for kind in "-+")
    return old, new


def equivalents() -> set[tuple[str, str, str]]:
    """Return file, line and mutated line of each mutant that does what the code does."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return {(entry["file"], entry["line"], entry["mutant"]) for entry in listed}
