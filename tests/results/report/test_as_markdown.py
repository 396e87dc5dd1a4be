"""Results as Markdown: the answer first, a table a machine, and nothing that a text can break."""

from __future__ import annotations

import re
from dataclasses import replace as replaced
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
    of_corpus,
    samples,
    score,
    warm,
)
from tests.results.test_aspects import COMPARISON
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.samples import Repeats, Sample
from whisper_speedtest.results.report.as_markdown import (
    MOST_BYTES,
    MOST_NOTED,
    Part,
    as_markdown,
    escaped,
)
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

replace = msgspec.structs.replace

OTHER = replace(MACHINE, chip="Apple M1", gpus=(), virtual=True)
BESIDE = "other processes used the machine"
UNMEASURED: dict[str, Any] = {"samples": (), "provenance": None, "machine": MACHINE}


def text_of(*results: Result) -> str:
    """Return the report of some results, of MACHINE where they are of none."""
    return as_markdown(
        merge(each if each.machine else replace(each, machine=MACHINE) for each in results)
    )


def tables(text: str) -> list[list[dict[str, str]]]:
    """Return each table of a text as its rows, each as heading → cell."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("| "):
            found[-1].append(line[2:-2].split(" | "))
        elif found[-1]:
            found.append([])
    return [
        [dict(zip(headings, row, strict=True)) for row in rows]
        for headings, _, *rows in filter(None, found)
    ]


def test_answer_comes_first() -> None:
    """The Markdown report begins with the answer, then how many results there are and of when."""
    text = text_of(
        measured("mlx-whisper fp16", 1.0, 1.0, 1.01, when="2026-11-26T08:00:00.000Z"),
        measured("whisper.cpp fp16"),
    )

    answer, nothing, counts, *_ = text.splitlines()
    assert answer.startswith("fastest of those that were right, small: mlx-whisper fp16, RTFx 12.0")
    assert nothing == ""
    assert counts == "2 results on 1 machine: 2 passed; 2026-11-26"


def test_answer_is_whole_where_it_is_long() -> None:
    """The Markdown report cuts neither a long answer nor a long list of versions.

    It does cut others' texts in the cells of a table.
    """
    facts = replace(PROVENANCE, versions={f"library-{n}": "1.2.3" for n in range(10, 40)})
    alike = [
        measured(f"lightning-whisper-mlx fp16-{n}", 2.0, 2.2, 2.4, provenance=facts)
        for n in range(9)
    ]

    text = text_of(*alike)
    answer, *_ = text.splitlines()

    assert len(answer) > 200
    assert answer.endswith("and 5 more cannot be told apart")
    assert ", library-38 1.2.3, library-39 1.2.3\n" in text


def test_machine_is_told_above_its_table() -> None:
    """The Markdown report tells each machine under its name, above its table.

    It has what stands above the closing table of a session.
    """
    newer = replace(PROVENANCE, versions={"mlx": "0.4"})
    results = [measured("mlx-whisper fp16"), measured("whisper.cpp fp16", provenance=newer)]
    text = text_of(*results)

    assert (
        "\n### Apple M4 Pro\n\n"
        "- machine: Apple M4 Pro (Mac16,8), cores: 10 performance, 4 efficiency, 20 gpu, 24 GiB, "
        "macOS 15.5\n"
        "- versions: lightning-whisper-mlx 0.0.10, mlx 0.32.4 and 0.4\n"
        "- suite: whisper-speedtest 343434343434\n\n"
    ) in text
    assert "### no machine recorded\n\n- versions: " in as_markdown(merge([warm()]))


def test_row_joins_what_belongs_to_a_model() -> None:
    """A row of the Markdown report joins the call, cold start, load and memory of a model.

    All are of the same versions. Empty columns are left out.
    """
    ((row,),) = tables(text_of(cold(9.0, 5.0), load(0.5), warm(2.0)))

    assert row == {
        "library": "lightning-whisper-mlx",
        "size": "tiny",
        "variant": "4bit",
        "clip": "short",
        "time": "2.00 s",
        "95% interval": "(1×1)",
        "RTFx": "6.0",
        "cold start": "5.00 s",
        "load": "500 ms",
        "peak memory": "325 MB",
        "WER": "0.0%",
        "computed on": "gpu, float16",
    }


def test_starts_of_other_versions_stand_in_a_row_of_their_own() -> None:
    """In the Markdown report starts of other versions or models have rows of their own.

    One row would mix what was measured before and after an upgrade; each says its own.
    """
    newer = replace(PROVENANCE, versions=PROVENANCE.versions | {"mlx": "1"})
    other_model = replace(MODEL, commit="ff" * 20)
    (rows,) = tables(text_of(load(0.5), warm(2.0, provenance=newer), cold(3.0, model=other_model)))

    assert [(row["time"], row["load"], row["cold start"], row["differs by"]) for row in rows] == [
        ("2.00 s", "", "", "commit 121212121212, mlx 1"),
        ("", "", "3.00 s", "commit ffffffffffff, mlx 0.32.4"),
        ("", "500 ms", "", "commit 121212121212, mlx 0.32.4"),
    ]


def test_starts_have_a_row_where_no_other_call_has_one() -> None:
    """Starts are in the Markdown report also where the only call is one after a pause."""
    ((row,),) = tables(text_of(cold(5.0), load(0.5), warm(9.0, measure=Measure.AFTER_PAUSE)))

    assert (row["cold start"], row["load"]) == ("5.00 s", "500 ms")


def test_tuned_rows_share_the_starts_of_their_model() -> None:
    """A tuned row of the Markdown report has the starts of its model, as the usual row has.

    Threads alone, which tuning changes, keep no row apart.
    """
    facts = replace(PROVENANCE, threads=8, environment={"OMP_NUM_THREADS": "8"})
    tuned = warm(
        measure=Measure.TUNED, test="t", settings=replaced(SETTINGS, threads=8), provenance=facts
    )
    (rows,) = tables(text_of(load(0.5), warm(2.0), tuned))

    assert [(row["clip"], row["load"]) for row in rows] == [
        ("short", "500 ms"),
        ("short tuned", "500 ms"),
    ]
    assert "differs by" not in rows[0]


def test_rows_stand_best_first_within_a_size_and_clip() -> None:
    """Rows of the Markdown report stand fastest first by size and clip, busy ones behind them.

    Small sizes come first.
    """
    long = replace(CLIP, name="long", seconds=120.0)
    (rows,) = tables(
        text_of(
            measured("whisper.cpp fp16", 3.0),
            measured("mlx-whisper fp16", 0.1, outcome=Outcome.BUSY, reason=BESIDE),
            measured("mlx-whisper 4bit", 2.0),
            measured("mlx-whisper 8bit", 1.0, clip=long),
            measured("mlx-whisper fp16 medium", 1.0),
            measured("mlx-whisper fp16 base", 9.0),
            load(0.1, case=Case("mlx-whisper", "small", "q4")),
        )
    )

    assert [(row["size"], row["clip"], row["time"], row["RTFx"]) for row in rows] == [
        ("base", "short", "9.00 s", "1.3"),
        ("small", "short", "2.00 s", "6.0"),
        ("small", "short", "3.00 s", "4.0"),
        ("small", "long", "1.00 s", "120.0"),
        ("small", "short", "100 ms busy", ""),
        ("small", "", "", ""),
        ("medium", "short", "1.00 s", "12.0"),
    ]


def test_rows_are_related_to_the_fastest_of_their_size() -> None:
    """A row of the Markdown report says how much slower it is than the fastest of its size.

    It does so as in the closing table, though its parts are put together anew. Busy rows do not.
    """
    fast, slow = measured("mlx-whisper fp16", 1.0, 1.0, 1.01), measured("whisper.cpp fp16")
    busy = measured("transformers fp16", outcome=Outcome.BUSY, reason=BESIDE)
    (rows,) = tables(text_of(slow, fast, busy, load(0.5, case=fast.case)))

    assert [(row["library"], row["slower"], row["load"]) for row in rows] == [
        ("mlx-whisper", "×1.0", "500 ms"),
        ("whisper.cpp", "×2.0", ""),
        ("transformers", "", ""),
    ]


def test_corpus_and_long_audio_have_their_accuracy_in_the_table() -> None:
    """The Markdown report marks pooled error rates and rates of letters in its table.

    The time error has a column where there is one.
    """
    timed = replaced(score(0.05), time_error=0.064, boundaries=62)
    letters = replaced(score(0.25), cer=0.25)
    talk = replace(CLIP, name="talk", seconds=600.0)
    results = [
        warm(clip=talk, score=timed, test="long"),
        of_corpus(0.1, 0.3),
        warm(score=letters),
    ]

    (rows,) = tables(text_of(*results))
    assert {each["clip"]: (each["WER"], each.get("time error", "")) for each in rows} == {
        "talk": ("5.0%", "64 ms (62)"),
        "talks": ("20.0% pooled", ""),
        "short": ("25.0% CER", ""),
    }
    assert "time error |" not in text_of(results[1], results[2])


def test_what_has_no_row_is_told_in_a_line() -> None:
    """What has no row in the Markdown report is told there in a line.

    That is a call after a pause, a start from the disk, the clips of a corpus, and the quality of a
    quantised variant.
    """
    pause = Repeats(processes=1, calls=1, max_others=0.1, pause=5.0)
    full = replaced(CASE, variant="fp16")
    text = text_of(
        warm(measure=Measure.AFTER_PAUSE, repeats=pause, test="p", samples=samples(4.0)),
        cold(5.0, 7.0, measure=Measure.COLD_FILES, test="d"),
        of_corpus(0.1, 0.3),
        of_corpus(0.1, 0.2, case=full, test="f"),
    )
    label, median = CASE.label, "20.0% in the median clip"

    for line in (
        f"pause:    {label}: short takes 4.00 s after 5 s of idleness",
        f"disk:     {label}: a cold start takes 7.00 s with its files on the disk alone",
        f"corpus:   {label} on talks: WER 20.0% pooled over 1,000 words of 2 clips; {median}",
        f"quality:  {label}: no worse than fp16 on 1 of 2 clips (50%)",
    ):
        assert line in text.splitlines(), f"expected {line!r} in:\n{text}"


def test_earlier_and_failed_since_have_no_row() -> None:
    """A result that has failed since it was measured has no row in the Markdown report.

    Its failure is said below, with the reason; skips and busy rows are said, too.
    """
    old = measured("mlx-whisper fp16", 1.0, when="2026-11-26T08:00:00.000Z")
    failed = replace(
        old, outcome=Outcome.FAILED, reason="it broke", when="2026-11-27T08:00:00.000Z"
    )
    skipped = measured(
        "whisper.cpp fp16",
        outcome=Outcome.SKIPPED,
        reason="no",
        cause="no model",
        **{key: UNMEASURED[key] for key in ("samples", "provenance")},
    )
    busy = measured("transformers fp16", outcome=Outcome.BUSY, reason=BESIDE)
    text = text_of(old, failed, skipped, busy)

    ((row,),) = tables(text)
    assert (row["library"], row["time"]) == ("transformers", "2.00 s busy")
    code = text[text.index("```text\n") : text.index("\n```\n")]
    assert "\nfailed:   test_transcribe[mlx-whisper-small-fp16-short]: it broke" in code
    assert "\nskipped:  no model (1 test)\n" in code
    assert "busy:     1 of 3 tests were timed while" in code


def test_comparison_is_a_table_of_its_own() -> None:
    """Comparisons are a table of their own in the Markdown report.

    It has the ratio, its interval, and what it says of the limit; an undecided one says so.
    """
    of = {"measure": Measure.RATIO}
    undecided = replace(COMPARISON, verdict=Verdict.UNDECIDED, ratio=1.04, low=0.9, high=1.2)
    slower = replace(COMPARISON, verdict=Verdict.SLOWER)
    unlimited = replace(COMPARISON, limit=None)
    case = Case("mlx-whisper", "tiny", "fp16")
    failed = Outcome.FAILED
    (rows,) = tables(
        text_of(
            warm(**of, comparison=COMPARISON, test="a"),
            warm(**of, comparison=undecided, test="b"),
            warm(**of, comparison=slower, test="c", outcome=Outcome.BUSY),
            warm(**of, comparison=slower, test="d", outcome=failed, reason="too slow"),
            warm(**of, comparison=COMPARISON, test="e", outcome=failed, reason="wrong words"),
            warm(**of, comparison=unlimited, test="f", samples=()),
            warm(**of, comparison=replace(slower, limit=None), test="g", case=case),
        )
    )

    assert rows[0] == {
        "library": "lightning-whisper-mlx",
        "size": "tiny",
        "variant": "4bit",
        "clip": "short",
        "against": "v1",
        "ratio": "0.500",
        "interval": "0.400 to 0.600",
        "verdict": "not slower (limit 5.0%)",
    }
    assert (rows[1]["ratio"], rows[1]["interval"]) == ("1.040", "0.900 to 1.200")
    assert [row["verdict"] for row in rows[1:]] == [
        "undecided (limit 5.0%)",
        "busy",
        "slower (limit 5.0%)",
        "failed",
        "faster",
        "slower",
    ]
    assert (rows[-1]["library"], rows[-1]["variant"]) == ("mlx-whisper", "fp16")


def test_versions_of_a_comparison_alone_are_not_those_of_a_row() -> None:
    """A row of the Markdown report does not say by what it differs from a comparison.

    It says by what it differs from other rows of its case, and a comparison is none.
    """
    newer = replace(PROVENANCE, versions={"mlx": "1"})
    compared = warm(measure=Measure.RATIO, comparison=COMPARISON, provenance=newer, test="b")

    (rows, _) = tables(text_of(warm(test="a"), compared))

    assert len(rows) == 1
    assert "differs by" not in rows[0]


def test_each_device_of_several_machines_has_a_row() -> None:
    """A row across machines names its device where a machine has measured on two."""
    cpu = replace(PROVENANCE, device="cpu")
    text = text_of(warm(3.0), warm(9.0, provenance=cpu), warm(1.0, machine=OTHER, provenance=cpu))

    (row,) = tables(text)[0]

    assert row["library"] == "lightning-whisper-mlx 4bit, cpu"
    assert (row["Apple M1"], row["Apple M4 Pro"]) == ("1.00 s, RTFx 12.0", "9.00 s, RTFx 1.3")


def test_machines_stand_side_by_side_where_they_measured_the_same() -> None:
    """Machines that measured the same stand side by side in the Markdown report.

    Each has a column. What else differs is said; a start is named, and a busy time is none.
    """
    newer = replace(PROVENANCE, versions=PROVENANCE.versions | {"mlx": "1"})
    text = text_of(
        warm(3.0),
        warm(1.0, machine=OTHER, provenance=newer),
        load(0.5),
        load(0.2, machine=OTHER, outcome=Outcome.BUSY),
        cold(5.0),
        warm(2.0, test="alone"),
    )

    across = tables(text)[0]
    assert across == [
        {
            "size": "tiny",
            "library": "lightning-whisper-mlx 4bit",
            "measured": "load",
            "Apple M1": "busy",
            "Apple M4 Pro": "500 ms",
            "differs by": "",
        },
        {
            **across[0],
            "measured": "short",
            "Apple M1": "1.00 s, RTFx 12.0",
            "Apple M4 Pro": "3.00 s, RTFx 4.0",
            "differs by": "mlx",
        },
    ]
    assert "### The same on several machines" in text
    assert "### The same on several machines" not in text_of(warm(3.0))


def explained(*results: Result) -> list[str]:
    """Return the headings and marks that a report of these results explains."""
    _, _, told = text_of(*results).partition("<summary>How to read this</summary>\n\n")
    return re.findall(r"^- `([^`]+)`: \S.*\.$", told, re.MULTILINE)


def test_headings_and_marks_are_explained_where_they_occur() -> None:
    """The Markdown report explains each heading and mark that is in a table, and no other.

    Who reads of what is nowhere looks for it.
    """
    one = (Sample(process=0, order=0, seconds=2.0),)
    two = (*one, Sample(process=1, order=0, seconds=2.0))
    usual = ["RTFx", "WER"]
    timed = warm(samples=two)

    assert explained(timed) == [*usual, "±2.1% (3×3)"]
    assert explained(warm(samples=one), cold(1.0, 1.1)) == [
        "RTFx", "cold start, peak memory", "WER", "(1×1)",
    ]  # fmt: skip
    assert explained(load(1.0, 1.1)) == ["load"], "no interval is shown of a start"
    assert explained(timed, warm(samples=one, outcome=Outcome.BUSY, test="x", score=None)) == [
        *usual, "±2.1% (3×3)", "busy", "unchecked",
    ]  # fmt: skip
    busy_start = cold(1.0, 1.1, outcome=Outcome.BUSY)
    assert explained(timed, busy_start)[-2:] == ["±2.1% (3×3)", "busy"], (
        "the time of a busy start is marked"
    )
    assert explained(of_corpus(0.1, samples=two)) == [*usual, "±2.1% (3×3)", "pooled"]
    assert explained(warm(samples=one, measure=Measure.AFTER_PAUSE)) == [], (
        "it has a note and no row"
    )
    assert explained(warm(outcome=Outcome.FAILED, reason="why")) == []
    assert "How to read this" not in text_of(warm(outcome=Outcome.FAILED, reason="why"))


def test_verdict_is_explained_where_nobody_can_tell() -> None:
    """The Markdown report explains ratios, and an undecided verdict only where there is one."""
    for verdict, told in ((Verdict.UNDECIDED, ["ratio", "undecided"]), (Verdict.SLOWER, ["ratio"])):
        made = replace(COMPARISON, verdict=verdict)
        compared = warm(measure=Measure.RATIO, comparison=made, samples=())
        assert explained(compared) == told
    assert explained(replace(compared, outcome=Outcome.BUSY)) == ["ratio", "busy"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a&#124;b"),
        ("`code`", "&#96;code&#96;"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("&lt;", "&amp;lt;"),
        ("*a* **b**", "&#42;a&#42; &#42;&#42;b&#42;&#42;"),
        ("[a](b)", "&#91;a&#93;(b)"),
        ("a\\|b", "a&#92;&#124;b"),
        ("~~a~~", "&#126;&#126;a&#126;&#126;"),
        ("_a_ x86_64", "&#95;a&#95; x86_64"),
        ("# a", "&#35; a"),
        ("@jane a@b", "@&#8203;jane a@&#8203;b"),
        ("two\nlines\r\n", "two lines"),
        ("a\x1b[31mb", "a?&#91;31mb"),
        ("x" * 300, "x" * 200 + "…"),
        ("4.2% ±1 (3×3)", "4.2% ±1 (3×3)"),
    ],
)
def test_text_of_others_is_shown_and_does_nothing(text: str, shown: str) -> None:
    """A text that others wrote is shown in Markdown and does nothing.

    No table is broken, no page is opened, nobody is notified.
    """
    assert escaped(text) == shown


def test_names_of_others_break_no_table() -> None:
    """No name of a clip or a machine breaks a table in Markdown."""
    name = "a|b`<script>\n| c"
    machine = replace(MACHINE, chip=name)
    clip = replace(CLIP, name=name)
    text = text_of(
        warm(clip=clip, machine=machine), warm(clip=clip, machine=replace(machine, cores={}))
    )

    assert "<script>" not in text
    (across, *_, last) = tables(text)
    assert across[0]["measured"] == last[0]["clip"] == "a&#124;b&#96;&#60;script&#62; &#124; c"


def test_quoted_code_stays_within_its_fence() -> None:
    """A reason that is quoted in Markdown stays within its fence, and a long line is cut.

    A reason with backticks gets a fence that is longer than any of them.
    """
    failed = warm(outcome=Outcome.FAILED, reason="a ```` `b`\x1b <b>", test="t", **UNMEASURED)
    long = warm(outcome=Outcome.FAILED, reason="x" * 900, test="u", **UNMEASURED)
    text = text_of(failed, long)

    assert "\n`````text\nfailed:   t: a ```` `b`? <b>\nfailed:   u: xxx" in text
    assert "xxx…\n`````\n" in text
    assert max(map(len, text.splitlines())) == MOST_NOTED + 1

    name = "failed:   u: "
    for length, end in ((MOST_NOTED, "x\n"), (MOST_NOTED + 1, "x…\n")):
        reason = "x" * (length - len(name))
        exact = text_of(warm(outcome=Outcome.FAILED, reason=reason, test="u", **UNMEASURED))
        assert f"\n{name}{'x' * (MOST_NOTED - len(name) - 1)}{end}" in exact


def test_report_fits_into_a_comment_of_github() -> None:
    """A Markdown report of however many results fits into a comment of GitHub.

    Tables end early then, and say so, and the answer stands; results.csv has everything.
    """
    many = [
        measured(f"mlx-whisper q{number} {size}", 1.0 + number, 1.1 + number)
        for number in range(150)
        for size in ("tiny", "small")
    ]
    many += [replace(each, machine=OTHER) for each in many]
    failures = [
        warm(outcome=Outcome.FAILED, reason=f"{number}{'é' * 500}", test=f"f{number}", **UNMEASURED)
        for number in range(300)
    ]
    text = text_of(*many, *failures)

    assert MOST_BYTES / 4 < len(text.encode()) <= MOST_BYTES <= 65_000
    assert text.startswith("Apple M1: fastest of those that were right, tiny: mlx-whisper q0")
    shown = [len(each) for each in tables(text)]
    assert len(set(shown)) == 1
    assert text.count(f"… and {300 - shown[0]} more lines: results.csv has them all") == 3
    assert "\n```\n\n… and " in text
    assert "- `±2.1% (3×3)`: three processes made three calls each" in text
    assert len(text_of(*failures).encode()) <= MOST_BYTES, "letters are counted in place of bytes"


def test_line_that_is_left_out_is_counted() -> None:
    """A part of the Markdown report says how many lines it leaves out, even if it is one."""
    part = Part(["a", "b"], ["head"], ["foot"])

    assert part.text(2) == "head\na\nb\nfoot"
    assert part.text(1) == "head\na\nfoot\n\n… and 1 more line: results.csv has them all"


def test_report_of_many_machines_fits_too() -> None:
    """A Markdown report of many machines shows some and says how many more there are."""
    machines = [replace(MACHINE, chip=f"Apple M{number}") for number in range(400)]
    text = text_of(*(warm(1.0, machine=machine) for machine in machines))

    assert len(text.encode()) <= MOST_BYTES
    shown = text.count("\n### Apple M")
    assert shown in {1 + 400 // 2**halved for halved in range(1, 8)}, f"{shown} are shown"
    for what in ("answers", "machines"):
        assert f"… and {400 - shown} more {what}: results.csv has them all" in text


def test_report_of_one_row_is_whole() -> None:
    """A Markdown report of one row leaves nothing out."""
    assert "… and" not in text_of(warm())


@pytest.mark.property
def test_no_table_of_any_results_is_broken_or_ranks_what_means_nothing() -> None:
    """Whatever the results, rows in Markdown have a cell for each heading, and busy ones no rank.

    Busy rows stand behind the others of their clip.
    """
    from hypothesis import given, settings

    from tests.helpers.any_results import any_results

    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(any_results())
    def holds(results: list[Result]) -> None:
        text = as_markdown(merge(results))
        assert "<b>" not in text.replace("`", "") or "```text" in text
        for rows in tables(text):
            seen: dict[tuple[str, ...], bool] = {}
            for row in rows:
                group = tuple(row.get(name, "") for name in ("size", "clip"))
                busy = row.get("time", "").endswith("busy")
                if busy:
                    assert not row.get("RTFx"), "a busy row has a rank"
                if row.get("time"):
                    assert busy or not seen.get(group), "a busy row stands before one that is none"
                    seen[group] = busy

    holds()
