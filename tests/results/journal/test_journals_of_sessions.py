"""Journals of whole sessions: what is kept whatever ends them, and what the next one takes over."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.project import child_environment
from tests.helpers.sessions import TOKEN, Session, Sessions, make_toy_project
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.recording import UNTOLD
from whisper_speedtest.results.journal.journal_file import HEADER, Journal, line_of, parse, read
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whisper_speedtest.measure.result import Result

QUICK = ("--device=cpu", "--processes=1", "--calls=1")
"""One process and one call a test: what is looked at here is not the times."""

GOOD = "toy-micro-good-short and transcribe"
LINE = re.compile(r"^benchmarks/\S+::(\S+) (PASSED|FAILED|SKIPPED|TAKEN OVER)", re.MULTILINE)


def ends(results: Iterable[Result]) -> list[tuple[str, Outcome]]:
    """Return the test and outcome of each result."""
    return [(result.test, result.outcome) for result in results]


def told(output: str, *words: str) -> list[str]:
    """Return the tests that a verbose session told of with one of these words."""
    return [test for test, word in LINE.findall(output) if word in words]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """The path of a journal that does not exist yet."""
    return tmp_path / "run.jsonl"


def run(sessions: Sessions, chosen: str, *arguments: str, **variables: str) -> Session:
    """Run the benchmarks that -k chooses, quickly: of one file where it names that."""
    file = "benchmarks/test_transcribe.py"
    where = file if "transcribe" in chosen else "benchmarks"
    return sessions.run(where, "-v", "-k", chosen, *QUICK, *arguments, **variables)


def test_each_test_is_a_line_however_it_ended(sessions: Sessions, path: Path) -> None:
    """Each test is a line of the journal in its order, whether it passed, failed or was skipped.

    So is one that was out of time, or whose engine was killed.
    """
    session = run(
        sessions,
        "transcribe and short and (toy-micro-good or toy-micro-raises or toy-micro-killed or "
        "toy-micro-hangs or (lightning and medium-8bit and not distil))",
        f"--journal={path}",
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    content = read(path)
    assert content.cut == 0
    assert ends(content.results) == [
        ("test_transcribe[toy-micro-good-short]", Outcome.PASSED),
        ("test_transcribe[toy-micro-raises-short]", Outcome.FAILED),
        ("test_transcribe[toy-micro-killed-short]", Outcome.FAILED),
        ("test_transcribe[toy-micro-hangs-short]", Outcome.TIMED_OUT),
        ("test_transcribe[lightning-whisper-mlx-medium-8bit-short]", Outcome.SKIPPED),
    ]
    good, raised, killed, hung, skipped = content.results
    assert good.machine is not None
    assert {each.machine and each.machine.chip for each in content.results} == {good.machine.chip}
    ended = [each.when for each in content.results]
    assert ended == sorted(set(ended)), "each result tells when it ended, one after another"
    assert "" not in ended
    assert skipped.reason.startswith("lightning-whisper-mlx[medium-8bit]: ")
    assert (good.reason, good.transcript) == ("", clips()["short"].reference)
    assert raised.reason.endswith("transcribe raised ValueError: the toy dislikes this audio")
    assert "was ended by SIGKILL" in killed.reason
    assert "did not end within" in hung.reason
    kinds = "2 failed, 1 timed out, 1 skipped"
    assert f"journal:  5 results ({kinds}) are added to {path}\n" in session.output
    assert session.saved_names == {good.test}


def test_every_result_of_pytest_benchmarks_json_is_in_the_journal(
    sessions: Sessions, path: Path
) -> None:
    """The results in pytest-benchmark's JSON are those in the journal and in the report."""
    report = path.parent / "report"
    session = run(sessions, "toy-micro-good", f"--journal={path}", f"--report={report}")

    assert session.saved is not None
    saved = {each["name"]: each["extra_info"] for each in session.saved["benchmarks"]}
    lines = path.read_bytes().splitlines()[1:]
    assert {json.loads(line)["test"]: json.loads(line) for line in lines} == saved
    assert len(lines) == len(saved) > 5
    assert f"\nreport:   {report}/index.html; beside it report.md, results" in session.output
    reported = read(report / "results.jsonl").results
    assert sorted(map(line_of, reported)) == sorted(map(line_of, merge(read(path).results).results))


