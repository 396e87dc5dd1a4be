"""The closing table: which rows there are, and what stands in each cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import (
    CASE,
    CLIP,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    load,
    measured,
    score,
    warm,
)
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.samples import Sample
from whisper_speedtest.results.layout import lines
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.table import COLUMNS, columns, rows

if TYPE_CHECKING:
    from adapters.base import DecodeSettings
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.speech.scoring import Score

OTHER = replace(CASE, size="base")
SELDOM = {"slower", "time error"}
"""What a table lacks of one case on one clip of one window."""

USUAL = [column for column in COLUMNS if column.heading not in SELDOM]


def of_processes(*processes: list[float]) -> tuple[Sample, ...]:
    """Return the samples of some processes, each given by the seconds of its calls."""
    return tuple(
        Sample(process=number, order=order, seconds=seconds)
        for number, calls in enumerate(processes)
        for order, seconds in enumerate(calls)
    )


OF_THREE = of_processes([2.0, 2.0], [2.5, 2.5], [2.25, 2.25])


def cells(*results: Result) -> list[dict[str, str]]:
    """Return each row of the results' table: heading → cell."""
    return [{each.heading: str(each.cell(row)) for each in COLUMNS} for row in rows(results)]


def printed(*results: Result, width: int = 300) -> list[list[str]]:
    """Return the lines of the table as they are printed: the words of each."""
    shown = rows(results)
    made = lines(shown, columns(shown), width)
    return [words for line in made if (words := line.text.split())]


def test_row_has_each_value_under_its_heading() -> None:
    """A row of the closing table has each value of its case under its heading, with its unit."""
    results = [load(0.5, 0.7), cold(5.0, 7.0), warm(samples=OF_THREE, score=score(0.042))]

    assert cells(*results) == [
        {
            "library": "lightning-whisper-mlx",
            "size": "tiny",
            "variant": "4bit",
            "clip": "short",
            "time": "2.24 s",
            "95% interval": "±32.0% (3×2)",
            "RTFx": "5.4",
            "slower": "",
            "cold start": "7.00 s",
            "load": "592 ms",
            "peak memory": "325 MB",
            "WER": "4.2%",
            "time error": "",
            "computed on": "gpu, float16",
        }
    ]


def test_printed_columns_stand_in_the_order_of_their_headings() -> None:
    """The closing table is printed with its headings and cells in the same order."""
    headings, _, row = printed(load(0.6, 0.6), cold(6.0, 6.0), warm(2.0, 2.0))

    assert " ".join(headings) == (
        "library size variant clip time 95% interval RTFx "
        "cold start load peak memory WER computed on"
    )
    assert " ".join(row) == (
        "lightning-whisper-mlx tiny 4bit short 2.00 s (1×2) 6.0 "
        "6.00 s 600 ms 325 MB 0.0% gpu, float16"
    )


def test_peak_memory_is_that_of_the_cold_start() -> None:
    """Peak memory in the closing table is the footprint of the cold start, not of warm engines.

    Warm engines may have been through more, and the accelerator's share is another figure.
    """
    (row,) = cells(cold(memory=Memory(footprint=1_234_000_000, accelerator=1)), warm())

    assert row["peak memory"] == "1,234 MB"


@pytest.mark.parametrize(
    ("processes", "cell"),
    [
        ([[2.0]], "(1×1)"),
        ([[2.0, 2.1, 2.2]], "(1×3)"),
        ([[2.0], [2.0]], "±0.0% (2×1)"),
        ([[2.0, 2.0], [2.0]], "±0.0% (2×1-2)"),
        ([[0.5], [0.7]], ">±100% (2×1)"),
    ],
)
def test_interval_says_how_often_was_measured(processes: list[list[float]], cell: str) -> None:
    """Beside an interval stands how often was measured, as processes × calls of each.

    Of one process there is no interval.
    """
    (row,) = cells(warm(samples=of_processes(*processes)))

    assert row["95% interval"] == cell


def test_busy_row_is_shown_without_what_could_rank_it() -> None:
    """The time of a busy result is marked, and it has no interval and no RTFx."""
    samples = of_processes([2.0], [2.5], [2.25])
    (row,) = cells(cold(6.0, outcome=Outcome.BUSY), warm(samples=samples, outcome=Outcome.BUSY))

    assert (row["time"], row["95% interval"], row["RTFx"]) == ("2.24 s busy", "", "")
    assert row["cold start"] == "6.00 s busy"


