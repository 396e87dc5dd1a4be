"""The report's page: what stands on it, in which order, and that it stands alone."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace as with_fields
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.pages import read_page
from tests.helpers.reports import LONG, TIMED, compared, day, everything
from tests.helpers.results import (
    CLIP,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    load,
    measured,
    of_corpus,
    score,
    state,
    warm,
)
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.result import Side
from whisper_speedtest.measure.samples import Repeats, Sample
from whisper_speedtest.results.header import header
from whisper_speedtest.results.note import printed
from whisper_speedtest.results.report import marks
from whisper_speedtest.results.report import page as page_module
from whisper_speedtest.results.report.marks import marks_of
from whisper_speedtest.results.report.merged import merge
from whisper_speedtest.results.report.page import html, pieces

if TYPE_CHECKING:
    from tests.helpers.pages import Element
    from whisper_speedtest.measure.result import Result

replace = msgspec.structs.replace

OTHER = replace(MACHINE, chip="Apple M1", model="MacBookAir10,1")
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def page(*results: Result) -> Element:
    """Return the page of a report of these results."""
    return read_page(html(merge(results)))


def test_sections_stand_in_the_order_in_which_people_ask() -> None:
    """A report's page has the answer first, then what it is made of, and all measurements last."""
    assert page(*everything()).headings == [
        "The answer",
        "Apple M4 Pro",
        "Speed by size and library",
        "Speed against accuracy",
        "Cold start by phase",
        "Cold start, model files not in memory",
        "After a pause",
        "Peak memory",
        "Coverage and time error",
        "Corpora",
        "Quantised and unquantised",
        "Measured in turns",
        "History",
        "Transcripts",
        "Not measured",
        "To be known of these numbers",
        "All measurements",
    ]


def test_sections_without_data_are_left_out() -> None:
    """A report's page leaves out sections without data.

    A load alone has no speed, no transcript and no memory of a whole start.
    """
    assert page(load(0.5, 0.6, machine=MACHINE, provenance=None)).headings == [
        "Apple M4 Pro",
        "All measurements",
    ]


def test_report_of_nothing_is_a_page() -> None:
    """A report of nothing is a page without sections that says that there are no results."""
    empty = page()

    assert empty.headings == []
    assert "0 results on 0 machines" in empty.text


def test_answer_is_that_of_the_summary() -> None:
    """The answer on a report's page is made of sentences, each with its capital and full stop.

    They are the report's own.
    """
    merged = merge(everything())

    answers = [each.text for each in page(*everything()).all("p", class_="answer")]

    assert answers == [f"{each[0].upper()}{each[1:]}." for each in merged.sentences()]
    assert "Fastest of those that were right, small: mlx-whisper 4bit, RTFx 11.9" in answers[1]


def test_page_says_how_many_results_there_are_and_of_when() -> None:
    """A report's page says in its head how many results there are and of when."""
    results = everything()

    remarks = [each.text for each in page(*results).one("header").all("p")]

    assert remarks == merge(results).remarks()
    assert remarks[0] == ("12 results on 1 machine: 11 passed, 1 failed; 2026-11-01 to 2026-11-02")


def test_machine_is_told_as_above_the_closing_table() -> None:
    """A report's page tells a machine as it is told above the closing table of a session."""
    results = everything()
    (machine,) = merge(results).machines

    facts = page(*results).section("Apple M4 Pro").one("dl", class_="facts")

    terms, texts = ([each.text for each in facts.all(tag)] for tag in ("dt", "dd"))
    assert terms == ["machine", "versions", "suite"]
    lines = [f"{term}: {text}" for term, text in zip(terms, texts, strict=True)]
    assert lines == [" ".join(each.split()) for each in printed(header(machine.comparable))]
    assert texts[1] == "lightning-whisper-mlx 0.0.10, mlx 0.32.4"


def test_navigation_leads_to_sections_of_one_machine_or_to_several_machines() -> None:
    """A report page's links lead to the sections of one machine, or to each of several machines."""
    one = page(measured("mlx-whisper fp16"))
    two = page(measured("mlx-whisper fp16"), measured("mlx-whisper fp16", machine=OTHER))

    assert [each.text for each in one.one("nav").all("a")] == [
        "Speed by size and library",
        "All measurements",
    ]
    assert [each.text for each in two.one("nav").all("a")] == [
        "Apple M1",
        "Apple M4 Pro",
        "All measurements",
    ]
    assert [each.attributes["href"] for each in two.one("nav").all("a")][:2] == ["#m1", "#m2"]
    for read in (one, two):
        for link in read.one("nav").all("a"):
            read.one(id=link.attributes["href"].removeprefix("#"))


