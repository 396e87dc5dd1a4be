"""How the times of a session compare with those of a stored run, which can only warn."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.helpers.comparisons import compared
from tests.helpers.results import (
    CASE,
    CLIP,
    COMMIT,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    warm,
)
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.samples import Sample
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.stored import lost_cases, notes_on_stored

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

TEST = "test_transcribe[lightning-whisper-mlx-tiny-4bit-short]"
LAST = (
    "compared with old.jsonl, which can only warn: the machine may have changed since; "
    "--against=DIR lets both sides take turns"
)

NO_TIME = "1 without a time that counts, here or there"


def of_three(*seconds: float, **changes: Any) -> Result:
    """Return a result of three processes."""
    samples = tuple(
        Sample(process=number, order=number, seconds=each) for number, each in enumerate(seconds)
    )
    return warm(samples=samples, **changes)


def lines(now: Result, *stored: Result, limit: float = 0.05) -> list[str]:
    """Return what is said of a result."""
    return printed(notes_on_stored([now], stored, limit, "old.jsonl"))


def test_slower_test_is_warned_of_with_both_intervals() -> None:
    """A test slower than in the stored run is warned of, with the intervals of both combined."""
    old, now = of_three(1.0, 1.01, 0.99), of_three(1.5, 1.51, 1.49)

    [line, last] = lines(now, old)

    margins = [log(1 + each) for each in (old.estimate.margin or 0, now.estimate.margin or 0)]
    centre, width = log(now.estimate.seconds / old.estimate.seconds), sum(m * m for m in margins)
    low, high = exp(centre - width**0.5) - 1, exp(centre + width**0.5) - 1
    assert line == (
        f"warning:  {TEST}, against old.jsonl: 50.0% slower ({low:.1%} slower to {high:.1%} slower)"
    )
    assert last == f"stored:   1 test {LAST}"


def test_slow_down_within_the_noise_says_so() -> None:
    """A slow-down whose interval holds the limit is said to be possibly noise."""
    [line, _] = lines(of_three(1.0, 1.2, 1.4), of_three(1.0, 1.1, 1.0))

    assert "15.2% slower (" in line
    assert line.endswith(" slower); this may be noise")


def test_slow_down_is_noise_where_the_interval_begins_at_the_limit_or_below() -> None:
    """A slow-down may be noise where its interval begins at the limit or below.

    Above the limit it is none, though the whole interval lies above 0 either way.
    """
    old, now = of_three(1.0, 1.01, 0.99), of_three(1.5, 1.51, 1.49)
    lowest = ratio(now.estimate, old.estimate).low
    assert lowest is not None
    low = lowest - 1
    assert 0 < low < 0.5

    noise = "); this may be noise"
    assert lines(now, old, limit=low)[0].endswith(noise)
    assert lines(now, old, limit=(low + 0.5) / 2)[0].endswith(noise)
    assert lines(now, old, limit=low - 0.001)[0].endswith("% slower)")


@pytest.mark.parametrize(
    ("now", "old"),
    [
        (warm(3.0), warm(2.0)),
        (of_three(3.0, 3.0, 3.0), warm(2.0)),
        (warm(3.0), of_three(2.0, 2.0, 2.0)),
    ],
)
def test_single_process_has_no_interval(now: Result, old: Result) -> None:
    """A slow-down is warned of without an interval where either run had one process alone."""
    [line, _] = lines(now, old)

    assert line == f"warning:  {TEST}, against old.jsonl: 50.0% slower (no interval)"


@pytest.mark.parametrize(("limit", "warned"), [(0.5, False), (0.499, True)])
def test_what_is_within_the_limit_is_not_spoken_of(limit: float, *, warned: bool) -> None:
    """A time that is slower by no more than the limit, or faster, is not warned of."""
    assert (len(lines(warm(3.0), warm(2.0), limit=limit)) == 2) is warned
    assert lines(warm(1.0), warm(2.0)) == [f"stored:   1 test {LAST}"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": msgspec.structs.replace(MODEL, repo="a/b")}, f"repo a/b → {MODEL.repo}"),
        (
            {"model": msgspec.structs.replace(MODEL, commit="9" * 40)},
            f"{MODEL.repo} {'9' * 12} → {COMMIT[:12]}",
        ),
        (
            {"model": msgspec.structs.replace(MODEL, files={"weights.npz": Proof(1, "e" * 64)})},
            f"{MODEL.repo} has other bytes in weights.npz",
        ),
        (
            {"settings": type(SETTINGS)(threads=4, beam_size=5)},
            "settings beam size 5 → 1",
        ),
        (
            {"clip": msgspec.structs.replace(CLIP, sha256="0" * 64)},
            "the clip has another sound",
        ),
        (
            {"provenance": msgspec.structs.replace(PROVENANCE, device="cpu")},
            "device cpu → gpu",
        ),
    ],
)
def test_other_bytes_settings_or_device_are_not_compared(changes: dict[str, Any], why: str) -> None:
    """A test with another model, settings, sound or device than before is not compared.

    The reason is told, and no ratio is shown.
    """
    assert lines(warm(3.0), warm(2.0, **changes)) == [
        f"stored:   {TEST}: not compared with old.jsonl: {why}",
        f"stored:   0 tests {LAST}",
    ]


def test_other_measure_is_not_compared() -> None:
    """Results of one test name but of different measures are not compared."""
    [line, _] = lines(warm(3.0), cold(2.0, test=TEST))

    assert "not compared with old.jsonl: measure cold → warm" in line


@pytest.mark.parametrize(
    ("now", "old", "why"),
    [
        (warm(3.0, outcome=Outcome.BUSY), warm(2.0), NO_TIME),
        (warm(3.0), warm(2.0, outcome=Outcome.FAILED), NO_TIME),
        (warm(3.0), warm(2.0, test="another"), "1 not in it"),
        (compared(), warm(2.0, test=compared().test), NO_TIME),
        (warm(3.0), compared(test=TEST), NO_TIME),
    ],
)
def test_what_did_not_pass_in_both_is_counted(now: Result, old: Result, why: str) -> None:
    """Tests that did not pass in both runs, or are not in the stored one, are counted.

    Nothing is said of what the stored run has besides.
    """
    last = LAST.replace("old.jsonl,", f"old.jsonl ({why}),")
    assert lines(now, old) == [f"stored:   0 tests {last}"]
    assert lines(now, old, warm(2.0, test="more")) == lines(now, old)


def test_others_are_counted_by_why_they_are_not_compared() -> None:
    """Tests that are not compared with the stored run are counted by the reason for that."""
    busy = warm(3.0, test="busy", outcome=Outcome.BUSY)
    now, stored = [warm(1.0), busy, warm(test="new")], [warm(1.0), busy]
    found = printed(notes_on_stored(now, stored, 0, "o"))

    assert found[0].startswith(f"stored:   1 test compared with o (1 not in it, {NO_TIME}), which")


def test_last_result_of_a_test_counts() -> None:
    """Of several results that a stored run has of one test, the last is compared.

    A journal that was resumed may have several.
    """
    [line, _] = lines(warm(3.0), warm(1.0), warm(2.0))

    assert "50.0% slower" in line


def test_machine_has_to_be_the_same_but_for_the_suite_s_commit() -> None:
    """A stored result is compared only on the same machine, whatever the suite's commit."""
    other = msgspec.structs.replace(MACHINE, memory=8 * 2**30)
    changed = msgspec.structs.replace(MACHINE, suite="9" * 40)
    now = warm(3.0, machine=MACHINE)

    assert "not compared with old.jsonl: machine memory " in lines(now, warm(2.0, machine=other))[0]
    assert "50.0% slower" in lines(now, warm(2.0, machine=changed))[0]


def test_versions_may_differ() -> None:
    """A stored result with other versions of libraries is compared."""
    facts = msgspec.structs.replace(PROVENANCE, versions={"mlx": "0.1"})

    assert "50.0% slower" in lines(warm(3.0), warm(2.0, provenance=facts))[0]


def test_case_that_is_gone_is_told_once() -> None:
    """A case that this checkout has lost is told once, however many results the stored run has."""
    another = replace(CASE, variant="fp16")

    [line] = lost_cases([warm(2.0), cold(3.0)], [another], "old.jsonl")

    assert line == (
        "lightning-whisper-mlx-tiny-4bit: old.jsonl has a result of this case, and this checkout "
        "has none of that name; put it back, or leave it out with -k"
    )
    assert lost_cases([warm(2.0)], [CASE], "old.jsonl") == []
