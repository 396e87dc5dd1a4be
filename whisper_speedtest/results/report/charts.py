"""Draws charts as SVG, which the page holds inline, with Vega-Lite and without a browser.

Colours are CSS variables of the page, so that one drawing serves light, dark and print. Widths and
heights are in units of the SVG. A chart is WIDTH units wide, which a phone shows without scaling.
Each mark has an `aria-label` with its name, its value and its unit.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 340
"""Width of a chart."""

AXIS = 45
"""Width that an axis with its labels takes at the left, and a label at the right."""

MOST_TICKS = 4
"""How many days an axis names."""

ROW = 38
"""Height of a row of a list: its label, and the marks below it."""

INK, MUTED, LINE, PAGE = "var(--ink)", "var(--muted)", "var(--line)", "var(--page)"
ACCENT = "var(--accent)"
SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))
"""The colour of each series."""

SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross"),
    *("triangle-down", "triangle-right", "triangle-left"),
)
"""The shape of each series, beside its colour; a legend on the page shows both."""

LONGEST = 36
"""How many characters of a label have room beside the value."""

WIDEST = 1.5
"""How far an interval is drawn, as a multiple of the longest bar; its end is cut beyond that."""

Spec = dict[str, Any]
"""A part of a Vega-Lite specification."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a list with a bar from 0 to a value, and the interval of that."""

    label: str
    value: float
    shown: str
    """The value with its unit, in words."""

    low: float | None = None
    high: float | None = None
    hollow: bool = False
    """Whether it is only drawn in outline, as it is not known how far the value may be off."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A row of a list whose bar is made of parts that follow each other."""

    label: str
    shown: str
    """The sum of its parts with the unit, in words."""

    parts: tuple[tuple[str, float, str], ...]
    """Of each part the name, the value, and the value with its unit in words."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a list with two points, for a value before and after."""

    label: str
    before: float
    after: float
    shown: str
    """Both values with their unit, in words."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a plane or of a history. Vega-Lite is given its fields by these names."""

    series: str
    x: float | str
    """In a history a time in UTC, as `2026-11-26T07:14:33.250Z`."""

    y: float
    told: str
    """All that it shows, in words, for its `aria-label`."""

    label: str = ""
    """The text beside it."""

    line: str = ""
    """Points of a history with the same text are joined, as they repeat one measurement."""

    low: float | None = None
    high: float | None = None
    """The ends of the interval of y; None where there is none."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, which also has what it shows in words, for a screen reader."""

    svg: str
    series: tuple[str, ...] = ()
    """Names for a legend, in the order of SERIES and SHAPES; empty if it needs no legend."""


def bars(title: str, rows: Sequence[Bar]) -> Chart:
    """Draw a bar from 0 for each row, with its interval, in the given order. All are at least 0."""
    longest = max(each.value for each in rows)
    highs = [min(each.high, WIDEST * longest) for each in rows if each.high is not None]
    most = max([longest, *highs])
    values = [
        {
            "row": place,
            "value": each.value,
            "low": each.low,
            "high": None if each.high is None else min(each.high, most),
            "told": f"{each.label}: {each.shown}",
            "fill": "none" if each.hollow else ACCENT,
        }
        for place, each in enumerate(rows)
    ]
    has_interval = "isValid(datum.low)"
    marks = [
        _layer({"type": "bar", "stroke": ACCENT, **_IN_ROW}, _FILLED | _x("value", most)),
        _layer(
            {"type": "rule", "color": INK, "strokeWidth": 1.5, **_IN_ROW, "aria": False},
            {**_x("low", most), "x2": {"field": "high"}},
            where=has_interval,
        ),
        *(
            _layer(
                {"type": "tick", "color": INK, "size": 7, "thickness": 1.5, **_IN_ROW,
                 "aria": False},
                _x(end, most),
                where=has_interval,
            )
            for end in ("low", "high")
        ),
    ]  # fmt: skip
    return _list(title, rows, values, marks if highs else marks[:1])


def stacks(title: str, rows: Sequence[Stack]) -> Chart:
    """Draw a bar from 0 for each row, made of its parts one after another, in the given order."""
    most = max(sum(value for _, value, _ in each.parts) for each in rows)
    names = list(dict.fromkeys(name for each in rows for name, _, _ in each.parts))
    values = []
    for place, each in enumerate(rows):
        begins = 0.0
        for name, value, shown in each.parts:
            values.append(
                {
                    "row": place,
                    "low": begins,
                    "high": begins + value,
                    "told": f"{each.label}, {name}: {shown}",
                    "fill": SERIES[names.index(name) % len(SERIES)],
                }
            )
            begins += value
    part = {"type": "bar", **_IN_ROW}
    encoding = {**_FILLED, **_x("low", most), "x2": {"field": "high"}}
    return _list(title, rows, values, [_layer(part, encoding)])