def test_what_failed_has_its_reason_and_each_cause_of_skips_stands_once() -> None:
    """A report's page tells each failure with its reason, and each cause of skips once.

    A cause has the number of tests and the models that it is about.
    """
    skipped = {"outcome": Outcome.SKIPPED, "cause": "no network", "samples": ()}
    read = page(
        measured("mlx-whisper fp16", **skipped, reason="no network: a"),
        measured("mlx-whisper 4bit", **skipped, reason="no network: b"),
        measured("faster-whisper int8", outcome=Outcome.TIMED_OUT, reason="over 60 s", samples=()),
    )

    assert read.section("Not measured").table == [
        ["outcome", "test", "reason"],
        ["timed out", "test_transcribe[faster-whisper-small-int8-short]", "over 60 s"],
        ["skipped", "2 tests: mlx-whisper-small-fp16, mlx-whisper-small-4bit", "no network"],
    ]


def test_notes_are_those_that_have_no_other_place() -> None:
    """A report page's notes tell what was mended and how the machine drifted.

    Failures and busy rows stand elsewhere.
    """
    mended = replace(PROVENANCE, mends=("done by hand",), empty_call=None)
    read = page(
        measured(
            "mlx-whisper fp16",
            provenance=mended,
            before=state(0.1),
            after=state(0.12),
            first=state(0.1),
            when=day(1),
        ),
        warm(outcome=Outcome.BUSY, machine=MACHINE, test="test_busy", provenance=None),
    )

    assert [each.text for each in read.section("To be known of these numbers").all("li")] == [
        (
            "mended mlx-whisper[small-fp16]: as released it does not load this model, so the suite "
            "changed it: done by hand"
        ),
        (
            "drift the machine was up to 20% slower than when the session began, while these were "
            "measured: mlx-whisper[small-fp16]: short; run these again, or add --cooldown=60, "
            "which waits until it is as fast"
        ),
    ]


def test_empty_transcript_leaves_no_blank_at_the_end_of_its_note() -> None:
    """A report page's note on a transcript without words ends with the colon before it."""
    source = html(merge([warm(transcript="", score=None, machine=MACHINE)]))

    assert "[tiny-4bit] on short:</li>" in source


def test_words_in_silence_are_told_and_what_has_a_section_is_not_told_twice() -> None:
    """A report page's notes tell words in silence, but not corpora and quality.

    These have tables of their own.
    """
    notes = page(*everything()).section("To be known of these numbers").all("b")

    kinds = {each.text for each in notes}
    assert {"silence", "disk"} <= kinds
    assert not {"corpus", "quality"} & kinds


def test_tables_of_one_section_have_names_of_their_own() -> None:
    """A report page's tables have names of their own, even those that share a section."""
    read = page(*everything())

    assert [each.text for each in read.section("Corpora").all("caption")] == [
        "Corpora",
        "Clips of talks",
    ]
    quantised = read.section("Quantised and unquantised")
    assert [each.text for each in quantised.all("caption")] == [
        "Quantised and unquantised",
        "Clip by clip",
    ]
    assert [each.text for each in quantised.all("h4")] == ["Clip by clip"]
    regions = [each.attributes["aria-label"] for each in read.all(role="region")]
    assert len(set(regions)) == len(regions), f"two tables have one name: {regions}"


def test_skips_that_tell_of_no_machine_are_no_further_machine() -> None:
    """Skips that tell of no machine leave a report page's title and answer to the one machine.

    Older versions recorded no machine with a skip.
    """
    skipped = warm(test="test_skipped", outcome=Outcome.SKIPPED, samples=(), reason="no network")
    here = [measured("mlx-whisper fp16"), measured("whisper.cpp fp16", 3.0, 3.0, 3.0)]

    read = page(*here, skipped)

    assert read.one("title").text == "Whisper speed test: Apple M4 Pro"
    assert read.one("p", class_="answer").text.startswith("Fastest of those that were right, small")
    assert read.section("No machine recorded").section("Not measured").table[1:] == [
        ["skipped", "1 test: lightning-whisper-mlx-tiny-4bit", "no network"]
    ]


