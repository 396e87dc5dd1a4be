"""The closing summary: what is printed at the end of a session, and when nothing is."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.results import measured, warm
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.result import ClipFacts
from whisper_speedtest.measure.samples import Sample
from whisper_speedtest.results import plugin
from whisper_speedtest.results.header import header
from whisper_speedtest.results.journal.journal_file import Journal
from whisper_speedtest.results.journal.journal_plugin import SESSION_JOURNAL, SessionJournal
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.plugin import (
    asks_for_tables,
    pytest_benchmark_update_commit_info,
    pytest_benchmark_update_json,
    pytest_terminal_summary,
)
from whisper_speedtest.results.summary import sentences
from whisper_speedtest.session.choice.collection import NOT_USED, OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.other_plugins import FAULT
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result


@dataclass
class BenchmarkSession:
    """What pytest-benchmark knows of its session."""

    quiet: bool = False


@dataclass
class Terminal:
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
    def invocation_params(self) -> Terminal:
        """What holds the arguments of the command line."""
        return self

    @property
    def config(self) -> Terminal:
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

    def get_terminal_writer(self) -> Terminal:
        """Return what knows of the terminal."""
        return self

    @property
    def fullwidth(self) -> int:
        """Its columns."""
        return self.columns

    @property
    def _file(self) -> Terminal:
        return self

    def isatty(self) -> bool:
        """Whether it is a terminal, and no file."""
        return self.is_terminal


@pytest.fixture(name="terminal")
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal at the end of a session that measured nothing and skipped nothing.

    Every library is installed.
    """
    monkeypatch.setattr(plugin, "why_not_installed", lambda _: "")
    stash = pytest.Stash()
    stash[RESULTS] = []
    stash[LEFT_OUT] = {}
    stash[OWN_CLIPS] = []
    stash[NOT_USED] = []
    stash[OWN_CORPORA] = []
    stash[SESSION_JOURNAL] = SessionJournal(None)
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
    """A session without benchmarks ends without a closing summary."""
    assert summary(terminal) == []


def test_table_stands_above_the_notes(terminal: Terminal) -> None:
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


def test_columns_of_the_table_stay_where_plain_characters_are_printed(terminal: Terminal) -> None:
    """The closing table's columns stay in line on a terminal that prints `+-` for `±`.

    A space of the gap before it is left out.
    """
    twice = tuple(Sample(process=number, order=0, seconds=2.0) for number in range(2))
    terminal.stash[RESULTS] = [warm(samples=twice)]
    (row,) = (line for line in summary(terminal) if " ±0.0% (2×1)" in line)
    terminal.lines.clear()
    terminal.encoding = "ascii"

    assert row.replace(" ±", "+-") in summary(terminal)


def test_colours_are_asked_of_pytest(terminal: Terminal) -> None:
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


@pytest.mark.parametrize("hook", [pytest_terminal_summary, plugin.pytest_sessionfinish])
def test_last_word_is_the_suites(hook: Any) -> None:
    """The closing summary's hooks stand around those of every other plugin, so it comes last."""
    options = hook.pytest_impl

    assert (options["wrapper"], options["tryfirst"]) == (True, True)


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_lines_on_a_terminal_are_broken_at_its_edge(terminal: Terminal, columns: int) -> None:
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
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """The command that installs missing libraries is on one line at any terminal width.

    A session without benchmarks says nothing of libraries.
    """
    monkeypatch.setattr(plugin, "why_not_installed", {"a": "", "b": "b lacks", "c": "c"}.get)
    monkeypatch.setattr(plugin, "valid_adapters", lambda: ["a", "b", "c"])
    command = "pip install " + " ".join(["-r requirements/x.txt"] * 9)
    monkeypatch.setattr(plugin, "install_command", lambda names: f"{command} {names}")
    terminal.is_terminal = is_terminal
    assert summary(terminal) == [], "a session without benchmarks says nothing of libraries"

    terminal.stash[RESULTS].append(measured("a b", 1.0, 1.0))

    assert f"missing:  b, c: {command} ['b', 'c']" in summary(terminal)


def test_lines_in_a_log_are_whole_so_that_they_can_be_searched(terminal: Terminal) -> None:
    """A line of the closing summary that goes to a log is never broken, however long it is."""
    reason = " ".join(["word"] * 60)
    terminal.stash[RESULTS].append(
        measured("a b", outcome=Outcome.FAILED, test="test_x", reason=reason)
    )

    assert summary(terminal)[-1] == f"failed:   test_x: {reason}"


