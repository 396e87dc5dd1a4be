"""The tables of the page: each cell with its unit, in which order rows stand, what traces them."""

from __future__ import annotations

from dataclasses import replace as with_fields
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.reports import TIMED
from tests.helpers.results import (
    CLIP,
    COMMIT,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    SHA256,
    cold,
    load,
    measured,
    of_corpus,
    score,
)
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import ModelFacts
from whisper_speedtest.measure.samples import Sample
from whisper_speedtest.results.report import small_tables
from whisper_speedtest.results.report.merged import merge
from whisper_speedtest.results.report.page_rows import (
    COLUMNS,
    ORDER,
    Row,
    columns,
    link,
    rows,
    settings,
)

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.report.merged import OnMachine
    from whisper_speedtest.results.report.small_tables import Table

replace = msgspec.structs.replace
OTHER = replace(MACHINE, chip="Apple M1")
TALK = replace(CLIP, name="talk", seconds=600.0, sha256="ee" * 32)


def on(*results: Result) -> OnMachine:
    """Return what is known of the one machine of these results."""
    (machine,) = merge(results).machines
    return machine


def cells(*results: Result) -> list[dict[str, str]]:
    """Return each row of the table of all: heading → text."""
    merged = merge(results)
    headings = [each.heading for each in columns(merged)]
    return [
        dict(zip(headings, [cell.text for cell in row.cells], strict=True)) for row in rows(merged)
    ]


def facts(result: Result) -> dict[str, str]:
    """Return what traces a result: term → text, without what is empty."""
    (row,) = rows(merge([result]))
    return {term: text for term, text in row.facts if text}


def started(name: str, *totals: float, **changes: Any) -> Result:
    """Return a cold start of a library's `small` on MACHINE."""
    adapter, variant = name.split()
    case = Case(adapter, "small", variant)
    fields = {"test": f"test_cold[{case}]", "case": case, "machine": MACHINE}
    return cold(*totals, **{**fields, **changes})


def listed(table: Table | None) -> list[dict[str, str]]:
    """Return the rows of a table: heading → text."""
    assert table is not None
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_row_has_each_value_under_its_heading() -> None:
    """A row of a report page's table has each value of a warm result with its unit.

    Its memory is not that of a start, and not shown.
    """
    assert cells(measured("mlx-whisper fp16", 2.0, 2.5, 2.25, score=score(0.042))) == [
        {
            "size": "small",
            "library": "mlx-whisper",
            "variant": "fp16",
            "measure": "warm",
            "clip": "short",
            "time": "2.24 s",
            "95% interval": "±32.0% (3×1)",
            "RTFx": "5.4",
            "WER": "4.2%",
            "coverage": "95.8%",
            "computed on": "gpu, float16",
        }
    ]


def test_cold_start_has_its_memory_and_no_rtfx() -> None:
    """A cold start in a report page's table has its peak memory in MB, and no RTFx.

    The first of several starts does not count.
    """
    (row,) = cells(started("mlx-whisper fp16", 9.0, 7.0, memory=Memory(1_234_000_000, 1)))

    assert (row["measure"], row["time"]) == ("cold", "7.00 s")
    assert "RTFx" not in row
    assert row["peak memory"] == "1,234 MB"


def test_cells_sort_by_the_numbers_that_they_show() -> None:
    """Cells of a report page's table sort by seconds, bytes or shares, whatever unit is shown."""
    of_call = merge([measured("mlx-whisper fp16", 0.2, 0.2, 0.2, score=score(0.25))])
    (row,) = rows(of_call)

    values = dict(zip([each.heading for each in columns(of_call)], row.cells, strict=True))
    assert {name: cell.value for name, cell in values.items() if cell.value is not None} == {
        "time": pytest.approx(0.2),
        "95% interval": pytest.approx(0),
        "RTFx": pytest.approx(60),
        "WER": 0.25,
        "coverage": 0.75,
    }
    of_start = merge([started("mlx-whisper fp16", memory=Memory(1_234_000_000, 1))])
    (row,) = rows(of_start)
    place = [each.heading for each in columns(of_start)].index("peak memory")
    assert row.cells[place].value == 1_234_000_000