def changes(title: str, rows: Sequence[Change]) -> Chart:
    """Draw two points and a line between them for each row: before is hollow, after is full."""
    most = max(max(each.before, each.after) for each in rows)
    values: list[Spec] = []
    for place, each in enumerate(rows):
        told = f"{each.label}: {each.shown}"
        values.append({"row": place, "before": each.before, "after": each.after, "told": told})
    between = {**_x("before", most), "x2": {"field": "after"}}
    line: Spec = {"type": "rule", "color": ACCENT, "strokeWidth": 1.5, **_IN_ROW, "aria": False}
    dot: Spec = {"type": "point", "size": 60, "strokeWidth": 1.5, "stroke": ACCENT, "opacity": 1}
    dot["yOffset"] = _IN_ROW["yOffset"]
    marks = [
        _layer(line, between),
        _layer({**dot, "fill": PAGE, "aria": False}, _x("before", most)),
        _layer({**dot, "fill": ACCENT}, {**_x("after", most), **_TOLD}),
    ]
    return _list(title, rows, values, marks)


def plane(
    title: str, points: Sequence[Point], x_title: str, y_title: str, width: int = WIDTH
) -> Chart:
    """Draw points in a plane. The axis of x is logarithmic; that of y begins at 0."""
    logarithmic: Spec = {"type": "log", "nice": False, "padding": 24}
    few_ticks: Spec = {"tickCount": 4, "format": "~g", "grid": False}
    x = _axis("x", "quantitative", x_title, logarithmic, few_ticks)
    y = _axis("y", "quantitative", y_title, {"zero": True}, {"tickCount": 5})
    dot: Spec = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    label: Spec = {
        "type": "text",
        "align": "left",
        "dx": 7,
        "dy": -6,
        "color": MUTED,
        "aria": False,
    }
    layers = [
        _layer(label, {"text": {"field": "label"}}),
        _layer(dot, {**_series(points), **_TOLD}),
    ]
    spec = {"data": {"values": _values(points)}, "encoding": {"x": x, "y": y}, "layer": layers}
    return replace(_draw(title, spec, width - AXIS, 260), series=_names(points))


def history(title: str, points: Sequence[Point], y_title: str) -> Chart:
    """Draw values over time with their intervals; points of the same measurement are joined."""
    days: Spec = {"grid": False, "values": _days(points), "format": "%Y-%m-%d"}
    x = _axis("x", "temporal", None, {"type": "utc", "padding": 8}, days)
    y = _axis("y", "quantitative", y_title, {"zero": True}, {"tickCount": 4})
    series = _series(points)
    interval: Spec = {"y": {"field": "low"}, "y2": {"field": "high"}, "color": series["color"]}
    layers = [
        _layer(
            {"type": "rule", "aria": False, "opacity": 0.5}, interval, where="isValid(datum.low)"
        ),
        _layer(
            {"type": "line", "strokeWidth": 1.5, "aria": False},
            {"color": series["color"], "detail": {"field": "line"}},
        ),
        _layer({"type": "point", "filled": True, "size": 40, "opacity": 1}, {**series, **_TOLD}),
    ]
    spec = {"data": {"values": _values(points)}, "encoding": {"x": x, "y": y}, "layer": layers}
    return replace(_draw(title, spec, WIDTH - AXIS, 180), series=_names(points))


_IN_ROW: Spec = {"yOffset": 8, "height": 9}
"""Where a mark stands in its row: below the label."""

_TOLD: Spec = {"description": {"field": "told"}}
"""What a mark has as its `aria-label`."""

_FILLED: Spec = {"fill": {"field": "fill", "type": "nominal", "scale": None}, **_TOLD}


def _x(field: str, most: float) -> Spec:
    """Return the encoding of a field as x, on a scale from 0 to `most` as wide as the chart."""
    scale = {"domain": [0, most or 1], "nice": False, "zero": True}
    return {"x": {"field": field, "type": "quantitative", "scale": scale, "axis": None}}


def _axis(field: str, kind: str, title: str | None, scale: Spec, axis: Spec) -> Spec:
    """Return the encoding of a field along an axis of a plane or a history."""
    return {"field": field, "type": kind, "title": title, "scale": scale, "axis": axis}


class _Row(Protocol):
    """What every row of a list has."""

    @property
    def label(self) -> str: ...

    @property
    def shown(self) -> str: ...