@pytest.mark.parametrize(
    ("arguments", "addopts", "asked"),
    [
        ([], "", False),
        (["benchmarks", "--benchmark-only", "-k", "micro"], "--benchmark-disable-gc", False),
        (["--benchmark-json=f", "--benchmark-autosave", "--benchmark-storage", "x"], "", False),
        (["--benchmark-columns=min"], "", True),
        (["--benchmark-sort", "name"], "", True),
        (["--benchmark-group-by=func"], "", True),
        (["--benchmark-histogram"], "", True),
        (["--benchmark-name=short"], "", True),
        (["--benchmark-verbose"], "", True),
        (["--benchmark-compare=0001"], "", True),
        (["--benchmark-compare-fail=mean:5%"], "", True),
        (["--benchmark-cprofile=tottime"], "", True),
        ([Path("benchmarks")], "-v --benchmark-compare", True),
    ],
)
def test_tables_of_pytest_benchmark_are_printed_for_who_says_how_they_look(
    arguments: list[str | Path], addopts: str, asked: bool
) -> None:
    """pytest-benchmark's tables are printed only for who gives an option on how they look.

    The option may stand on the command line or in PYTEST_ADDOPTS.
    """
    assert asks_for_tables(arguments, addopts) is asked


@pytest.mark.parametrize(("arguments", "quiet"), [((), True), (("--benchmark-sort=name",), False)])
def test_pytest_benchmark_is_told_to_print_no_table_unless_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], quiet: bool
) -> None:
    """pytest-benchmark's table is off before its summary begins, unless it was asked for."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    terminal.args = arguments
    terminal._benchmarksession.quiet = False

    next(pytest_terminal_summary(cast("pytest.TerminalReporter", terminal)))

    assert terminal._benchmarksession.quiet is quiet


@pytest.mark.parametrize("only", [RESULTS, LEFT_OUT], ids=["nothing passed", "nothing installed"])
def test_notes_are_told_without_a_table(terminal: Terminal, only: pytest.StashKey[object]) -> None:
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


def test_pytest_shows_a_failure_of_several_tests_once(terminal: Terminal) -> None:
    """A failure of several tests is shown by pytest once, with the names of the others.

    A traceback is never left out. After the summary all failures are counted again.
    """
    case = measured("a b").case

    def fails(test: str, kind: str, shown: object, of: Case = case) -> Any:
        failed = warm(case=of, test=test, outcome=Outcome.FAILED, reason="why")
        terminal.stash[RESULTS].append(failed)
        report = SimpleNamespace(nodeid=f"benchmarks/x.py::{test}", longrepr=shown)
        terminal.stats.setdefault(kind, []).append(report)
        return report

    variant = replace(case, variant="other")
    first = fails("test_a[x]", "failed", f"{case.label}: it broke\n so")
    second = fails("test_b[x]", "failed", f"{variant.label}: it broke\n so", of=variant)
    other = fails("test_c[x]", "failed", "else")
    strange = fails("test_d[x]", "failed", object())
    early = fails("test_e[x]", "error", f"{case.label}: it broke\n so")
    whole = {kind: list(reports) for kind, reports in terminal.stats.items()}

    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)
    assert terminal.stats == {"failed": [first, other, strange], "error": [early]}
    text = f"{case.label}: it broke\n so"
    shown = f"{text}\nThe same failure in 1 other test:\ntest_b[x]"
    written: list[str] = []
    first.longrepr.toterminal(SimpleNamespace(line=written.append))
    assert written == [shown]
    assert str(first.longrepr) == shown
    in_the_short_summary = first.longrepr.reprcrash.message
    assert in_the_short_summary == f"and 1 more for the same reason: {text}"
    assert (other.longrepr, early.longrepr) == ("else", text)
    with pytest.raises(StopIteration):
        hook.send(None)
    assert terminal.stats == whole
    assert first.longrepr == text
    assert second.longrepr == f"{variant.label}: it broke\n so"


@pytest.mark.parametrize("kind", ["failed", "error"])
@pytest.mark.parametrize("style", ["short", "line"])
def test_failure_of_several_tests_is_written_once_in_every_style(
    terminal: Terminal, style: str, kind: str
) -> None:
    """A failure of several tests is written once in every style of tracebacks.

    With --tb=line pytest itself writes failures; it writes errors itself in no style.
    """
    for test in ("test_a[x]", "test_b[x]"):
        failed = warm(test=test, outcome=Outcome.FAILED, reason="why")
        terminal.stash[RESULTS].append(failed)
        report = SimpleNamespace(nodeid=f"benchmarks/x.py::{test}", longrepr="it broke")
        terminal.stats.setdefault(kind, []).append(report)
    terminal.tbstyle = style
    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)

    (first,) = terminal.stats[kind]
    written: list[str] = []
    first.longrepr.toterminal(SimpleNamespace(line=written.append))

    by_pytest = style == "line" and kind == "failed"
    text = "it broke\nThe same failure in 1 other test:\ntest_b[x]"
    assert written == ([] if by_pytest else [text])
    assert str(first.longrepr.reprcrash) == text
    with pytest.raises(StopIteration):
        hook.send(None)


@pytest.mark.parametrize("style", ["auto", "long", "short", "native", "no", "line"])
def test_failure_is_whole_in_every_style_of_tracebacks(terminal: Terminal, style: str) -> None:
    """The text of a failure is shown whole in every style of tracebacks.

    With --tb=line pytest shows fifty letters of a text; it is told there to show all, once.
    """
    text = f"a[b]: expected {'so much ' * 30}, got nothing; look at the text\n  computed by a"
    report = SimpleNamespace(nodeid="benchmarks/x.py::test_a[x]", longrepr=text)
    other = SimpleNamespace(nodeid="benchmarks/x.py::test_b[x]", longrepr=object())
    early = SimpleNamespace(nodeid="benchmarks/x.py::test_c[x]", longrepr="no engine")
    terminal.stats |= {"failed": [report, other], "error": [early]}
    terminal.tbstyle = style

    hook = pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))
    next(hook)
    shown: Any = report.longrepr
    if style == "line":
        pages: list[str] = []
        shown.toterminal(SimpleNamespace(line=pages.append, write=pages.append))
        assert (pages, str(shown.reprcrash)) == ([], text)
        assert shown.reprcrash.message == text, "pytest's short summary shows this message"
    else:
        assert shown == text
    assert early.longrepr == "no engine", "pytest shows errors whole in each style"
    assert not isinstance(other.longrepr, str)
    assert not hasattr(other.longrepr, "reprcrash"), "a traceback is as pytest shows it"
    with pytest.raises(StopIteration):
        hook.send(None)
    assert report.longrepr == text


def test_files_that_are_left_out_are_told_as_skips(terminal: Terminal) -> None:
    """A file that is left out is told before the tests, and as a skip below the table."""
    why = "--audio: talks/a.wav: is empty (0 bytes); name another"
    terminal.stash[NOT_USED].append(why)
    terminal.stash[RESULTS].append(warm(2.0))
    terminal.columns, terminal.is_terminal = 40, True

    said = plugin.pytest_report_collectionfinish(cast("pytest.Config", terminal))

    assert said == ["left out: --audio: talks/a.wav: is empty", "          (0 bytes); name another"]
    assert " ".join(map(str.strip, summary(terminal)[-2:])) == f"skipped:  {why}"


def interrupted(
    terminal: Terminal,
    message: str | None,
    status: int = pytest.ExitCode.INTERRUPTED,
    *,
    cases: bool = True,
    **options: object,
) -> tuple[list[str], str | None]:
    """Return what is said last of a session that ended so, and by what words pytest says why."""
    memo = None if message is None else SimpleNamespace(reprcrash=SimpleNamespace(message=message))
    reporter = SimpleNamespace(_keyboardinterrupt_memo=memo)
    config: Any = SimpleNamespace(
        stash=terminal.stash,
        pluginmanager=SimpleNamespace(get_plugin=lambda _: reporter),
        getoption=options.get,
        get_terminal_writer=lambda: terminal,
    )
    session: Any = SimpleNamespace(config=config, items=["an item"] if cases else [])
    terminal.lines.clear()
    hook = plugin.pytest_sessionfinish(session, status)
    next(hook)
    told = reporter._keyboardinterrupt_memo
    assert terminal.lines == [], "expected the lines on the end after all that pytest says"
    with pytest.raises(StopIteration):
        hook.send(None)
    return terminal.lines, told.reprcrash.message if told else None


def test_interrupted_session_ends_with_what_was_kept(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted session ends with the number of results kept and how to resume.

    What an engine was at is told, and the place in the code is not.
    """
    monkeypatch.setattr(plugin, "case_of", lambda item: item)
    by_user = "KeyboardInterrupt\nx[y]: stopped during transcribe"
    nothing = "stopped:  no test had ended, so that nothing was kept"
    note = "x[y]: stopped during transcribe"

    assert interrupted(terminal, by_user) == ([note, nothing], "interrupted")
    assert interrupted(terminal, "KeyboardInterrupt", fulltrace=True) == (
        [nothing],
        "KeyboardInterrupt",
    )
    take_over(terminal, warm(2.0))
    terminal.stash[SESSION_JOURNAL].written[Outcome.PASSED] = 1
    kept = "stopped:  2 results are kept in journal.jsonl; the same command with "
    kept += "--resume=journal.jsonl runs what is left"
    assert interrupted(terminal, "KeyboardInterrupt") == ([kept], "interrupted")
    terminal.stash[SESSION_JOURNAL].written.clear()
    assert interrupted(terminal, "KeyboardInterrupt")[0] == [
        kept.replace("2 results are", "1 result is")
    ]
    compared = (
        "stopped:  1 result is kept in journal.jsonl; comparisons are not resumed: choose those "
        "that are left with -k"
    )
    assert interrupted(terminal, "KeyboardInterrupt", head_to_head=True)[0] == [compared]
    assert interrupted(terminal, "KeyboardInterrupt", against="../main")[0] == [compared]


