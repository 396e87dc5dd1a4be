"""The notes on what was timed: each fact once, beside the time that it is compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tests.helpers.notes import NO_COST, noted, quiet
from tests.helpers.results import CASE, CLIP, PROVENANCE, cold, load, measured, samples, warm
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.samples import Repeats

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result


def test_cost_of_a_call_is_the_largest_of_all_results() -> None:
    """The cost of a call through an engine is told once: the largest of results that passed."""
    small, large, huge = (
        msgspec.structs.replace(PROVENANCE, empty_call=cost) for cost in (64e-6, 71e-6, 9.0)
    )

    assert noted(
        [
            warm(provenance=small),
            warm(provenance=large),
            warm(provenance=huge, outcome=Outcome.FAILED, test="t", reason="r"),
        ]
    )[:1] == ["harness:  a call through an engine takes 71.0 µs more than the library's own"]


def after_pause(seconds: float, **changes: Any) -> Result:
    """Return the result of calls that took so many seconds after a pause of 5 s."""
    repeats = Repeats(processes=1, calls=1, max_others=0.1, pause=5.0)
    return quiet(samples=samples(seconds), measure=Measure.AFTER_PAUSE, repeats=repeats, **changes)


def test_call_after_a_pause_is_compared_with_one_right_after_another() -> None:
    """A call after a pause is compared with a usual one of the same case and clip.

    Both have to be on equal terms. Where there is no such call, the time of the first is told
    alone.
    """
    long = msgspec.structs.replace(CLIP, name="long")
    told = "lightning-whisper-mlx[tiny-4bit]: short takes"
    usual = quiet(samples=samples(2.0))
    others = [
        quiet(samples=samples(9.0), clip=long),
        quiet(samples=samples(9.0), measure=Measure.TUNED),
        quiet(samples=samples(9.0), case=replace(CASE, size="base")),
        quiet(samples=samples(9.0), outcome=Outcome.BUSY),
    ]

    (line,) = noted([after_pause(3.8), usual])
    assert line == (
        f"pause:    {told} 1.9 times as long after 5 s of idleness (3.80 s, and 2.00 s right after "
        "another call)"
    )
    assert noted([*others, after_pause(3.8)])[0] == f"pause:    {told} 3.80 s after 5 s of idleness"
    assert noted([after_pause(3.8, outcome=Outcome.SKIPPED, cause="c"), usual])[0][:8] == "skipped:"


def test_start_from_the_disk_is_compared_with_one_from_memory() -> None:
    """A start with its files on the disk alone is compared with one that has them in memory.

    The first start of each stands apart, since what it compiles the others find.
    """
    from_disk = cold(99.0, 12.0, measure=Measure.COLD_FILES, provenance=NO_COST)
    from_memory = cold(77.0, 8.0, provenance=NO_COST)
    told = "lightning-whisper-mlx[tiny-4bit]: a cold start takes"

    (line,) = noted([from_disk, load(provenance=NO_COST), from_memory])
    assert line == (
        f"disk:     {told} 1.5 times as long with its files on the disk alone (12.0 s, and 8.00 s "
        "with them in memory)"
    )
    assert noted([from_disk, cold(8.0, case=replace(CASE, size="base"), provenance=NO_COST)]) == [
        f"disk:     {told} 12.0 s with its files on the disk alone"
    ]


def test_time_is_compared_with_one_on_the_same_device_alone() -> None:
    """Notes on pauses and on starts from the disk compare only times of the same device.

    A report may hold results of both: a call on the CPU takes longer whatever came before it.
    """
    on_cpu = {"provenance": msgspec.structs.replace(NO_COST, device="cpu")}
    told = "lightning-whisper-mlx[tiny-4bit]:"
    from_disk = cold(99.0, 12.0, measure=Measure.COLD_FILES, provenance=NO_COST)

    (line,) = noted([after_pause(3.8), quiet(samples=samples(2.0)), warm(8.0, **on_cpu)])

    assert line == (
        f"pause:    {told} short takes 1.9 times as long after 5 s of idleness (3.80 s, and 2.00 s "
        "right after another call)"
    )
    assert noted([after_pause(3.8), warm(8.0, **on_cpu)]) == [
        f"pause:    {told} short takes 3.80 s after 5 s of idleness"
    ]
    assert noted([from_disk, cold(77.0, 8.0, **on_cpu)]) == [
        f"disk:     {told} a cold start takes 12.0 s with its files on the disk alone"
    ]


def test_processes_that_are_missing_are_told_once_a_case() -> None:
    """Processes that took too long to start are told once a case, with their number."""
    repeats = Repeats(processes=1, calls=2, max_others=0.1, timed_out=2)
    whole = Repeats(processes=3, calls=2, max_others=0.1)

    (line,) = noted([quiet(repeats=repeats), quiet(repeats=repeats), quiet(repeats=whole)])
    assert line == (
        "fewer:    lightning-whisper-mlx[tiny-4bit]: 2 of its starts took longer than the limit, "
        "so fewer processes were measured"
    )
    one = Repeats(processes=2, calls=2, max_others=0.1, timed_out=1)
    assert "[tiny-4bit]: 1 of its starts took" in noted([quiet(repeats=one)])[0]


def test_calls_whose_interval_says_nothing_are_told() -> None:
    """Calls with an interval over ±100 % are told in one line, even of several models.

    A start has no interval that people are shown.
    """
    one, two = (measured(f"{name} fp16", 0.1, 0.9, 3.0) for name in ("mlx-whisper", "whisper.cpp"))
    start = cold(1.0, 2.0, 9.0)

    (line,) = [each for each in noted([one, start, two, warm()]) if each.startswith("vague:")]

    assert line == (
        "vague:    processes differ so much that nobody can tell how long the next one takes "
        "(over ±100%): mlx-whisper[small-fp16]: short; whisper.cpp[small-fp16]: short; run these "
        "again on a quieter machine, or with more --processes"
    )


AS_RELEASED = "as released it does not load this model, so the suite changed it"


def test_mend_is_said_once_a_case() -> None:
    """Each change that the suite made to a library is told once a case."""
    mended = msgspec.structs.replace(NO_COST, mends=("one thing", "another"))

    assert noted([load(provenance=mended), cold(provenance=mended)]) == [
        f"mended:   lightning-whisper-mlx[tiny-4bit]: {AS_RELEASED}: one thing",
        f"mended:   lightning-whisper-mlx[tiny-4bit]: {AS_RELEASED}: another",
    ]
