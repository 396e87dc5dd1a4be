"""The drawings of a report: where each mark stands, how long it is, and what it says."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.helpers.pages import FRAME, read_page
from whisper_speedtest.results.report.charts import (
    LONGEST,
    ROW,
    WIDTH,
    Bar,
    Change,
    Chart,
    Point,
    Stack,
    bars,
    changes,
    history,
    plane,
    stacks,
)

if TYPE_CHECKING:
    from tests.helpers.pages import Element

NEAR = 0.2
"""Units by which a place may be off, as it is rounded to a tenth."""


def drawn(chart: Chart) -> Element:
    """Return the drawing."""
    return read_page(chart.svg).one("svg")


def marks(chart: Chart) -> list[Element]:
    """Return the marks that say something, in their order."""
    return [
        each
        for each in drawn(chart).all(role="graphics-symbol")
        if not each.attributes["aria-label"].startswith(FRAME)
    ]


def rectangle(mark: Element) -> tuple[float, float, float, float]:
    """Return where a bar begins, its upper edge, its length and its height."""
    path = mark.attributes["d"]
    found = re.fullmatch(r"M(.+?),(.+?)h(.+?)v(.+?)h-.+?Z", path)
    assert found, f"expected a bar, got {path}"
    begin, top, length, height = map(float, found.groups())
    return begin, top, length, height


def place(mark: Element) -> tuple[float, float]:
    """Return where a point stands."""
    found = re.fullmatch(r"translate\((.+),(.+)\)", mark.attributes["transform"])
    assert found
    return float(found[1]), float(found[2])


def texts(chart: Chart) -> list[str]:
    """Return the texts of a list: label and value of each row."""
    (labels,) = drawn(chart).all("g", class_="labels")
    return [each.text for each in labels.all("text")]


def lines(chart: Chart) -> list[tuple[float, float]]:
    """Return where each horizontal line begins and ends."""
    found = []
    for each in drawn(chart).all("line"):
        if each.attributes["x2"] != "0":
            begin, _ = place(each)
            found.append((begin, begin + float(each.attributes["x2"])))
    return found


def test_bars_are_as_long_as_their_values_and_stand_in_the_given_order() -> None:
    """Bars are as long as their values, the longest over the whole width, in the given order.

    Each says its value.
    """
    chart = bars("T", [Bar("b", 2.0, "two"), Bar("a", 4.0, "four"), Bar("c", 1.0, "one")])

    shown = [rectangle(each) for each in marks(chart)]
    assert [each.attributes["aria-label"] for each in marks(chart)] == [
        "b: two",
        "a: four",
        "c: one",
    ]
    assert [each[0] for each in shown] == [0, 0, 0]
    assert [each[2] for each in shown] == pytest.approx([WIDTH / 2, WIDTH, WIDTH / 4], abs=NEAR)
    assert [below[1] - above[1] for above, below in pairwise(shown)] == [ROW, ROW]
    assert texts(chart) == ["b", "two", "a", "four", "c", "one"]


def test_interval_reaches_from_its_low_end_to_its_high_one() -> None:
    """The line of an interval reaches from its low end to its high one, on the bars' scale.

    A bar without an interval has no line.
    """
    chart = bars("T", [Bar("a", 8.0, "", low=6.0, high=10.0), Bar("b", 5.0, "")])

    assert lines(chart) == [pytest.approx((0.6 * WIDTH, WIDTH), abs=NEAR)]
    assert rectangle(marks(chart)[0])[2] == pytest.approx(0.8 * WIDTH, abs=NEAR)


def test_interval_of_no_use_does_not_make_the_bars_short() -> None:
    """The line of an interval is cut at one and a half times the longest bar."""
    chart = bars(
        "T", [Bar("a", 2.0, "", low=1.0, high=200.0), Bar("b", 4.0, "", low=3.0, high=5.0)]
    )

    assert lines(chart)[0] == pytest.approx((WIDTH / 6, WIDTH), abs=NEAR)
    assert rectangle(marks(chart)[1])[2] == pytest.approx(WIDTH * 4 / 6, abs=NEAR)


def test_bar_of_which_nobody_knows_how_far_it_may_be_off_is_hollow() -> None:
    """A bar of which nobody knows how far it may be off is an outline; the others are filled."""
    chart = bars("T", [Bar("a", 2.0, ""), Bar("b", 1.0, "", hollow=True)])

    assert [each.attributes["fill"] for each in marks(chart)] == ["var(--accent)", "none"]


def test_parts_of_a_stack_follow_each_other_in_colours_of_their_names() -> None:
    """Each part of a stack begins where the one before it ends, in the colour of its name."""
    parts = (("load", 1.0, "1 s"), ("call", 2.0, "2 s"), ("end", 1.0, "1 s"))
    chart = stacks("T", [Stack("a", "4 s", parts), Stack("b", "2 s", (("call", 2.0, "2 s"),))])

    assert [each.attributes["aria-label"] for each in marks(chart)] == [
        "a, load: 1 s",
        "a, call: 2 s",
        "a, end: 1 s",
        "b, call: 2 s",
    ]
    quarter = WIDTH / 4
    shown = [rectangle(each)[::2] for each in marks(chart)]
    assert shown == [
        pytest.approx(each, abs=NEAR)
        for each in [
            (0, quarter),
            (quarter, 2 * quarter),
            (3 * quarter, quarter),
            (0, 2 * quarter),
        ]
    ]
    colours = [each.attributes["fill"] for each in marks(chart)]
    assert colours == [f"var(--series-{number})" for number in (1, 2, 3, 2)]
    assert texts(chart) == ["a", "4 s", "b", "2 s"]


def test_change_is_a_line_from_the_hollow_point_to_the_full_one() -> None:
    """A change is a line from a hollow point, the value before, to a full one, the value after.

    The full point says both values.
    """
    chart = changes("T", [Change("a", 1.0, 4.0, "1 → 4"), Change("b", 3.0, 2.0, "3 → 2")])

    told = [each for each in marks(chart) if each.attributes["fill"] == "var(--accent)"]
    assert [each.attributes["aria-label"] for each in told] == ["a: 1 → 4", "b: 3 → 2"]
    assert [place(each)[0] for each in told] == pytest.approx([WIDTH, WIDTH / 2], abs=NEAR)
    hollow = [
        each for each in drawn(chart).all("path") if each.attributes.get("fill") == "var(--page)"
    ]
    assert [place(each)[0] for each in hollow] == pytest.approx(
        [WIDTH / 4, WIDTH * 3 / 4], abs=NEAR
    )
    assert sorted(map(sorted, lines(chart))) == [
        pytest.approx(sorted(each), abs=NEAR)
        for each in [(WIDTH / 4, WIDTH), (WIDTH / 2, WIDTH * 3 / 4)]
    ]


def test_plane_has_the_fast_at_the_right_and_the_many_errors_at_the_top() -> None:
    """In the plane of accuracy fast models stand at the right, and those with many errors on top.

    Each series has its colour and its shape; a label stands beside its point.
    """
    points = [
        Point("a", 1.0, 10.0, "slow, many errors", label="tiny"),
        Point("b", 10.0, 5.0, "middle"),
        Point("a", 100.0, 0.0, "fast, none"),
    ]

    chart = plane("T", points, "RTFx", "WER")

    found = {each.attributes["aria-label"]: each for each in marks(chart)}
    slow, middle, fast = (found[each.told] for each in points)
    (x1, y1), (x2, y2), (x3, y3) = map(place, (slow, middle, fast))
    assert x2 - x1 == pytest.approx(x3 - x2, abs=1), "ten times as fast is as far each time"
    assert x1 < x2
    assert y1 < y2 < y3
    assert y2 - y1 == pytest.approx(y3 - y2, abs=1)
    assert slow.attributes["fill"] == fast.attributes["fill"] != middle.attributes["fill"]
    assert slow.attributes["d"] == fast.attributes["d"] != middle.attributes["d"]
    assert {"tiny", "RTFx", "WER"} <= {each.text for each in drawn(chart).all("text")}
    assert chart.series == ("a", "b")
    assert slow.attributes["fill"] == "var(--series-1)", (
        "the first series has another colour in the legend"
    )


def test_history_joins_the_points_of_one_measurement_alone() -> None:
    """A history joins the points of one measurement, and another measurement is another line.

    Later points stand further right, and more is higher.
    """
    points = [
        Point("a", "2026-01-01T00:00:00.000Z", 1.0, "first", line="1", low=0.5, high=1.5),
        Point("a", "2026-01-02T00:00:00.000Z", 2.0, "second", line="1"),
        Point("a", "2026-01-03T00:00:00.000Z", 3.0, "third", line="2"),
        Point("b", "2026-01-03T00:00:00.000Z", 1.0, "other", line="3"),
    ]

    chart = history("T", points, "RTFx")

    found = {each.attributes["aria-label"]: each for each in marks(chart)}
    first, second, third, other = (found[each.told] for each in points)
    days = [place(each)[0] for each in (first, second, third)]
    assert days[1] - days[0] == pytest.approx(days[2] - days[1], abs=1)
    assert days[0] < days[1]
    assert place(first)[1] > place(second)[1] > place(third)[1]
    assert first.attributes["fill"] == third.attributes["fill"] != other.attributes["fill"]
    joined = [
        each.attributes["d"]
        for each in drawn(chart).all("path")
        if re.fullmatch(r"M[\d.,]+(L[\d.,]+)*Z?", each.attributes["d"])
    ]
    assert sorted(path.count("L") for path in joined if path.count("L")) == [1], joined
    whiskers = [
        each
        for each in drawn(chart).all("line")
        if each.attributes.get("opacity") == "0.5" and each.attributes["y2"] != "0"
    ]
    assert len(whiskers) == 1, "one point alone has an interval to draw"
    scale = (place(first)[1] - place(second)[1]) / (2.0 - 1.0)
    assert abs(float(whiskers[0].attributes["y2"])) == pytest.approx(scale, abs=1)


def test_what_has_no_room_beside_the_value_is_cut_and_still_told_whole() -> None:
    """A label too long for a drawing ends in an ellipsis, and its mark says all of it."""
    long = "x" * (LONGEST + 1)

    chart = bars("T", [Bar(long, 1.0, "one"), Bar(long[1:], 1.0, "one")])

    assert texts(chart)[::2] == ["x" * (LONGEST - 1) + "…", long[1:]]
    assert marks(chart)[0].attributes["aria-label"] == f"{long}: one"


@pytest.mark.parametrize("title", ["RTFx", "<script>\"&'", '1.2345 class="x" d="1.2345"'])
def test_drawing_is_told_by_its_title_and_escapes_what_others_wrote(title: str) -> None:
    """A drawing is named by its title, and its texts stay text, whatever they look like."""
    chart = bars(title, [Bar(title, 1.0, title)])

    assert drawn(chart).attributes["aria-label"] == title
    assert texts(chart) == [title, title]
    assert marks(chart)[0].attributes["aria-label"] == f"{title}: {title}"
    assert "<script>" not in chart.svg


def test_drawing_takes_its_colours_from_the_page() -> None:
    """Each colour of a drawing is a variable of the page, and no element has a style.

    So light, dark and print can differ.
    """
    points = [Point("a", 1.0, 2.0, "a"), Point("b", 2.0, 3.0, "b")]
    drawings = [
        bars("T", [Bar("a", 1.0, "", 0.5, 1.5)]),
        stacks("T", [Stack("a", "", (("p", 1.0, ""),))]),
        changes("T", [Change("a", 1.0, 2.0, "")]),
        plane("T", points, "x", "y"),
        history("T", [Point("a", "2026-01-01T00:00:00.000Z", 1.0, "a")], "y"),
    ]

    for chart in drawings:
        for each in drawn(chart).all():
            assert "style" not in each.attributes
            for name in ("fill", "stroke"):
                colour = each.attributes.get(name, "none")
                assert colour in {"none", "transparent"} or colour.startswith("var(--"), colour


@pytest.mark.parametrize(
    ("days", "named"),
    [
        ([1], [1]),
        ([1, 2], [1, 2]),
        ([1, 2, 5, 6], [1, 2, 5, 6]),
        ([1, 2, 3, 4, 5], [1, 3, 5]),
        ([1, 2, 3, 4, 5, 6], [2, 4, 6]),
        (list(range(1, 11)), [1, 4, 7, 10]),
    ],
)
def test_axis_of_a_history_names_few_days_and_the_last(days: list[int], named: list[int]) -> None:
    """The axis of a history names few days, each once and the last among them.

    Days are those of UTC.
    """
    points = [
        Point("a", f"2026-01-{day:02}T{hour}:59:00.000Z", 1.0, "a")
        for day in days
        for hour in ("00", "23")
    ]

    chart = history("T", points, "RTFx")

    labels = [each.text for each in drawn(chart).all("text")]
    assert [each for each in labels if each.startswith("2026")] == [
        f"2026-01-{day:02}" for day in named
    ]