def test_marks_are_explained_where_they_occur() -> None:
    """A report's page explains each mark that is in its table, and no other."""
    of_one = (Sample(process=0, order=0, seconds=2.0),)
    six = with_fields(SETTINGS, batch_size=6)
    results = {
        "±2.1% (3×3)": measured("mlx-whisper fp16"),
        ">±100% (3×3)": measured("mlx-whisper fp16", 0.1, 0.9, 3.0),
        "(1×1)": measured("mlx-whisper fp16", samples=of_one),
        "busy": measured("mlx-whisper fp16", outcome=Outcome.BUSY),
        "unchecked": measured("mlx-whisper fp16", score=None),
        "×6": measured("mlx-whisper fp16", measure=Measure.LONG_FORM, settings=six),
        "CER": measured("mlx-whisper fp16", score=with_fields(score(), cer=0.0)),
        "pooled": of_corpus(0.1, machine=MACHINE, samples=measured("x y").samples),
        "64 ms (62)": measured("mlx-whisper fp16", clip=LONG, score=TIMED),
        "tuned": measured("mlx-whisper fp16", measure=Measure.TUNED),
    }

    for mark, result in results.items():
        found = [each.text for each in page(result).one("dl", class_="marks").all("dt")]
        assert mark in found
        assert (mark == ">±100% (3×3)") is (found == [">±100% (3×3)"])
        assert set(found) <= {mark, "±2.1% (3×3)"}
    wordless = of_corpus(None, machine=MACHINE, samples=results["pooled"].samples)
    silent = page(wordless).one("dl", class_="marks").all("dt")
    assert [each.text for each in silent] == ["±2.1% (3×3)"], (
        "there is no rate that would be pooled"
    )
    both = page(*(replace(each, test=mark) for mark, each in results.items()))
    assert [each.text for each in both.one("dl", class_="marks").all("dt")] == list(results)


def test_interval_of_all_of_the_time_has_the_mark_of_one_that_ranks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit itself counts as within, as in a ranking; only what ends above it is `>±100%`."""
    timed = measured("mlx-whisper fp16", 1.0, 1.5)
    margin = timed.estimate.margin
    assert margin is not None
    for limit, mark in ((margin, "±2.1% (3×3)"), (margin * 0.999, ">±100% (3×3)")):
        monkeypatch.setattr(marks, "MOST_MARGIN", limit)
        assert list(marks_of([timed], [timed])) == [mark]


def test_arrow_is_explained_by_the_terms_of_the_rows() -> None:
    """A report's page explains the arrow of rows by what the opened rows tell, in their order."""
    bare = measured("mlx-whisper fp16", score=None, provenance=None)
    mended = measured("mlx-whisper 4bit", provenance=replace(PROVENANCE, mends=("by hand",)))

    for results in ([bare], [mended], [bare, mended]):
        read = page(*results).section("All measurements")

        about = read.one("p", class_="about").text
        told = about.partition("to see where its numbers come from: ")[2]
        rows = [[each.text for each in row.all("dt")] for row in read.all("tr", class_="how")]
        longest = max(rows, key=len)
        assert {term for row in rows for term in row} == set(longest), "one row has every term"
        assert told == f"{', '.join(longest)} (the command that measures it again)."


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("choose, as with -k small.", ["-k small."]),
        ('run -k "micro and not tuned" here', ['-k "micro and not tuned"']),
        ("run -k 'micro or tiny' here", ["-k 'micro or tiny'"]),
        ("choose --minutes= or (--offline)", ["--minutes=", "--offline)"]),
        ("add --cooldown=60, which", ["--cooldown=60,"]),
        ("within 2.1 % of 1,024 ms and 30 s", ["2.1 %", "1,024 ms", "30 s"]),
        ("24 GiB, files of 3.0 MB and 2 kB", ["24 GiB", "3.0 MB", "2 kB"]),
        ("mlx-whisper - and 3 sizes, 400 MB (-60%)", ["400 MB"]),
        (f"--{'a' * 28} --{'b' * 29}", [f"--{'a' * 28}"]),
    ],
    ids=["short", "quoted", "single quotes", "long", "value", "times", "sizes", "other", "width"],
)  # fmt: skip
def test_line_does_not_end_within_an_option_or_before_a_unit(
    text: str, together: list[str]
) -> None:
    """A line on a report's page does not end within an option or before a unit.

    What belongs together is marked, up to a width that fits a phone; the text stays the same.
    """
    found = list(pieces(text))

    assert [piece for piece, whole in found if whole] == together
    assert "".join(piece for piece, _ in found) == text


