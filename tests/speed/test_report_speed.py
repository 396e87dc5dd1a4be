"""What a report of many runs costs, against reading the JSON that it is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from adapters import all_cases
from tests.helpers.results import MACHINE, cold, load, warm
from tests.helpers.turns import timed
from whisper_speedtest.results.journal.journal_file import HEADER, line_of
from whisper_speedtest.results.journal.sources import read_all
from whisper_speedtest.results.report.folder import write
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS, ROWS = 10, 200
"""A fifth of the 10,000 results that a report is to be made of in 10 s."""

LIMIT = 40
"""How many times as long a report may take as Python's json takes to read its results.

10,000 of these take 0.15 s to read on a machine on which the report is to take 10 s: 66 times."""


def results_of_run(number: int) -> bytes:
    """Return a journal of three results for each case, as of a run with three processes."""
    when = f"2026-11-{number + 1:02}T08:00:00.000Z"
    lines = [HEADER]
    for row in range(ROWS):
        case = all_cases()[row // 3]
        made = (cold, load, warm)[row % 3](
            *(1.0 + 0.01 * (row * each % 7) for each in range(1, 10))
        )
        test = made.test.replace(str(made.case), str(case))
        lines.append(
            line_of(msgspec.structs.replace(made, case=case, test=test, when=when, machine=MACHINE))
        )
    return b"".join(lines)


@pytest.fixture(name="journals", scope="module")
def _journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the journals of ten runs."""
    folder = tmp_path_factory.mktemp("journals")
    for number in range(RUNS):
        (folder / f"{number}.jsonl").write_bytes(results_of_run(number))
    return folder


def test_report_of_10_000_results_takes_10_seconds(
    compare: Callable[..., None], journals: Path, tmp_path: Path
) -> None:
    """A report of 2,000 results takes at most 40 times as long as reading their JSON."""

    def report() -> None:
        write(tmp_path, merge(read_all([str(journals)]).results))

    def read() -> None:
        for path in journals.iterdir():
            for line in path.read_bytes().splitlines():
                json.loads(line)

    compare(
        ("the report of ten runs", timed(report)),
        ("reading their JSON", timed(read)),
        limit=LIMIT,
        turns=11,
    )


def test_report_grows_no_faster_than_its_results(
    compare: Callable[..., None], journals: Path
) -> None:
    """Merging ten runs takes no more than 1.5 times as long as merging each of them alone."""
    runs = [read_all([str(path)]).results for path in sorted(journals.iterdir())]
    together = [each for run in runs for each in run]

    def one_by_one() -> None:
        for run in runs:
            merge(run)

    compare(
        ("merging ten runs", timed(lambda: merge(together))),
        ("merging each of them alone", timed(one_by_one)),
        limit=1.5,
        turns=11,
    )