def test_transcript_that_nobody_could_check_says_so() -> None:
    """In a report page's table a call that nobody could check is `unchecked`, and a load is not.

    A load has no transcript, and so nothing to check.
    """
    of_call, of_load = cells(
        measured("mlx-whisper fp16", score=None), load(0.5, machine=MACHINE, score=None)
    )[::-1]

    assert (of_call["WER"], of_load["WER"]) == ("unchecked", "")
    assert "coverage" not in of_call


def test_busy_row_has_a_time_with_its_mark_and_nothing_that_ranks_it() -> None:
    """A busy row of a report page's table has a marked time, and neither interval nor RTFx."""
    merged = merge([measured("mlx-whisper fp16", 2.0, outcome=Outcome.BUSY)])

    (row,) = cells(*merged.results)
    assert row["time"] == "2.00 s busy"
    assert not {"95% interval", "RTFx"} & set(row)
    assert [each.busy for each in rows(merged)] == [True]
    assert [each.busy for each in rows(merge([measured("mlx-whisper fp16")]))] == [False]


def test_rows_stand_by_size_measure_and_clip_the_fastest_first_and_busy_ones_last() -> None:
    """Rows of a report page's table stand by size, measure and clip, the fastest first in each.

    Busy ones stand last there. Calls stand before starts, short clips before long ones.
    """
    usual = {"machine": MACHINE, "case": Case("mlx-whisper", "small", "fp16")}
    results = [
        load(0.1, **usual),
        started("mlx-whisper fp16", 5.0, 5.0),
        measured("mlx-whisper fp16", 60.0, clip=TALK),
        measured("mlx-whisper 8bit", 0.5, outcome=Outcome.BUSY),
        measured("mlx-whisper fp16", 2.0),
        measured("mlx-whisper 4bit", 1.0),
        measured("mlx-whisper fp16 base", 3.0),
    ]

    found = [
        (row["size"], row["measure"], row["clip"], row["variant"], row["time"])
        for row in cells(*results)
    ]

    assert found == [
        ("base", "warm", "short", "fp16", "3.00 s"),
        ("small", "warm", "short", "4bit", "1.00 s"),
        ("small", "warm", "short", "fp16", "2.00 s"),
        ("small", "warm", "short", "8bit", "500 ms busy"),
        ("small", "warm", "talk", "fp16", "60.0 s"),
        ("small", "cold", "short", "fp16", "5.00 s"),
        ("small", "load", "", "fp16", "100 ms"),
    ]


def test_every_measure_has_its_place_in_the_table() -> None:
    """Each measure has exactly one place in the order of a report page's table."""
    assert sorted(ORDER) == sorted(Measure)


def test_of_several_machines_the_name_is_a_column() -> None:
    """A report page's table names machines in a column where several have measured something."""
    two = merge([measured("mlx-whisper fp16"), measured("mlx-whisper fp16", machine=OTHER)])
    skipped = measured("mlx-whisper 4bit", machine=OTHER, outcome=Outcome.SKIPPED, samples=())
    one = merge([measured("mlx-whisper fp16"), skipped])

    assert [each.heading for each in columns(two)][:2] == ["machine", "size"]
    assert [row.cells[0].text for row in rows(two)] == ["Apple M1", "Apple M4 Pro"]
    assert [each.heading for each in columns(one)][:2] == ["size", "library"]


def test_first_click_brings_the_best_to_the_top() -> None:
    """RTFx and coverage alone are sorted from the highest down, as of these more is better."""
    assert [each.heading for each in COLUMNS if each.descending] == ["RTFx", "coverage"]
    assert [each.heading for each in COLUMNS if each.number] == [
        "time",
        "95% interval",
        "RTFx",
        "peak memory",
        "WER",
        "coverage",
        "time error",
    ]