def test_option_in_a_reason_is_kept_together_and_escaped() -> None:
    """An option in a reason is kept together on a report's page, and a tag in it stays letters."""
    reason = "<b> add --x=<i>, or -k <u>"
    read = page(measured("mlx-whisper fp16", outcome=Outcome.FAILED, reason=reason, samples=()))

    table = read.section("Not measured")
    assert table.table[1][2] == reason
    assert [each.text for each in table.all("span")] == ["--x=<i>,", "-k <u>"]


def test_number_in_the_widest_table_stays_with_its_unit() -> None:
    """A number in a report page's widest table stays on one line with its unit.

    Its cells are broken where there is little room, as on paper.
    """
    cold_start = cold(5.0, 6.0, machine=MACHINE)
    row = page(cold_start).section("All measurements").one("table").all("tr")[1]

    assert [each.text for each in row.all("span")] == ["6.00 s", "325 MB"]


def test_speed_and_history_have_the_whole_line_however_few_their_panels() -> None:
    """Speed and history have a whole line of a report's page, however few their panels are.

    Smaller sections of one panel stand beside each other.
    """
    read = page(
        *(measured("mlx-whisper fp16", when=day(number)) for number in (1, 2)),
        cold(5.0, 6.0, machine=MACHINE),
    )

    classes = {
        each.all("h3")[0].text: each.attributes.get("class", "")
        for each in read.one("div", class_="parts").all("section")
    }
    assert classes["Speed by size and library"] == ""
    assert classes["History"] == ""
    assert classes["Cold start by phase"] == "of-1"


def test_rows_beyond_the_most_are_left_to_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's page says how many rows it has no room for, and in which file they are."""
    monkeypatch.setattr(page_module, "MOST_ROWS", 2)
    names = ("fp16", "4bit", "8bit")

    read = page(*(measured(f"mlx-whisper {name}") for name in names))

    assert len(read.section("All measurements").table) == 1 + 2
    assert "1 more rows have no room here: they are in results.csv" in read.text
    monkeypatch.setattr(page_module, "MOST_ROWS", 3)
    assert "no room" not in page(*(measured(f"mlx-whisper {name}") for name in names)).text


def test_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    """A report page's policy allows its own style and script by their hashes, and nothing else."""
    read = page(*everything())

    policy = read.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    hashes = {
        tag: base64.b64encode(
            hashlib.sha256("".join(map(str, read.one(tag).content)).encode()).digest()
        )
        for tag in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes['style'].decode()}'; "
        f"script-src 'sha256-{hashes['script'].decode()}'; base-uri 'none'; form-action 'none'"
    )


def test_page_fetches_nothing_and_has_no_style_or_script_in_an_attribute() -> None:
    """A report's page fetches nothing, and no attribute of it holds a style or a script.

    Its only addresses are places on the page, and models on the hub that are links.
    """
    source = html(merge(everything()))
    read = read_page(source)

    for each in read.all():
        assert "style" not in each.attributes, each.tag
        assert not [name for name in each.attributes if name.startswith("on")], each.tag
        assert each.tag not in {"img", "iframe", "object", "embed", "image", "use", "base"}
        assert each.attributes.get("src") is None
    links = {each.attributes["href"] for each in read.all() if "href" in each.attributes}
    outside = {each for each in links if not each.startswith("#")}
    assert {each for each in outside if not each.startswith("https://huggingface.co/")} == {
        "data:,"
    }
    assert not re.findall(r"@import|url\(", source)


