"""Writes a report: a folder with a file for each use. Other files in the folder stay as they are.

index.html      for reading: a page that needs no network
report.md       for the summary of a job, and for a pull request
results.csv     for spreadsheets and data frames, a line for each measurement
results.jsonl   a journal of all results, from which reports can be made again
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from whisper_speedtest.common.files import existing, look_at, write_whole
from whisper_speedtest.results.journal.journal_file import HEADER, line_of
from whisper_speedtest.results.report.as_csv import as_csv
from whisper_speedtest.results.report.as_markdown import as_markdown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whisper_speedtest.results.report.merged import Merged


def as_jsonl(merged: Merged) -> str:
    """Return a journal of all results, oldest first."""
    return (HEADER + b"".join(map(line_of, merged.results))).decode()


def _as_html(merged: Merged) -> str:
    from whisper_speedtest.results.report.page import html  # with all that draws charts

    return html(merged)


FILES: dict[str, Callable[[Merged], str]] = {
    "index.html": _as_html,
    "report.md": as_markdown,
    "results.csv": as_csv,
    "results.jsonl": as_jsonl,
}
"""Name of a file → the function that makes its content."""


def write(folder: Path, merged: Merged) -> None:
    """Write the files of a report to a folder, which is made if need be.

    The files of an earlier report are replaced only once all new ones are written.

    Raises:
        OSError: The folder cannot be written to. No file in it is left half written.
    """
    contents = {folder / name: content(merged).encode() for name, content in FILES.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(contents)


def why_not_writable(folder: Path) -> str:
    """Return what is there instead of a folder that a report can be written to; "" if it can be.

    The folder may be one that `write` has yet to make, with those above it. Nothing is made here.
    """
    try:
        look_at(folder)
        there = existing(folder.absolute())
        if not there.is_dir():
            return "a file" if there == folder.absolute() else f"a file at {there}"
        if not os.access(there, os.W_OK | os.X_OK):
            if there == folder.absolute():
                return "one that may not be written"
            return f"none, in {there}, which may not be written"
        blocked = [name for name in FILES if (folder / name).is_dir()]
    except OSError as error:
        return f"one that cannot be looked at: {error.strerror}"
    return f"one with a folder {blocked[0]} in it" if blocked else ""