def test_resumed_session_runs_what_has_not_passed(sessions: Sessions, path: Path) -> None:
    """A resumed session takes over what has passed, and runs what failed or is missing.

    Resuming once more changes no byte of what has passed, and ends as the tests that are run end.
    """
    chosen = "transcribe and short and (toy-micro-good or toy-micro-lazy or toy-micro-raises)"
    first = run(
        sessions, "transcribe and short and (micro-good or micro-raises)", f"--journal={path}"
    )
    assert first.status == pytest.ExitCode.TESTS_FAILED, first.output
    before = path.read_bytes()

    second = run(sessions, chosen, f"--resume={path}")

    assert second.status == pytest.ExitCode.TESTS_FAILED, second.output
    assert told(second.output, "TAKEN OVER") == ["test_transcribe[toy-micro-good-short]"]
    assert told(second.output, "PASSED", "FAILED") == [
        "test_transcribe[toy-micro-raises-short]",
        "test_transcribe[toy-micro-lazy-short]",
    ]
    assert f"resume: {path}: 1 of 3 results taken over\n" in second.output
    assert "\n  failed: 1 test is run again\n  not in the journal: 1 test is run\n" in second.output
    assert "1 failed, 1 passed, " in second.output
    assert "1 taken over" in second.output
    assert path.read_bytes().startswith(before)
    assert ends(read(path).results)[2:] == [
        ("test_transcribe[toy-micro-raises-short]", Outcome.FAILED),
        ("test_transcribe[toy-micro-lazy-short]", Outcome.PASSED),
    ]
    rows = re.findall(r"^toy +micro +(\w+) .*? (\w+)$", second.output, re.MULTILINE)
    assert sorted(rows) == [("good", "all"), ("lazy", "text")]
    assert second.saved_names == {"test_transcribe[toy-micro-lazy-short]"}
    assert (
        f"earlier:  1 result is taken over from {path}; {sessions.folder}/saved.json has this "
        in (second.output)
    )

    before = path.read_bytes()
    third = run(sessions, "transcribe and short and (micro-good or micro-lazy)", f"--resume={path}")

    assert third.status == pytest.ExitCode.OK, third.output
    assert told(third.output, "PASSED", "FAILED") == []
    assert re.search(r"^=+ \d+ deselected, 2 taken over in ", third.output, re.MULTILINE)
    assert path.read_bytes() == before
    saved = f"{sessions.folder}/saved.json"
    assert f"unsaved:  {saved}: what is there is of an earlier run, as nothing was" in third.output


def test_skip_that_is_in_the_journal_is_not_written_again(sessions: Sessions, path: Path) -> None:
    """A skip in the journal is looked at again, and not written again if nothing changed."""
    chosen = "transcribe and short and lightning and medium-8bit and not distil"
    run(sessions, chosen, f"--journal={path}")
    before = path.read_bytes()

    session = run(sessions, chosen, f"--journal={path}", "--resume")

    assert session.status == pytest.ExitCode.NO_TESTS_COLLECTED, session.output
    assert "  its model is not there: 1 test is run again\n" in session.output
    assert path.read_bytes() == before


def test_another_version_of_a_library_is_measured_again(sessions: Sessions, path: Path) -> None:
    """A resumed session measures again what another version of a library has measured.

    A line says what differed; the old result stays, and the next session takes the new one.
    """
    run(sessions, GOOD, f"--journal={path}")
    old = path.read_bytes()
    version = f'"versions": {{"pytest": "{pytest.__version__}"}}'.encode()
    assert old.count(version) == 1
    path.write_bytes(old.replace(version, b'"versions": {"pytest": "1.0"}'))

    session = run(sessions, GOOD, f"--resume={path}", LC_ALL="C", PYTHONUTF8="0")

    assert session.output.isascii(), "the output can hold no other characters"
    assert f"  pytest 1.0 -> {pytest.__version__}: 1 test is run again\n" in session.output
    assert re.search(r"\n-{50,120}\ntoy ", session.output), "a plain rule is under the heading"
    assert told(session.output, "PASSED") == ["test_transcribe[toy-micro-good-short]"]
    assert [result.provenance and result.provenance.versions for result in read(path).results] == [
        {"pytest": "1.0"},
        {"pytest": pytest.__version__},
    ]
    again = run(sessions, GOOD, f"--resume={path}")
    assert told(again.output, "TAKEN OVER") == ["test_transcribe[toy-micro-good-short]"]


