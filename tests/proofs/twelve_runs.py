"""Whether a second run prints the same number, by twelve quiet runs and twelve beside a load.

Run as `python -m tests.proofs.twelve_runs` on a machine on which nothing else runs; it takes about
a minute a run with six libraries on two cores. It prints what it found, and writes that to
twelve_runs.txt beside this file, or to `--out`. Exit status 1 says that a limit was not held.

The runs are sessions of the real benchmarks. They take turns, one quiet, one beside a process that
computes for up to a second and sleeps for up to a second, so that a machine which drifts does so in
both. The true time of a call is what all quiet runs together estimate. How far the quiet runs lie
apart, over what their processes explain, is what BETWEEN_SESSIONS allows for on a virtual machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from math import log, sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import TYPE_CHECKING

import msgspec

from tests.helpers.loads import COMES_AND_GOES, running
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.measure.estimate import BETWEEN_SESSIONS, estimate, students_t
from whisper_speedtest.measure.machine import machine
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.journal_file import read
from whisper_speedtest.results.units import percent, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whisper_speedtest.measure.estimate import Estimate
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.measure.samples import Sample

RUNS = 12
CHOSEN = "micro and fp16 and short"
MOST_ASTRAY = 0.07
"""Of the rows that were printed clean beside a load, so many may lie astray."""

LEAST_CLEAN = 0.9
"""Of the rows of quiet runs, at least so many are clean."""

LEAST_COVERED = 0.9
"""Of the intervals of quiet runs, at least so many hold the true time."""

Run = tuple["Result", ...]
"""The results of one session."""


def run(chosen: str, journal: Path, *, loaded: bool) -> None:
    """Run the warm benchmarks that -k chooses, beside a load or not, and write their journal.

    The journal is there once the session has passed, and not before.
    """
    unfinished = journal.with_suffix(".unfinished.jsonl")
    unfinished.unlink(missing_ok=True)
    with running(COMES_AND_GOES) if loaded else nullcontext():
        session = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "benchmarks/test_transcribe.py"),
                *("--benchmark-only", "-q", "--offline", "-k", chosen, f"--journal={unfinished}"),
            ],
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if session.returncode != 0:
        sys.exit(
            f"expected a session that passes, got status {session.returncode}\n{session.stdout}"
        )
    unfinished.rename(journal)


def measured(journal: Path) -> Run:
    """Return the results of a session's journal that say how long something takes."""
    ended = (Outcome.PASSED, Outcome.BUSY)
    return tuple(each for each in read(journal).results if each.outcome in ended)


def pooled(runs: Sequence[Run]) -> dict[str, Estimate]:
    """Return what the clean processes of all runs estimate together, by test."""
    samples: dict[str, list[Sample]] = {}
    for number, results in enumerate(runs):
        for result in results:
            if result.outcome is Outcome.PASSED:
                samples.setdefault(result.test, []).extend(
                    msgspec.structs.replace(each, process=100 * number + each.process)
                    for each in result.counted
                )
    return {test: estimate(found) for test, found in samples.items()}


@dataclass(frozen=True, slots=True)
class Count:
    """How many of some rows are what they should be, or should not be."""

    found: int
    of: int

    @property
    def share(self) -> float:
        """The rows that were found, as a share of all; 0 of no rows."""
        return self.found / self.of if self.of else 0.0

    def __str__(self) -> str:
        """Return the count and its share, in words."""
        return f"{self.found} of {self.of} ({percent(self.share, 1)})"


def clean(runs: Sequence[Run]) -> Count:
    """Count the rows that are not busy."""
    rows = list(chain.from_iterable(runs))
    return Count(sum(each.outcome is Outcome.PASSED for each in rows), len(rows))


def covered(runs: Sequence[Run], true: Mapping[str, Estimate]) -> Count:
    """Count the printed intervals that hold the true time."""
    ends = list(intervals(runs, true))
    return Count(sum(low <= right <= high for low, right, high in ends), len(ends))


def astray(runs: Sequence[Run], true: Mapping[str, Estimate]) -> Count:
    """Count the printed intervals outside which the true time lies, by more than they are wide."""
    ends = list(intervals(runs, true))
    far = [max(low - right, right - high) > high - low for low, right, high in ends]
    return Count(sum(far), len(far))


def intervals(
    runs: Sequence[Run], true: Mapping[str, Estimate]
) -> Iterator[tuple[float, float, float]]:
    """Yield lower end, true time and upper end of each interval that was printed."""
    for result in chain.from_iterable(runs):
        if result.outcome is Outcome.PASSED and result.test in true:
            made = result.estimate
            if made.low is not None and made.high is not None:
                yield made.low, true[result.test].seconds, made.high


