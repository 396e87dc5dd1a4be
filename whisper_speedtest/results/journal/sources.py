"""Finds and reads the journals that --from names, from which a report is made without a test."""

from __future__ import annotations

import glob
from argparse import ArgumentTypeError
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_speedtest.common.files import look_at
from whisper_speedtest.results.journal.journal_file import JournalError, read
from whisper_speedtest.results.units import counted
from whisper_speedtest.session.choice.values import parse_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.result import Result

MOST_NEAR = 3
"""How many journals a message suggests in place of one that is not there."""

REMEDY = "write --from=FILE, once for each journal, folder of *.jsonl files, or pattern in quotes"


@dataclass(frozen=True, slots=True)
class Journals:
    """What some journals hold together."""

    results: tuple[Result, ...]
    """Those of the first journal in the order in which they were written, then the next ones."""

    count: int
    """How many journals there are."""

    remarks: tuple[str, ...]
    """A line for each journal without results, and for each last line that was cut."""


def read_all(names: Sequence[str]) -> Journals:
    """Return what is in the journals of these names: files, folders, or patterns of files.

    Raises:
        JournalError: A name leads to no file, a file is no journal or is damaged, or no journal has
            a result.
    """
    paths = list(dict.fromkeys(path for name in names for path in _files(name)))
    results: list[Result] = []
    remarks = []
    for path in paths:
        content = read(path)
        if content.cut:
            remarks.append(f"{path}: {content.cut} bytes of a line that was cut are left out")
        if not content.results:
            remarks.append(f"{path}: it holds no result")
        for each in content.results:
            _check(each, path)
        results += content.results
    if not results:
        raise JournalError(
            f"{', '.join(map(str, paths))}: expected a journal with results, got none; run the "
            "benchmarks, or name another"
        )
    return Journals(tuple(results), len(paths), tuple(remarks))


def _files(name: str) -> list[Path]:
    """Return the files that a name means: that file, or those of a folder or a pattern, sorted.

    Raises:
        JournalError: There is none, or it cannot be looked at.
    """
    try:
        path = parse_path(name)
        look_at(path)
        is_folder = path.is_dir()
        inside = sorted(path.iterdir()) if is_folder else []
    except ArgumentTypeError as error:
        raise JournalError(f"{error}; {REMEDY}") from error
    except OSError as error:
        raise JournalError(
            f"{name}: expected a journal that can be read, got {error.strerror}; {REMEDY}"
        ) from error
    if is_folder:
        found = [each for each in inside if each.suffix == ".jsonl"]
        got = "none in that folder"
    elif path.exists():
        return [path]  # `read` says what is wrong with it
    elif not glob.has_magic(name):
        raise JournalError(f"{name}: expected a journal, got {_instead_of(path)}; {REMEDY}")
    else:
        found = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - of any folder
        got = "nothing that it matches"
    if not found:
        raise JournalError(f"{name}: expected journals, *.jsonl, got {got}; {REMEDY}")
    return found


def _instead_of(path: Path) -> str:
    """Return what there is in place of a missing file: similar names, else the last journals."""
    folder = path.parent
    if not folder.is_dir():
        return f"no folder {folder}"
    paths = [*sorted(folder.glob("*.jsonl")), *sorted(folder.glob("journals/*.jsonl"))]
    if not paths:
        return f"nothing of that name, and no other journal in {folder.absolute()}"
    names = {each.stem: str(each) for each in paths}
    similar = [names[each] for each in get_close_matches(path.stem, names, n=MOST_NEAR)]
    shown = similar or [str(each) for each in paths[-MOST_NEAR:]]
    more = len(paths) - len(shown)
    others = f" and {counted(more, 'other')}" if more else ""
    return f"nothing of that name; there are {', '.join(shown)}{others}"


def _check(result: Result, path: Path) -> None:
    """Raise JournalError if a time of a result is 0, from which no estimate can be computed."""
    if result.is_measured and any(each.seconds <= 0 for each in result.counted):
        raise JournalError(
            f"{path}: {result.test}: expected samples of more than 0 s, got one of 0 s; the file "
            "is damaged: name another"
        )
