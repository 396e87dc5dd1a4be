"""The session's hold on its report: what is refused before anything runs, and what comes of it."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from _pytest.config.argparsing import Parser

from tests.helpers.fake_session import FakeSession
from tests.helpers.pages import read_page
from tests.helpers.project import ROOT, child_environment
from tests.helpers.results import MACHINE, MODEL, PROVENANCE, samples, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_file import HEADER, line_of, read
from whisper_speedtest.results.journal.journal_plugin import NEUTRAL
from whisper_speedtest.results.journal.neutral import Neutral
from whisper_speedtest.results.report import report_plugin
from whisper_speedtest.results.report.folder import FILES
from whisper_speedtest.results.report.merged import merge
from whisper_speedtest.results.report.page import html
from whisper_speedtest.results.report.report_plugin import (
    OF_SESSIONS,
    REPORTED,
    pytest_cmdline_main,
    pytest_configure,
    pytest_sessionfinish,
)
from whisper_speedtest.session.choice.options import LAST_JOURNAL, USUAL, pytest_addoption
from whisper_speedtest.session.outcomes import RESULTS

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes no time, as it has tests of its own."""
    monkeypatch.setitem(FILES, "index.html", lambda merged: f"{len(merged.results)} results\n")


def config(*args: str, **options: Any) -> pytest.Config:
    """Return as much of a config as is looked at on the command line."""
    known = {"from_journals": [], "report": None, "help": False, "version": 0, **options}
    known |= {each: known.get(each, USUAL.get(each)) for each in OF_SESSIONS}
    known = dict.fromkeys(("journal", "resume", "benchmark_json")) | known
    return cast("pytest.Config", SimpleNamespace(args=list(args), getoption=known.__getitem__))


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Path:
    """A journal of two results, with a line that was cut."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(HEADER + line_of(warm(test="a")) + line_of(warm(test="b")) + b"{")
    return path


def test_report_is_made_from_journals_without_a_session(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report is made from journals without a session, and says of what it was made."""
    folder = tmp_path / "out"

    status = pytest_cmdline_main(config(from_journals=[str(journal)], report=folder))

    assert status == OK
    assert [each.test for each in read(folder / "results.jsonl").results] == ["a", "b"]
    assert capsys.readouterr().out.splitlines() == [
        f"from:     {journal}: 1 bytes of a line that was cut are left out",
        "from:     2 results in 1 journal",
        f"report:   {folder}/index.html; beside it report.md, results.csv, results.jsonl",
    ]


def test_copies_of_results_are_left_out_and_told(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies of results in several journals are left out of a report and counted."""
    other, folder = tmp_path / "copy.jsonl", tmp_path / "out"
    other.write_bytes(journal.read_bytes())

    pytest_cmdline_main(config(from_journals=[str(journal), str(other)], report=folder))

    counted, told = capsys.readouterr().out.splitlines()[-2:]
    assert counted == "from:     4 results in 2 journals"
    assert told.endswith("results.jsonl; copies of results that are left out: 2")
    assert len(read(folder / "results.jsonl").results) == 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"report": Path("out")},
        {"help": True, "from_journals": ["a"]},
        {"version": 1, "from_journals": ["a"]},
    ],
    ids=["nothing", "a session", "help", "version"],
)
def test_without_journals_the_command_line_is_pytests(options: dict[str, Any]) -> None:
    """A command line without --from, or one that asks for help, is left to pytest."""
    assert pytest_cmdline_main(config(**options)) is None


def test_report_of_journals_that_cannot_be_written_is_no_success(
    journal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command with --from fails where the report cannot be written."""
    monkeypatch.setattr(Path, "write_bytes", no_space)

    status = pytest_cmdline_main(config(from_journals=[str(journal)], report=tmp_path / "out"))

    assert status == FAILED
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"unsaved:  {tmp_path}/out: the")


def no_space(*_: object) -> int:
    """Stand in for what writes to a disk that is full."""
    raise OSError(28, "No space left on device")


