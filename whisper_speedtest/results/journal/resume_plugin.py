"""`--resume`: which journal a session goes on with, and what it takes over of that."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, files_of
from whisper_speedtest.cache.whole import look_at
from whisper_speedtest.session.choice.options import LAST_JOURNAL, rules_of
from whisper_speedtest.session.choice.selection import case_of, parameters_of
from whisper_speedtest.session.device import choose_device
from whisper_speedtest.session.models.prefetch import session_model
from whisper_speedtest.session.outcomes import begin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.base import Case, Device
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.measure.machine import Machine
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.journal.resume import Decision, Planned

NO_MODEL = "its model is not there"
TAKEN_OVER = "taken over"
"""What pytest counts a test as whose result was taken over."""


def file_to_resume(resumed: Path, journal: Path | None, folder: Path) -> Path:
    """Return the file that --resume means; `folder` is where journals are that nobody named.

    Raises:
        pytest.UsageError: There is none, or --journal names another.
    """
    if resumed is LAST_JOURNAL:
        return journal or _last(folder)
    if journal is not None and journal.absolute() != resumed.absolute():
        raise pytest.UsageError(
            f"--resume: expected to go on with {resumed}, got --journal={journal} as well; leave "
            "that out, or copy the file and resume the copy"
        )
    try:
        look_at(resumed)
        found = "" if resumed.is_file() else "a folder" if resumed.is_dir() else "nothing"
    except OSError as error:
        found = f"what cannot be looked at ({error.strerror})"
    if found:
        raise pytest.UsageError(
            f"--resume: expected a journal at {resumed.absolute()}, found {found} there; write "
            "--resume=FILE, with the paths of tests before it"
        )
    return resumed


def _last(folder: Path) -> Path:
    """Return the journal that was written last, of those that hold results beside comparisons.

    Comparisons are not resumed, so a session that goes on is never one of them.
    """
    from whisper_speedtest.measure.measures import Measure
    from whisper_speedtest.results.journal.journal_file import read

    files = sorted(folder.glob("*.jsonl"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    beside = ""
    for path in reversed(files):
        if results := read(path).results:
            if any(each.measure is not Measure.RATIO for each in results):
                return path
            beside = " but comparisons"
    looked = ", ".join(map(str, files)) or f"{folder}/*.jsonl"
    raise pytest.UsageError(
        f"--resume: expected a journal with results, found none{beside} in {looked}; run once "
        "without --resume, or name a file with --resume=FILE"
    )


def decide(
    config: pytest.Config, items: Sequence[pytest.Item], earlier: Sequence[Result]
) -> Decision:
    """Decide what is taken over. A test whose model is not there is run, and says why it is not."""
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.measure.machine import machine
    from whisper_speedtest.results.journal import resume

    planned: list[Planned] = []
    without: dict[str, str] = {}
    this = machine()
    for item in items:
        case = case_of(item)
        assert case is not None
        try:
            model = session_model(config, files_of(case))
        except ModelError:
            without[item.name] = NO_MODEL
        else:
            planned.append(_planned(config, item, case, model, this))
    decision = resume.decide(planned, earlier)
    return resume.Decision(decision.taken_over, {**decision.run, **without})


def _planned(
    config: pytest.Config, item: pytest.Item, case: Case, model: VerifiedModel, machine: Machine
) -> Planned:
    """Return a test as it would be run now."""
    import msgspec

    from whisper_speedtest.results.journal.resume import Planned

    record = begin(item)
    assert record is not None
    assert isinstance(item, pytest.Function)
    record.model(model)
    return Planned(
        result=msgspec.structs.replace(record.result, machine=machine),
        clip=parameters_of(item).clip,
        versions={name: version(name) for name in adapter_class(case.adapter).packages},
        rules=rules_of(config),
        device=partial(_device, config, case, model),
    )


def _device(
    config: pytest.Config, case: Case, model: VerifiedModel, before: Device
) -> Device | None:
    """Return what a case computes on now; None where that cannot be found out.

    With --device=auto, what has worked on the GPU of this machine is measured there.
    """
    if config.getoption("device") == "auto" and before == "gpu":
        return before
    with suppress(Exception):  # the test itself will say what is wrong
        return choose_device(config, case, model)
    return None


def report_as_passed(config: pytest.Config, item: pytest.Item) -> None:
    """Tell pytest of a test that passed in an earlier session."""
    report = pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        outcome="passed",
        longrepr=None,
        when="call",
        taken_over=True,
    )
    config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    config.hook.pytest_runtest_logreport(report=report)
    config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count a result that was taken over as such."""
    if getattr(report, "taken_over", False):
        return TAKEN_OVER, "t", TAKEN_OVER.upper()
    return None
