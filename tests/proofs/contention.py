"""How much of the machine others may take while a call is timed, by real engines beside real loads.

Run as `python -m tests.proofs.contention`, best on a machine on which nothing else runs.

Engines transcribe `short` with the embedded model: with nothing beside them, with one and two
loops, and with a loop that comes and goes. A sample is what the clock takes for one, calls for a
quarter of a second. It counts as slow by its time alone, which is set against the quickest tenth of
those that had nothing beside them. Then a table says of each limit how many of those it would mark
that had nothing beside them and are not slow, and how many of the slow ones beside a load it would
miss. A virtual machine also slows down by itself: that is counted apart.

Before each block the script waits until others are quiet, and leaves the block out where
`--patience` ends first. What others do in the midst of a block counts like the loads.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import msgspec

from adapters import files_of, install_command, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.helpers.loads import BUSY, COMES_AND_GOES, IDLE, running
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.store import Store
from whisper_speedtest.measure.calls import BURST_SECONDS
from whisper_speedtest.measure.clock import seconds_of
from whisper_speedtest.measure.contention import Contention, ContentionMeter, is_contaminated
from whisper_speedtest.speech.audio import read_audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapters.base import Device

LIBRARIES = ("faster-whisper", "whisper.cpp", "lightning-whisper-mlx")
ALONE = "nothing"
LOADS = {
    ALONE: (),
    "one loop": (BUSY,),
    "two loops": (BUSY, BUSY),
    "comes and goes": (COMES_AND_GOES,),
}
SAMPLES = 6
"""In each block at most."""

BLOCK_SECONDS = 4.0
"""No sample of a block is begun later than this."""

QUIET = 0.1
"""Processors that others may take in the moment before a block."""

SLOW = 1.1
"""How many times the library's quick time a sample must take to count as slow."""

LIMITS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75)


class Sample(msgspec.Struct, frozen=True):
    """One sample: the mean of the calls of a quarter of a second."""

    adapter: str
    load: str
    seconds: float
    length: float
    """Of all its calls together, in seconds."""

    contention: Contention


def sample(engine: Engine, load: str, settings: DecodeSettings) -> Sample:
    """Time calls for a quarter of a second, as the clock of the benchmarks does."""
    watch, seconds = ContentionMeter(engine.pid), list[float]()
    while sum(seconds) < BURST_SECONDS:
        seconds.append(seconds_of(lambda: engine.transcribe("short", settings)))
    contention, length = watch.end(), sum(seconds)
    return Sample(engine.case.adapter, load, length / len(seconds), length, contention)


def gets_quiet(patience: float) -> bool:
    """Wait until others take little for a fifth of a second; tell whether they did in time."""
    deadline = time.monotonic() + patience
    with running(IDLE) as idle:
        while time.monotonic() < deadline:
            watch = ContentionMeter(idle)
            time.sleep(0.2)
            if (watch.end().others or 0.0) < QUIET:
                return True
    return False


def take(
    libraries: Sequence[str], device: Device, rounds: int, patience: float
) -> Iterable[Sample]:
    """Yield samples of all libraries and loads, in blocks whose order is shuffled."""
    settings, audio = DecodeSettings(), read_audio(clips()["short"].path)
    blocks = [(library, load) for library in libraries for load in LOADS] * rounds
    random.Random(0).shuffle(blocks)
    with ExitStack() as stack:
        engines = {}
        for library in libraries:
            case = Case(library, "micro", "fp16")
            model = Store.from_environment().prepare(files_of(case))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            engines[library] = stack.enter_context(Engine(case, model, folder, device))
            engines[library].hear("short", audio)
        for number, (library, load) in enumerate(blocks):
            print(f"block {number + 1} of {len(blocks)}: {library} beside {load}", file=sys.stderr)
            if not gets_quiet(patience):
                print("left out, since others never were quiet", file=sys.stderr)
                continue
            engines[library].transcribe("short", settings)
            with ExitStack() as beside:
                for script in LOADS[load]:
                    beside.enter_context(running(script))
                end = time.monotonic() + BLOCK_SECONDS
                for _ in range(SAMPLES):
                    yield sample(engines[library], load, settings)
                    if time.monotonic() > end:
                        break


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limit says of the samples of a library."""

    quiet: int
    """Samples that are not slow, with nothing of the script's beside them."""

    alarms: int
    """So many of these are marked."""

    slow: int
    """Slow samples beside a load. Those with nothing beside them say nothing of a limit."""

    missed: tuple[float, ...]
    """How many times as long as quick ones those of them took that are not marked."""