def test_page_tells_its_language_and_its_parts() -> None:
    """A report's page tells those who hear it its language, title, landmarks and captions.

    Its first link leads to the answer.
    """
    read = page(*everything())

    assert read.one("html").attributes["lang"] == "en"
    assert read.one("title").text == "Whisper speed test: Apple M4 Pro"
    first = read.one("body").all("a")[0]
    assert (first.text, first.attributes["href"]) == ("Skip to the answer", "#main")
    assert [len(read.all(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    for table in read.all("table"):
        assert table.one("caption").text
        assert all(each.attributes["scope"] == "col" for each in table.all("th"))
    for drawing in read.all("svg"):
        assert drawing.attributes["aria-label"]
        for mark in drawing.all(role="graphics-symbol"):
            assert mark.attributes["aria-label"], "a mark without its value"
    ids = [each.attributes["id"] for each in read.all() if "id" in each.attributes]
    assert len(ids) == len(set(ids)), "an id that is there twice"


def test_texts_of_others_are_shown_and_never_run() -> None:
    """A script in any text of a result stands on a report's page as letters and never runs."""
    case = Case(SCRIPT, SCRIPT, SCRIPT)
    clip = replace(CLIP, name=SCRIPT)
    model = replace(
        MODEL,
        repo=SCRIPT,
        revision=SCRIPT,
        commit=SCRIPT,
        files={SCRIPT: MODEL.files["weights.npz"]},
    )
    provenance = replace(
        PROVENANCE, dtype=SCRIPT, versions={SCRIPT: SCRIPT}, mends=(SCRIPT,), compiler=SCRIPT
    )
    machine = replace(
        MACHINE, chip=SCRIPT, model=SCRIPT, system=SCRIPT, suite=SCRIPT, cores={SCRIPT: 1}
    )
    settings = with_fields(SETTINGS, language=SCRIPT)
    facts: dict[str, Any] = {
        "test": SCRIPT, "case": case, "clip": clip, "model": model, "provenance": provenance,
        "machine": machine, "transcript": SCRIPT, "settings": settings,
    }  # fmt: skip
    side = Side(name=SCRIPT, case=case, model=model, provenance=provenance)
    results = [
        warm(*(1.0, 1.1), **{**facts, "when": day(1)}),
        warm(*(1.0, 1.2), **{**facts, "when": day(2)}),
        warm(*(1.0, 1.2), **{**facts, "clip": replace(LONG, name=SCRIPT), "test": SCRIPT + "2"}),
        warm(
            **{
                **facts,
                "case": with_fields(case, variant=SCRIPT + "4"),
                "test": SCRIPT + "3",
                "score": score(0.5),
                "transcript": "x",
            }
        ),
        cold(5.0, 6.0, **{**facts, "test": SCRIPT + "4"}),
        warm(
            **{
                **facts,
                "test": SCRIPT + "5",
                "outcome": Outcome.FAILED,
                "reason": SCRIPT,
                "cause": SCRIPT,
                "samples": (),
            }
        ),
        warm(
            **{
                **facts,
                "test": SCRIPT + "6",
                "outcome": Outcome.SKIPPED,
                "reason": SCRIPT,
                "cause": SCRIPT,
                "samples": (),
            }
        ),
        warm(**{**facts, "machine": replace(machine, chip=SCRIPT + "B")}),
    ]
    made = compared(Verdict.SLOWER).comparison
    assert made
    results.append(compared(Verdict.SLOWER, **facts, comparison=replace(made, baseline=side)))

    read = page(*results)

    own = page(measured("mlx-whisper fp16"))
    assert len(read.all("script")) == 1
    assert read.one("script").content == own.one("script").content
    assert read.all("img") == []
    assert SCRIPT in str(read.one("title").content[0])
    for heading in (
        "Speed by size and library",
        "Cold start by phase",
        "Not measured",
        "Transcripts",
    ):
        for section in (
            each for each in read.all("section") if each.content and heading in each.text[:60]
        ):
            assert "<script>alert(1)" in section.text, heading
    assert any("<script>alert(1)" in each for each in read.labels)
    assert not [each for each in read.all("a") if not each.attributes["href"].startswith("#")]


def test_nothing_that_is_busy_failed_or_undecided_is_ranked_or_drawn() -> None:
    """What is busy, failed or undecided is in no drawing and in no answer of a report's page.

    The table shows busy rows, last.
    """
    fast = {"samples": tuple(Sample(process=n, order=n, seconds=0.001) for n in range(3))}
    start = {"machine": MACHINE, "repeats": Repeats(processes=2, calls=1, max_others=0.1)}
    results = [
        measured("mlx-whisper fp16", 2.0, 2.1, 2.2, when=day(1)),
        measured("mlx-whisper fp16", 2.0, 2.1, 2.2, when=day(2)),
    ]
    for number, outcome in enumerate(each for each in Outcome if each is not Outcome.PASSED):
        case = Case("faster-whisper", "small", f"v{number}")
        facts = {
            "case": case,
            "outcome": outcome,
            "reason": "no" * (outcome is not Outcome.BUSY),
            **start,
        }
        results += [
            measured(
                f"faster-whisper v{number}",
                when=day(1),
                **{**facts, **fast},
            ),
            measured(f"faster-whisper v{number}", when=day(2), **{**facts, **fast}),
            measured(f"faster-whisper v{number}", **{**facts, **fast, "clip": LONG}),
            measured(
                f"faster-whisper v{number}",
                **{**facts, **fast, "measure": Measure.AFTER_PAUSE, "test": f"test_pause[{case}]"},
            ),
            cold(0.01, 0.01, test=f"test_cold[{case}]", **facts),
            cold(0.01, 0.01, test=f"test_files[{case}]", **facts, measure=Measure.COLD_FILES),
            load(0.01, 0.01, test=f"test_load[{case}]", **facts),
        ]
    results += [
        compared(Verdict.UNDECIDED, 0.1234, test="test_ratio[a]"),
        compared(Verdict.SLOWER, 0.4321, test="test_ratio[b]", outcome=Outcome.BUSY),
    ]

    read = page(*results)

    for drawing in read.all("svg"):
        drawn = " ".join(
            [drawing.text, *(each.attributes.get("aria-label", "") for each in drawing.all())]
        )
        assert "faster-whisper" not in drawn
        assert "1234" not in drawn
        assert "4321" not in drawn
    assert len(read.labels) >= 2, "nothing is drawn of what passed"
    for answer in read.all("p", class_="answer"):
        assert "faster-whisper" not in answer.text
        assert "lightning" not in answer.text, "the undecided comparison is in the answer"
    turns = read.section("Measured in turns").table
    assert [row[-1] for row in turns[1:]] == ["undecided (limit 5.0%)", "busy"]
    assert (
        "Left out: 1 busy, 1 failed, 1 timed out." in read.section("Speed by size and library").text
    )
    rows = [row for row in read.section("All measurements").table if "busy" in " ".join(row)]
    headings = read.section("All measurements").table[0]
    assert rows
    for row in rows:
        told = dict(zip(headings, row, strict=True))
        assert (told["RTFx"], told["95% interval"]) == ("", "")
    order = [
        " ".join(row)
        for row in read.section("All measurements").table
        if row[3:6] == ["fp16", "warm", "short"] or row[4:6] == ["warm", "short"]
    ]
    assert "busy" not in order[0]
    assert "busy" in order[-1]


def test_clip_whose_rows_are_all_busy_is_named_where_speed_is_told() -> None:
    """A report's page names a clip of which nothing can be ranked, and pauses left undecided.

    The clip is named even where there is no other one, and so no drawing.
    """
    busy = measured("mlx-whisper fp16", outcome=Outcome.BUSY)
    pause = {"measure": Measure.AFTER_PAUSE, "test": "test_pause"}

    only = page(busy).section("Speed by size and library")
    both = page(busy, measured("mlx-whisper fp16", clip=LONG)).section("Speed by size and library")
    paused = page(
        measured("mlx-whisper fp16", 2.0, 2.2, 2.4),
        measured("mlx-whisper fp16", 2.0, 2.3, 2.5, **pause),
    ).section("After a pause")

    said = "Nothing can be ranked: small, short (1 busy)."
    assert [each.text for each in only.all("p", class_="note")] == [said]
    assert [each.text for each in both.all("p", class_="note")] == [said]
    assert (len(only.all("svg")), len(both.all("svg"))) == (0, 1)
    assert ("Each panel" in only.text, "Each panel" in both.text) == (False, True)
    assert [each.text for each in paused.all("p", class_="note")] == [
        "Cannot be told apart: mlx-whisper fp16, small, short."
    ]


@pytest.mark.property
def test_any_results_make_a_page() -> None:
    """Any results make a page, and it has a table where one of them passed or was busy."""
    from hypothesis import given, settings

    from tests.helpers.any_results import any_results

    @settings(max_examples=25, deadline=None)
    @given(any_results(8))
    def holds(results: list[Result]) -> None:
        read = page(*results)
        assert ("All measurements" in read.headings) is any(
            each.outcome in {Outcome.PASSED, Outcome.BUSY} for each in results
        )

    holds()
