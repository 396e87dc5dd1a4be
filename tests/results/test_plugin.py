"""The closing summary: what is printed at the end of a session, and when nothing is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.results import warm
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.result import ClipFacts
from whisper_speedtest.results.journal import Journal
from whisper_speedtest.results.journal_plugin import KEPT, Kept
from whisper_speedtest.results.plugin import (
    WIDTH,
    pytest_benchmark_update_commit_info,
    pytest_benchmark_update_json,
    pytest_terminal_summary,
)
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.plugin import LEFT_OUT, OWN_CLIPS, OWN_CORPORA, RESULTS

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result


@dataclass
class Terminal:
    """A terminal reporter that writes down what it is given."""

    stash: pytest.Stash
    hasmarkup: bool = False
    saved_to: str | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def config(self) -> Terminal:
        """A config with a stash."""
        return self

    def getoption(self, name: str) -> str | None:
        """Return where results are to be saved."""
        assert name == "benchmark_json"
        return self.saved_to

    def section(self, title: str) -> None:
        """Begin a section."""
        self.lines.append(f"== {title}")

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append(text)


@pytest.fixture(name="terminal")
def _terminal() -> Terminal:
    """A terminal at the end of a session that measured nothing and skipped nothing."""
    stash = pytest.Stash()
    stash[RESULTS] = []
    stash[LEFT_OUT] = {}
    stash[OWN_CLIPS] = []
    stash[OWN_CORPORA] = []
    stash[KEPT] = Kept(None)
    return Terminal(stash)


def summary(terminal: Terminal, fault: BaseException | None = None) -> list[str]:
    """Return the lines of the summary; `fault` is what another plugin raises in its own."""
    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)
    if fault:
        with pytest.raises(type(fault)):
            hook.throw(fault)
    else:
        with pytest.raises(StopIteration):
            hook.send(None)
    return terminal.lines


def test_session_without_benchmarks_ends_without_a_word(terminal: Terminal) -> None:
    """As the suite's own tests do."""
    assert summary(terminal) == []


def test_table_stands_above_the_notes(terminal: Terminal) -> None:
    """A heading, the table's headings and rows, then the lines under it."""
    terminal.stash[RESULTS].append(warm(2.0))
    terminal.stash[RESULTS].append(warm(outcome=Outcome.FAILED, test="test_x", reason="why"))

    lines = [line for line in summary(terminal) if line]

    assert lines[0] == "== whisper-speedtest"
    assert lines[1].split()[:4] == ["adapter", "size", "variant", "clip"]
    assert lines[3].split()[:5] == ["lightning-whisper-mlx", "tiny", "4bit", "short", "2.00"]
    assert lines[-1] == "failed:   test_x: why"
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("only", [RESULTS, LEFT_OUT], ids=["nothing passed", "nothing installed"])
def test_notes_are_told_without_a_table(terminal: Terminal, only: pytest.StashKey[object]) -> None:
    """Where nothing passed, and where no library was there."""
    if only is RESULTS:
        terminal.stash[RESULTS].append(warm(outcome=Outcome.FAILED, test="test_x", reason="why"))
        last = "failed:   test_x: why"
    else:
        terminal.stash[LEFT_OUT]["x is not installed"] = Outcome.SKIPPED
        last = "nothing was measured: every selected test was skipped"

    assert summary(terminal)[0] == "== whisper-speedtest"
    assert terminal.lines[-1] == last
    assert "adapter" not in "".join(terminal.lines)


def test_recordings_of_the_user_are_told_to_the_notes(terminal: Terminal) -> None:
    """Only they know which clips are the user's own."""
    clip = clips()["human"]
    terminal.stash[OWN_CLIPS].append(clip)
    facts = ClipFacts(name="human", sha256=clip.sha256, seconds=clip.seconds)
    terminal.stash[RESULTS].append(warm(2.0, case=Case("toy", "micro", "x"), clip=facts))

    assert summary(terminal)[-1] == f"voices:   {NO_HUMAN_VOICE}: human"


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
@pytest.mark.parametrize("markup", [False, True])
def test_no_cell_is_shortened(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, kind: str, markup: bool
) -> None:
    """Nothing of a row is left out, up to 500 columns, whatever the terminal calls itself."""
    monkeypatch.setenv("TERM", kind)
    terminal.hasmarkup = markup
    long = "x" * 300
    result = warm(2.0)
    assert result.clip is not None
    terminal.stash[RESULTS].append(
        warm(2.0, clip=type(result.clip)(name=long, sha256="ab" * 32, seconds=4.0))
    )

    assert any(long in line for line in summary(terminal))
    assert WIDTH == 500


def test_fault_of_another_plugin_costs_no_summary(terminal: Terminal) -> None:
    """The summary is printed, and the fault is raised on."""
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal, KeyError("theirs"))[0] == "== whisper-speedtest"