def test_transcript_that_nobody_could_check_says_so() -> None:
    """A transcript that nobody could check has `unchecked` as its word error rate, not 0 %."""
    (row,) = cells(warm(score=None))

    assert row["WER"] == "unchecked"


def test_each_warm_result_has_a_row_with_the_starts_of_its_case() -> None:
    """Each warm result has a row with the starts of its own case, and of no other."""
    long = msgspec.structs.replace(CLIP, name="long")
    rows = cells(
        cold(5.0),
        load(0.5),
        warm(1.0),
        warm(4.0, clip=long),
        cold(9.0, case=OTHER),
        warm(3.0, case=OTHER),
    )

    assert [(row["size"], row["clip"], row["cold start"], row["load"]) for row in rows] == [
        ("tiny", "short", "5.00 s", "500 ms"),
        ("tiny", "long", "5.00 s", "500 ms"),
        ("base", "short", "9.00 s", ""),
    ]


def test_starts_count_whether_they_were_measured_before_or_after() -> None:
    """The closing table is the same whether starts were measured before the calls or after."""
    assert cells(warm(1.0), load(0.5), cold(5.0)) == cells(cold(5.0), load(0.5), warm(1.0))


@pytest.mark.parametrize(
    "other",
    [
        {"provenance": msgspec.structs.replace(PROVENANCE, device="cpu")},
        {"provenance": msgspec.structs.replace(PROVENANCE, versions={"mlx": "1"})},
        {"model": msgspec.structs.replace(MODEL, commit="ff" * 20)},
    ],
    ids=["device", "versions", "model"],
)
def test_starts_of_another_device_version_or_model_have_a_row_of_their_own(
    other: dict[str, Any],
) -> None:
    """Starts on another device, of other versions or another model stand in no row of a call."""
    calls, starts = cells(load(0.5, **other), load(0.6), cold(3.0, **other), warm(2.0))

    assert (calls["time"], calls["cold start"], calls["load"]) == ("2.00 s", "", "600 ms")
    assert (starts["time"], starts["cold start"], starts["load"]) == ("", "3.00 s", "500 ms")


def test_case_of_which_only_starts_were_measured_has_one_row_for_them() -> None:
    """A case of which only starts were measured has one row, with no clip, time or RTFx.

    Its word error rate is that of the start.
    """
    (row,) = cells(load(0.5), cold(5.0, score=score(0.1)))

    assert (row["clip"], row["time"], row["95% interval"], row["RTFx"]) == ("", "", "", "")
    assert (row["cold start"], row["load"], row["WER"]) == ("5.00 s", "500 ms", "10.0%")
    assert row["computed on"] == "gpu, float16"


def test_case_of_which_only_the_load_was_measured_has_a_row() -> None:
    """A case of which only the load was measured has a row without error rate and memory."""
    (row,) = cells(load(0.5))

    assert (row["load"], row["cold start"], row["WER"], row["peak memory"]) == (
        "500 ms",
        "",
        "",
        "",
    )


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED, Outcome.TIMED_OUT])
def test_what_did_not_pass_has_no_row(outcome: Outcome) -> None:
    """A result that failed, was skipped or timed out has no number in the closing table."""
    assert cells(warm(0.001, outcome=outcome)) == []
    assert lines(rows([warm(0.001, outcome=outcome)]), columns(()), 80) == []
    (row,) = cells(cold(0.001, outcome=outcome), warm(2.0))
    assert row["cold start"] == ""


def test_clip_is_named_with_what_is_special_about_its_measurement() -> None:
    """A clip's name tells the batch size of long audio, tuned settings, and a pause."""
    settings = replace(SETTINGS, batch_size=6)

    assert clip_name(warm(settings=settings)) == "short"
    assert clip_name(warm(settings=settings, measure=Measure.LONG_FORM)) == "short ×6"
    assert clip_name(warm(settings=settings, measure=Measure.TUNED)) == "short tuned"
    assert clip_name(warm(measure=Measure.AFTER_PAUSE)) == "short after a pause"


