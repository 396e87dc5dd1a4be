"""Results as CSV: what stands in which column, in which unit, and harmless in spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import replace as with_fields
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import (
    CLIP,
    COMMIT,
    MACHINE,
    PROVENANCE,
    SHA256,
    cold,
    load,
    of_corpus,
    samples,
    score,
    warm,
)
from tests.results.test_aspects import COMPARISON
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.results.report.as_csv import COLUMNS, as_csv, harmless
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

replace = msgspec.structs.replace

WHEN = "2026-11-26T08:00:00.000Z"


def lines(*results: Result) -> list[dict[str, str]]:
    """Return the lines that these results come to, each as heading → cell."""
    text = as_csv(merge(replace(each, machine=MACHINE) for each in results))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def line(result: Result) -> dict[str, str]:
    """Return the one line of a result, without its empty cells."""
    (found,) = lines(result)
    return {heading: cell for heading, cell in found.items() if cell}


def test_warm_result_fills_its_columns() -> None:
    """In CSV each figure of a warm result stands in its own column, in the heading's unit."""
    of_processes = tuple(
        replace(each, process=number) for number, each in enumerate(samples(2.0, 2.0, 2.0))
    )
    found = line(warm(samples=of_processes, when=WHEN, score=score(0.25), fallback=True))

    assert found == {
        "machine": "Apple M4 Pro",
        "chip": "Apple M4 Pro",
        "memory (bytes)": str(24 * 2**30),
        "system": "macOS 15.5",
        "library": "lightning-whisper-mlx",
        "size": "tiny",
        "variant": "4bit",
        "measure": "warm",
        "clip": "short",
        "clip (s)": "12.0",
        "windows at once": "1",
        "outcome": "passed",
        "ended (UTC)": WHEN,
        "counts": "yes",
        "time (s)": "2.0",
        "interval low (s)": "2.0",
        "interval high (s)": "2.0",
        "processes": "3",
        "calls": "3",
        "RTFx": "6.0",
        "WER": "0.25",
        "coverage": "0.75",
        "normaliser": "whisper english",
        "fallback": "yes",
        "peak memory (bytes)": "777000000",
        "accelerator memory (bytes)": "55000000",
        "device": "gpu",
        "type": "float16",
        "versions": "lightning-whisper-mlx 0.0.10; mlx 0.32.4",
        "settings": (
            "language en; beam_size 1; temperature 0.0; fallback False; timestamps True; "
            "context False; vad False; batch_size 1; threads 4"
        ),
        "repo": "mlx-community/whisper-tiny-mlx-4bit",
        "commit": COMMIT,
        "files (sha256)": f"weights.npz {SHA256}",
        "sound (sha256)": "cd" * 16 + "01" * 16,
        "suite": "34" * 10 + "56" * 10,
        "test": "test_transcribe[lightning-whisper-mlx-tiny-4bit-short]",
        "command": (
            "pytest benchmarks --benchmark-only -k "
            "'test_transcribe[lightning-whisper-mlx-tiny-4bit-short]'"
        ),
    }


def test_nought_is_a_figure() -> None:
    """In CSV a figure of 0 is told, and a cell is empty only where nothing is known."""
    found = line(warm(score=score(0.0), fallback=False))

    assert (found["WER"], found["coverage"], found["fallback"]) == ("0.0", "1.0", "no")
    assert line(warm(score=score(1.0)))["coverage"] == "0.0"
    assert not {"WER", "coverage", "fallback"} & line(warm(score=None, fallback=None)).keys()


