"""The folder of a report: its files, and what becomes of others that are in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.results import MACHINE, warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_file import read
from whisper_speedtest.results.report import folder as folder_module
from whisper_speedtest.results.report.as_csv import as_csv
from whisper_speedtest.results.report.as_markdown import as_markdown
from whisper_speedtest.results.report.folder import FILES, why_not_writable, write
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from whisper_speedtest.results.report.merged import Merged

MERGED = merge(
    [
        warm(2.0, when="2026-11-26T08:00:00.000Z", transcript="Zoë said “=1”", machine=MACHINE),
        warm(outcome=Outcome.FAILED, reason="no", test="b"),
    ]
)


@pytest.fixture(autouse=True)
def _page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes no time, as it has tests of its own."""
    monkeypatch.setitem(FILES, "index.html", lambda merged: f"{len(merged.results)} results é\n")


def content(path: Path) -> str:
    """Return a file's text, with its line breaks as they are."""
    return path.read_bytes().decode()


def test_report_is_a_file_for_each_use(tmp_path: Path) -> None:
    """A report is four files in UTF-8: a page, Markdown, CSV and a journal.

    Its folder is made, with those above it.
    """
    write(tmp_path / "a" / "b", MERGED)

    made = tmp_path / "a" / "b"
    names = {"index.html", "report.md", "results.csv", "results.jsonl"}
    assert {path.name for path in made.iterdir()} == names
    assert content(made / "index.html") == "2 results é\n"
    assert content(made / "report.md") == as_markdown(MERGED)
    assert content(made / "results.csv") == as_csv(MERGED)
    assert "\r\n" in as_csv(MERGED)


def test_results_of_a_report_are_a_journal(tmp_path: Path) -> None:
    """The results.jsonl of a report is a journal from which the same report can be made."""
    write(tmp_path, MERGED)

    kept = read(tmp_path / "results.jsonl")
    assert (kept.results, kept.cut) == (MERGED.results, 0)
    assert merge(kept.results) == MERGED


def test_own_files_are_replaced_and_others_stay(tmp_path: Path) -> None:
    """A report replaces its own files, and other files in its folder stay.

    Whoever has an old file open goes on reading it.
    """
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    old = tmp_path / "report.md"
    old.write_text("old", encoding="utf-8")
    with old.open(encoding="utf-8") as open_before:
        write(tmp_path, MERGED)
        assert open_before.read() == "old"

    assert content(old) == as_markdown(MERGED)
    assert content(tmp_path / "notes.txt") == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "notes.txt"}


def full_disk(self: Path, content: bytes) -> int:
    """Stand in for `Path.write_bytes` on a disk that has room for all but the last file."""
    is_last = "results.jsonl" in self.name
    with self.open("wb") as file:
        file.write(b"a par" if is_last else content)
    if is_last:
        raise OSError(errno.ENOSPC, "No space left on device")
    return len(content)


def test_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that cannot be written leaves all of the old one, and nothing beside it."""
    for name in FILES:
        (tmp_path / name).write_text("old", encoding="utf-8")
    monkeypatch.setattr(Path, "write_bytes", full_disk)

    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, MERGED)

    assert {path.name: content(path) for path in tmp_path.iterdir()} == dict.fromkeys(FILES, "old")


def test_fault_of_what_makes_a_file_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report leaves the old one where one of its files cannot be made.

    Nothing is written before everything is made.
    """
    (tmp_path / "report.md").write_text("old", encoding="utf-8")

    def broken(_: Merged) -> str:
        raise ValueError("no chart")

    monkeypatch.setitem(FILES, "results.jsonl", broken)
    with pytest.raises(ValueError, match="no chart"):
        write(tmp_path, MERGED)

    assert [(path.name, content(path)) for path in tmp_path.iterdir()] == [("report.md", "old")]


def test_folder_that_can_be_written_to_is_not_touched_before(tmp_path: Path) -> None:
    """A folder is found to be fit for a report without being made or touched."""
    assert why_not_writable(tmp_path) == ""
    assert why_not_writable(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    assert why_not_writable(tmp_path) == "", "a folder with an earlier report can be written to"


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    """A path that is a file, or lies below one, is told to be no folder for a report.

    So is a folder that has another one in the place of a file of the report.
    """
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "odd" / "results.csv").mkdir(parents=True)

    assert why_not_writable(tmp_path / "file") == "a file"
    assert why_not_writable(tmp_path / "file" / "a") == f"a file at {tmp_path / 'file'}"
    assert why_not_writable(tmp_path / "odd") == "one with a folder results.csv in it"


@pytest.mark.parametrize("refused", [os.W_OK, os.X_OK], ids=["write", "enter"])
def test_folder_without_permission_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """A folder is no place for a report if it, or the one to make it in, may not be written."""

    def access(path: Path, mode: int) -> bool:
        return not (path == tmp_path and mode & refused)

    monkeypatch.setattr(os, "access", access)

    assert why_not_writable(tmp_path) == "one that may not be written"
    assert why_not_writable(tmp_path / "a" / "b") == (
        f"none, in {tmp_path}, which may not be written"
    )


def test_folder_that_cannot_be_looked_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be looked at is no place for a report, and it is told why."""

    def gone(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("whisper_speedtest.results.report.folder.look_at", gone)

    assert why_not_writable(tmp_path) == "one that cannot be looked at: Input/output error"


def test_page_comes_from_the_merged_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a report is made from the merged results.

    Its module is imported when a report is written, and not before.
    """
    from whisper_speedtest.results.report import page

    seen: list[Merged] = []

    def html(merged: Merged) -> str:
        seen.append(merged)
        return "<p>"

    monkeypatch.setattr(page, "html", html)
    make: Callable[[Merged], str] = folder_module._as_html

    assert (make(MERGED), seen) == ("<p>", [MERGED])
