"""`--report=DIR`: writes a report of this session, or with --from one of journals.

With --from nothing is collected: no test runs, and no model or library is looked for.
"""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.results.journal.journal_plugin import neutral_of
from whisper_speedtest.results.note import Note, printed
from whisper_speedtest.results.units import shown_path
from whisper_speedtest.session.choice.options import LAST_JOURNAL, given
from whisper_speedtest.session.outcomes import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from whisper_speedtest.measure.result import Result

OF_SESSIONS = (
    *("-k", "-m", "--shard", "--audio", "--corpus", "--language", "--private"),
    *("--device", "--processes", "--calls", "--budget", "--pause", "--cold-files"),
    *("--max-others", "--cooldown", "--journal", "--resume"),
    *("--head-to-head", "--baseline", "--against", "--fail-slower", "--minutes"),
    *("--check-models", "--prefetch-only", "--lock-models", "--refresh", "--max-download"),
)
"""Options on what is run and how. With --from nothing is run, so they are refused."""

DRAWN_WITH = ("jinja2", "vl_convert")
"""Modules that make the page. They are imported when all is measured, but looked for before."""

REPORTED = pytest.StashKey[Note]()
"""The note in the closing summary that says where the report is, or why there is none."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --from, make a report from journals and end; else let pytest go on."""
    names: list[str] = config.getoption("from_journals")
    if not names or config.getoption("help") or config.getoption("version"):
        return None
    folder: Path | None = config.getoption("report")
    if folder is None:
        raise pytest.UsageError(
            "--from: expected a folder for the report, got none; add --report=DIR"
        )
    if useless := ", ".join(given(config, OF_SESSIONS)):
        raise pytest.UsageError(
            f"--from: expected a report of all that journals hold, got {useless}, which is for "
            f"sessions that run tests; leave {useless} out"
        )
    from whisper_speedtest.results.journal.journal_file import JournalError
    from whisper_speedtest.results.journal.sources import REMEDY, read_all
    from whisper_speedtest.results.summary import nothing_measured
    from whisper_speedtest.results.units import counted

    if stray := [each for each in config.args if each.endswith(".jsonl")]:
        raise pytest.UsageError(
            f"--from: expected journals behind the option, got {', '.join(stray)} as paths of "
            f"tests; {REMEDY}"
        )
    _refuse_unless_possible(folder)
    try:
        with _without_garbage_collection():
            found = read_all(names)
    except JournalError as error:
        raise pytest.UsageError(f"--from: {error}") from error
    if nothing := nothing_measured(found.results):
        print(nothing)
    read = f"{counted(len(found.results), 'result')} in {counted(found.count, 'journal')}"
    for line in printed(Note("from", text) for text in (*found.remarks, read)):
        print(line)
    with _without_garbage_collection():
        note, is_written = _write(folder, found.results)
    print(*note.lines, sep="\n")
    return pytest.ExitCode.OK if is_written else pytest.ExitCode.TESTS_FAILED


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turn the collection of cyclic garbage off while the block runs.

    Results hold no cycles, and of 10,000 results it would take a quarter of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a report that cannot be written, before anything is measured."""
    folder: Path | None = config.getoption("report")
    if folder:
        _refuse_unless_possible(folder)
    _refuse_shared_files(config, folder)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report of a session; if it cannot be written, the session fails."""
    config = session.config
    folder: Path | None = config.getoption("report")
    if folder is None:
        return
    results = [neutral_of(config).result(each) for each in config.stash[RESULTS]]
    if not results:
        text = f"{shown_path(folder)}: no report is made of a session without results"
        config.stash[REPORTED] = Note("unsaved", text)
        return
    config.stash[REPORTED], is_written = _write(folder, results)
    if not is_written and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _refuse_unless_possible(folder: Path) -> None:
    """Raise pytest.UsageError if a module for the page or the right to write is missing."""
    from whisper_speedtest.results.report.folder import why_not_writable

    if lacking := ", ".join(each for each in DRAWN_WITH if find_spec(each) is None):
        raise pytest.UsageError(
            f"--report: expected the modules that draw its page, got no {lacking}; install what "
            "requirements/tests.txt names"
        )
    if found := why_not_writable(folder):
        raise pytest.UsageError(
            f"--report: {folder}: expected a folder that can be written to, got {found}; name "
            "another"
        )


def _refuse_shared_files(config: pytest.Config, folder: Path | None) -> None:
    """Refuse options that name the same file: what is written last would replace the other.

    Raises:
        pytest.UsageError: Two options do; but --journal may name the journal that is resumed.
    """
    resumed = config.getoption("resume")
    written = [
        ("--journal", config.getoption("journal")),
        ("--resume", None if resumed is LAST_JOURNAL else resumed),
        ("--benchmark-json", config.getoption("benchmark_json")),
    ]
    if folder and any(path for _, path in written):
        from whisper_speedtest.results.report.folder import FILES

        written += [("--report", folder / name) for name in FILES]
    first_options: dict[str, str] = {}
    for option, path in written:
        if not path:
            continue
        first = first_options.setdefault(os.path.realpath(path), option)
        if option not in {first, "--resume"}:
            raise pytest.UsageError(
                f"{option}: expected to write no file that {first} names, got {path}, whose "
                "results would be lost; name another one"
            )


def _write(folder: Path, results: Sequence[Result]) -> tuple[Note, bool]:
    """Write a report of some results; return the note that says so, and whether it was written."""
    from whisper_speedtest.results.report.folder import FILES, write
    from whisper_speedtest.results.report.merged import merge

    try:
        merged = merge(results)
        write(folder, merged)
    except (OSError, ValueError) as error:
        text = f"{shown_path(folder)}: the report could not be written: {error}"
        return Note("unsaved", text), False
    first, *others = FILES
    text = f"{shown_path(folder / first)}; beside it {', '.join(others)}"
    if copies := len(results) - len(merged.results):
        text += f"; copies of results that are left out: {copies}"
    return Note("report", text), True
