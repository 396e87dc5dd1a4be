"""Keeps the journal of a session: opens it, adds each result as its test ends, and closes it.

It is a new file in `journals/` in the checkout, which git ignores, unless --journal names a file or
--resume goes on with that of an earlier session. It is made and locked before anything is measured,
so that no two sessions write to one file; a session that measures nothing removes what it has made.
"""

from __future__ import annotations

import getpass
import os
import platform
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.resume_plugin import (
    decide,
    file_to_resume,
    report_as_passed,
)
from whisper_speedtest.results.note import Note
from whisper_speedtest.results.units import counted, shown_path
from whisper_speedtest.session.beginning import ROOT
from whisper_speedtest.session.choice.collection import OWN_CLIPS, OWN_CORPORA
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.ending import fail, has_failed_to_collect
from whisper_speedtest.session.models.prefetch import STORE
from whisper_speedtest.session.other_plugins import refuse_unless_writable
from whisper_speedtest.session.outcomes import RESULTS
from whisper_speedtest.session.terminal.width import tell

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.journal.journal_file import Journal
    from whisper_speedtest.results.journal.neutral import Neutral

FOLDER = ROOT / "journals"
"""Where the journals are that the user has not named."""


@dataclass(slots=True)
class SessionJournal:
    """The journal that a session writes to, what the session took over from it, and what it added.

    It is in the session's stash from `pytest_configure` on, even if no journal is written.
    """

    journal: Journal | None
    """The file. None before the first test where the user has named none, and for good where none
    can be made."""

    earlier_results: tuple[Result, ...] | None = None
    """With --resume, the results that the file held when the session began; else None."""

    cut_bytes: int = 0
    """Bytes of the last line in the file, if it was cut when an earlier session was killed. They
    are removed when the file is opened; 0 from then on."""

    taken_over: Mapping[str, Result] = field(default_factory=dict)
    """With --resume, test → its earlier result. Such a test is not run."""

    not_taken_over: Mapping[str, str] = field(default_factory=dict)
    """With --resume, test → why it is run."""

    order: Mapping[str, int] = field(default_factory=dict)
    """With --resume, test → its place among those that were selected. The results are sorted by it
    in the end, as those that are taken over come first."""

    handled: int = 0
    """How many of the session's results, from the first on, are dealt with: they were taken over or
    written, are in the file already, or could not be written."""

    written: Counter[Outcome] = field(default_factory=Counter)
    """How many results this session has added to the file, by how their tests ended."""

    unwritten: int = 0
    """How many results could not be added to it."""

    why_unwritten: str = ""
    """Why the last of those was not added, or why no file can be made; "" if nothing failed."""

    @property
    def name(self) -> str:
        """The journal as messages call it; "" where there is none."""
        return shown_path(self.journal.path) if self.journal else ""

    def notes(self, saved_to: str) -> Iterator[Note]:
        """Yield the notes for the closing summary: what was taken over, added, and not added.

        `saved_to` is the file of pytest-benchmark's JSON of this session; "" if there is none.
        """
        if self.taken_over:
            number = len(self.taken_over)
            left_out = f"; {saved_to} has this session's own alone" if saved_to else ""
            text = f"{_results_are(number)} taken over from {self.name}{left_out}"
            yield Note("earlier", text)
        elif self.not_taken_over:
            tests = counted(len(self.not_taken_over), "test")
            reasons = list(dict.fromkeys(self.not_taken_over.values()))
            if len(reasons) == 1:
                why = f": {reasons[0]}"
            else:
                why = f", for {len(reasons)} reasons, which stand above the tests"
            yield Note("earlier", f"no result of {tests} is taken over from {self.name}{why}")
        if number := self.written.total():
            outcomes = _outcomes(self.written)
            yield Note("journal", f"{_results_are(number, outcomes)} added to {self.name}")
        if self.unwritten:
            results_are, name = _results_are(self.unwritten), self.name or "a journal"
            yield Note("unsaved", f"{results_are} not added to {name}: {self.why_unwritten}")


