"""The journal: what is on the disk after each result, after a kill, and what a reader is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.helpers.processes import wait_until_gone
from tests.helpers.project import ROOT, child_environment
from tests.helpers.results import PROVENANCE, cold, load, warm
from whisper_speedtest.measure.contention import Contention
from whisper_speedtest.measure.machine import Gpu, Machine, State
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import to_json
from whisper_speedtest.measure.samples import Sample, Start
from whisper_speedtest.results.journal.journal_file import (
    HEADER,
    Content,
    Journal,
    JournalError,
    line_of,
    parse,
    read,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from whisper_speedtest.measure.result import Result

RESULTS = (warm(1.0), cold(2.0, outcome=Outcome.FAILED, reason="öde:\n\u2028 gone"), load(3.0))
WHOLE = HEADER + b"".join(map(line_of, RESULTS))

WRITER = """
import sys, time
from pathlib import Path
from tests.helpers.results import warm
from whisper_speedtest.results.journal.journal_file import Journal

journal = Journal(Path(sys.argv[1]))
journal.append(warm(1.0, test="theirs"))
print("written", flush=True)
time.sleep(600)
"""
"""Adds a result to a journal, and holds it open."""


KILLED_WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
from tests.helpers.results import warm
from whisper_speedtest.results.journal.journal_file import Journal

random.seed(30)
told_of = []
for writer in range(30):
    reading, writing = os.pipe()
    wanted = random.randint(1, 4)
    child = os.fork()
    if child == 0:
        journal = Journal(Path(sys.argv[1]))
        for number in range(10_000):
            test = f"{writer}-{number}"
            journal.append(warm(1.0, test=test))
            os.write(writing, f"{test} ".encode())
            if number + 1 == wanted and writer % 2:
                signal.pause()
        os._exit(1)
    os.close(writing)
    told = b""
    while told.count(b" ") < wanted:
        told += os.read(reading, 1)
    time.sleep(random.uniform(0, 0.003))  # the moment of the kill, and no wait for anything
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with open(reading, "rb") as rest:
        told_of += (told + rest.read()).decode().split()
print(*told_of)
"""
"""Thirty processes, each of which adds results until it is killed; prints what they told of.

Every second one is killed while it waits after one of them, the others wherever they are.
"""


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """The path of a journal that is not there yet."""
    return tmp_path / "journal.jsonl"


def written(path: Path, *results: Result) -> bytes:
    """Return the bytes of a journal after these results were added to it."""
    journal = Journal(path)
    for result in results:
        journal.append(result)
    for _ in range(2):
        journal.close()
    return path.read_bytes()


def test_journal_is_a_line_that_says_so_and_a_line_of_json_a_result(path: Path) -> None:
    """A journal is a first line that says so, and then a line of JSON for each result."""
    first, *others = written(path, *RESULTS).decode("ascii").splitlines()

    assert json.loads(first) == {"format": "whisper-speedtest journal", "version": 1}
    assert [json.loads(line) for line in others] == [
        json.loads(json.dumps(to_json(result))) for result in RESULTS
    ]


def test_result_is_in_the_file_once_it_was_appended(path: Path) -> None:
    """A result can be read from the journal once it was appended, while the file is open too."""
    journal = Journal(path)

    for count, result in enumerate(RESULTS, start=1):
        journal.append(result)
        assert read(path) == Content(RESULTS[:count])