def verdict(samples: Sequence[Sample], quick: float, limit: float) -> Verdict:
    """Return what a limit says, where quick calls of the library take so many seconds."""
    quiet = [each for each in samples if each.load == ALONE and not is_slow(each, quick)]
    slow = [each for each in samples if each.load != ALONE and is_slow(each, quick)]
    missed = [each.seconds / quick for each in slow if not is_marked(each, limit)]
    alarms = sum(is_marked(each, limit) for each in quiet)
    return Verdict(len(quiet), alarms, len(slow), tuple(missed))


def is_slow(each: Sample, quick: float) -> bool:
    """Tell whether a sample took much longer than the quick ones of its library."""
    return each.seconds > SLOW * quick


def is_marked(each: Sample, limit: float) -> bool:
    """Tell whether the suite marks a sample where others may take so many processors."""
    return is_contaminated(each.contention, each.length, limit)


def quick_seconds(samples: Sequence[Sample]) -> float:
    """Return what a library's calls take when they are quick: the first tenth of those alone.

    Raises:
        ValueError: There are fewer than two samples with nothing beside them.
    """
    alone = [each.seconds for each in samples if each.load == ALONE]
    if len(alone) < 2:
        raise ValueError("expected samples with nothing beside them, got too few; be more patient")
    return quantiles(alone, n=10, method="inclusive")[0]


def tables(samples: Sequence[Sample]) -> str:
    """Return what the samples tell, as text: two tables for each library."""
    lines = []
    for library in dict.fromkeys(each.adapter for each in samples):
        own = [each for each in samples if each.adapter == library]
        quick = quick_seconds(own)
        alone = sum(each.load == ALONE and is_slow(each, quick) for each in own)
        lines += [f"{library}: quick calls take {quick * 1000:.0f} ms", *by_load(own, quick)]
        lines += [f"  with nothing beside them, {alone} took {SLOW:g} times as long, or more", ""]
        lines.append(
            f"  limit   alone, not slow, marked   beside a load, {SLOW:g} times, not marked"
        )
        for limit in LIMITS:
            found = verdict(own, quick, limit)
            worst = f", up to {max(found.missed):.2f} times" if found.missed else ""
            lines.append(
                f"  {limit:5.2f}{found.alarms:14} of {found.quiet:<11}"
                f"{len(found.missed):10} of {found.slow}{worst}"
            )
        lines.append("")
    return "\n".join(lines)


def by_load(samples: Sequence[Sample], quick: float) -> list[str]:
    """Return a line for each load: medians of the times and of the signals."""
    lines = ["  beside it        samples   times as long  others    cpu  waited  pressure"]
    for load in LOADS:
        if own := [each for each in samples if each.load == load]:
            signals = "".join(
                f"{median(getattr(each.contention, name) or 0.0 for each in own):{width}.2f}"
                for name, width in (("others", 8), ("cpu", 7), ("waited", 8), ("pressure", 10))
            )
            times = median(each.seconds for each in own) / quick
            lines.append(f"  {load:16}{len(own):8}{times:16.2f}{signals}")
    return lines


def main() -> None:
    """Take samples, or read those of before, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=LIBRARIES)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--rounds", type=int, default=8, help="blocks of each library and load")
    parser.add_argument("--patience", type=float, default=30, metavar="SECONDS")
    parser.add_argument(
        "--samples", type=Path, help="a file to add the samples to; all in it are in the tables"
    )
    arguments = parser.parse_args()
    if absent := [name for name in arguments.libraries if why_not_installed(name)]:
        parser.error(
            f"--libraries: expected some that are installed, got {', '.join(absent)}; add with: "
            f"{install_command(absent)}, or name others"
        )
    lines = []
    chosen = (arguments.libraries, arguments.device, arguments.rounds, arguments.patience)
    for each in take(*chosen):
        lines.append(msgspec.json.encode(each) + b"\n")
        if arguments.samples:
            with arguments.samples.open("ab") as file:
                file.write(lines[-1])
    if arguments.samples:
        lines = arguments.samples.read_bytes().splitlines()
    print(tables([msgspec.json.decode(line, type=Sample) for line in lines]))


if __name__ == "__main__":
    main()
