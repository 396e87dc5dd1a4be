"""The closing summary: what is printed at the end of a session, and when nothing is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.fake_terminal import FakeTerminal, take_over
from tests.helpers.results import measured, warm
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.result import ClipFacts
from whisper_speedtest.measure.samples import Sample
from whisper_speedtest.results import summary_plugin
from whisper_speedtest.results.header import header
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL
from whisper_speedtest.results.note import Note, printed
from whisper_speedtest.results.report.report_plugin import REPORTED
from whisper_speedtest.results.summary import sentences
from whisper_speedtest.results.summary_plugin import pytest_terminal_summary
from whisper_speedtest.session.choice.collection import NOT_USED, OWN_CLIPS
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS

if TYPE_CHECKING:
    from pathlib import Path


def summary(terminal: FakeTerminal, fault: BaseException | None = None) -> list[str]:
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


def test_session_without_benchmarks_ends_without_a_word(terminal: FakeTerminal) -> None:
    """A session without benchmarks ends without a closing summary."""
    assert summary(terminal) == []


def test_table_stands_above_the_notes(terminal: FakeTerminal) -> None:
    """The closing summary is a heading, the machine, the answer, the table and the notes."""
    results = [
        measured("mlx-whisper fp16", 2.0, 2.1),
        measured("faster-whisper int8", 1.0, 1.01),
        measured("a b", outcome=Outcome.FAILED, test="test_x", reason="why"),
    ]
    terminal.stash[RESULTS] += results
    terminal.columns, terminal.is_terminal = 80, True

    lines = summary(terminal)

    assert lines[0] == "== whisper-speedtest"
    assert " ".join(line.strip() for line in lines[1:5]) == " ".join(printed(header(results[:2])))
    assert lines[5] == ""
    answer = textwrap.wrap(sentences(results)[0], 80)
    table = lines[6 + len(answer) :]
    assert lines[6 : 6 + len(answer)] == answer
    assert table[0] == ""
    assert table[2].split()[:3] == ["library", "time", "interval"]
    assert table[4] == "small, short"
    assert table[5].split()[:4] == ["faster-whisper", "int8", "1.00", "s"]
    assert table[6].split()[:4] == ["mlx-whisper", "fp16", "2.05", "s"]
    assert table[7] == ""
    assert lines[-1] == "failed:   test_x: why"
    assert all(line == line.rstrip() for line in lines)


def test_columns_of_the_table_stay_where_plain_characters_are_printed(
    terminal: FakeTerminal,
) -> None:
    """The closing table's columns stay in line on a terminal that prints `+-` for `±`.

    A space of the gap before it is left out.
    """
    twice = tuple(Sample(process=number, order=0, seconds=2.0) for number in range(2))
    terminal.stash[RESULTS] = [warm(samples=twice)]
    (row,) = (line for line in summary(terminal) if " ±0.0% (2×1)" in line)
    terminal.lines.clear()
    terminal.encoding = "ascii"

    assert row.replace(" ±", "+-") in summary(terminal)


def test_colours_are_asked_of_pytest(terminal: FakeTerminal) -> None:
    """Colours of the closing summary are left to pytest, and no line has escapes of its own.

    pytest knows of the terminal, of --color and of NO_COLOR.
    """
    terminal.stash[RESULTS] += [
        measured("a slow", 2.0, 2.0),
        measured("a fast", 1.0, 1.0),
        measured("a busy", 1.0, 1.0, outcome=Outcome.BUSY),
    ]

    lines = summary(terminal)

    looks = {word: look for line, look in terminal.styled.items() for word in line.split()}
    assert looks["fast"] == {"green"}
    assert looks["busy"] == {"yellow"}
    assert looks["time"] == looks["fastest"] == {"bold"}
    assert "slow" not in looks
    assert "\x1b" not in "".join(lines)
    terminal.styled.clear()
    terminal.columns, terminal.is_terminal = 60, True
    summary(terminal)
    assert terminal.styled["small, short"] == {"bold"}, (
        "a narrow table has what rows share above them in bold"
    )


def test_last_word_is_the_suites() -> None:
    """The closing summary's hook stands around that of every other plugin, so it comes last."""
    hook: Any = pytest_terminal_summary

    assert (hook.pytest_impl["wrapper"], hook.pytest_impl["tryfirst"]) == (True, True)


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_lines_on_a_terminal_are_broken_at_its_edge(terminal: FakeTerminal, columns: int) -> None:
    """Lines of the closing summary are broken between words at the terminal's edge.

    What follows stands under the words of the first line.
    """
    terminal.columns, terminal.is_terminal = columns, True
    reason = " ".join(["word"] * 60)
    failed = measured("a b", outcome=Outcome.FAILED, test="test_x", reason=reason)
    terminal.stash[RESULTS] += [measured("a b", 1.0, 1.0), measured("a c", 2.0, 2.0), failed]

    lines = summary(terminal)

    assert max(map(len, lines)) <= columns
    assert lines[-1].startswith("          word word")
    assert [line for line in lines if line.startswith("failed:   test_x: word word")]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_libraries_that_are_not_installed_are_told_with_a_command_that_can_be_copied(
    terminal: FakeTerminal, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """The command that installs missing libraries is on one line at any terminal width.

    A session without benchmarks says nothing of libraries.
    """
    monkeypatch.setattr(
        summary_plugin, "why_not_installed", {"a": "", "b": "b lacks", "c": "c"}.get
    )
    monkeypatch.setattr(summary_plugin, "valid_adapters", lambda: ["a", "b", "c"])
    command = "pip install " + " ".join(["-r requirements/x.txt"] * 9)
    monkeypatch.setattr(summary_plugin, "install_command", lambda names: f"{command} {names}")
    terminal.is_terminal = is_terminal
    assert summary(terminal) == [], "a session without benchmarks says nothing of libraries"

    terminal.stash[RESULTS].append(measured("a b", 1.0, 1.0))

    assert f"missing:  b, c: {command} ['b', 'c']" in summary(terminal)


def test_lines_in_a_log_are_whole_so_that_they_can_be_searched(terminal: FakeTerminal) -> None:
    """A line of the closing summary that goes to a log is never broken, however long it is."""
    reason = " ".join(["word"] * 60)
    terminal.stash[RESULTS].append(
        measured("a b", outcome=Outcome.FAILED, test="test_x", reason=reason)
    )

    assert summary(terminal)[-1] == f"failed:   test_x: {reason}"


@pytest.mark.parametrize("only", [RESULTS, LEFT_OUT], ids=["nothing passed", "nothing installed"])
def test_notes_are_told_without_a_table(
    terminal: FakeTerminal, only: pytest.StashKey[object]
) -> None:
    """Where nothing was measured, the summary says so first and has its notes without a table."""
    if only is RESULTS:
        terminal.stash[RESULTS].append(warm(outcome=Outcome.FAILED, test="test_x", reason="why"))
        ended, last = "failed or was skipped", "failed:   test_x: why"
    else:
        terminal.stash[LEFT_OUT]["x is not installed"] = Outcome.SKIPPED
        ended, last = "was skipped", "skipped:  x is not installed"

    nothing = f"nothing was measured: every test that was begun {ended}"
    assert summary(terminal) == ["== whisper-speedtest", nothing, "", last]
    assert terminal.styled[nothing] == {"bold"}


def test_files_that_are_left_out_are_told_as_skips(terminal: FakeTerminal) -> None:
    """A file that is left out is told before the tests, and as a skip below the table."""
    why = "--audio: talks/a.wav: is empty (0 bytes); name another"
    terminal.stash[NOT_USED].append(why)
    terminal.stash[RESULTS].append(warm(2.0))
    terminal.columns, terminal.is_terminal = 40, True

    said = summary_plugin.pytest_report_collectionfinish(cast("pytest.Config", terminal))

    assert said == ["left out: --audio: talks/a.wav: is empty", "          (0 bytes); name another"]
    assert " ".join(map(str.strip, summary(terminal)[-2:])) == f"skipped:  {why}"


def test_recordings_of_the_user_are_told_to_the_notes(terminal: FakeTerminal) -> None:
    """The closing summary's notes are told which clips are the user's own recordings."""
    clip = clips()["human"]
    terminal.stash[OWN_CLIPS].append(clip)
    facts = ClipFacts(name="human", sha256=clip.sha256, seconds=clip.seconds)
    terminal.stash[RESULTS].append(warm(2.0, case=Case("toy", "micro", "x"), clip=facts))

    assert summary(terminal)[-1] == f"voices:   {NO_HUMAN_VOICE}: human"


def test_fault_of_another_plugin_costs_no_summary(terminal: FakeTerminal) -> None:
    """The closing summary is printed where another plugin fails, and the fault is raised on."""
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal, KeyError("theirs"))[0] == "== whisper-speedtest"