def test_result_is_synced_to_the_disk_after_it_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result is synced to the disk after it was written to the journal.

    What only the system's memory holds is lost where the machine goes down.
    """
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.stat().st_size))

    sizes = [len(written(path, result)) for result in RESULTS]

    assert synced[-1] == sizes[-1], (
        "the last result was synced before it was written, or not at all"
    )
    assert set(sizes) <= set(synced)


def test_journal_without_a_result_is_left_only_where_it_was_there(path: Path) -> None:
    """A session that measures nothing leaves no journal, and takes none away."""
    journal = Journal(path)
    journal.open()
    assert path.read_bytes() == HEADER, "an open journal has to hold its name on the disk"
    journal.close()
    assert not path.exists()

    for content in (b"", HEADER):
        path.write_bytes(content)
        journal.open()
        journal.close()
        assert path.read_bytes() == HEADER

    path.unlink()
    journal.append(RESULTS[0])
    journal.close()
    assert path.read_bytes() == HEADER + line_of(RESULTS[0])


def test_folder_of_a_journal_is_made_and_stays_with_what_is_in_it(tmp_path: Path) -> None:
    """A journal's folder is made, and is left only where something was written or was there."""
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "a" / "b" / "run.jsonl"
    journal = Journal(path)
    for result in (None, RESULTS[0]):
        journal.open()
        assert path.exists()
        if result:
            journal.append(result)
        journal.close()
        assert path.exists() is bool(result)
        assert (tmp_path / "there" / "a").exists() is bool(result)
        assert (tmp_path / "there").exists()


