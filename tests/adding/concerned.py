"""Which tests read the registry, so that a new library concerns them.

A test reads what it names, and what the functions, constants and fixtures read that it uses, in its
own file, in a conftest.py and in the other modules of tests/.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Definition(NamedTuple):
    """A name at the top of a module; a fixture has that of its users' arguments."""

    module: str
    name: str


READERS = {
    Definition("adapters", "REGISTRY"),
    Definition("adapters", "all_cases"),
    Definition("adapters", "valid_adapters"),
    Definition("tests.consistency.published", "published"),
}
"""What tells of every library, and of every model of the list to which each adds its own."""


def uses(node: ast.AST) -> Iterator[str]:
    """Yield the names that a piece of code reads, arguments included.

    Nobody reads the whole of the registry who takes one library out of it, or puts a toy in.
    """
    children = ast.iter_child_nodes(node)
    match node:
        case ast.Name(id=name, ctx=ast.Load()) | ast.arg(arg=name):
            yield name
        case ast.Attribute(value=ast.Name(id="adapters"), attr=name):
            yield f"adapters.{name}"
        case ast.Subscript(value=ast.Name(id="REGISTRY"), slice=index):
            children = iter([index])
        case ast.Call(func=ast.Attribute(attr="setitem"), args=[_, *others]):
            children = iter(others)
    for child in children:
        yield from uses(child)


def fixture_name(node: ast.FunctionDef) -> str:
    """Return the name by which others use a function: a fixture's own, or that of the function."""
    for decorator in node.decorator_list:
        for keyword in getattr(decorator, "keywords", ()):
            if keyword.arg == "name" and "fixture" in ast.unparse(decorator):
                return str(ast.literal_eval(keyword.value))
    return node.name


class Module:
    """A module of tests/: its definitions with what each uses, and where its imports are from."""

    def __init__(self, source: str) -> None:
        """Read the code."""
        self.definitions: dict[str, set[str]] = {}
        self.imports: dict[str, Definition] = {}
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = Definition(node.module, alias.name)
        for node in tree.body:
            match node:
                case ast.FunctionDef():
                    names = [fixture_name(node)]
                case ast.ClassDef(name=name):
                    names = [name]
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name))
                ):
                    names = [name]
                case _:
                    continue
            for name in names:
                self.definitions.setdefault(name, set()).update(uses(node))


def reading_the_registry(root: Path) -> list[str]:
    """Return the ids of the tests that do in a checkout, by their files, each without brackets.

    Left out are the files that use the library of this folder, which they take to be unknown.
    """
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts): Module(path.read_text("utf-8"))
        for path in sorted((root / "tests").rglob("*.py"))
    }
    reading = {*READERS}
    before = 0
    while len(reading) > before:
        before = len(reading)
        reading |= {
            Definition(module, name)
            for module, content in modules.items()
            for name, used in content.definitions.items()
            if any(origin(modules, module, each) in reading for each in used)
        }
    return [
        f"{module.replace('.', '/')}.py::{name}"
        for module, content in modules.items()
        if not any(each.module.startswith("tests.adding") for each in content.imports.values())
        for name in content.definitions
        if name.startswith("test_") and Definition(module, name) in reading
    ]


def origin(modules: Mapping[str, Module], module: str, name: str) -> Definition | None:
    """Return what a name of a module means; None where it is a builtin, or local."""
    if name.startswith("adapters."):
        return Definition(*name.split("."))
    while module:
        if content := modules.get(module):
            if name in content.definitions:
                return Definition(module, name)
            if name in content.imports:
                return content.imports[name]
        folder = module.removesuffix(".conftest").rpartition(".")[0]
        module = folder and f"{folder}.conftest"
    return None