def test_file_of_an_earlier_run_is_not_taken_for_this_ones(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Where nothing was measured, nothing is saved, and the older file stays as it is."""
    terminal.saved_to = str(tmp_path / "old.json")
    terminal.stash[RESULTS].append(warm(outcome=Outcome.FAILED, test="t", reason="r"))

    assert summary(terminal)[-1] == (
        f"unsaved:  {tmp_path}/old.json: not written, as nothing was measured in this one"
    )
    (tmp_path / "old.json").touch()
    assert summary(terminal)[-1] == (
        f"unsaved:  {tmp_path}/old.json: what is there is of an earlier run, as nothing was "
        "measured in this one"
    )
    terminal.stash[RESULTS].append(warm(2.0))
    assert summary(terminal)[-1] == "failed:   t: r"


def test_fault_in_saving_is_told(terminal: Terminal) -> None:
    """It is the last line, as what stands above was measured all the same."""
    terminal.stash[FAULT] = "OSError: no space left"
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal)[-1] == (
        "unsaved:  another plugin failed as the session ended: OSError: no space left"
    )


def test_session_that_selects_nothing_speaks_of_a_file_that_is_there(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Who publishes it would publish an earlier run; where there is none, nothing is to be said."""
    terminal.saved_to = str(tmp_path / "old.json")
    assert summary(terminal) == []

    (tmp_path / "old.json").touch()
    assert summary(terminal)[-1] == (
        f"unsaved:  {tmp_path}/old.json: what is there is of an earlier run, as nothing was "
        "measured in this one"
    )


def take_over(terminal: Terminal, *results: Result) -> None:
    """Let results be those of an earlier session, in the journal `journal.jsonl`."""
    terminal.stash[RESULTS] += results
    kept = Kept(Journal(Path("journal.jsonl")), results)
    kept.taken_over = {result.test: result for result in results}
    terminal.stash[KEPT] = kept


def test_results_that_were_taken_over_are_shown_and_are_not_this_sessions(
    terminal: Terminal, tmp_path: Path
) -> None:
    """They have their row and its mark; a file that was to be written is still of another run."""
    terminal.saved_to = str(tmp_path / "saved.json")
    take_over(terminal, warm(2.0, provenance=None))

    lines = summary(terminal)

    assert lines[2].split()[-1] == "earlier"
    assert lines[4].split()[:5] == ["lightning-whisper-mlx", "tiny", "4bit", "short", "2.00"]
    assert lines[4].split()[-1] == "all"
    assert lines[-2] == (
        f"earlier:  1 result is taken over from journal.jsonl; {tmp_path}/saved.json has this "
        "session's own alone"
    )
    assert lines[-1] == (
        f"unsaved:  {tmp_path}/saved.json: not written, as nothing was measured in this one"
    )
    terminal.stash[RESULTS].append(warm(3.0, test="new"))
    terminal.lines.clear()
    assert "unsaved" not in "".join(summary(terminal))


def test_rows_stand_in_the_order_of_the_tests(terminal: Terminal) -> None:
    """What was taken over is known before anything is run, and stands where it belongs."""
    first, last = (warm(2.0, test=name, case=Case("a", name, "x")) for name in ("tiny", "base"))
    take_over(terminal, last)
    terminal.stash[RESULTS].append(first)
    terminal.stash[KEPT].order = {"tiny": 0, "base": 1}

    sizes = [line.split()[1] for line in summary(terminal) if line.startswith(" a ")]

    assert sizes == ["tiny", "base"]


def test_journal_that_cannot_be_written_is_told(terminal: Terminal) -> None:
    """With what it lacks."""
    terminal.stash[RESULTS].append(warm(2.0))
    terminal.stash[KEPT].lost, terminal.stash[KEPT].fault = 1, "no space left"

    assert summary(terminal)[-1] == ("unsaved:  1 result is not added to a journal: no space left")


def test_parameters_are_saved_by_their_names() -> None:
    """pytest-benchmark would save the objects, in which the paths of recordings stand."""
    clip = replace(clips()["human"], name="memo")
    parameters = {"case": Case("toy", "micro", "good"), "clip": clip, "batch_size": 6, "x": "y"}
    saved = {"benchmarks": [{"name": "a", "params": parameters}, {"name": "b", "params": None}]}

    pytest_benchmark_update_json(saved)

    assert saved == {
        "benchmarks": [
            {
                "name": "a",
                "params": {"case": "toy-micro-good", "clip": "memo", "batch_size": 6, "x": "y"},
            },
            {"name": "b", "params": {}},
        ]
    }


def test_commit_is_saved_without_names_of_people_and_folders() -> None:
    """A branch, a folder and a message of git may hold them; the hash and its time do not."""
    info = {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "folder-of-jane",
        "branch": "jane/x", "author_time": "2025-12-31", "error": "fatal: /home/jane",
    }  # fmt: skip

    pytest_benchmark_update_commit_info(info)

    assert info == {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "whisper-speedtest"
    }  # fmt: skip


@pytest.mark.parametrize("markup", [False, True])
def test_styles_are_for_terminals_alone(terminal: Terminal, markup: bool) -> None:
    """A file or a pipe gets no escape sequences."""
    terminal.hasmarkup = markup
    terminal.stash[RESULTS].append(warm(2.0))

    assert ("\x1b" in "".join(summary(terminal))) is markup