def test_journal_that_another_session_may_have_open_is_not_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal without results is not removed where another session may have it open.

    That session may have locked the file since it was made here, or the file system has no locks.
    """

    def in_use(*_: object) -> bool:
        raise BlockingIOError

    journal = Journal(path)
    monkeypatch.setattr("whisper_speedtest.results.journal.journal_file.flock", in_use)
    with pytest.raises(JournalError, match="got one that is in use"):
        journal.open()
    assert path.exists(), "the other session has lost its file"

    path.unlink()
    monkeypatch.setattr("whisper_speedtest.results.journal.journal_file.flock", lambda *_: False)
    journal.open()
    journal.close()
    assert path.read_bytes() == HEADER


def test_new_journal_takes_no_file_that_is_there(path: Path) -> None:
    """A journal that must be new takes no file that is there, not even an empty one.

    Another session may just have made it.
    """
    path.touch()

    with pytest.raises(FileExistsError):
        Journal(path).open(must_be_new=True)

    assert path.read_bytes() == b""


def test_journal_that_is_there_is_added_to(path: Path) -> None:
    """New results are added to a journal behind those that it has, which stay as they are.

    There is one first line.
    """
    before = written(path, RESULTS[0])

    after = written(path, *RESULTS[1:])

    assert after == WHOLE
    assert after.startswith(before)


def test_line_that_was_cut_is_removed_before_another_is_added(path: Path) -> None:
    """A line of a journal that was cut is removed before another result is added.

    Else the next result would stand behind a part of one, in a line that is neither.
    """
    path.write_bytes(WHOLE[:-5])

    assert written(path, RESULTS[0]) == HEADER + b"".join(
        map(line_of, [RESULTS[0], RESULTS[1], RESULTS[0]])
    )


@pytest.mark.parametrize("size", [0, 1, len(HEADER) - 1, len(HEADER)])
def test_journal_that_was_cut_in_its_first_line_begins_anew(path: Path, size: int) -> None:
    """A journal that was cut in its first line, or is empty, begins anew.

    So a file that was made beforehand may be named.
    """
    path.write_bytes(HEADER[:size])

    assert written(path, RESULTS[0]) == HEADER + line_of(RESULTS[0])


@pytest.mark.parametrize(
    "content", [b"", HEADER, WHOLE], ids=["empty", "without a result", "with results"]
)
def test_journal_of_which_nothing_was_cut_says_so(content: bytes) -> None:
    """A journal whose last line is whole is read with no bytes cut."""
    assert parse(content, "it").cut == 0


def test_cut_line_is_told_by_its_length_and_is_no_result() -> None:
    """A cut line of a journal is no result, even if only its line break is missing.

    It is told by its length. The line break is the last byte to be written.
    """
    assert parse(WHOLE[:-1], "it") == Content(RESULTS[:2], len(line_of(RESULTS[2])) - 1)
    assert parse(WHOLE[:-5], "it") == Content(RESULTS[:2], len(line_of(RESULTS[2])) - 5)


def test_result_that_cannot_be_written_whole_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that cannot be written whole, as on a full disk, leaves nothing in the journal.

    Half a line in the middle of the file would spoil all of it.
    """
    journal = Journal(path)
    journal.append(RESULTS[0])
    write = os.write

    def some(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data)[: len(data) // 2])

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(OSError, match="No space left"):
        journal.append(RESULTS[1])
    monkeypatch.undo()
    journal.append(RESULTS[2])

    assert read(path) == Content((RESULTS[0], RESULTS[2]))


def test_number_that_json_does_not_have_is_refused(path: Path) -> None:
    """A result with a number that JSON lacks is refused, and the journal stays as it was.

    Other programs could not read the line.
    """
    before = written(path, RESULTS[0])
    endless = warm(samples=(Sample(process=0, order=0, seconds=float("inf")),))

    with pytest.raises(ValueError, match="not JSON compliant"):
        written(path, endless)

    assert path.read_bytes() == before


def test_line_is_written_whole_however_the_system_splits_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result's line is written whole, even if the system takes only parts of it at a time."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, data: write(to, bytes(data)[:7]))

    assert written(path, *RESULTS) == WHOLE


def test_interrupted_write_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to the journal that Ctrl-C interrupts leaves nothing of its result."""
    journal = Journal(path)
    journal.append(RESULTS[0])

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append(RESULTS[1])

    assert read(path) == Content(RESULTS[:1])


def test_journal_has_one_writer(path: Path) -> None:
    """A journal has one writer: a second session is refused until the first has ended."""
    environment = child_environment(PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "written\n"
        before = path.read_bytes()
        journal = Journal(path)

        with pytest.raises(JournalError) as caught:
            journal.append(RESULTS[0])

        assert path.read_bytes() == before
        other.kill()
        assert wait_until_gone(other.pid)
    assert str(caught.value) == (
        f"{path}: expected a journal that no other session writes to, got one that is in use; name "
        "another, or wait for that session to end"
    )
    journal.append(RESULTS[0])
    assert [result.test for result in read(path).results] == ["theirs", RESULTS[0].test]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"{}\n", "'{}'"),
        (b"[1]\n", "'[1]'"),
        (b"name,seconds\nx,1\n", "'name,seconds'"),
        (b"no line break", "'no line break'"),
        (b"\n", "''"),
        (b"\xff\xfe\n", "'\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}'"),
        (b"x" * 99 + b"\n", f"'{'x' * 60}…'"),
        (line_of(RESULTS[0]), '\'{"version": 2, "test": '),
        (b"[" * 100_000 + b"\n", f"'{'[' * 60}…'"),
    ],
    ids=["object", "list", "table", "no line", "empty line", "bytes", "long", "result", "deep"],
)
def test_file_of_something_else_is_no_journal(content: bytes, shown: str) -> None:
    """A file of something else is refused as a journal, and its first line is shown."""
    with pytest.raises(JournalError) as caught:
        parse(content, "notes.txt")

    assert str(caught.value).startswith(
        'notes.txt, line 1: expected the first line of a journal, \'{"format": "whisper-speedtest '
        f'journal", "version": 1}}\', got {shown}'
    )
    assert str(caught.value).endswith("; name another")


def changed(**fields: object) -> bytes:
    """Return the line of a result in which these fields are others."""
    plain = json.loads(line_of(RESULTS[0]))
    return json.dumps({**plain, **fields}).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\n", "expected a result as JSON, got ''; the file is damaged: name another"),
        (b"{\"version\": 2,\n", "expected a result as JSON, got '{\"version\": 2,'; the file is"),
        (b"\0\0\0\n", "expected a result as JSON, got "),
        (b"[" * 100_000 + b"\n", "expected a result as JSON, got '[[["),
        (b"[]\n", "expected a result (Expected `object`, got `array`), got '[]'; a newer version"),
        (changed(test=5), "expected a result (Expected `str`, got `int` - at `$.test`), got "),
        (changed(outcome="great"), "expected a result (Invalid enum value 'great' - at `$.outco"),
        (
            changed(version=1),
            "expected a result of version 2, got '{\"version\": 1, ",
        ),
    ],
    ids=["empty", "half", "zeros", "deep", "list", "type", "value", "version"],
)  # fmt: skip
def test_damage_before_the_end_is_named_by_line(line: bytes, message: str) -> None:
    """Damage before the end of a journal is refused with file, line, expected and got.

    Nothing is read past it, as nobody knows what else is wrong.
    """
    content = HEADER + line_of(RESULTS[0]) + line + line_of(RESULTS[1])

    with pytest.raises(JournalError) as caught:
        parse(content, "run.jsonl")

    assert str(caught.value).startswith(f"run.jsonl, line 3: {message}")


def test_remedy_for_another_version_is_another_file() -> None:
    """A result that another version of the suite wrote is refused as that, not as damage."""
    with pytest.raises(JournalError, match="; another version of this suite wrote it: name anoth"):
        parse(HEADER + changed(version=1), "run.jsonl")
    with pytest.raises(
        JournalError, match=r"unknown field `colour`.*; a newer version of this suite"
    ):
        parse(HEADER + changed(colour="red"), "run.jsonl")


def test_journal_of_another_version_is_refused() -> None:
    """A journal of another version is refused, and the message says which is expected."""
    content = HEADER.replace(b"1", b"2") + line_of(RESULTS[0])

    with pytest.raises(JournalError, match=re.escape("line 1: expected a journal of version 1, ")):
        parse(content, "run.jsonl")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A journal that is a pipe, a folder or not there is refused before it is read.

    A pipe would never end.
    """
    os.mkfifo(tmp_path / "pipe")
    for name, found in {"pipe": "no plain file", ".": "no plain file", "absent": "none"}.items():
        path = tmp_path / name
        with pytest.raises(JournalError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: expected a journal, got {found}; name another file"


def test_file_that_cannot_be_read_is_refused_with_the_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot be read is refused with the reason that the system gives."""

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path.touch()
    monkeypatch.setattr(type(path), "read_bytes", denied)

    with pytest.raises(JournalError, match="can be read, got Permission denied; name another"):
        read(path)


def test_damaged_journal_is_not_written_to(path: Path) -> None:
    """A damaged journal, or a file of something else, is never written to."""
    for content in (b"notes\n", HEADER + b"{}\n"):
        path.write_bytes(content)
        with pytest.raises(JournalError, match="expected"):
            Journal(path).append(RESULTS[0])
        assert path.read_bytes() == content


# Properties


def any_result() -> SearchStrategy[Result]:
    """Return a strategy for results of any kind: whatever their texts, numbers and parts are."""
    from hypothesis import strategies as st

    number = st.floats(0, 1e9)
    text = st.text(max_size=9)
    contention = st.builds(
        Contention,
        others=number, cpu=number, waited=st.none() | number, steal=st.none() | number,
        pressure=st.none() | number,
    )  # fmt: skip
    sample = st.builds(
        Sample,
        process=st.integers(0, 9), order=st.integers(0, 99), seconds=number,
        contention=st.none() | contention, contaminated=st.booleans(),
    )  # fmt: skip
    start = st.builds(
        Start,
        process=st.integers(0, 9), launch=number, import_library=number, load=number,
        first_call=number,
    )  # fmt: skip
    gpu = st.builds(Gpu, name=text, driver=text, memory=st.none() | st.integers(0, 2**60))
    machine = st.builds(
        Machine,
        chip=st.none() | text, model=st.none() | text, virtual=st.none() | st.booleans(),
        system=text, architecture=text, memory=st.integers(0, 2**60),
        cores=st.dictionaries(text, st.integers(0, 999), max_size=2),
        gpus=st.lists(gpu, max_size=2).map(tuple), suite=st.none() | text,
    )  # fmt: skip
    beside = st.builds(
        State,
        thermal=st.none() | text, throttled=st.none() | st.integers(0, 9),
        power_source=st.none() | text, low_power_mode=st.none() | st.booleans(),
        governor=st.none() | text, frequency=st.none() | number, swap_used=st.integers(0, 2**60),
        load=number, reference=number,
    )  # fmt: skip
    versions = st.dictionaries(text, text, max_size=2)
    provenance = versions.map(lambda each: msgspec.structs.replace(PROVENANCE, versions=each))

    def made(make: Any, changes: dict[str, Any]) -> Result:
        result: Result = make(**changes)
        return result

    changes = st.fixed_dictionaries(
        {},
        optional={
            "test": text,
            "outcome": st.sampled_from(Outcome),
            "measure": st.sampled_from(Measure),
            "reason": text,
            "cause": text,
            "samples": st.lists(sample, max_size=3).map(tuple),
            "starts": st.lists(start, max_size=2).map(tuple),
            "transcript": st.none() | text,
            "provenance": st.none() | provenance,
            "machine": st.none() | machine,
            "before": st.none() | beside,
            "after": st.none() | beside,
        },
    )
    return st.builds(made, st.sampled_from((warm, cold, load)), changes)


@pytest.mark.property
def test_any_results_come_back_from_a_journal(path: Path) -> None:
    """Any results come back from a journal as they were, however many sessions wrote them."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.lists(any_result(), max_size=3), max_size=3))
    def hold(sessions: list[list[Result]]) -> None:
        path.unlink(missing_ok=True)
        for results in sessions:
            written(path, *results) if results else None
        if path.exists():
            assert read(path) == Content(tuple(each for results in sessions for each in results))

    hold()


@pytest.mark.property
def test_journal_that_is_cut_at_any_byte_holds_what_stood_before() -> None:
    """A journal that is cut at any byte holds each result whose line is whole, and no other.

    How much of a line is left is known.
    """
    ends = [len(HEADER)]
    for result in RESULTS:
        ends.append(ends[-1] + len(line_of(result)))

    for size in range(len(WHOLE) + 1):
        whole = [end for end in ends if end <= size]
        expected = Content(RESULTS[: max(0, len(whole) - 1)], size - (whole[-1] if whole else 0))
        assert parse(WHOLE[:size], "it") == expected, f"cut after {size} of {len(WHOLE)} bytes"


@pytest.mark.property
def test_journal_with_one_damaged_byte_is_never_misread() -> None:
    """A byte of a journal that turned to zero is an error of its line, or costs the last line."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None)
    @given(st.integers(0, len(WHOLE) - 1))
    def hold(place: int) -> None:
        damaged = WHOLE[:place] + b"\0" + WHOLE[place + 1 :]
        number = WHOLE[:place].count(b"\n") + 1
        if place == len(WHOLE) - 1:
            assert parse(damaged, "it").results == RESULTS[:2]
            return
        with pytest.raises(JournalError, match=rf"^it, line {number}: expected "):
            parse(damaged, "it")

    hold()


def test_writer_that_is_killed_at_any_moment_loses_nothing_that_it_told_of(path: Path) -> None:
    """Every result that a writer told of before it was killed is in the journal, in order."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_WRITERS, str(path)],
        env=child_environment(PYTHONPATH=str(ROOT)),
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    told_of = ended.stdout.split()
    tests = [result.test for result in read(path).results]
    assert [test for test in tests if test in {*told_of}] == told_of, (
        "a result is lost, or out of order"
    )
    untold = len(tests) - len(told_of)
    assert untold <= 30, f"{untold} results of 30 writers were never told of"