def _results_are(number: int, outcomes: str = "") -> str:
    """Return the subject and verb of a sentence: `1 result is`, `2 results (all failed) are`."""
    return f"{counted(number, 'result')}{outcomes} {'is' if number == 1 else 'are'}"


def _outcomes(written: Counter[Outcome]) -> str:
    """Return how many results are of tests that did not pass: ` (27 skipped, 1 failed)`, or ""."""
    not_passed = {
        outcome: count for outcome, count in written.most_common() if outcome is not Outcome.PASSED
    }
    if list(not_passed.values()) == [written.total()]:
        (outcome,) = not_passed
        return f" ({'all ' if written.total() > 1 else ''}{outcome})"
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in not_passed.items())
    return f" ({counts})" if counts else ""


SESSION_JOURNAL = pytest.StashKey[SessionJournal]()
NEUTRAL = pytest.StashKey["Neutral"]()
"""What removes the names of this machine from texts; made by `neutral_of` when first needed."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the journal that the user names, or say at once what is wrong with it."""
    path: Path | None = config.getoption("journal")
    resumed: Path | None = config.getoption("resume")
    if path is None and resumed is None:
        config.stash[SESSION_JOURNAL] = SessionJournal(None)
        return  # before the imports below, so that collection stays fast
    from whisper_speedtest.results.journal.journal_file import Journal, JournalError, read

    try:
        if resumed is None:
            assert path is not None
            config.stash[SESSION_JOURNAL] = kept = SessionJournal(Journal(path))
            refuse_unless_writable("--journal", path, is_folder_made=True)
            kept.cut_bytes = read(path).cut if path.exists() else 0
            return
        resumed = file_to_resume(resumed, path, FOLDER)
        content = read(resumed)
    except JournalError as error:
        option = "--journal" if resumed is None else "--resume"
        raise pytest.UsageError(f"{option}: {error}") from error
    refuse_unless_writable("--resume", resumed)
    config.stash[SESSION_JOURNAL] = SessionJournal(Journal(resumed), content.results, content.cut)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open a journal that the user names before models are fetched: it may be in use elsewhere."""
    if session.config.stash[SESSION_JOURNAL].journal and _to_measure(session):
        _open(session.config)


def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the journal, and with --resume take over what it holds, once the models are there."""
    config, items = session.config, _to_measure(session)
    if not items:
        return
    _open(config)
    kept = config.stash[SESSION_JOURNAL]
    if kept.earlier_results is None:
        return
    decision = decide(config, items, kept.earlier_results)
    kept.order = {item.name: number for number, item in enumerate(items)}
    kept.taken_over, kept.not_taken_over = decision.taken_over, decision.run
    out = config.get_terminal_writer()
    taken_over = f"{len(decision.taken_over)} of {len(items)} results taken over"
    tell(out, f"resume: {kept.name}: {taken_over}")
    for line in decision.lines():
        tell(out, f"  {line}")
    for item in items:
        if result := decision.taken_over.get(item.name):
            report_as_passed(config, item)
            config.stash[RESULTS].append(result)
    kept.handled = len(config.stash[RESULTS])
    session.items[:] = [item for item in session.items if item.name not in decision.taken_over]


def _to_measure(session: pytest.Session) -> list[pytest.Item]:
    """Return the tests that this session is to measure; none where it ends before it runs any."""
    asked = session.config.getoption
    if asked("collectonly") or asked("prefetch_only") or asked("check_models") is not None:
        return []
    if has_failed_to_collect(session):
        return []
    return [item for item in session.items if case_of(item)]


