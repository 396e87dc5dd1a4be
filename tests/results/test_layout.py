"""The closing table as lines: what a terminal of so many columns shows, and that none is wider."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import CLIP, MACHINE, PROVENANCE, cold, load, measured
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.layout import lines
from whisper_speedtest.results.table import columns, rows

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result

OTHER = msgspec.structs.replace(CLIP, name="paragraph", sha256="ef" * 32, seconds=24.0)
ON_CPU = msgspec.structs.replace(PROVENANCE, device="cpu", dtype="int8_float32")


def of_case(name: str, seconds: float, **changes: Any) -> list[Result]:
    """Return a case's load, cold start and warm result, the latter of three processes."""
    made = measured(name, seconds, seconds * 1.01, seconds * 1.02, provenance=ON_CPU, **changes)
    return [
        load(0.1712, case=made.case, machine=MACHINE, provenance=ON_CPU),
        cold(2.35, case=made.case, machine=MACHINE, provenance=ON_CPU),
        made,
    ]


RESULTS = [
    *of_case("lightning-whisper-mlx 4bit", 1.5),
    *of_case("faster-whisper float32", 0.5),
    *of_case("faster-whisper int8", 0.05, outcome=Outcome.BUSY),
    *of_case("faster-whisper float32", 0.9, clip=OTHER),
    cold(9.5, case=Case("mlx-whisper", "small", "8bit"), machine=MACHINE),
    *of_case("whisper.cpp q5_0 tiny", 0.25),
]


def shown(width: int, *results: Result) -> list[str]:
    """Return the lines of a table of so many columns."""
    found = rows(results or RESULTS)
    return [line.text for line in lines(found, columns(found), width)]