def refusal(*args: str, **options: Any) -> str:
    """Return the usage error of a command line."""
    with pytest.raises(pytest.UsageError) as raised:
        pytest_cmdline_main(config(*args, **options))
    return str(raised.value)


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_looked_for_afterwards_as_before(
    journal: Path, tmp_path: Path, *, enabled: bool
) -> None:
    """Python's garbage collection is left on or off as it was, after a report and after a fault.

    Whoever runs pytest in a program of their own goes on with what they had.
    """
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        pytest_cmdline_main(config(from_journals=[str(journal)], report=tmp_path / "out"))
        after_a_report = gc.isenabled()
        with pytest.raises(pytest.UsageError):
            pytest_cmdline_main(config(from_journals=["none.jsonl"], report=tmp_path / "out"))
        after_a_fault = gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()

    assert (after_a_report, after_a_fault) == (enabled, enabled)


def test_journals_without_a_folder_are_refused(journal: Path) -> None:
    """--from without --report is refused, and the message names the missing option."""
    assert refusal(from_journals=[str(journal)]) == (
        "--from: expected a folder for the report, got none; add --report=DIR"
    )


def test_journal_among_the_paths_of_tests_is_refused(journal: Path, tmp_path: Path) -> None:
    """A journal among the paths of tests is refused beside --from.

    It would be left out, and the report would look whole; other paths mean nothing here.
    """
    refused = refusal("b.jsonl", from_journals=[str(journal)], report=tmp_path / "out")

    assert refused.startswith(
        "--from: expected journals behind the option, got b.jsonl as paths of tests; write --from="
    )
    assert not (tmp_path / "out").exists()
    made = config("benchmarks", from_journals=[str(journal)], report=tmp_path / "out")
    assert pytest_cmdline_main(made) == OK


def test_options_of_sessions_are_refused_beside_journals(journal: Path, tmp_path: Path) -> None:
    """Options of sessions are refused beside --from.

    A report of all cases would look like one of what -k names, and a public one like private.
    """
    asked: dict[str, Any] = {"from_journals": [str(journal)], "report": tmp_path / "out"}

    assert refusal(**asked, **{"-k": "tiny", "--private": True}) == (
        "--from: expected a report of all that journals hold, got -k, --private, which is for "
        "sessions that run tests; leave -k, --private out"
    )
    assert not (tmp_path / "out").exists()
    assert {"-k", "-m"} < set(OF_SESSIONS), "the options of pytest that select tests"
    for option in OF_SESSIONS:
        assert f"got {option}, which is for" in refusal(**asked, **{option: "x"})
    assert "got --max-others, which" in refusal(**asked, **{"--max-others": None}), (
        "as --max-others=inf is parsed"
    )


def test_every_option_that_means_nothing_to_a_report_is_refused() -> None:
    """Beside --from, each of the suite's options but --report and --offline is refused."""
    parser = Parser(_ispytest=True)
    pytest_addoption(parser)
    (group,) = (each for each in parser._groups if each.name == "whisper-speedtest")
    suites = {name for option in group.options for name in option.names()}

    assert suites - set(OF_SESSIONS) == {"--report", "--from", "--offline"}