def test_session_that_ends_otherwise_says_nothing_of_that(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an interrupted session of benchmarks, or one that kept results, says it was stopped."""
    monkeypatch.setattr(plugin, "case_of", lambda item: item)
    ended = "_pytest.outcomes.Exit: interrupted while fetching models"

    assert interrupted(terminal, None, pytest.ExitCode.OK) == ([], None)
    assert interrupted(terminal, ended) == ([], ended)
    assert interrupted(terminal, "KeyboardInterrupt", cases=False) == ([], "KeyboardInterrupt")
    assert interrupted(terminal, "KeyboardInterrupt", check_models=()) == ([], "KeyboardInterrupt")
    terminal.stash[SESSION_JOURNAL] = SessionJournal(
        Journal(Path("journal.jsonl")), written=Counter([Outcome.PASSED])
    )
    assert interrupted(terminal, ended)[0][0].startswith("stopped:  1 result is kept in journal.")


def test_recordings_of_the_user_are_told_to_the_notes(terminal: Terminal) -> None:
    """The closing summary's notes are told which clips are the user's own recordings."""
    clip = clips()["human"]
    terminal.stash[OWN_CLIPS].append(clip)
    facts = ClipFacts(name="human", sha256=clip.sha256, seconds=clip.seconds)
    terminal.stash[RESULTS].append(warm(2.0, case=Case("toy", "micro", "x"), clip=facts))

    assert summary(terminal)[-1] == f"voices:   {NO_HUMAN_VOICE}: human"


def test_fault_of_another_plugin_costs_no_summary(terminal: Terminal) -> None:
    """The closing summary is printed where another plugin fails, and the fault is raised on."""
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal, KeyError("theirs"))[0] == "== whisper-speedtest"


def test_file_of_an_earlier_run_is_not_taken_for_this_ones(
    terminal: Terminal, tmp_path: Path
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


def test_fault_in_saving_is_told(terminal: Terminal) -> None:
    """A fault of another plugin as the session ended is told in the summary's last line.

    What stands above was measured all the same.
    """
    terminal.stash[FAULT] = "OSError: no space left"
    terminal.stash[RESULTS].append(warm(2.0))

    assert summary(terminal)[-1] == (
        "unsaved:  another plugin failed as the session ended: OSError: no space left"
    )


def test_session_that_selects_nothing_speaks_of_a_file_that_is_there(
    terminal: Terminal, tmp_path: Path
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


def take_over(terminal: Terminal, *results: Result) -> None:
    """Let results be those of an earlier session, in the journal `journal.jsonl`."""
    terminal.stash[RESULTS] += results
    kept = SessionJournal(Journal(Path("journal.jsonl")), results)
    kept.taken_over = {result.test: result for result in results}
    terminal.stash[SESSION_JOURNAL] = kept


def test_results_that_were_taken_over_are_shown_and_are_not_this_sessions(
    terminal: Terminal, tmp_path: Path
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


def test_clips_stand_in_the_order_of_the_tests(terminal: Terminal) -> None:
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


def test_journal_that_cannot_be_written_is_told(terminal: Terminal) -> None:
    """Results that could not be added to a journal are told in their number, with the reason."""
    terminal.stash[RESULTS].append(warm(2.0))
    kept = terminal.stash[SESSION_JOURNAL]
    kept.unwritten, kept.why_unwritten = 1, "no space left"

    assert summary(terminal)[-1] == ("unsaved:  1 result is not added to a journal: no space left")


def test_parameters_are_saved_by_their_names() -> None:
    """pytest-benchmark's file has the names of parameters, and no paths of recordings."""
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
    """pytest-benchmark's file has the commit's hash and time, but no branch, folder or message.

    These may hold names of people.
    """
    info = {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "folder-of-jane",
        "branch": "jane/x", "author_time": "2025-12-31", "error": "fatal: /home/jane",
    }  # fmt: skip

    pytest_benchmark_update_commit_info(info)

    assert info == {
        "id": "12" * 20, "time": "2026-01-01", "dirty": True, "project": "whisper-speedtest"
    }  # fmt: skip