def test_columns_that_are_empty_in_every_row_are_left_out() -> None:
    """A column of a report page's table that is empty in every row is left out.

    A load has no clip, RTFx or memory; one start with a memory brings that column back.
    """
    of_load = load(0.5, 0.6, machine=MACHINE)
    names = ["size", "library", "variant", "measure"]

    def headings(*results: Result) -> list[str]:
        return [each.heading for each in columns(merge(results))]

    assert headings(of_load) == [*names, "time", "95% interval", "computed on"]
    assert "peak memory" in headings(of_load, started("mlx-whisper fp16"))
    assert "peak memory" not in headings(of_load, started("mlx-whisper fp16", memory=None))


def test_result_is_traced_to_its_model_settings_machine_and_command() -> None:
    """A report's page tells of each result all that it takes to measure it again.

    Among that are model, settings, machine and command, each under its term.
    """
    model = ModelFacts(
        repo="org/whisper",
        revision="main",
        commit=COMMIT,
        files={"w.npz": Proof(23_400_000, SHA256), "c.json": Proof(900, "cd" * 32)},
    )
    provenance = replace(PROVENANCE, threads=6, mends=("one thing", "another"))
    samples = tuple(
        Sample(process=process, order=order, seconds=seconds)
        for process, order, seconds in [(0, 0, 1.23456), (1, 4, 2.0), (1, 3, 3.0), (0, 1, 1.5)]
    )
    samples += (Sample(process=1, order=2, seconds=9.0, contaminated=True),)

    assert facts(
        measured(
            "mlx-whisper fp16",
            model=model,
            provenance=provenance,
            samples=samples,
            when="2026-11-26T07:14:33.250Z",
        )
    ) == {
        "model": "org/whisper@121212121212",
        "files": "c.json (900 bytes, sha256 cdcdcdcdcdcd…), w.npz (23.4 MB, sha256 abababababab…)",
        "settings": "equal terms, 4 threads",
        "computed by": "lightning-whisper-mlx 0.0.10, mlx 0.32.4, 6 threads",
        "mended": "one thing; another",
        "seconds": "1.235 1.5 | 3 2",
        "words": "0 wrong, 0 missing and 0 added of 1,000 words; normalised by whisper english",
        "machine": "Apple M4 Pro; suite at 343434343434",
        "ended": "2026-11-26 07:14 UTC",
        "again": "pytest benchmarks --benchmark-only -k "
        "'test_transcribe[mlx-whisper-small-fp16-short]'",
    }


def test_result_of_which_little_is_known_is_traced_as_far_as_that_goes() -> None:
    """A report's page says nothing of what is not known of a result.

    A revision stands in place of an unknown commit.
    """
    result = load(
        0.5,
        machine=replace(MACHINE, suite=None),
        provenance=None,
        model=replace(MODEL, commit=None),
    )

    found = facts(result)

    assert found["model"] == "mlx-community/whisper-tiny-mlx-4bit@main"
    assert found["machine"] == "Apple M4 Pro"
    assert not {"settings", "computed by", "mended", "ended", "differs by"} & found.keys()


def test_words_that_are_not_right_are_counted_by_their_kind() -> None:
    """Words that are wrong, missing or added are counted, or letters where a score counts these.

    Of a corpus it is told over how many clips, and how many words nobody said.
    """
    known = with_fields(
        score(), reference_words=2000, substitutions=1200, deletions=3, insertions=4, cer=0.6
    )
    corpus = of_corpus(0.1, 0.2, machine=MACHINE, score=with_fields(known, words_in_silence=2))

    assert facts(measured("mlx-whisper fp16", score=known))["words"] == (
        "1,200 wrong, 3 missing and 4 added of 2,000 letters; normalised by whisper english"
    )
    assert facts(corpus)["words"] == (
        "1,200 wrong, 3 missing and 4 added of 2,000 letters; pooled over 2 clips; 2 heard while "
        "nobody speaks; normalised by whisper english"
    )


