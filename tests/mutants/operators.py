"""Two ways to break code that cosmic-ray lacks: a return value lost, and a call not made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parso.python.tree import Name, PythonNode, ReturnStmt

if TYPE_CHECKING:
    from collections.abc import Iterator

    Position = tuple[int, int]


class ReturnNone:
    """`return value` becomes `return None`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        """Yield where each return statement with a value begins and ends."""
        if isinstance(node, ReturnStmt) and node.children[1].get_code() != " None":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - there is one way
        """Change the node itself, and return it."""
        node.children[1] = Name("None", node.children[1].start_pos, prefix=" ")
        return node


class DropCall:
    """A statement that is nothing but a call becomes `None`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Position, Position]]:
        """Yield where each such statement begins and ends."""
        if (
            isinstance(node, PythonNode)
            and node.type == "atom_expr"
            and node.parent.type == "simple_stmt"
        ):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - there is one way
        """Return the node's replacement."""
        return Name("None", node.start_pos, prefix=node.get_first_leaf().prefix)
