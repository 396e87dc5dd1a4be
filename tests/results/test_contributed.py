"""The results of other machines that were added to the project: journals that anybody may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.project import ROOT
from tests.helpers.results import warm
from whisper_speedtest.measure.machine import Machine
from whisper_speedtest.measure.result import ClipFacts
from whisper_speedtest.results.journal.journal_file import HEADER, JournalError, line_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whisper_speedtest.measure.result import Result

FOLDER = ROOT / "docs" / "results"


def problems(path: Path) -> Iterator[str]:
    """Yield what keeps a journal from being added, a line each."""
    try:
        content = read(path)
    except JournalError as error:
        yield str(error)
        return
    if content.cut:
        yield f"{path.name}: its last line was cut; run the session again with --resume={path.name}"
    if not content.results:
        yield f"{path.name}: expected results, got none"
    for result in content.results:
        yield from (f"{path.name}: {result.test}: {wrong}" for wrong in _wrong(result))


def _wrong(result: Result) -> Iterator[str]:
    if result.machine is None:
        yield "expected the machine that it was measured on, got none; measure it anew"
    if result.clip and result.clip.sha256 not in {clip.sha256 for clip in clips().values()}:
        yield "expected a clip of the project, got a recording of somebody's own; leave it out"


def test_added_journals_can_be_read_and_name_nobody() -> None:
    """Each journal that was added to the project can be read and has no problem.

    Each of its lines is a result of this form, on a clip of the project, with its machine.
    """
    assert [problem for path in sorted(FOLDER.glob("*.jsonl")) for problem in problems(path)] == []


def test_result_on_a_clip_of_the_project_is_welcome(tmp_path: Path) -> None:
    """A journal with a result on a clip of the project, from a named machine, has no problem."""
    short = clips()["short"]
    facts = ClipFacts(name="short", sha256=short.sha256, seconds=short.seconds)

    mac = Machine(
        chip="Apple M4 Pro",
        model="Mac16,8",
        virtual=False,
        system="macOS 15.5",
        architecture="arm64",
        memory=24_000_000_000,
        cores={"performance": 10, "efficiency": 4, "gpu": 20},
        gpus=(),
        suite=None,
    )

    assert list(problems(write(tmp_path / "mac.jsonl", warm(clip=facts, machine=mac)))) == []


def write(path: Path, *results: Result) -> Path:
    """Write a journal."""
    path.write_bytes(HEADER + b"".join(map(line_of, results)))
    return path


def test_result_of_an_own_recording_is_refused(tmp_path: Path) -> None:
    """A result on a user's own recording may not be added, and the message names its test."""
    own = warm(clip=ClipFacts(name="memo", sha256="0" * 64, seconds=2.0))

    found = "\n".join(problems(write(tmp_path / "mac.jsonl", own)))

    assert f"mac.jsonl: {own.test}: expected a clip of the project" in found


def test_result_without_a_machine_is_refused(tmp_path: Path) -> None:
    """A result that names no machine may not be added, as it cannot be compared with any."""
    short = clips()["short"]
    facts = ClipFacts(name="short", sha256=short.sha256, seconds=short.seconds)

    (found,) = problems(write(tmp_path / "mac.jsonl", warm(clip=facts, machine=None)))

    assert "expected the machine that it was measured on, got none" in found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER, "expected results, got none"),
        (HEADER + b"{}\n", "mac.jsonl"),
        (b"\x89PNG", "the first line of a journal"),
    ],
    ids=["empty", "no result", "no journal"],
)
def test_what_is_no_journal_with_results_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """A file that is no journal with results may not be added, and the message says why."""
    path = tmp_path / "mac.jsonl"
    path.write_bytes(content)

    assert said in "\n".join(problems(path))


def test_cut_journal_is_refused(tmp_path: Path) -> None:
    """A journal whose last line was cut, as by a kill, may not be added."""
    path = write(tmp_path / "mac.jsonl", warm())
    path.write_bytes(path.read_bytes()[:-5])

    assert "its last line was cut" in "\n".join(problems(path))