def test_cut_line_of_a_killed_session_is_no_result(sessions: Sessions, path: Path) -> None:
    """A line that was cut as a session was killed is removed, and its test is run again."""
    run(sessions, GOOD, f"--journal={path}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])

    session = run(sessions, GOOD, f"--resume={path}")

    size = len(whole) - len(HEADER) - 9
    assert f"journal: {path}: {size} bytes of a line that was cut are removed\n" in session.output
    assert "0 of 1 results taken over" in session.output
    why = "not in the journal"
    assert f"earlier:  no result of 1 test is taken over from {path}: {why}\n" in session.output
    assert ends(read(path).results) == [("test_transcribe[toy-micro-good-short]", Outcome.PASSED)]


# What is refused, before anything runs


def test_file_of_something_else_is_refused(sessions: Sessions, path: Path) -> None:
    """A file that is no journal, or a damaged one, is refused with its line and not touched."""
    for content, line in ((b"my notes\n", 1), (HEADER + b"{}\n", 2)):
        path.write_bytes(content)
        for option in ("--journal", "--resume"):
            session = run(sessions, GOOD, f"{option}={path}")
            assert session.status == pytest.ExitCode.USAGE_ERROR, session.output
            assert f"ERROR: {option}: {path}, line {line}: expected " in session.output
            assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--journal={0}/j/x",
            "--journal: {0}/j/x: expected a file that can be written, got no folder {0}/j, as {0}",
        ),
        ("--journal={0}", "--journal: {0}: expected a file that can be written, got a folder;"),
        (
            "--resume={0}/x",
            "--resume: expected a journal at {0}/x, found nothing there; write --resume=FILE, ",
        ),
        ("--resume={0}", "--resume: expected a journal at {0}, found a folder there; write "),
        ("--resume --journal={0}/x", "--resume: {0}/x: expected a journal, got none; name another"),
        (
            "--resume={0}/j --journal={0}/x",
            "--resume: expected to go on with {0}/j, got --journal={0}/x as well; leave that out",
        ),
    ],
    ids=["in a file", "a folder", "no file", "resumed folder", "no journal", "two files"],
)  # fmt: skip
def test_journal_that_cannot_be_used_is_refused(
    sessions: Sessions, tmp_path: Path, arguments: str, message: str
) -> None:
    """A journal that cannot be used is refused in one line, with the file."""
    (tmp_path / "j").write_bytes(HEADER)

    session = run(sessions, GOOD, *arguments.format(tmp_path).split())

    assert session.status == pytest.ExitCode.USAGE_ERROR, session.output
    assert f"ERROR: {message.format(tmp_path)}" in session.output
    assert "Traceback" not in session.output


def test_journal_that_another_session_writes_is_refused(sessions: Sessions, path: Path) -> None:
    """A journal that another session writes to is refused."""
    writer = Journal(path)
    path.write_bytes(HEADER)
    writer.open()

    session = run(sessions, GOOD, f"--journal={path}")
    writer.close()

    assert session.status == pytest.ExitCode.USAGE_ERROR, session.output
    assert f"journal: {path}: expected a journal that no other session writes to" in session.output
    assert path.read_bytes() == HEADER


# The default place


@pytest.fixture(name="own_project")
def _own_project(tmp_path: Path) -> Sessions:
    """Sessions in a copy of the project that no other test uses."""
    make_toy_project(tmp_path / "project")
    return Sessions(tmp_path / "project", tmp_path)


def test_journals_lie_in_the_project_a_file_a_session(own_project: Sessions) -> None:
    """Each session that measures leaves a file of its own in the project's journals.

    One that selects nothing leaves none; --resume goes on with the one that was written last.
    """
    folder = own_project.tree / "journals"

    listed = run(own_project, GOOD, "--collect-only")
    nothing = run(own_project, "no-such-test")
    unready = run(own_project, GOOD, "--resume")
    assert not folder.exists(), "expected no folder, as nothing was measured"
    assert listed.status == pytest.ExitCode.OK
    assert nothing.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert unready.status == pytest.ExitCode.USAGE_ERROR
    assert (
        f"ERROR: --resume: expected a journal with results, found none in {folder}/*.jsonl; run "
        "once without --resume, or name a file with --resume=FILE\n" in unready.output
    )

    first = run(own_project, GOOD)
    (path,) = folder.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.jsonl", path.name)
    assert f"journal:  1 result is added to journals/{path.name}\n" in first.output
    (folder / "9999-without-results.jsonl").write_bytes(HEADER)

    resumed = run(own_project, GOOD, "--resume")

    assert f"resume: journals/{path.name}: 1 of 1 results taken over\n" in resumed.output
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("kind", ["a file", "read-only"])
def test_place_that_cannot_be_written_costs_a_line(own_project: Sessions, kind: str) -> None:
    """If the folder of journals cannot be written to, a line says so, and the session measures."""
    folder = own_project.tree / "journals"
    if kind == "a file":
        folder.touch()
        reason = "File exists"
    else:
        (own_project.tree / "standing_in.py").write_text(
            "import os\nreal = os.open\n"
            "def denied(path, *arguments, **named):\n"
            "    if 'journals' in str(path):\n"
            "        raise PermissionError(13, 'Permission denied')\n"
            "    return real(path, *arguments, **named)\n"
            "os.open = denied\n",
            encoding="utf-8",
        )
        reason = "Permission denied"
    variables = {"PYTHONPATH": str(own_project.tree)}

    plugin = () if kind == "a file" else ("-p", "standing_in")
    session = run(own_project, GOOD, *plugin, **variables)

    assert session.status == pytest.ExitCode.OK, session.output
    assert f"journal: none, as {folder} cannot be written: {reason}; name a file" in session.output
    assert (
        f"unsaved:  1 result is not added to a journal: {folder} cannot be written: {reason}\n"
        in session.output
    )
    assert session.saved_names == {"test_transcribe[toy-micro-good-short]"}


