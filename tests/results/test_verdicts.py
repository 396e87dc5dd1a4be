"""What is told of comparisons with another side."""

from __future__ import annotations

import msgspec
import pytest

from tests.helpers.comparisons import SIDE, compared, comparison, turns
from tests.helpers.results import CASE, PROVENANCE, warm
from whisper_speedtest.measure.measures import Outcome, Verdict
from whisper_speedtest.measure.result import Comparison, Result, from_json, to_json
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.notes import notes
from whisper_speedtest.results.table import rows
from whisper_speedtest.results.verdicts import blocks_told, meaning_of, slower_by, verdict_notes

DO = "run it on a quieter machine, or raise --minutes"
WIDE = "undecided: ±3.9%"
SUBJECT = "compared: lightning-whisper-mlx[tiny-4bit] on short, against "


def test_line_names_both_sides_the_ratio_its_interval_and_the_verdict() -> None:
    """The line of a comparison names both sides, the ratio, its interval and the verdict.

    In between stand the blocks and turns that it took.
    """
    [line] = printed(verdict_notes([warm(), compared(comparison(Verdict.NOT_SLOWER, high=1.045))]))

    assert line == (
        f"{SUBJECT}lightning-whisper-mlx-tiny-8bit: 3.0% slower (1.0% faster to 4.5% slower), 6 "
        "blocks of 3 turns; not slower than the 5.0% allowed"
    )


@pytest.mark.parametrize(
    ("ratio", "low", "high", "told"),
    [
        (1.03, 0.99, 1.07, "3.0% slower (1.0% faster to 7.0% slower)"),
        (0.9, 0.8, 0.95, "10.0% faster (20.0% faster to 5.0% faster)"),
        (2.0, 1.999, 2.5, "2.0 times as long (99.9% slower to 2.5 times as long)"),
        (5280.7, 900.0, 9e3, "5,281 times as long (900 times as long to 9,000 times as long)"),
        (1.0, 0.999, 1.001, "0.0% slower (0.1% faster to 0.1% slower)"),
    ],
)
def test_ratio_is_told_in_words(ratio: float, low: float, high: float, told: str) -> None:
    """A ratio is told in words: faster, slower, or so many times as long.

    Nobody has to know which side stands above the line.
    """
    assert slower_by(ratio, low, high) == told


def test_undecided_ratio_that_may_be_anything_says_so() -> None:
    """An undecided ratio with an interval over ±100 % says so, and what it would have needed.

    The rule is that of an interval of a time; ±100% would have been enough for a large ratio.
    """
    near, far = (
        meaning_of(comparison(Verdict.UNDECIDED, ratio=each, low=0.1, high=90.0))
        for each in (1.03, 5.3)
    )

    asked = "undecided: >±100%, and to find it over 5.0%, or under, it would have needed"
    assert near.startswith(f"{asked} ±1.9%; ")
    assert far.startswith(f"{asked} ±100.0%; ")


@pytest.mark.parametrize(
    ("verdict", "limit", "meaning"),
    [
        (Verdict.SLOWER, 0.05, "slower than the 5.0% allowed"),
        (Verdict.SLOWER, None, "slower"),
        (Verdict.NOT_SLOWER, 0.05, "not slower than the 5.0% allowed"),
        (Verdict.NOT_SLOWER, None, "faster"),
        (
            Verdict.UNDECIDED,
            0.05,
            f"{WIDE}, and to find it over 5.0%, or under, it would have needed ±1.9%; {DO}",
        ),
        (
            Verdict.UNDECIDED,
            None,
            f"{WIDE}, and to find either side slower, it would have needed ±3.0%; {DO}",
        ),
    ],
)
def test_verdict_is_told_with_the_limit(
    verdict: Verdict, limit: float | None, meaning: str
) -> None:
    """A verdict names its limit, and without a limit says which side is slower.

    An undecided one says what interval it would have needed.
    """
    assert meaning_of(comparison(verdict, limit=limit)) == meaning