def _layer(mark: Spec, encoding: Spec, where: str = "") -> Spec:
    """Return a layer of marks, one for each value; or only for those where an expression holds."""
    filtered = {"transform": [{"filter": where}]} if where else {}
    return {"mark": mark, "encoding": encoding, **filtered}


def _list(title: str, rows: Sequence[_Row], values: list[Spec], marks: list[Spec]) -> Chart:
    """Draw rows, each with its label and its value in words above its marks.

    These texts are added to the SVG that Vega has drawn: for a text it takes a hundred times longer
    than for a bar.
    """
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"padding": 0}}
    spec = {"data": {"values": values}, "encoding": {"y": y}, "layer": marks}
    chart = _draw(title, spec, WIDTH, {"step": ROW})
    texts = []
    for place, each in enumerate(rows):
        label = each.label if len(each.label) <= LONGEST else f"{each.label[: LONGEST - 1]}…"
        middle = place * ROW + 16
        texts.append(f'<text x="2" y="{middle}">{html.escape(label)}</text>')
        texts.append(f'<text x="{WIDTH + 2}" y="{middle}">{html.escape(each.shown)}</text>')
    labels = f'<g class="labels" aria-hidden="true">{"".join(texts)}</g></svg>'
    return Chart(chart.svg.removesuffix("</svg>") + labels)


def _days(points: Sequence[Point]) -> list[float]:
    """Return at most MOST_TICKS moments for an axis to name, in milliseconds since 1970.

    Each is the last one of a day that has points; the last day is always among them.
    """
    days = {moment[:10]: moment for moment in sorted(str(each.x) for each in points)}
    moments = [datetime.fromisoformat(each).timestamp() * 1000 for each in days.values()]
    step = max(1, ceil((len(moments) - 1) / (MOST_TICKS - 1)))
    return moments[::-step][::-1]


def _names(points: Sequence[Point]) -> tuple[str, ...]:
    """Return the names of the series, sorted."""
    return tuple(sorted({each.series for each in points}))


def _series(points: Sequence[Point]) -> Spec:
    """Return the encoding of series as colour and shape; Vega is too slow to draw a legend."""
    names = _names(points)
    return {
        name: {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": names, "range": [kinds[i % len(kinds)] for i in range(len(names))]},
            "legend": None,
        }
        for name, kinds in (("color", SERIES), ("shape", SHAPES))
    }


def _values(points: Sequence[Point]) -> list[Spec]:
    return [{name: getattr(each, name) for name in Point.__dataclass_fields__} for each in points]


_CONFIG: Spec = {
    "background": None,
    "view": {"stroke": None},
    "padding": {"left": 1, "right": 1, "top": 2, "bottom": 2},
    "text": {"fontSize": 11},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "titleFontWeight": "normal",
        "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "labelFontSize": 11, "titleFontSize": 11,
    },
}  # fmt: skip


def _draw(title: str, spec: Spec, width: int, height: int | Spec) -> Chart:
    """Return the drawing of a specification; a height of `{"step": n}` is n units for each row."""
    import vl_convert  # loads an engine for JavaScript, so not before a chart is drawn

    spec = {**spec, "width": width, "height": height, "config": _CONFIG}
    return Chart(_slim(vl_convert.vegalite_to_svg(spec), title))


_TAG = re.compile(r"<[^>]*>")
_NEEDLESS = re.compile(
    r' (?:class|pointer-events|aria-roledescription|font-family|xmlns|xmlns:xlink|version)="[^"]*"'
    r'| (?:opacity="1"|font-weight="normal"|stroke-miterlimit="10"|fill-opacity="1")'
)
"""Attributes that do nothing on the page."""

_GEOMETRY = re.compile(r' (?:d|transform|x2|y2|viewBox)="[^"]*"')
"""Attributes with places and lengths."""

_NUMBER = re.compile(r"\d+\.\d{2,}")
"""A number of more than one decimal."""

_EMPTY = re.compile(r'<path class="(?:background|foreground)"[^>]*/>')
"""A path that draws nothing."""


def _slim(svg: str, title: str) -> str:
    """Return an SVG with its title, and without what does nothing on the page.

    Texts stay as they are, both between tags and in an `aria-label`.
    """
    svg = _TAG.sub(lambda tag: _slim_tag(tag[0]), _EMPTY.sub("", svg))
    role = f'<svg role="graphics-document" aria-label="{html.escape(title)}"'
    return re.sub(r'^<svg width="[\d.]+" height="[\d.]+"', lambda _: role, svg, count=1)


def _slim_tag(tag: str) -> str:
    """Return a tag without needless attributes, its geometry rounded to a tenth of a unit."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.1f}"

    return _GEOMETRY.sub(lambda each: _NUMBER.sub(rounded, each[0]), _NEEDLESS.sub("", tag))