def test_time_error_is_a_column_where_there_is_one() -> None:
    """A report page's table has a column of time errors where there is one, sorted by seconds.

    The error rate says what is counted, and what is pooled.
    """
    timed = measured("mlx-whisper fp16", clip=TALK, score=TIMED)
    letters = measured("mlx-whisper 4bit", score=with_fields(score(0.25), cer=0.25))
    corpus = of_corpus(0.1, 0.2, machine=MACHINE)

    found = {each["clip"]: each for each in cells(timed, letters, corpus)}

    assert {clip: (each["WER"], each["time error"]) for clip, each in found.items()} == {
        "talk": ("5.0%", "64 ms (62)"),
        "short": ("25.0% CER", ""),
        "talks": ("15.0% pooled", ""),
    }
    merged = merge([timed, letters])
    place = [each.heading for each in columns(merged)].index("time error")
    assert {row.cells[place].value for row in rows(merged)} == {0.064, None}
    assert "time error" not in {each.heading for each in columns(merge([letters]))}


def test_series_of_the_same_test_say_by_what_they_differ() -> None:
    """Two rows of one test in a report page's table say by which version they differ."""
    newer = replace(PROVENANCE, versions={**PROVENANCE.versions, "mlx": "0.33.0"})

    found = rows(
        merge([measured("mlx-whisper fp16"), measured("mlx-whisper fp16", provenance=newer)])
    )

    assert sorted(dict(row.facts)["differs by"] for row in found) == ["mlx 0.32.4", "mlx 0.33.0"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "equal terms, 4 threads"),
        ({"threads": None}, "equal terms"),
        (
            {"fallback": True, "batch_size": 6},
            "equal terms, 4 threads, but fallback True, batch size 6",
        ),
        ({"context": None}, "equal terms, 4 threads, but context unknown"),
        ({"language": "de"}, "equal terms, 4 threads, but language de"),
    ],
)
def test_settings_are_told_where_they_differ_from_equal_terms(
    changes: dict[str, Any], told: str
) -> None:
    """A result's settings are told where they differ from equal terms, with the threads.

    Those that a library cannot be told are unknown.
    """
    assert settings(measured("mlx-whisper fp16", settings=with_fields(SETTINGS, **changes))) == told


@pytest.mark.parametrize(
    ("repo", "commit", "expected"),
    [
        ("org/name", COMMIT, f"https://huggingface.co/org/name/tree/{COMMIT}"),
        ("org/name.v-2", COMMIT, f"https://huggingface.co/org/name.v-2/tree/{COMMIT}"),
        ("org/name", None, ""),
        ("org/name", "main", ""),
        ("embedded/micro", COMMIT, ""),
        ("https://example.org/models", COMMIT, ""),
        ("javascript:alert(1)/x", COMMIT, ""),
        ("org/name/../x", COMMIT, ""),
        ('org/"onload', COMMIT, ""),
        ("../name", COMMIT, ""),
    ],
)
def test_model_of_the_hub_is_linked_at_its_commit(
    repo: str, commit: str | None, expected: str
) -> None:
    """A model of the hub is linked at its commit, and no other text becomes an address."""
    assert link(ModelFacts(repo=repo, revision="main", commit=commit)) == expected


def test_row_carries_the_link_of_its_model() -> None:
    """A row of a report page's table has the link of its model on the hub."""
    found: list[Row] = rows(merge([measured("mlx-whisper fp16")]))

    assert [row.link for row in found] == [
        f"https://huggingface.co/mlx-community/whisper-tiny-mlx-4bit/tree/{COMMIT}"
    ]