def test_file_of_an_earlier_run_is_not_taken_for_this_ones(
    terminal: FakeTerminal, tmp_path: Path
) -> None:
    """Where nothing was measured, pytest-benchmark's file is said not to be of this run."""
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


def test_report_is_told_last(terminal: FakeTerminal) -> None:
    """The closing summary's last line is the one on the report, even where there is no result."""
    terminal.stash[REPORTED] = Note("report", "out/index.html")

    assert summary(terminal)[-1] == "report:   out/index.html"
    terminal.stash[FAULT] = "OSError: no space left"
    terminal.stash[RESULTS].append(warm(2.0))
    assert summary(terminal)[-2:] == [
        "unsaved:  another plugin failed as the session ended: OSError: no space left",
        "report:   out/index.html",
    ]


def test_fault_in_saving_is_told(terminal: FakeTerminal) -> None:
    """A fault of another plugin as the session ended is told in the summary's last line.

    What stands above was measured all the same.
    """
    terminal.stash[FAULT] = "OSError: no space left"
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal)[-1] == (
        "unsaved:  another plugin failed as the session ended: OSError: no space left"
    )


def test_session_that_selects_nothing_speaks_of_a_file_that_is_there(
    terminal: FakeTerminal, tmp_path: Path
) -> None:
    """A session without benchmarks says that pytest-benchmark's file is of an earlier run.

    Who publishes it would publish that run. Where there is no such file, nothing is said.
    """
    terminal.saved_to = str(tmp_path / "old.json")
    assert summary(terminal) == []

    (tmp_path / "old.json").touch()
    assert summary(terminal)[-1] == (
        f"unsaved:  {tmp_path}/old.json: what is there is of an earlier run, as nothing was "
        "measured in this one"
    )


