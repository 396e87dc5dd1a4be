"""`--baseline=FILE.jsonl --fail-slower=PERCENT`: warns of tests that were faster in a stored run.

The comparison itself is in `stored`. The session fails only where a case of the stored run is gone.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import all_cases
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.session.choice.keywords import is_selected
from whisper_speedtest.session.choice.options import is_head_to_head
from whisper_speedtest.session.choice.values import parse_path
from whisper_speedtest.session.ending import fail
from whisper_speedtest.session.outcomes import LEFT_OUT, RESULTS

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.note import Note
    from whisper_speedtest.session.choice.values import Shard

STORED: pytest.StashKey[tuple[Result, ...]] = pytest.StashKey()
"""The results of the stored run."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the stored run, or say at once what is wrong with it."""
    baseline = config.getoption("baseline")
    if baseline is None or is_head_to_head(config):
        return
    from whisper_speedtest.results.journal.journal_file import JournalError, read

    try:
        config.stash[STORED] = read(config.invocation_params.dir / parse_path(baseline)).results
    except (JournalError, ArgumentTypeError) as error:
        raise pytest.UsageError(f"--baseline: {error}") from error
    if not config.stash[STORED]:
        raise pytest.UsageError(
            f"--baseline: {baseline}: expected a journal with results, got none; name another"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if the stored run has a selected case that is not known any more."""
    config = session.config
    if STORED not in config.stash or config.getoption("collectonly"):
        return
    from whisper_speedtest.results.stored import lost_cases

    shard: Shard | None = config.getoption("shard")
    selected = [
        each
        for each in config.stash[STORED]
        if is_selected(each.test, config.getoption("keyword"))
        and (shard is None or shard.has(str(each.case)))
    ]
    if lost := lost_cases(selected, all_cases(), _name(config)):
        config.stash[LEFT_OUT] |= dict.fromkeys(lost, Outcome.FAILED)
        fail(session)


def stored_notes(config: pytest.Config) -> list[Note]:
    """Return the notes that compare this session's times with a stored run's; [] without either."""
    if STORED not in config.stash or not config.stash[RESULTS]:
        return []
    from whisper_speedtest.results.stored import notes_on_stored

    results, stored = config.stash[RESULTS], config.stash[STORED]
    return list(notes_on_stored(results, stored, config.getoption("fail_slower"), _name(config)))


def _name(config: pytest.Config) -> str:
    """Return what messages call the stored run: the name of its file."""
    return Path(config.getoption("baseline")).name