def test_quantised_variants_stand_beside_the_unquantised_one() -> None:
    """A quantised variant is told with its speed, memory and error rate beside fp16's."""
    found = listed(
        small_tables.quantised(
            on(
                measured("mlx-whisper fp16", 2.0, 2.0, 2.0, score=score(0.03)),
                measured("mlx-whisper 4bit", 1.0, 1.0, 1.0, score=score(0.05)),
                started("mlx-whisper fp16", memory=Memory(1_000_000_000, None)),
                started("mlx-whisper 4bit", memory=Memory(400_000_000, None)),
            )
        )
    )

    assert found == [
        {
            "size": "small",
            "library": "mlx-whisper 4bit",
            "clip": "short",
            "speed": "×2.00 (2.00–2.00)",
            "peak memory": "400 MB (-60%)",
            "WER": "5.0%",
            "WER unquantised": "3.0%",
        }
    ]


def test_variant_that_is_as_precise_is_not_quantised() -> None:
    """A variant that is as precise as fp16, such as float32, is not among the quantised."""
    results = [measured(f"faster-whisper {variant}") for variant in ("fp16", "float32", "int8")]

    assert [row["library"] for row in listed(small_tables.quantised(on(*results)))] == [
        "faster-whisper int8"
    ]


def test_speed_that_intervals_leave_open_is_not_decided() -> None:
    """A quantised variant's speed is not decided where the intervals leave it open.

    Nor is the memory known where no start was measured, or the rate where nobody checked.
    """
    (row,) = listed(
        small_tables.quantised(
            on(
                measured("mlx-whisper fp16", 2.0, 2.2, 2.4),
                measured("mlx-whisper 4bit", 1.9, 2.1, 2.3, score=None),
            )
        )
    )

    assert (row["speed"], row["WER"]) == ("not decided", "unchecked")
    assert "peak memory" not in row


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": Outcome.BUSY},
        {"clip": TALK},
        {"provenance": replace(PROVENANCE, device="cpu")},
        {"case": Case("faster-whisper", "small", "fp16")},
        {"case": Case("mlx-whisper", "base", "fp16")},
    ],
    ids=["busy", "clip", "device", "library", "size"],
)
def test_quantised_variant_is_not_compared_with_another_thing(other: dict[str, Any]) -> None:
    """A quantised variant is compared only with fp16 of its clip, device, library and size.

    With a busy one it is not compared either; there is no table then.
    """
    base = measured("mlx-whisper fp16", 2.0, 2.0, 2.0, **other)

    assert small_tables.quantised(on(base, measured("mlx-whisper 4bit"))) is None


def test_long_audio_has_its_coverage_and_rate() -> None:
    """A report's page tells coverage and error rate of long audio.

    A clip of 30 s is not long; a batch of windows is.
    """
    window = replace(CLIP, name="window", seconds=30.0, sha256="aa" * 32)
    six = with_fields(SETTINGS, batch_size=6)
    found = listed(
        small_tables.coverage(
            on(
                measured("mlx-whisper fp16", clip=window),
                measured("mlx-whisper fp16", clip=TALK, score=score(0.25)),
                measured("mlx-whisper fp16", measure=Measure.LONG_FORM, settings=six, test="x"),
                measured("mlx-whisper 4bit", clip=TALK, outcome=Outcome.BUSY),
                measured("mlx-whisper 8bit", clip=TALK, score=None),
            )
        )
    )

    assert found == [
        {
            "size": "small",
            "library": "mlx-whisper fp16",
            "clip": "talk",
            "coverage": "75.0%",
            "WER": "25.0%",
        },
        {
            "size": "small",
            "library": "mlx-whisper fp16",
            "clip": "short ×6",
            "coverage": "100.0%",
            "WER": "0.0%",
        },
    ]