def apart(runs: Sequence[Run], test: str) -> float:
    """Return how far sessions lie apart, over what the processes of each of them explain.

    It is the standard deviation of the logarithm; 0 where the processes explain all of it, or there
    are fewer than two sessions to compare.
    """
    centres, errors = [], []
    for result in chain.from_iterable(_of(test, each) for each in runs):
        if result.outcome is not Outcome.PASSED:
            continue
        made = estimate(result.counted)  # without what an interval allows for
        if made.high is not None:
            number = len(made.calls)
            centres.append(log(made.seconds))
            errors.append(log(made.high / made.seconds) / students_t(number - 1))
    if len(centres) < 2:
        return 0.0
    explained = fmean(error**2 for error in errors)
    return sqrt(max(0.0, variance(centres) - explained))


def figures(quiet: Sequence[Run], loaded: Sequence[Run]) -> list[tuple[str, str, bool]]:
    """Return each limit that the runs are held to, in words, with what was found and if it held."""
    true = pooled(quiet)
    far, calm, held = astray(loaded, true), clean(quiet), covered(quiet, true)
    return [
        (
            f"beside a load, clean rows astray by more than their width, at most {MOST_ASTRAY:.0%}",
            str(far),
            far.of > 0 and far.share <= MOST_ASTRAY,
        ),
        (
            f"quiet rows that are clean, at least {LEAST_CLEAN:.0%}",
            str(calm),
            calm.share >= LEAST_CLEAN,
        ),
        (
            f"quiet intervals that hold the pooled time, at least {LEAST_COVERED:.0%}",
            str(held),
            held.share >= LEAST_COVERED,
        ),
    ]


def lines(quiet: Sequence[Run], loaded: Sequence[Run]) -> Iterator[str]:
    """Yield the rows by test, and then the figures."""
    true = pooled(quiet)
    titles = f"{'pooled':>9}{'apart':>7}{'clean':>7}{'covers':>8}"
    yield f"{'test':<55}{titles}{'beside a load: clean':>22}{'astray':>8}"
    for test in dict.fromkeys(each.test for each in chain.from_iterable([*quiet, *loaded])):
        own, beside = ([_of(test, each) for each in runs] for runs in (quiet, loaded))
        found = seconds(true[test].seconds) if test in true else "none"
        counts = (clean(own), covered(own, true), clean(beside), astray(beside, true))
        cells = [f"{each.found}/{each.of}" for each in counts]
        between = percent(apart(quiet, test), 1)
        counted = f"{cells[0]:>7}{cells[1]:>8}{cells[2]:>22}{cells[3]:>8}"
        yield f"{test:<55}{found:>9}{between:>7}{counted}"
    found_apart = sqrt(fmean(apart(quiet, test) ** 2 for test in true)) if true else 0.0
    yield ""
    yield (
        f"sessions lie apart by {percent(found_apart, 1)}, by the mean of squares over the tests; "
        f"on a virtual machine an interval allows for {percent(BETWEEN_SESSIONS, 1)}"
    )
    for what, found, held in figures(quiet, loaded):
        yield f"{'held' if held else 'NOT HELD':<10}{what}: {found}"


def _of(test: str, results: Run) -> Run:
    return tuple(each for each in results if each.test == test)


def head(runs: int) -> str:
    """Return a line that says when and on what it was found, and no machine's name."""
    this = machine()
    cores = ", ".join(f"{count} {kind}" for kind, count in this.cores.items())
    return (
        f"Found on {datetime.now(UTC):%Y-%m-%d} by {runs} quiet runs and {runs} beside a load that "
        f"comes and goes,\non {this.system}, {this.chip}, cores: {cores}."
    )


def main() -> None:
    """Run all of them, and print and write what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each kind (default: {RUNS})")
    parser.add_argument("-k", dest="chosen", default=CHOSEN, help=f"tests (default: {CHOSEN!r})")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".txt"))
    parser.add_argument(
        "--journals",
        type=Path,
        help="keep the journals of the runs in this folder, and make no run again whose journal is "
        "there (default: keep none)",
    )
    options = parser.parse_args()
    quiet: list[Run] = []
    loaded: list[Run] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.journals or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(2 * options.runs):
            beside = number % 2 == 1
            kind = "beside a load" if beside else "quiet"
            print(f"run {number + 1} of {2 * options.runs}, {kind}", file=sys.stderr)
            journal = folder / f"{number}.jsonl"
            if not journal.exists():
                run(options.chosen, journal, loaded=beside)
            (loaded if beside else quiet).append(measured(journal))
    text = "\n".join([head(options.runs), "", *lines(quiet, loaded)])
    print(text)
    options.out.write_text(text + "\n", encoding="utf-8")
    sys.exit(any(not held for _, _, held in figures(quiet, loaded)))


if __name__ == "__main__":
    main()
