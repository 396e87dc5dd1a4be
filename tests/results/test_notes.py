"""The notes under the table: each fact once, and nothing that a user would miss left out."""

from __future__ import annotations

import msgspec

from tests.helpers.notes import failed, noted, quiet, skipped
from tests.helpers.results import MODEL, PROVENANCE, warm
from whisper_speedtest.measure.measures import Outcome


def test_there_is_nothing_to_say_of_a_plain_result() -> None:
    """There is no note on a plain result."""
    assert noted([quiet()]) == []
    assert noted([]) == []


def test_names_below_a_line_are_those_of_that_line() -> None:
    """A name that belongs below two notes stands below each of them."""
    skips = [skipped(cause, model=MODEL) for cause in ("one", "two")]
    wrong = [failed(f"t{each % 5}", f"reason {each // 5}") for each in range(10)]

    assert noted(skips)[1::2] == ["          lightning-whisper-mlx[tiny-4bit]"] * 2
    assert noted(wrong).count("          and 1 more test") == 2


def test_lines_stand_in_the_order_of_what_they_are_about() -> None:
    """The notes come in one order: cost, mends, fallbacks, skips, libraries, failures."""
    lines = noted(
        [
            quiet(outcome=Outcome.FAILED, reason="it crashed"),
            skipped("offline", model=MODEL),
            warm(
                fallback=True,
                provenance=msgspec.structs.replace(PROVENANCE, mends=("one thing",)),
            ),
        ],
        {"x is not installed": Outcome.SKIPPED},
    )

    assert [line.split(":")[0] for line in lines] == [
        "harness",
        "mended",
        "fallback",
        "skipped",
        "          lightning-whisper-mlx[tiny-4bit]",
        "skipped",
        "failed",
    ]