def test_turns_beside_other_work_are_told() -> None:
    """A comparison's turns beside other work are told, and count towards no block."""
    clean = turns(4, 1.0, 1.0, 1.0)
    one, two = (turns(count, 9.0, contaminated=True) for count in (1, 2))

    assert blocks_told(comparison(turns=clean + two)) == (
        "4 blocks of 3 turns; 2 more turns were taken beside other work and do not count"
    )
    assert blocks_told(comparison(turns=clean[:3] + one)) == (
        "1 block of 3 turns; 1 more turn was taken beside other work and does not count"
    )


def test_no_ratio_is_told_where_no_block_counts() -> None:
    """A comparison's ratio is told only where at least one of its blocks counts.

    Else it would be made of the very turns that do not count.
    """
    marked = turns(12, 9.0, 9.0, 9.0, contaminated=True)
    none, one = comparison(turns=marked), comparison(turns=marked + turns(1, 1.0, 1.0, 1.0))

    [line] = printed(verdict_notes([compared(none, outcome=Outcome.BUSY)]))
    [other] = printed(verdict_notes([compared(one, outcome=Outcome.BUSY)]))

    assert line == (
        f"{SUBJECT}lightning-whisper-mlx-tiny-8bit: no block counts; 36 turns were taken beside "
        "other work and do not count; busy, so that nobody can tell"
    )
    assert ": 3.0% slower (1.0% faster to 7.0% slower), 1 block of 3 turns; 36 more " in other


def test_block_of_which_most_turns_were_beside_other_work_is_not_told() -> None:
    """A comparison's block with fewer than half of its planned turns is not among those told."""
    found = comparison(turns=turns(4, 1.0, 1.0, 1.0) + turns(5, 1.0)[4:])

    assert blocks_told(found) == "4 blocks of 3 turns"


def test_busy_comparison_has_no_verdict() -> None:
    """A busy comparison has no verdict, and says that it is busy."""
    [line] = printed(verdict_notes([compared(outcome=Outcome.BUSY)]))

    assert line.endswith("; busy, so that nobody can tell")


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (PROVENANCE.versions, "same versions"),
        (
            {"lightning-whisper-mlx": "0.0.9", "numba": "0.60"},
            "lightning-whisper-mlx 0.0.9 → 0.0.10, mlx absent → 0.32.4, numba 0.60 → absent",
        ),
    ],
)
def test_versions_of_another_checkout_are_told(versions: dict[str, str], told: str) -> None:
    """A comparison of one case with another checkout says which versions differ."""
    facts = msgspec.structs.replace(PROVENANCE, versions=versions)
    side = msgspec.structs.replace(SIDE, name="1a2b3c4d5e6f", case=CASE, provenance=facts)

    [line] = printed(verdict_notes([compared(comparison(baseline=side))]))

    assert line.startswith(f"{SUBJECT}1a2b3c4d5e6f ({told}): 3.0% slower")


def test_comparison_is_no_row_of_the_table() -> None:
    """A comparison has no row in the closing table, and a timed result beside it has its row."""
    assert rows([compared()]) == []
    assert rows([compared()]) == []
    timed = warm()
    assert [row.warm for row in rows([compared(), timed])] == [timed]


def test_comparison_stands_in_the_notes() -> None:
    """Comparisons stand first among the notes under the table."""
    assert printed(notes([compared()]))[0].startswith(SUBJECT)


def test_comparison_is_written_and_read() -> None:
    """A comparison is the same after it was written as JSON and read."""
    result = compared()

    assert from_json(to_json(result)) == result
    assert isinstance(result, Result)
    assert isinstance(result.comparison, Comparison)


def test_comparison_of_too_few_blocks_is_contaminated() -> None:
    """A comparison with fewer clean blocks than the first look needs is contaminated."""
    assert not compared(comparison(turns=turns(4, 1.0, 1.0))).is_contaminated
    assert compared(comparison(turns=turns(3, 1.0, 1.0))).is_contaminated
    assert compared(comparison(turns=turns(4, 1.0))).is_contaminated
