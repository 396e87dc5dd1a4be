"""A note: one thing to know of results, as a value that says of which kind it is.

Each output writes it in its own way: a terminal and a block of Markdown by `Note.lines`, the
report's page by the kind and the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal[
    "machine", "versions", "suite",
    "harness", "pause", "disk", "fewer", "vague", "mended", "drift", "busy", "model",
    "fallback", "heard", "corpus", "silence", "quality", "voices",
    "compared", "stored", "warning",
    "skipped", "failed", "missing",
    "from", "earlier", "journal", "report", "unsaved", "stopped",
]  # fmt: skip
"""The kinds of notes: on where it was measured, on times, on transcripts, on other sides and runs,
on what has no result, and on files."""

LABEL_WIDTH = len("compared: ")
"""Columns of the label that begins a line: its kind and a colon."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note on results or files."""

    kind: Kind
    text: str
    below: tuple[str, ...] = ()
    """The names that the text is about, each for a line of its own."""

    is_whole: bool = False
    """Whether its lines are never broken, as it holds a command that is to be copied."""

    @property
    def lines(self) -> list[str]:
        """Its lines: the text behind a label, as `drift:    …`, and the names indented below it."""
        label = f"{self.kind}:".ljust(LABEL_WIDTH)
        return [f"{label}{self.text}", *(" " * LABEL_WIDTH + name for name in self.below)]


def printed(notes: Iterable[Note]) -> list[str]:
    """Return the lines of some notes, one after another."""
    return [line for note in notes for line in note.lines]