def test_call_after_a_pause_and_cold_files_have_no_row() -> None:
    """Calls after a pause, and starts with files on the disk alone, have no row in the table."""
    beside = [
        warm(9.0, measure=Measure.AFTER_PAUSE),
        cold(9.0, 8.0, measure=Measure.COLD_FILES),
    ]

    assert cells(*beside) == []
    assert cells(*beside, warm(2.0), load(0.5)) == cells(warm(2.0), load(0.5))
    assert cells(*beside, load(0.5)) == cells(load(0.5))


def test_numbers_stand_at_the_right() -> None:
    """Columns of numbers are aligned at the right, and those of names at the left."""
    assert [column.heading for column in COLUMNS if not column.right] == [
        "library",
        "size",
        "variant",
        "clip",
        "computed on",
    ]


def test_device_and_type_are_those_of_the_result() -> None:
    """A row of the closing table has the device and the type that its result was computed in."""
    provenance = msgspec.structs.replace(PROVENANCE, device="cpu", dtype="int8_float32")

    (row,) = cells(warm(provenance=provenance, model=MODEL))

    assert row["computed on"] == "cpu, int8_float32"


@pytest.mark.parametrize(
    ("earlier", "cell"),
    [
        ({"load", "cold", "warm"}, "all"),
        ({"warm"}, "call"),
        ({"cold"}, "cold start"),
        ({"load"}, "load"),
        ({"load", "cold"}, "cold start, load"),
        ({"of another"}, ""),
    ],
)
def test_row_says_what_an_earlier_session_has_measured(earlier: set[str], cell: str) -> None:
    """A last column of the closing table says which values an earlier session measured."""
    results = [load(test="load"), cold(test="cold"), warm(test="warm")]
    (row,) = rows(results)

    *usual, last = columns((row,), earlier)

    assert usual == USUAL
    assert (last.heading, str(last.cell(row))) == ("earlier", cell)


def test_row_of_starts_alone_is_all_earlier_where_these_are() -> None:
    """A row of starts alone is marked as all earlier where all of its starts are."""
    (row,) = rows([load(test="load"), cold(test="cold")])

    assert columns((row,), {"load", "cold"})[-1].cell(row).text == "all"


def test_nothing_is_said_of_earlier_sessions_where_nothing_came_from_one() -> None:
    """The closing table has no column on earlier sessions where nothing came from one."""
    assert list(columns(rows([load(), cold(), warm()]))) == USUAL


def test_columns_that_are_empty_in_every_row_are_left_out() -> None:
    """A column of the closing table that is empty in every row is left out.

    One cell is enough for a column to stay; names stay in any case.
    """

    def headings(*results: Result) -> list[str]:
        return [each.heading for each in columns(rows(results))]

    names = ["library", "size", "variant"]
    call = [*names, "clip", "time", "95% interval", "RTFx"]
    busy = warm(outcome=Outcome.BUSY)

    assert headings(warm()) == [*call, "WER", "computed on"]
    assert headings(warm(provenance=None)) == [*call, "WER"]
    assert headings(busy) == [*names, "clip", "time", "WER", "computed on"]
    assert headings(busy, warm(case=OTHER)) == [*call, "WER", "computed on"]
    assert headings(warm(), load(case=OTHER)) == [*call, "load", "WER", "computed on"]
    assert headings(load()) == [*names, "load", "computed on"]
    assert headings(cold(memory=None, score=None)) == [*names, "cold start", "WER", "computed on"]
    assert headings(
        *(warm(case=case, samples=OF_THREE, machine=MACHINE) for case in (CASE, OTHER))
    ) == [*call, "WER", "computed on"]
    quick = of_processes([1.0], [1.01], [1.02])
    beaten = [
        warm(case=replace(CASE, variant=variant), samples=samples, machine=MACHINE)
        for variant, samples in (("4bit", quick), ("8bit", OF_THREE))
    ]
    assert headings(*beaten) == [*call, "slower", "WER", "computed on"]


LONG = msgspec.structs.replace(CLIP, name="long", seconds=92.0)


def timed(time_error: float | None, boundaries: int = 0) -> Score:
    """Return a score with a time error."""
    return replace(score(), time_error=time_error, boundaries=boundaries)