def test_session_that_cannot_finish_its_journal_is_no_success(
    own_project: Sessions, tmp_path: Path
) -> None:
    """A session that cannot finish its journal has failed."""
    (own_project.tree / "full_disk.py").write_text(
        "import errno\n"
        "from whisper_speedtest.results.journal.journal_file import Journal\n"
        "def append(journal, result):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "Journal.append = append\n",
        encoding="utf-8",
    )
    journal = tmp_path / "mine.jsonl"
    chosen = (GOOD, "-p", "full_disk", f"--journal={journal}")

    session = run(own_project, *chosen, PYTHONPATH=str(own_project.tree))

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    why = "[Errno 28] No space left on device"
    assert f"unsaved:  1 result is not added to {journal}: {why}\n" in session.output
    assert session.saved_names == {"test_transcribe[toy-micro-good-short]"}


# What no file tells


def test_files_of_a_session_name_no_person_machine_or_folder(
    own_project: Sessions, tmp_path: Path
) -> None:
    """The journal and the JSON name no person, machine or folder, and no token.

    They do not where the paths are the user's own, or where a failure quotes them.
    """
    home = tmp_path / "home-of-zebedee"
    own = home / "secret-client"
    own.mkdir(parents=True)
    shutil.copy(clips()["short"].path, own / "memo.wav")
    toy = own_project.tree / "adapters" / "toy.py"
    quoted = f"{own}/x, {home}/x, {own_project.tree}/x.py and /srv/acme/y for zebedee, {TOKEN}"
    toy.write_text(
        toy.read_text(encoding="utf-8").replace("the toy dislikes this audio", quoted),
        encoding="utf-8",
    )
    path = tmp_path / "run.jsonl"

    session = run(
        own_project,
        "transcribe and (toy-micro-good or toy-micro-raises) and (short or memo) and not tuned",
        f"--journal={path}",
        f"--audio={own}",
        HOME=str(home),
        USER="zebedee",
        LOGNAME="zebedee",
        ACME_SECRET="swordfish",  # noqa: S106 - it is looked for in what is written
        HF_ENDPOINT="https://hub.acme-corp.example",
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    results = {result.test: result for result in read(path).results}
    assert len(results) == 4
    assert results["test_transcribe[toy-micro-raises-short]"].reason == (
        "toy[micro-raises]: transcribe raised ValueError: <path>, ~/…, <project>/x.py and <path> "
        "for <user>, <secret>"
    )
    for text in (path.read_text(encoding="utf-8"), json.dumps(session.saved)):
        for word in ("zebedee", "secret-client", "acme", TOKEN, "swordfish", str(tmp_path)):
            assert word not in text, f"{word!r} stands in {text}"
        assert "memo" in text


def test_private_recordings_have_neither_name_nor_words(sessions: Sessions, tmp_path: Path) -> None:
    """Neither the name nor a word of a private recording is in journal, JSON or table."""
    own = tmp_path / "zebra"
    own.mkdir()
    clip = clips()["short"]
    shutil.copy(clip.path, own / "therapy.wav")
    path = tmp_path / "run.jsonl"
    chosen = (
        "benchmarks", "-m", "own", "-k", "toy and (good or varies) and not tuned",
        "--device=cpu", "--processes=1", "--calls=2", f"--audio={own}", "--private",
    )  # fmt: skip

    session = sessions.run(*chosen, f"--journal={path}")

    name = f"own-{clip.sha256[:8]}"
    good, varies = read(path).results
    assert ends([good, varies]) == [
        (f"test_transcribe[toy-micro-good-{name}]", Outcome.PASSED),
        (f"test_transcribe[toy-micro-varies-{name}]", Outcome.FAILED),
    ]
    assert good.clip is not None
    assert (good.clip.name, good.clip.sha256, good.transcript) == (name, clip.sha256, None)
    assert (varies.reason, varies.transcript) == (UNTOLD, None)
    summary = session.output.split("= whisper-speedtest =")[1].split("= short test summary")[0]
    assert re.search(rf"^toy +micro +good +{name} ", summary, re.MULTILINE)
    assert "heard:" not in summary
    words = ["therapy", "zebra", "take 1", *(clip.reference or "").rstrip(".").split()[-2:]]
    for text in (path.read_text(encoding="utf-8"), json.dumps(session.saved), summary):
        for word in words:
            assert word not in text, f"{word!r} stands in {text}"

    resumed = sessions.run(*chosen, f"--resume={path}")
    assert f"resume: {path}: 1 of 2 results taken over\n" in resumed.output


# Other programs


def test_pytest_benchmarks_file_is_read_by_what_reads_it(
    sessions: Sessions, tmp_path: Path
) -> None:
    """pytest-benchmark's own `compare` reads the JSON of a session, which has no failed test."""
    session = run(sessions, "toy-micro-good and short or toy-micro-raises and short")
    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert session.saved is not None
    files = [tmp_path / f"{name}.json" for name in ("before", "after")]
    for file in files:
        shutil.copy(tmp_path / "saved.json", file)

    compared = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", *map(str, files)],
        cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert compared.returncode == 0, compared.stdout + compared.stderr
    lines = [line for line in compared.stdout.splitlines() if "good-short]" in line]
    assert len(lines) == 2 * 2, compared.stdout  # the cold start and the call, of both runs
    for each in json.loads(files[-1].read_text(encoding="utf-8"))["benchmarks"]:
        stats = each["stats"]
        assert "toy-micro-good" in each["fullname"], "a failure is in the file"
        assert stats["ops"] == pytest.approx(1 / stats["mean"])
        assert stats["stddev"] >= 0
        assert stats["rounds"] == len(stats["data"]) == 1


# SIGKILL


@pytest.mark.slow
def test_session_that_is_killed_at_any_moment_loses_no_result(
    sessions: Sessions, path: Path
) -> None:
    """A session that is killed at any moment loses no result that it has told of.

    Eight sessions are killed, each at a random moment. Each goes on with the journal of the one
    before, and a new one begins after every fourth. What any of them had told of is in the journal,
    once, as it was; a test that ran is all that is lost. What is killed while it writes,
    `tests/results/journal/test_journal_file.py` has.
    """
    random.seed(20)
    chosen = "toy and (good or slow or lazy) and not long"
    for number in range(8):
        if number % 4 == 0:
            path.unlink(missing_ok=True)
            told_of: set[str] = set()
            known: tuple[Result, ...] = ()
        option = "--resume" if path.exists() else "--journal"
        process = sessions.start("benchmarks", "-v", "-k", chosen, *QUICK, f"{option}={path}")
        assert process.stdout is not None
        output, wanted = "", random.randint(0, 4)
        while " selected\n" not in output or len(told(output, "PASSED")) < wanted:
            line = process.stdout.readline()
            assert line, f"the session has ended by itself:\n{output}"
            output += line
        time.sleep(random.uniform(0, 0.2))  # the moment of the kill, and no wait for anything
        process.kill()
        output += process.communicate()[0]

        results = read(path).results if path.exists() else ()
        told_of |= {*told(output, "PASSED", "TAKEN OVER")}
        kept = [result.test for result in results]
        assert told_of <= {*kept}, f"kill {number} has lost {told_of - {*kept}}"
        assert results[: len(known)] == known, f"kill {number} has changed older results"
        assert len(kept) == len({*kept}), f"what had passed was run again: {kept}"
        known = results
    while sessions.engines():
        time.sleep(0.05)

    whole = run(sessions, chosen, f"--resume={path}")

    assert whole.status == pytest.ExitCode.OK, whole.output
    tests = [result.test for result in read(path).results]
    assert sorted(tests) == sorted(told(whole.output, "PASSED", "TAKEN OVER"))
    assert len(tests) == 18


@pytest.mark.property
def test_what_a_kill_leaves_is_a_beginning_of_the_journal(path: Path) -> None:
    """Of a journal that was cut anywhere, the rows before the cut are read, and writing goes on."""
    from tests.helpers.results import cold, warm

    results = (warm(1.0, test="a"), cold(2.0, test="b"))
    whole = HEADER + b"".join(map(line_of, results))
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        kept = parse(whole[:size], "it").results
        journal = Journal(path)
        journal.append(results[0])
        journal.close()
        assert read(path).results == (*kept, results[0]), f"cut after {size} bytes"