def test_long_audio_has_its_time_error_where_that_is_known() -> None:
    """A report's page tells the time error of long audio where it is known.

    Words in silence are told of short audio too, where there are any; a corpus stands apart.
    """
    table = small_tables.coverage(
        on(
            measured("mlx-whisper fp16", clip=TALK, score=TIMED),
            measured("mlx-whisper 4bit", clip=TALK, score=with_fields(score(0.1), cer=0.1)),
            measured("mlx-whisper fp16", score=with_fields(TIMED, words_in_silence=0)),
            measured("mlx-whisper 4bit", score=with_fields(score(0.2), words_in_silence=1234)),
            of_corpus(0.1, machine=MACHINE, clip=TALK),
        )
    )
    assert table is not None
    assert table.columns[3:] == ("coverage", "time error", "words in silence", "WER")
    assert table.numbers == {*table.columns[3:]}
    assert [row[1:] for row in table.rows] == [
        ("mlx-whisper fp16", "talk", "95.0%", "64 ms (62)", "3", "5.0%"),
        ("mlx-whisper 4bit", "short", "80.0%", "", "1,234", "20.0%"),
        ("mlx-whisper 4bit", "talk", "90.0%", "", "", "10.0% CER"),
    ]


def test_corpus_is_told_as_a_whole_and_clip_by_clip() -> None:
    """A report's page tells a corpus pooled, by its median and worst clip, and clip by clip.

    The clip with the highest rate of any model stands first.
    """
    full, base = (Case("mlx-whisper", size, "fp16") for size in ("small", "base"))
    busy = {"outcome": Outcome.BUSY, "machine": MACHINE, "case": base, "test": "b"}

    whole, clips = small_tables.corpora(
        on(
            of_corpus(0.1, 0.9, 0.2, machine=MACHINE, case=full, test="f"),
            of_corpus(0.3, 0.1, None, **busy),
            of_corpus(0.1, machine=MACHINE, outcome=Outcome.FAILED, test="x"),
        )
    )

    columns = ("size", "library", "corpus", "clips", "words", "WER", "median clip", "worst clip")
    assert whole.columns == (*columns, "RTFx")
    assert whole.numbers == {*whole.columns[3:]}
    assert whole.rows == (
        (
            "base",
            "mlx-whisper fp16",
            "talks",
            "3",
            "1,000",
            "20.0% pooled",
            "20.0%",
            "30.0%",
            "busy",
        ),
        (
            "small",
            "mlx-whisper fp16",
            "talks",
            "3",
            "1,000",
            "40.0% pooled",
            "20.0%",
            "90.0%",
            "2.0",
        ),
    )
    assert (clips.caption, clips.about) == (
        "Clips of talks",
        "WER of each clip of talks, the highest first.",
    )
    assert clips.columns == ("clip", "length", "base mlx-whisper fp16", "small mlx-whisper fp16")
    assert clips.numbers == {*clips.columns[1:]}
    assert clips.rows == (
        ("1.wav", "2.00 s", "10.0%", "90.0%"),
        ("0.wav", "1.00 s", "30.0%", "10.0%"),
        ("2.wav", "3.00 s", "unchecked", "20.0%"),
    )


