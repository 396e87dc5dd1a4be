"""A terminal reporter of pytest that writes down what it is given, and whose session has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisper_speedtest.results.journal.journal_file import Journal
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL, SessionJournal
from whisper_speedtest.session.outcomes import RESULTS

if TYPE_CHECKING:
    import pytest

    from whisper_speedtest.measure.result import Result


@dataclass
class BenchmarkSession:
    """What pytest-benchmark knows of its session."""

    quiet: bool = False


@dataclass
class FakeTerminal:
    """A terminal reporter that writes down what it is given."""

    stash: pytest.Stash
    columns: int = 120
    encoding: str = "utf-8"
    is_terminal: bool = False
    saved_to: str | None = None
    tbstyle: str = "auto"
    lines: list[str] = field(default_factory=list)
    styled: dict[str, set[str]] = field(default_factory=dict)
    """Line → how it is to look."""

    args: tuple[str, ...] = ()
    stats: dict[str, list[Any]] = field(default_factory=dict)
    """How tests ended → their reports."""

    _benchmarksession: BenchmarkSession = field(default_factory=BenchmarkSession)

    @property
    def invocation_params(self) -> FakeTerminal:
        """What holds the arguments of the command line."""
        return self

    @property
    def config(self) -> FakeTerminal:
        """A config with a stash."""
        return self

    def getoption(self, name: str) -> str | None:
        """Return where results are to be saved, or how failures are to be shown."""
        return {"benchmark_json": self.saved_to, "tbstyle": self.tbstyle}[name]

    def section(self, title: str) -> None:
        """Begin a section."""
        self.lines.append(f"== {title}")

    def line(self, text: str, **markup: bool) -> None:
        """Write a line."""
        self.lines.append(text)
        if any(markup.values()):
            self.styled[text] = {name for name, on in markup.items() if on}

    def get_terminal_writer(self) -> FakeTerminal:
        """Return what knows of the terminal."""
        return self

    @property
    def fullwidth(self) -> int:
        """Its columns."""
        return self.columns

    @property
    def _file(self) -> FakeTerminal:
        return self

    def isatty(self) -> bool:
        """Whether it is a terminal, and no file."""
        return self.is_terminal


def take_over(terminal: FakeTerminal, *results: Result) -> None:
    """Let results be those of an earlier session, in the journal `journal.jsonl`."""
    terminal.stash[RESULTS] += results
    kept = SessionJournal(Journal(Path("journal.jsonl")), results)
    kept.taken_over = {result.test: result for result in results}
    terminal.stash[SESSION_JOURNAL] = kept