def test_results_that_were_taken_over_are_shown_and_are_not_this_sessions(
    terminal: FakeTerminal, tmp_path: Path
) -> None:
    """Results that were taken over from a journal have their row, which is marked as earlier.

    They are not in pytest-benchmark's file, which is of another run if this session measured
    nothing.
    """
    terminal.saved_to = str(tmp_path / "saved.json")
    take_over(terminal, warm(2.0, provenance=None))

    lines = summary(terminal)

    heading = next(line for line in lines if line.startswith("library"))
    row = next(line for line in lines if line.startswith("lightning"))
    assert heading.split()[-1] == "earlier"
    assert row.split()[:5] == ["lightning-whisper-mlx", "tiny", "4bit", "short", "2.00"]
    assert row.split()[-1] == "all"
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


def test_clips_stand_in_the_order_of_the_tests(terminal: FakeTerminal) -> None:
    """Clips stand in the closing table in the order of the tests, even if some are earlier.

    What was taken over is known before anything is run, and stands where it belongs.
    """
    first, last = (
        measured("a b", 2.0, test=name, clip=ClipFacts(name=name, sha256="ab" * 32, seconds=4.0))
        for name in ("short", "long")
    )
    take_over(terminal, last)
    terminal.stash[RESULTS].append(first)
    terminal.stash[SESSION_JOURNAL].order = {"short": 0, "long": 1}

    lines = summary(terminal)

    assert [line.split()[3] for line in lines if line.startswith("a  ")] == ["short", "long"]


def test_journal_that_cannot_be_written_is_told(terminal: FakeTerminal) -> None:
    """Results that could not be added to a journal are told in their number, with the reason."""
    terminal.stash[RESULTS].append(warm(2.0))
    kept = terminal.stash[SESSION_JOURNAL]
    kept.unwritten, kept.why_unwritten = 1, "no space left"

    assert summary(terminal)[-1] == ("unsaved:  1 result is not added to a journal: no space left")