def test_clips_beyond_the_most_are_left_to_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of clips that is full leaves out those of the lowest rates, and says how many."""
    monkeypatch.setattr(small_tables, "MOST_CLIPS", 2)

    _, three = small_tables.corpora(on(of_corpus(0.1, 0.3, 0.2, machine=MACHINE)))
    _, two = small_tables.corpora(on(of_corpus(0.1, 0.3, machine=MACHINE)))

    assert [row[0] for row in three.rows] == ["1.wav", "2.wav"]
    assert three.about.endswith("first. 1 more clip of lower rates: see results.jsonl.")
    assert two.about.endswith("the highest first.")


def test_corpora_of_one_name_and_other_clips_stand_apart() -> None:
    """Corpora of one name with other clips have rows and tables of their own.

    Letters are said to be letters.
    """
    letters = with_fields(score(0.1), cer=0.1)
    first = of_corpus(0.1, machine=MACHINE, score=letters)
    other = replace(first, test="o", clip=replace(TALK, name="talks"), score=None)

    whole, *of_clips = small_tables.corpora(on(first, other))

    assert [row[5] for row in whole.rows] == ["10.0% CER pooled", "unchecked"]
    assert [each.about[:16] for each in of_clips] == ["CER of each clip", "WER of each clip"]


def test_quantised_variants_say_on_how_many_clips_they_are_no_worse() -> None:
    """A report's page tells on how many clips a quantised variant is no worse.

    It is counted clip by clip, whatever the sum says; of one clip that is no worse nothing is said.
    """
    small = [
        of_corpus(*rates, machine=MACHINE, test=variant, case=Case("mlx-whisper", "small", variant))
        for variant, rates in (("fp16", (0.1, 0.5)), ("4bit", (0.2, 0.1)))
    ]
    base = [measured(f"mlx-whisper {variant} base") for variant in ("fp16", "4bit")]

    table = small_tables.no_worse(on(*small, *base))

    assert listed(table) == [
        {"size": "small", "library": "mlx-whisper 4bit", "no worse": "1 of 2 clips (50%)"}
    ]
    assert small_tables.no_worse(on(*base)) is None


def test_the_same_on_several_machines_stands_in_one_row() -> None:
    """What several machines measured alike is one row, with the time and RTFx of each.

    Busy ones have none. The row says in what else they differ.
    """
    newer = replace(PROVENANCE, versions={**PROVENANCE.versions, "mlx": "0.33.0"})
    table = small_tables.across(
        merge(
            [
                measured("mlx-whisper fp16", 2.0),
                measured("mlx-whisper fp16", 3.0, machine=OTHER, provenance=newer),
                measured("mlx-whisper 4bit", 1.0),
                measured("mlx-whisper 4bit", 2.0, machine=OTHER, outcome=Outcome.BUSY),
                measured("mlx-whisper 8bit", 2.0),
            ]
        )
    )
    first, second = listed(table)

    assert table
    assert table.numbers == {"Apple M1", "Apple M4 Pro"}
    assert first == {
        "size": "small",
        "library": "mlx-whisper fp16",
        "measured": "short",
        "Apple M1": "3.00 s, RTFx 4.0",
        "Apple M4 Pro": "2.00 s, RTFx 6.0",
        "differs by": "mlx",
    }
    assert (second["library"], second["Apple M1"]) == ("mlx-whisper 4bit", "busy")
    assert (second["Apple M4 Pro"], second["differs by"]) == ("1.00 s, RTFx 12.0", "")


def test_time_that_is_vague_is_marked_on_its_machine() -> None:
    """A time with an interval over ±100 % is marked on its machine, that of a start as well."""
    start = {"case": measured("mlx-whisper fp16").case, "test": "test_cold[x]"}
    table = small_tables.across(
        merge(
            [
                measured("mlx-whisper fp16", 2.0, 2.0),
                measured("mlx-whisper fp16", 1.0, 4.0, machine=OTHER),
                cold(1.0, 2.0, 3.0, machine=MACHINE, **start),
                cold(1.0, 2.0, 2.0, machine=OTHER, **start),
            ]
        )
    )

    assert [(row["Apple M1"], row["Apple M4 Pro"]) for row in listed(table)] == [
        ("2.00 s", "2.45 s (>±100%)"),
        ("2.00 s, RTFx 6.0 (>±100%)", "2.00 s, RTFx 6.0"),
    ]


def test_devices_of_several_machines_stand_in_a_row_each() -> None:
    """Where machines measured on two devices, each device has a row across them that names it."""
    on_cpu = {"provenance": replace(PROVENANCE, device="cpu")}
    first, second = listed(
        small_tables.across(
            merge(
                [
                    measured("mlx-whisper fp16", 2.0),
                    measured("mlx-whisper fp16", 8.0, **on_cpu),
                    measured("mlx-whisper fp16", 3.0, machine=OTHER),
                    measured("mlx-whisper fp16", 9.0, machine=OTHER, **on_cpu),
                ]
            )
        )
    )

    assert {
        each["library"]: (each["Apple M1"], each["Apple M4 Pro"]) for each in (first, second)
    } == {
        "mlx-whisper fp16, gpu": ("3.00 s, RTFx 4.0", "2.00 s, RTFx 6.0"),
        "mlx-whisper fp16, cpu": ("9.00 s, RTFx 1.3", "8.00 s, RTFx 1.5"),
    }


def test_rows_of_several_devices_say_which_they_are_of() -> None:
    """Rows of long audio and of corpora name the device where there are several."""
    cpu = replace(PROVENANCE, device="cpu")
    coverage = listed(
        small_tables.coverage(
            on(
                measured("mlx-whisper fp16", clip=TALK),
                measured("mlx-whisper fp16", clip=TALK, provenance=cpu),
            )
        )
    )
    whole, *_ = small_tables.corpora(
        on(of_corpus(0.1, machine=MACHINE), of_corpus(0.2, machine=MACHINE, provenance=cpu))
    )

    assert {each["library"] for each in coverage} == {
        "mlx-whisper fp16, gpu",
        "mlx-whisper fp16, cpu",
    }
    assert {row[1] for row in whole.rows} == {
        "lightning-whisper-mlx 4bit, gpu",
        "lightning-whisper-mlx 4bit, cpu",
    }


def test_starts_on_several_machines_are_named_by_their_measure() -> None:
    """A start that several machines measured is named by its measure, and has no RTFx."""
    (row,) = listed(
        small_tables.across(
            merge(
                [started("mlx-whisper fp16", 5.0), started("mlx-whisper fp16", 6.0, machine=OTHER)]
            )
        )
    )

    assert row == {
        "size": "small",
        "library": "mlx-whisper fp16",
        "measured": "cold",
        "Apple M1": "6.00 s",
        "Apple M4 Pro": "5.00 s",
    }, "they differ in nothing else, so no column says in what"


def test_one_machine_has_nothing_to_compare_with() -> None:
    """A report's page of one machine has no table across machines."""
    assert small_tables.across(merge([measured("mlx-whisper fp16")])) is None