def test_time_error_of_long_audio_says_over_how_many_boundaries_it_is() -> None:
    """A time error of long audio is shown with the number of boundaries that it is over.

    A library that has few of them may have a small error for that.
    """
    (row,) = cells(warm(2.0, clip=LONG, score=timed(0.064, 62)))

    assert row["time error"] == "64 ms (62)"


def test_time_error_of_a_single_window_is_not_shown() -> None:
    """The time error of audio that fits into one window of 30 s is not shown.

    Its first segment may begin with the window: that says nothing of long audio.
    """
    window = msgspec.structs.replace(CLIP, seconds=30.0)
    longer = msgspec.structs.replace(CLIP, seconds=30.1)

    found = cells(*(warm(2.0, clip=clip, score=timed(0.5, 2)) for clip in (window, longer)))

    assert [row["time error"] for row in found] == ["", "500 ms (2)"]


@pytest.mark.parametrize("known", [timed(None), None])
def test_time_error_that_nobody_knows_is_no_number(known: Score | None) -> None:
    """A time error that nobody knows is an empty cell, not a number."""
    (row,) = cells(warm(2.0, clip=LONG, score=known))

    assert row["time error"] == ""


def test_column_of_time_errors_is_there_where_a_row_has_one() -> None:
    """The column of time errors is there only where a row has one, before the last column."""
    without, _, _ = printed(warm(2.0, 2.0))
    headings, _, row, _ = printed(warm(2.0, 2.0, clip=LONG, score=timed(0.0, 64)), warm(2.0, 2.0))

    assert "error" not in without
    assert " ".join(headings).endswith("WER time error computed on")
    assert " ".join(row).endswith("0.0% 0 ms (64) gpu, float16")


def test_error_rate_of_letters_has_its_name() -> None:
    """An error rate of letters is marked as CER in the column WER."""
    (row,) = cells(warm(score=replace(score(0.042), cer=0.042)))

    assert row["WER"] == "4.2% CER"


def test_pooled_error_rate_of_a_corpus_says_so() -> None:
    """The error rate of a corpus is marked as pooled, and that of a single clip is not."""
    letters = replace(score(0.042), cer=0.042)
    corpus = [warm(measure=Measure.CORPUS, score=each, test="t") for each in (letters, None)]

    assert [row["WER"] for row in cells(*corpus, warm(score=score(0.1)))] == [
        "4.2% CER pooled",
        "unchecked",
        "10.0%",
    ]


def test_corpus_is_a_row_of_its_own() -> None:
    """A corpus is a row of its own, with the seconds of all its calls and no interval.

    Its RTFx is over all its audio.
    """
    whole = msgspec.structs.replace(CLIP, name="talks", seconds=120.0)

    (row,) = cells(warm(8.0, measure=Measure.CORPUS, clip=whole, score=score(0.125)))

    assert (row["clip"], row["time"], row["95% interval"]) == ("talks", "8.00 s", "(1×1)")
    assert (row["RTFx"], row["WER"]) == ("15.0", "12.5% pooled")


# The order of the rows, and how much slower each is


def places(*results: Result) -> list[tuple[str, str, str]]:
    """Return of each row its size, its clip and its variant, in the order of the rows."""
    return [(row.case.size, row.clip, row.case.variant) for row in rows(results)]


def test_fastest_of_a_size_and_clip_comes_first() -> None:
    """The fastest row of each size and clip comes first.

    Sizes stand in the order in which they are listed, clips in that of the tests.
    """
    other = msgspec.structs.replace(CLIP, name="paragraph", sha256="ef" * 32)
    results = [
        measured(f"a {variant} {size}", seconds, seconds, clip=clip)
        for size in ("small", "odd", "tiny")
        for variant, clip, seconds in (
            ("slow", CLIP, 3.0), ("slow", other, 9.0), ("fast", CLIP, 1.0), ("fast", other, 8.0),
        )
    ]  # fmt: skip

    assert places(*results) == [
        (size, clip, variant)
        for size in ("tiny", "small", "odd")
        for clip in ("short", "paragraph")
        for variant in ("fast", "slow")
    ]


