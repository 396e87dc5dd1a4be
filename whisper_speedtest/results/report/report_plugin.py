"""`--report DIR`: a report of this session, or with --from of what earlier ones have measured.

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
"""Options that a report of journals would leave out of account, as they are of what is run."""

DRAWN_WITH = ("jinja2", "vl_convert")
"""Modules that are imported only once all was measured."""

REPORTED = pytest.StashKey[str]()
"""What to say of the report below the summary."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Make a report from journals, and end there."""
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
        with _without_looking_for_garbage():
            found = read_all(names)
    except JournalError as error:
        raise pytest.UsageError(f"--from: {error}") from error
    if nothing := nothing_measured(found.results):
        print(nothing)
    for remark in found.remarks:
        print(f"from:     {remark}")
    print(f"from:     {counted(len(found.results), 'result')} in {counted(found.count, 'journal')}")
    with _without_looking_for_garbage():
        line, written = _write(folder, found.results)
    print(line)
    return pytest.ExitCode.OK if written else pytest.ExitCode.TESTS_FAILED


@contextmanager
def _without_looking_for_garbage() -> Iterator[None]:
    """Let Python not look for garbage while the block runs, over and over in all results.

    They hold no cycles. Of 10,000, that would take a quarter of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Say before anything is measured that a report cannot be written."""
    folder: Path | None = config.getoption("report")
    if folder:
        _refuse_unless_possible(folder)
    _refuse_shared_files(config, folder)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report of a session; one that cannot be written is no success."""
    config = session.config
    folder: Path | None = config.getoption("report")
    if folder is None:
        return
    results = [neutral_of(config).result(each) for each in config.stash[RESULTS]]
    if not results:
        line = f"unsaved:  {shown_path(folder)}: no report is made of a session without results"
        config.stash[REPORTED] = line
        return
    config.stash[REPORTED], written = _write(folder, results)
    if not written and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _refuse_unless_possible(folder: Path) -> None:
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
    """Refuse to write two things to one file: the last one would take the place of the other."""
    resumed = config.getoption("resume")
    written = [
        ("--journal", config.getoption("journal")),
        ("--resume", None if resumed is LAST_JOURNAL else resumed),
        ("--benchmark-json", config.getoption("benchmark_json")),
    ]
    if folder and any(path for _, path in written):
        from whisper_speedtest.results.report.folder import FILES

        written += [("--report", folder / name) for name in FILES]
    taken: dict[str, str] = {}
    for option, path in written:
        one = taken.setdefault(os.path.realpath(path), option) if path else option
        if option not in {one, "--resume"}:  # a journal that is resumed may be named as both
            raise pytest.UsageError(
                f"{option}: expected to write no file that {one} names, got {path}, whose results "
                "would be lost; name another one"
            )


def _write(folder: Path, results: Sequence[Result]) -> tuple[str, bool]:
    """Write a report of some results; return what to say of it, and whether it is there."""
    from whisper_speedtest.results.report.folder import FILES, write
    from whisper_speedtest.results.report.merged import merge

    try:
        merged = merge(results)
        write(folder, merged)
    except (OSError, ValueError) as error:
        return f"unsaved:  {shown_path(folder)}: the report could not be written: {error}", False
    first, *others = FILES
    line = f"report:   {shown_path(folder / first)}; beside it {', '.join(others)}"
    if twice := len(results) - len(merged.results):
        line += f"; copies of results that are left out: {twice}"
    return line, True