def _open(config: pytest.Config) -> None:
    """Open and lock the journal; make a new one where the user has named none.

    Where no file can be made in the default folder, the user is told that there is no journal. A
    journal that is open already stays as it is.

    Raises:
        pytest.UsageError: The journal that the user names cannot be written, is damaged, or is in
            use.
    """
    from whisper_speedtest.results.journal.journal_file import JournalError

    kept = config.stash[SESSION_JOURNAL]
    out = config.get_terminal_writer()
    if kept.journal is None:
        try:
            kept.journal = _new_journal(FOLDER)
        except OSError as error:
            kept.why_unwritten = f"{FOLDER} cannot be written: {error.strerror}"
            tell(out, f"journal: none, as {kept.why_unwritten}; name a file with --journal=FILE")
        return
    try:
        kept.journal.open()
    except JournalError as error:
        raise pytest.UsageError(f"journal: {error}") from error
    except OSError as error:
        raise pytest.UsageError(
            f"journal: {kept.journal.path}: expected a file that can be written, got "
            f"{error.strerror}; name another"
        ) from error
    if kept.cut_bytes:
        tell(
            out, f"journal: {kept.name}: {kept.cut_bytes} bytes of a line that was cut are removed"
        )
        kept.cut_bytes = 0


def _new_journal(folder: Path) -> Journal:
    """Make and open a journal in a folder, which is made if need be; its name is the time in UTC.

    Of several sessions that begin in the same second, each makes a file of its own.

    Raises:
        OSError: Nothing can be written there.
    """
    from whisper_speedtest.results.journal.journal_file import Journal

    folder.mkdir(exist_ok=True)
    name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for ending in chain(("",), (f"-{number}" for number in count(2))):
        journal = Journal(folder / f"{name}{ending}.jsonl")
        with suppress(FileExistsError):
            journal.open(must_be_new=True)
            break
    return journal


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the result of a test that has just ended, before any other plugin reports it."""
    report = yield
    keep(item.config)
    return report


def keep(config: pytest.Config) -> None:
    """Write the results that are new. One that cannot be written does not stop the session.

    A skip that the journal holds already is not written again, so that the file stays as it is when
    a session is resumed in which nothing is left to run.
    """
    from whisper_speedtest.results.journal.journal_file import JournalError

    kept, results = config.stash[SESSION_JOURNAL], config.stash[RESULTS]
    for result in results[kept.handled :]:
        kept.handled += 1
        if kept.journal is None and not kept.why_unwritten:
            _open(config)  # where another plugin runs the tests in place of pytest
        neutral = neutral_of(config).result(result)
        earlier = kept.earlier_results or ()
        if neutral.outcome is Outcome.SKIPPED and _end_of(neutral) in map(_end_of, earlier):
            continue
        if kept.journal is None:
            kept.unwritten += 1
            continue
        try:
            kept.journal.append(neutral)
            kept.written[neutral.outcome] += 1
        except (JournalError, OSError, ValueError) as error:
            kept.unwritten += 1
            kept.why_unwritten = str(error)


def _end_of(result: Result) -> tuple[str, Outcome, str]:
    """Return which test ended, how, and why."""
    return result.test, result.outcome, result.reason


def neutral_of(config: pytest.Config) -> Neutral:
    """Return what removes secrets and the names of this machine from texts; see `neutral`."""
    from whisper_speedtest.results.journal.neutral import Neutral

    if NEUTRAL not in config.stash:
        kept = {ROOT: "<project>", Path(sys.prefix): "<python>", Path(sys.base_prefix): "<python>"}
        if STORE in config.stash and (cache := config.stash[STORE].cache):
            kept[cache] = "<hub cache>"
        user, home = "", None
        with suppress(OSError, KeyError, ImportError):  # the user's number may have no name
            user = getpass.getuser()
        with suppress(RuntimeError):
            home = Path.home()
        config.stash[NEUTRAL] = Neutral.of(
            os.environ,
            home=home,
            user=user,
            host=platform.node(),
            kept=kept,
            private=[
                config.invocation_params.dir,
                *(clip.path.parent for clip in config.stash[OWN_CLIPS]),
                *(corpus.folder for corpus in config.stash[OWN_CORPORA]),
            ],
        )
    return config.stash[NEUTRAL]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session if its journal lacks a result; but not if there could be no journal at all."""
    kept = session.config.stash.get(SESSION_JOURNAL, None)
    if kept and kept.journal and kept.unwritten:
        fail(session)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal."""
    kept = config.stash.get(SESSION_JOURNAL, None)
    if kept and kept.journal:
        kept.journal.close()
