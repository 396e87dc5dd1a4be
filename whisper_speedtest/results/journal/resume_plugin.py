"""`--resume`: finds the journal that a session goes on with, and takes results over from it.

`journal_plugin` calls it; what decides which results are taken over is in `resume`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, files_of
from whisper_speedtest.common.files import look_at
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
"""Why a test is run, so that it can say why the model is not there."""

TAKEN_OVER = "taken over"
"""The category in which pytest counts tests whose results were taken over."""


def file_to_resume(resumed: Path, journal: Path | None, folder: Path) -> Path:
    """Return the file that --resume means, given what --resume and --journal name.

    `folder` holds the journals that the user has not named; without a name, --resume means the last
    of these.

    Raises:
        pytest.UsageError: There is no such file, or --journal names another one.
        JournalError: A file in `folder` is no journal, or is damaged.
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
        if resumed.is_file():
            return resumed
        found = "a folder" if resumed.is_dir() else "nothing"
    except OSError as error:
        found = f"what cannot be looked at ({error.strerror})"
    raise pytest.UsageError(
        f"--resume: expected a journal at {resumed.absolute()}, found {found} there; write "
        "--resume=FILE, with the paths of tests before it"
    )


def _last(folder: Path) -> Path:
    """Return the journal in a folder that was written last, of those that can be resumed.

    It has to hold a result that is no comparison, as comparisons are not resumed.

    Raises:
        pytest.UsageError: There is none.
        JournalError: A file is no journal, or is damaged.
    """
    from whisper_speedtest.measure.measures import Measure
    from whisper_speedtest.results.journal.journal_file import read

    files = sorted(folder.glob("*.jsonl"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    exception = ""
    for path in reversed(files):
        results = read(path).results
        if any(each.measure is not Measure.RATIO for each in results):
            return path
        if results:
            exception = " but comparisons"
    where = ", ".join(map(str, files)) or f"{folder}/*.jsonl"
    raise pytest.UsageError(
        f"--resume: expected a journal with results, found none{exception} in {where}; run once "
        "without --resume, or name a file with --resume=FILE"
    )


def decide(
    config: pytest.Config, items: Sequence[pytest.Item], earlier: Sequence[Result]
) -> Decision:
    """Decide which of the earlier results are taken over for the tests in `items`.

    A test whose model is not there is run, and says then why the model is not there.
    """
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.measure.machine import machine
    from whisper_speedtest.results.journal import resume

    planned: list[Planned] = []
    without_model: dict[str, str] = {}
    this_machine = machine()
    for item in items:
        case = case_of(item)
        assert case is not None
        try:
            model = session_model(config, files_of(case))
        except ModelError:
            without_model[item.name] = NO_MODEL
        else:
            planned.append(_planned(config, item, case, model, this_machine))
    decision = resume.decide(planned, earlier)
    return resume.Decision(decision.taken_over, {**decision.run, **without_model})


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
    """Return the device that a case would compute on now; None where that cannot be found out.

    `before` is the one that it computed on before. With --device=auto, a case that has worked on
    the GPU of this machine is measured there again.
    """
    if config.getoption("device") == "auto" and before == "gpu":
        return before
    with suppress(Exception):  # the test is run, and says what is wrong
        return choose_device(config, case, model)
    return None


def report_as_passed(config: pytest.Config, item: pytest.Item) -> None:
    """Report a test to pytest as passed without running it, as its result was taken over."""
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
    """Count a test whose result was taken over in a category of its own."""
    if getattr(report, "taken_over", False):
        return TAKEN_OVER, "t", TAKEN_OVER.upper()
    return None