TABLES = dict(
    re.findall(
        r"^== (\d+) columns\n(.*?)\n\n(?:\n|\Z)",
        Path(__file__).with_name("shown_tables.txt").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
"""Columns of the terminal → the table of RESULTS in it."""


@pytest.mark.parametrize("width", [60, 80, 100, 120, 145, 200])
def test_table_has_the_form_that_is_stored(width: int) -> None:
    """At each width of the terminal the closing table is as shown_tables.txt has it.

    In 200 columns all is shown. In fewer, headings take two lines first, and then names fold. In
    120 every number is still there, in 100 every measure, in 80 what answers: time, interval, RTFx,
    how much slower, cold start and word error rate. In 60 there is the shortest answer. Look at a
    change before you store it.
    """
    assert "\n".join(shown(width)) == TABLES[str(width)]


def test_what_is_of_an_earlier_session_takes_no_other_columns_place() -> None:
    """In 80 columns the closing table of a resumed session is that of any other session."""
    found = rows(RESULTS)

    made = lines(found, columns(found, {each.test for each in RESULTS}), 80)

    assert "\n".join(line.text for line in made) == TABLES["80"]


def test_table_keeps_its_form_as_long_as_it_fits() -> None:
    """The closing table keeps its form down to the very width that its widest line fills."""
    width = 200
    for form in ("all in one line", "headings in two lines", "names folded", "a column less"):
        made = shown(width)
        width = max(map(len, made))

        assert shown(width) == made, f"{form}: in exactly the {width} columns that it fills"
        assert shown(width - 1) != made, f"{form}: in a column less than it fills"
        width -= 1


def test_columns_leave_in_the_order_that_is_told() -> None:
    """A narrowing terminal takes columns from the closing table one by one, in a fixed order.

    Names, time, RTFx and `slower` stay at any width.
    """
    usual = {
        "library",
        "time",
        "interval",
        "RTFx",
        "slower",
        "start",
        "load",
        "memory",
        "WER",
        "on",
    }
    found = rows(RESULTS)
    gone: list[str] = []
    for width in range(120, 50, -1):
        made = lines(found, columns(found, {"another"}), width)
        headings = " ".join(line.text for line in made if line.style == "heading").split()
        for left in sorted(usual | {"earlier"} - set(gone)):
            if left not in headings and left not in gone:
                gone.append(left)

    assert gone == ["on", "load", "earlier", "memory", "WER", "start", "interval"]


def test_row_of_starts_alone_has_its_start_where_their_columns_have_left() -> None:
    """In a table too narrow for columns of starts, a row of starts alone has one as its time.

    What kind of start it is stands above the row. A busy start has its time, too.
    """
    starts = [
        cold(9.5, case=Case("mlx-whisper", "small", "8bit"), machine=MACHINE),
        load(0.5, case=Case("mlx-whisper", "small", "8bit"), machine=MACHINE),
        load(0.25, case=Case("mlx-whisper", "small", "4bit"), machine=MACHINE),
        cold(4.5, case=Case("a", "small", "b"), machine=MACHINE, outcome=Outcome.BUSY),
    ]
    calls = of_case("lightning-whisper-mlx fp16", 0.5)

    made = " ".join(" ".join(shown(60, *calls, *starts)).split())

    assert "small, cold start mlx-whisper 8bit 9.50 s" in made
    assert "small, load mlx-whisper 4bit 250 ms" in made
    assert "small, cold start: busy, so without a place a b 4.50 s" in made
    wide = " ".join(" ".join(shown(80, *calls, *starts)).split())
    assert "small, starts mlx-whisper 8bit 9.50 s" in wide
    assert "busy" not in wide.split("without a place")[1], (
        "`busy` stands once above these rows, and in none of them"
    )


def test_starts_keep_their_time_where_nothing_else_was_measured() -> None:
    """Where only starts were measured, their times are shown even in 40 columns."""
    case = Case("lightning-whisper-mlx", "small", "float32")
    both = [cold(9.5, case=case, machine=MACHINE), load(0.5, case=case, machine=MACHINE)]

    for results, time in ((both, "9.50 s"), (both[1:], "500 ms")):
        table = rows(results)
        earlier = {each.test for each in results}
        made = lines(table, columns(table, earlier), 40)
        assert time in "\n".join(each.text for each in made)


def test_start_that_is_busy_beside_a_busy_call_is_told_from_one_that_is_not() -> None:
    """In the row of a busy call, a start is marked as busy only if it was busy itself."""
    call = measured("a b", 0.5, outcome=Outcome.BUSY)
    start = cold(9.5, case=call.case, machine=MACHINE)

    for outcome, end in ((Outcome.BUSY, "9.50 s busy"), (Outcome.PASSED, "9.50 s")):
        made = [
            line
            for line in shown(
                80,
                call,
                *of_case("c d", 0.5),
                *of_case("e f", 0.5),
                msgspec.structs.replace(start, outcome=outcome),
            )
            if line.startswith(" a b ")
        ]
        assert end in made[0]
        assert ("busy" in made[0]) is (outcome is Outcome.BUSY)


def test_interval_loses_how_often_was_timed_before_it_leaves() -> None:
    """In a narrowing table an interval loses its count of processes and calls before it leaves."""
    calls = of_case("lightning-whisper-mlx fp16", 0.5)

    intervals = [
        [each for each in " ".join(shown(width, *calls)).split() if each.startswith("±")]
        for width in (54, 48, 47)
    ]
    counts = ["(3×1)" in " ".join(shown(width, *calls)) for width in (54, 48, 47)]

    assert (intervals, counts) == ([["±2.5%"], ["±2.5%"], []], [True, False, False])


def test_line_of_a_row_tells_a_terminal_how_to_show_it() -> None:
    """Each line of the closing table has the style of its kind.

    The kinds are headings, what stands above rows, the fastest where that is decided, and busy
    rows.
    """
    near = [measured("a one", 0.1, 0.12), measured("a two", 0.1, 0.13)]
    found = rows(RESULTS)

    assert [line.style for line in lines(found, columns(found), 80)] == [
        "heading", "heading", "", "group", "", "group", "fastest", "", "group", "", "group", "",
        "group", "busy",
    ]  # fmt: skip
    assert [line.style for line in lines(found, columns(found), 200)] == [
        "heading", "", "", "", "fastest", "", "", "", "busy",
    ]  # fmt: skip
    assert {line.style for line in lines(rows(near), columns(found), 200)} == {"heading", ""}


def test_long_name_is_broken_before_a_number_is() -> None:
    """A name that is too long for the table goes on in a line below, and no number is broken."""
    name = "a-library-with-a-very-long-name-that-somebody-chose"
    (*_, first, second) = shown(60, *of_case(f"{name} fp16", 0.5))

    assert first == " a-library-with-a-very-long-name-that-somebody  505 ms  23.8"
    assert second == "  -chose fp16"

    assert shown(26, *of_case(f"{name} fp16", 0.5))[3:5] == [
        " a-library-w  505 ms  23.8",
        "  ith-a-very-l",
    ], "a name keeps 12 columns, however narrow the terminal is"


def test_names_with_wide_or_odd_characters_keep_the_columns_in_line() -> None:
    """Names with wide characters keep columns in line, and control characters become `?`."""
    clips = [msgspec.structs.replace(CLIP, name=name) for name in ("会議", "a\nb\x1b[2J")]
    results = [each for clip in clips for each in of_case("faster-whisper int8", 0.5, clip=clip)]

    made = shown(200, *results)

    assert [line.split("505 ms")[0] for line in made[2:]] == [
        "faster-whisper  small  int8     会議     ",
        "faster-whisper  small  int8     a?b?[2J  ",
    ]
    assert "small, a?b?[2J" in shown(80, *results)


@pytest.mark.property
def test_no_line_is_wider_than_the_terminal_whatever_the_results() -> None:
    """No line of the closing table is wider than the terminal, whatever is in the results.

    Every busy row has its lines, and there is no line where there are no results.
    """
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from rich.cells import cell_len

    names = st.text(min_size=1, max_size=90)
    times = st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=3)
    outcomes = st.sampled_from([Outcome.PASSED, Outcome.BUSY])
    facts = st.tuples(names, names, names, names, times, outcomes)

    @settings(deadline=None, max_examples=60)
    @given(st.lists(facts, max_size=4), st.integers(40, 220), st.booleans())
    def holds(drawn: list[Any], width: int, earlier: bool) -> None:
        results = [
            measured(
                "a b",
                *seconds,
                test=f"test {number}",
                case=Case(adapter, size, variant),
                clip=msgspec.structs.replace(CLIP, name=name),
                outcome=outcome,
            )
            for number, (adapter, size, variant, name, seconds, outcome) in enumerate(drawn)
        ]
        found = rows(results)

        made = lines(found, columns(found, {"test 0"} if earlier else ()), width)

        assert bool(made) == bool(results)
        too_wide = [line.text for line in made if cell_len(line.text) > width]
        assert not too_wide, f"wider than {width} columns: {too_wide}"
        busy = sum(line.style == "busy" for line in made)
        assert busy >= sum(row.busy for row in found), "every busy row has its lines"

    holds()