def test_interval_and_counts_are_those_of_the_processes() -> None:
    """In CSV the ends of an interval lie around the time, and calls are those of all processes."""
    of_two = tuple(
        replace(each, process=each.order // 2) for each in samples(1.0, 1.0, 4.0, 4.0, 2.0)
    )
    found = line(warm(samples=of_two))

    low, time, high = (
        float(found[name]) for name in ("interval low (s)", "time (s)", "interval high (s)")
    )
    assert time == pytest.approx(2.0)
    assert low < time < high
    assert low * high == pytest.approx(time**2)
    assert (found["processes"], found["calls"]) == ("3", "5")


def test_phases_of_starts_are_medians_of_those_that_count() -> None:
    """In CSV the phases of cold starts are medians, without the first start.

    The first start stands apart.
    """
    found = line(cold(50.0, 10.0, 20.0, 40.0))

    assert {name: float(found[name]) for name in found if name.endswith("(s)")} == {
        "clip (s)": 12.0,
        "time (s)": pytest.approx(20.0),
        "interval low (s)": pytest.approx(float(found["interval low (s)"])),
        "interval high (s)": pytest.approx(float(found["interval high (s)"])),
        "launch (s)": pytest.approx(2.0),
        "import (s)": pytest.approx(4.0),
        "load (s)": pytest.approx(6.0),
        "first call (s)": pytest.approx(8.0),
    }
    assert "RTFx" not in found
    assert found["peak memory (bytes)"] == "324600000"


def test_load_has_no_clip_and_no_phases() -> None:
    """In CSV a load has its time, and neither a clip nor phases."""
    found = line(load(0.5))

    assert found["time (s)"] == "0.5"
    assert found["measure"] == "load"
    absent = {"clip", "clip (s)", "RTFx", "launch (s)", "load (s)", "WER", "interval low (s)"}
    assert not absent & found.keys()


def test_busy_result_has_a_time_and_nothing_that_ranks() -> None:
    """In CSV a busy result has a time and the outcome busy, and neither RTFx nor interval."""
    found = line(
        warm(
            outcome=Outcome.BUSY,
            reason="other work",
            samples=tuple(replace(each, process=each.order) for each in samples(2.0, 4.0)),
        )
    )

    assert (found["outcome"], found["reason"]) == ("busy", "other work")
    assert float(found["time (s)"]) == pytest.approx(8**0.5)
    assert not {"RTFx", "interval low (s)", "interval high (s)"} & found.keys()


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED])
def test_what_could_not_be_measured_has_a_reason_and_no_figures(outcome: Outcome) -> None:
    """In CSV what could not be measured has a reason and no figures.

    Some samples may have been taken before.
    """
    found = line(warm(outcome=outcome, reason="no", starts=cold().starts))

    assert (found["outcome"], found["reason"], found["counts"]) == (str(outcome), "no", "no")
    figures = {"time (s)", "RTFx", "processes", "calls", "interval low (s)", "launch (s)"}
    assert not figures & found.keys()


def test_history_stands_before_what_counts() -> None:
    """In CSV earlier repetitions stand before the one that counts, oldest first.

    Results that are no repetitions say by what they differ.
    """
    newer = replace(PROVENANCE, versions=PROVENANCE.versions | {"mlx": "1"})
    first, second = WHEN.replace("-26T", "-24T"), WHEN.replace("-26T", "-25T")
    found = lines(warm(when=WHEN), warm(when=first), warm(when=second, provenance=newer))

    assert [(each["ended (UTC)"], each["counts"], each["differs by"]) for each in found] == [
        (first, "no", "mlx 0.32.4"),
        (WHEN, "yes", "mlx 0.32.4"),
        (second, "yes", "mlx 1"),
    ]


def test_letters_are_not_counted_as_words() -> None:
    """In CSV the error rate of a language without spaces stands under CER alone."""
    found = line(warm(score=with_fields(score(0.25), cer=0.25, normaliser="letters split")))

    assert (found["CER"], "WER" in found) == ("0.25", False)
    assert found["normaliser"] == "letters split"


def test_times_of_segments_have_their_error_in_seconds() -> None:
    """In CSV a time error is in seconds, with the number of boundaries that it is over.

    Without an error there is no number of boundaries.
    """
    known = with_fields(score(), time_error=0.064, boundaries=62, words_in_silence=0)
    unknown = with_fields(known, time_error=None, boundaries=0, words_in_silence=None)

    found, without = line(warm(score=known)), line(warm(score=unknown))

    assert (found["time error (s)"], found["boundaries of the time error"]) == ("0.064", "62")
    assert found["words in silence"] == "0"
    assert not {heading for heading in without if "time error" in heading or "silence" in heading}


def test_corpus_has_its_pooled_rate_and_that_of_the_clip_in_the_middle() -> None:
    """In CSV a corpus has its pooled error rate, its number of clips and its median clip's rate."""
    found = line(of_corpus(0.5, 0.0, 0.125, score=score(0.25)))

    assert (found["measure"], found["clip"], found["WER"]) == ("corpus", "talks", "0.25")
    assert found["pooled over (clips)"] == "3"
    assert found["WER or CER of the median clip"] == "0.125"
    assert not {"pooled over (clips)", "WER or CER of the median clip"} & line(warm()).keys()