def test_nothing_measured_is_said_first(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That nothing was measured is said first on the terminal, on the page and in Markdown."""
    failed = warm(test="f", outcome=Outcome.FAILED, reason="it broke", machine=MACHINE)
    journal.write_bytes(HEADER + line_of(failed))

    pytest_cmdline_main(config(from_journals=[str(journal)], report=tmp_path / "out"))

    nothing = "nothing was measured: every test that was begun failed or was skipped"
    assert capsys.readouterr().out.splitlines()[:2] == [
        nothing,
        "from:     1 result in 1 journal",
    ]
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8").startswith(f"{nothing}\n")
    page = read_page(html(merge([failed])))
    assert page.headings[0] == "The answer"
    assert page.one("p", class_="answer").text == f"N{nothing[1:]}."


def test_report_is_shown_from_the_folder_where_pytest_was_started(
    journal: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A report's path is told from the folder where pytest was started, even if given in full."""
    monkeypatch.chdir(tmp_path)
    for folder in (Path("out"), tmp_path / "out"):
        pytest_cmdline_main(config(from_journals=[str(journal)], report=folder))
        assert capsys.readouterr().out.splitlines()[-1].startswith("report:   out/index.html; ")
    monkeypatch.chdir("/")
    pytest_cmdline_main(config(from_journals=[str(journal)], report=tmp_path / "out"))
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith(f"report:   {str(tmp_path)[1:]}/out/index.html; ")


def test_what_is_no_journal_is_refused(journal: Path, tmp_path: Path) -> None:
    """A file that is no journal is refused by its name, and no report is written."""
    journal.write_bytes(b"{}\n")
    refused = refusal(from_journals=[str(journal)], report=tmp_path / "out")

    assert refused.startswith(f"--from: {journal}, line 1: expected the first line of a journal")
    assert not (tmp_path / "out").exists()


def test_page_that_cannot_be_drawn_is_refused_before_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A session's report is refused at once where a module that draws its page is missing.

    It would be imported at the very end, after all measurements.
    """
    monkeypatch.setattr(report_plugin, "find_spec", {"jinja2": "found"}.get)

    with pytest.raises(pytest.UsageError) as caught:
        pytest_configure(config(report=tmp_path / "out"))

    assert str(caught.value) == (
        "--report: expected the modules that draw its page, got no vl_convert; install what "
        "requirements/tests.txt names"
    )


def test_folder_that_cannot_be_written_to_is_refused_before_anything(journal: Path) -> None:
    """A folder that no report can be written to is refused before anything is read or run."""
    expected = (
        f"--report: {journal}: expected a folder that can be written to, got a file; name another"
    )
    assert refusal(from_journals=["none"], report=journal) == expected
    with pytest.raises(pytest.UsageError) as raised:
        pytest_configure(config(report=journal))
    assert str(raised.value) == expected
    pytest_configure(config())
    pytest_configure(config(report=journal.parent / "new"))


@pytest.mark.parametrize(
    ("options", "one", "other", "file"),
    [
        ({"journal": "out/results.jsonl"}, "--journal", "--report", "out/results.jsonl"),
        ({"resume": "out/../out/results.jsonl"}, "--resume", "--report", "out/results.jsonl"),
        ({"benchmark_json": "out/results.csv"}, "--benchmark-json", "--report", "out/results.csv"),
        (
            {"journal": "a.jsonl", "benchmark_json": "a.jsonl"},
            "--journal",
            "--benchmark-json",
            "a.jsonl",
        ),
        (
            {"resume": "a.jsonl", "benchmark_json": "link.jsonl"},
            "--resume",
            "--benchmark-json",
            "link.jsonl",
        ),
    ],
)
def test_one_file_for_two_of_the_things_that_a_session_writes_is_refused(
    options: dict[str, str], one: str, other: str, file: str, tmp_path: Path
) -> None:
    """A session is refused where two of the files that it would write are one file.

    What is written last would take the place of the other, and of all that was in it before.
    """
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    chosen = {name: tmp_path / path for name, path in options.items()}

    with pytest.raises(pytest.UsageError) as raised:
        pytest_configure(config(report=tmp_path / "out", **chosen))

    assert str(raised.value) == (
        f"{other}: expected to write no file that {one} names, got {tmp_path / file}, whose "
        "results would be lost; name another one"
    )


def test_files_of_their_own_are_not_refused(tmp_path: Path) -> None:
    """A session may name one journal with --journal and --resume, beside its other files."""
    files = {"journal": "out/a.jsonl", "resume": "out/a.jsonl", "benchmark_json": "out/a.json"}

    pytest_configure(
        config(report=tmp_path / "out", **{name: tmp_path / path for name, path in files.items()})
    )
    pytest_configure(config(resume=LAST_JOURNAL, report=tmp_path / "out"))


def finish(
    session: FakeSession, *results: Result, status: pytest.ExitCode = OK
) -> tuple[pytest.ExitCode, str]:
    """End a session with these results; return its exit status, and what is said of the report."""
    session.exitstatus = status
    session.stash[RESULTS] = list(results)
    session.stash[NEUTRAL] = Neutral.of({}, home=None, user="jane", host="", kept={})
    pytest_sessionfinish(session.real, status)
    note = session.stash.get(REPORTED, None)
    return session.exitstatus, "\n".join(note.lines) if note else ""


def test_session_ends_with_its_report(tmp_path: Path) -> None:
    """A session ends with a report of all its results that names nothing of this machine."""
    failed = warm(outcome=Outcome.FAILED, reason="jane cannot read /opt/acme", test="f")

    ended = finish(FakeSession(report=tmp_path), warm(test="a"), failed, status=FAILED)

    beside = "report.md, results.csv, results.jsonl"
    assert ended == (FAILED, f"report:   {tmp_path}/index.html; beside it {beside}")
    reasons = {each.test: each.reason for each in read(tmp_path / "results.jsonl").results}
    assert reasons == {"a": "", "f": "<user> cannot read <path>"}
    assert finish(FakeSession(report=tmp_path), warm(test="a"))[0] == OK


def test_session_without_results_makes_no_report(tmp_path: Path) -> None:
    """A session without results makes no report and says so.

    Without the option nothing is said at all.
    """
    line = f"unsaved:  {tmp_path}: no report is made of a session without results"

    assert finish(FakeSession(report=tmp_path)) == (OK, line)
    assert list(tmp_path.iterdir()) == []
    assert finish(FakeSession(report=None), warm()) == (OK, "")


@pytest.mark.parametrize("status", [OK, pytest.ExitCode.INTERRUPTED])
def test_report_that_cannot_be_written_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: pytest.ExitCode
) -> None:
    """A session that would have passed fails where its report cannot be written.

    One that has failed anyway ends as it would.
    """
    monkeypatch.setattr(Path, "write_bytes", no_space)
    ended = finish(FakeSession(report=tmp_path), warm(), status=status)

    why = "the report could not be written: [Errno 28] No space left on device"
    assert ended == (FAILED if status is OK else status, f"unsaved:  {tmp_path}: {why}")


def test_result_that_no_journal_can_hold_costs_the_report_alone(tmp_path: Path) -> None:
    """A result that no journal can hold costs the report, which fails the session."""
    status, line = finish(FakeSession(report=tmp_path), warm(samples=samples(float("nan"))))

    assert status == FAILED
    assert line.startswith(f"unsaved:  {tmp_path}: the report could not be written: ")


def run_pytest(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the real pytest in this checkout; return its status, stdout and stderr."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT, env=child_environment(**variables), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.returncode, run.stdout, run.stderr


@pytest.mark.slow
def test_real_pytest_makes_a_report_and_collects_nothing(journal: Path, tmp_path: Path) -> None:
    """Pytest makes a report of journals without a session, and exits with 4 on a wrong journal."""
    status, out, err = run_pytest(f"--report={tmp_path}/out", f"--from={journal}", "benchmarks")

    assert (status, err) == (OK, "")
    assert "test session starts" not in out
    assert "from:     2 results in 1 journal" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES.keys()

    journal.write_bytes(b"{}\n")
    status, out, err = run_pytest(f"--report={tmp_path}/other", f"--from={journal}")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --from: {journal}, line 1: expected the first line of a journal" in err
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_report_is_the_same_in_every_process(journal: Path, tmp_path: Path) -> None:
    """A report is the same in every process, byte for byte.

    Python hashes texts in another way each time.
    """
    newer = msgspec.structs.replace(PROVENANCE, versions={"mlx": "1", "numpy": "2"}, dtype="int8")
    moved = msgspec.structs.replace(MODEL, repo="org/other", revision="v2", files={})
    results = [
        warm(machine=MACHINE, test=test, **changes)
        for test in ("a", "b")
        for changes in (
            {},
            {"provenance": newer},
            {"model": moved},
            {"provenance": newer, "model": moved},
        )
    ]
    journal.write_bytes(HEADER + b"".join(map(line_of, results)))
    contents = []
    for seed in ("1", "2", "3"):
        folder = tmp_path / seed
        status, _, err = run_pytest(f"--report={folder}", f"--from={journal}", PYTHONHASHSEED=seed)
        assert status == OK, err
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})

    for name in FILES:
        assert contents[0][name] == contents[1][name] == contents[2][name], name
