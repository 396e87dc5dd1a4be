"""Break the code in small ways, and say which of them no test notices.

`python -m tests.mutants` draws a sample of all rooms; `--room hub` takes one, `--sample all` every
mutant. Each mutant meets the tests of its room alone: those of its own file first, and without
those marked slow and, where the others take more than a minute, the slowest of these.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.helpers.project import ROOT
from tests.mutants.mutants import Mutant, changed_lines, equivalents, mutants_of, sample
from tests.mutants.rooms import ROOMS, Room, room_of
from tests.mutants.running import Baseline, BaselineError, Copy, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 8


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--room", choices=ROOMS, action="append", help="default: all of them")
    parser.add_argument("--file", help="only this file, from the root of the project")
    parser.add_argument(
        "--sample",
        type=lambda text: None if text == "all" else int(text),
        default=200,
        metavar="N|all",
        help="how many places to change (default: 200)",
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the sample (default: {SEED})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: each processor")
    parser.add_argument("--minutes", type=float, default=28, help="start none after (default: 28)")
    parser.add_argument(
        "--least", type=float, default=85, help="per cent that must be noticed (default: 85)"
    )
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Mutant]:
    """Return the mutants to try, without those that are known to do what the code does."""
    folders = [ROOMS[name].code for name in options.room or ROOMS]
    files = sorted(
        str(path.relative_to(ROOT)) for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")
    )
    if options.file:
        files = [file for file in files if file == options.file]
    mutants = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    known = equivalents()
    drawn = sample(mutants, options.sample, options.seed)
    return [mutant for mutant in drawn if (mutant.file, *changed_lines(ROOT, mutant)) not in known]


def run(mutants: Sequence[Mutant], jobs: int, minutes: float) -> dict[Mutant, Outcome]:
    """Try the mutants, in as many copies of the project as there are jobs."""
    end = time.monotonic() + 60 * minutes
    outcomes: dict[Mutant, Outcome] = {}
    copies: SimpleQueue[Copy] = SimpleQueue()
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as folder,
        ThreadPoolExecutor(jobs) as pool,
    ):
        root = Path(folder).resolve()
        for copy in pool.map(Copy, [root / str(number) for number in range(jobs)]):
            copies.put(copy)

        def baseline(room: Room) -> Baseline:
            copy = copies.get()
            try:
                return copy.baseline(room)
            finally:
                copies.put(copy)

        def attempt(mutant: Mutant) -> None:
            copy = copies.get()
            try:
                if time.monotonic() < end:
                    outcome = copy.outcome(mutant, baselines[room_of(mutant.file)])
                    outcomes[mutant] = outcome
                    if outcome is Outcome.SURVIVED:
                        print(describe(mutant), flush=True)
            finally:
                copies.put(copy)

        rooms = list(dict.fromkeys(room_of(mutant.file) for mutant in mutants))
        baselines = dict(zip(rooms, pool.map(baseline, rooms), strict=True))
        for room, known in baselines.items():
            took = f"{known.seconds:.0f} s, {len(known.left_out)} slower ones left out"
            print(f"{room.tests}: {took}", flush=True)
        list(pool.map(attempt, mutants))
    return outcomes


def describe(mutant: Mutant) -> str:
    """Return a mutant as its place and the two forms of its line."""
    old, new = changed_lines(ROOT, mutant)
    return f"survived: {mutant.file}:{mutant.line} {mutant.operator}\n  - {old}\n  + {new}"


def report(outcomes: dict[Mutant, Outcome], drawn: int, least: float) -> int:
    """Print the score of each room and of all; return the exit status."""
    for name, room in [*ROOMS.items(), ("all", None)]:
        of_room = Counter(
            outcome for m, outcome in outcomes.items() if room in {None, room_of(m.file)}
        )
        if total := of_room.total():
            noticed = total - of_room[Outcome.SURVIVED]
            timed_out = of_room[Outcome.TIMED_OUT]
            score = 100 * noticed / total
            counts = f"{noticed:5} of {total:5} noticed, {timed_out} of them by time"
            print(f"{name:10} {counts}: {score:.1f} %")
    if len(outcomes) < drawn:
        print(f"not tried, as the time was over: {drawn - len(outcomes)}")
    return int(not outcomes or score < least)


def main() -> int:
    """Run the command line."""
    options = parse(sys.argv[1:])
    mutants = chosen(options)
    try:
        outcomes = run(mutants, options.jobs, options.minutes)
    except BaselineError as error:
        print(error)
        return 1
    return report(outcomes, len(mutants), options.least)


if __name__ == "__main__":
    sys.exit(main())