def test_quantised_variant_says_on_how_many_clips_it_is_no_worse() -> None:
    """In CSV a quantised variant says on how many clips it is no worse.

    Each of its lines says so that counts and is about a clip; the unquantised variant has none.
    """
    full = Case("lightning-whisper-mlx", "tiny", "fp16")
    early, late = "2026-11-25T08:00:00.000Z", WHEN
    found = lines(
        of_corpus(0.1, 0.2, 0.3, case=full, test="full"),
        of_corpus(0.1, 0.3, 0.3, when=early),
        of_corpus(0.1, 0.2, 0.4, when=late),
        load(),
    )
    headings = ("clips compared with fp16", "clips no worse than fp16")

    assert [
        (each["variant"], each["measure"], each["counts"], *(each[name] for name in headings))
        for each in found
    ] == [
        ("fp16", "corpus", "yes", "", ""),
        ("4bit", "load", "yes", "", ""),
        ("4bit", "corpus", "no", "", ""),
        ("4bit", "corpus", "yes", "3", "2"),
    ]


def test_call_after_a_pause_and_start_from_the_disk_are_lines() -> None:
    """In CSV calls after a pause and starts from the disk are lines, the former with the pause."""
    pause = Repeats(processes=1, calls=1, max_others=0.1, pause=5.0)
    first, second = lines(
        warm(measure=Measure.AFTER_PAUSE, repeats=pause, test="p"),
        cold(5.0, 7.0, measure=Measure.COLD_FILES),
    )

    assert (first["measure"], first["pause (s)"], first["time (s)"]) == ("cold files", "", "7.0")
    assert (second["measure"], second["pause (s)"]) == ("after a pause", "5.0")


def test_comparison_has_its_ratio_and_verdict() -> None:
    """In CSV a comparison has its ratio, interval and verdict, and what it was compared with."""
    found = line(warm(measure=Measure.RATIO, comparison=COMPARISON))

    assert (found["measure"], found["ratio"]) == ("ratio", "0.5")
    assert (found["ratio low"], found["ratio high"]) == ("0.4", "0.6")
    assert (found["verdict"], found["baseline"]) == ("not slower", "v1")


def test_result_of_an_unknown_machine_is_a_line_too() -> None:
    """In CSV a result of an unknown machine is a line that says that none was recorded."""
    (found,) = csv.DictReader(io.StringIO(as_csv(merge([warm()]))))

    assert (found["machine"], found["chip"], found["memory (bytes)"]) == (
        "no machine recorded",
        "",
        "",
    )


def test_headings_are_unique_and_first() -> None:
    """The headings of the CSV are unique, and a report of nothing has them alone."""
    headings = [column.heading for column in COLUMNS]

    assert len(set(headings)) == len(headings)
    assert list(csv.reader(io.StringIO(as_csv(merge([]))))) == [headings]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r1", "\n1", "  =1"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str) -> None:
    """In CSV a text that a spreadsheet would compute gets an apostrophe.

    Anybody may have written it, as the name of a recording or the reason of a failure.
    """
    assert harmless(text) == f"'{text}"
    found = line(warm(clip=replace(CLIP, name=text), case=Case(text, text, text)))
    assert (found["clip"], found["library"], found["size"]) == (f"'{text}",) * 3


@pytest.mark.parametrize("cell", [-1, -1.5, "", None, "a=b", "1-2", "a@b"])
def test_other_cells_stay_as_they_are(cell: Any) -> None:
    """In CSV a cell that no spreadsheet would compute stays as it is, as do negative numbers."""
    assert harmless(cell) == cell
    assert type(harmless(cell)) is type(cell)


def test_separators_and_line_breaks_stay_within_their_cell() -> None:
    """In CSV a text with separators and line breaks is read back as it was."""
    text = 'one, "two"; three\nfour\r\nfive'

    assert line(warm(outcome=Outcome.FAILED, reason=text))["reason"] == text


@pytest.mark.property
def test_no_text_begins_like_a_formula() -> None:
    """In CSV no cell begins like a formula, whatever stands in names and reasons."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(deadline=None, derandomize=True, database=None, max_examples=150)
    @given(st.text("=+-@\t\r\n '|,\"ab", max_size=6))
    def holds(text: str) -> None:
        clip, case = replace(CLIP, name=text), Case("mlx-whisper", "tiny", text)
        for found in lines(warm(outcome=Outcome.FAILED, reason=text, clip=clip, case=case)):
            for cell in found.values():
                assert not cell.lstrip(" ").startswith(tuple("=+-@\t\r\n")), repr(cell)

    holds()