def test_what_has_no_interval_stands_behind_what_has_one_and_starts_behind_both() -> None:
    """Rows with an interval come before rows without one, and rows of starts alone last.

    The place of a row of one process is a guess; starts have no time to go by.
    """
    results = [
        cold(0.1, case=Case("a", "small", "started")),
        measured("a once", 0.1),
        measured("a slowly", 9.0),
        measured("a often", 5.0, 5.0),
    ]

    assert [variant for *_, variant in places(*results)] == ["often", "once", "slowly", "started"]


def test_busy_rows_end_their_size_in_no_order() -> None:
    """Busy rows stand at the end of their size, not ordered by time."""
    started = Case("a", "small", "started")
    results = [
        measured("b busy", 0.5, 0.5, outcome=Outcome.BUSY),
        measured("a busy", 0.1, 0.1, outcome=Outcome.BUSY),
        cold(0.1, case=started, outcome=Outcome.BUSY),
        cold(0.1, case=Case("a", "small", "clean")),
        measured("a good medium", 5.0, 5.0),
        measured("a good", 5.0, 5.0),
    ]

    found = rows(results)

    assert [(row.case.variant, row.case.adapter, row.busy) for row in found] == [
        ("good", "a", False),
        ("clean", "a", False),
        ("busy", "b", True),
        ("busy", "a", True),
        ("started", "a", True),
        ("good", "a", False),
    ]


def slower(*results: Result) -> dict[str, str]:
    """Return what each row says of how much slower it is, by its variant."""
    return {row.case.variant: row.relative for row in rows(results)}


def test_row_says_how_many_times_as_long_it_takes_as_the_fastest() -> None:
    """A row says how many times as long it takes as the fastest of its size and clip.

    Nothing is said of a row whose interval says nothing.
    """
    best = measured("a best", 0.200, 0.201, 0.202)
    near = measured("a near", 0.204, 0.205, 0.206)
    slow = measured("a slow", 0.33, 0.34, 0.35)
    vague = measured("a vague", 0.1, 0.9, 3.0)

    assert slower(best, slow) == {"best": "×1.0", "slow": "×1.7"}
    assert slower(best, slow, near) == {"best": "×1.0", "near": "×1.02", "slow": "×1.7"}
    assert slower(best, slow, vague) == {"best": "×1.0", "slow": "×1.7", "vague": ""}


def test_long_audio_is_compared_with_that_of_the_same_batch_size() -> None:
    """A row of long audio is compared only with long audio of the same batch size."""
    one, six = (replace(SETTINGS, batch_size=size) for size in (1, 6))

    def long(variant: str, seconds: float, settings: DecodeSettings) -> Result:
        return measured(
            f"a {variant}", seconds, seconds, measure=Measure.LONG_FORM, settings=settings
        )

    assert slower(
        measured("a warm", 0.1, 0.1),
        long("one", 0.4, one),
        long("six", 0.2, six),
        long("slow", 0.8, six),
        long("slower", 1.2, one),
    ) == {"warm": "", "one": "×1.0", "slower": "×3.0", "six": "×1.0", "slow": "×4.0"}


def test_row_without_another_to_compare_it_with_says_nothing_of_that() -> None:
    """A row that no other can be compared with does not say how much slower it is.

    Nor does one that ranks nothing, nor one on unequal terms.
    """
    best, slow = measured("a best", 0.2, 0.201), measured("a slow", 0.4, 0.401)
    others = [
        measured("a busy", 0.1, 0.1, outcome=Outcome.BUSY),
        measured("a once", 0.1),
        measured("a tuned", 0.1, 0.1, measure=Measure.TUNED),
        cold(0.1, case=Case("a", "small", "started")),
    ]

    assert slower(best) == {"best": ""}
    assert slower(best, slow, *others) == {"best": "×1.0", "slow": "×2.0"} | dict.fromkeys(
        ("busy", "once", "tuned", "started"), ""
    )


def test_columns_leave_a_narrow_terminal_one_after_another() -> None:
    """Columns leave a narrow terminal one after another, the least asked for first.

    Third is the column on an earlier session, if there is one. No two go at once, as then the one
    that stands further left would go.
    """
    leaving = {each.leaves: each.heading for each in COLUMNS if each.leaves}

    assert leaving == {
        1: "computed on",
        2: "load",
        4: "peak memory",
        5: "WER",
        6: "cold start",
        7: "time error",
        8: "95% interval",
    }