def test_what_was_not_measured_is_told_by_its_cause() -> None:
    """A report's page tells each reason of failures and each cause of skips once.

    It does so with their number and what they are.
    """
    failed = measured("mlx-whisper fp16", outcome=Outcome.FAILED, reason="wrong words")
    crashed = [
        measured(name, outcome=Outcome.FAILED, reason=f"{label}: no memory for {label}")
        for name, label in (("a 4bit", "a[small-4bit]"), ("b 4bit", "b[small-4bit]"))
    ]
    skips = [
        measured(
            name,
            outcome=Outcome.SKIPPED,
            reason=f"{name} cannot be fetched: offline",
            cause="offline",
        )
        for name in ("faster-whisper int8", "whisper.cpp fp16")
    ]
    alone = measured("transformers fp16", outcome=Outcome.SKIPPED, reason="no such library")

    assert listed(small_tables.unmeasured(on(failed, *crashed, *skips, alone))) == [
        {"outcome": "failed", "test": failed.test, "reason": "wrong words"},
        {
            "outcome": "failed",
            "test": f"2 tests: {crashed[0].test}, {crashed[1].test}",
            "reason": "no memory for the case",
        },
        {
            "outcome": "skipped",
            "test": "2 tests: faster-whisper-small-int8, whisper.cpp-small-fp16",
            "reason": "offline",
        },
        {
            "outcome": "skipped",
            "test": "1 test: transformers-small-fp16",
            "reason": "no such library",
        },
    ]
    assert small_tables.unmeasured(on(measured("mlx-whisper fp16"))) is None
