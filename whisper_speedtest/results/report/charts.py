"""Charts as SVG, which a page holds inline. Vega-Lite draws them, without a browser.

Colours are CSS variables of the page, so that one drawing serves light, dark and print. A chart is
WIDTH units wide, which a phone shows as it is. Each mark has an `aria-label` with its name, its
value and its unit.
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
AXIS = 45
"""Units that an axis with its labels takes at the left, and a label at the right."""

MOST_TICKS = 4
"""Days that an axis names."""

ROW = 38
"""Units that a row of a list takes: its label, and what is drawn below it."""

INK, MUTED, LINE, PAGE = "var(--ink)", "var(--muted)", "var(--line)", "var(--page)"
ACCENT = "var(--accent)"
SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross"),
    *("triangle-down", "triangle-right", "triangle-left"),
)
"""Of each series, beside its colour; a legend on the page shows both."""

LONGEST = 36
"""Characters of a label that have room beside the value."""

WIDEST = 1.5
"""How far an interval is drawn, in units of the longest bar: beyond that its end is cut."""

Spec = dict[str, Any]
"""A part of a Vega-Lite specification."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a list: what it is called, its value, and how far that may be off."""

    label: str
    value: float
    shown: str
    """The value as people read it, with its unit."""

    low: float | None = None
    high: float | None = None
    hollow: bool = False
    """Whether it is only drawn in outline, as nobody knows how far the value may be off."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A row of a list whose bar is made of parts that follow each other."""

    label: str
    shown: str
    """The whole as people read it, with its unit."""

    parts: tuple[tuple[str, float, str], ...]
    """Name, value, and the value as people read it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a list with two values, one before and one after."""

    label: str
    before: float
    after: float
    shown: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a plane, or of a history, where x is a time in UTC as ISO 8601 writes it."""

    series: str
    x: float | str
    y: float
    told: str
    """All of it in words."""

    label: str = ""
    """What stands beside it."""

    line: str = ""
    """Points of a history with the same are joined: they repeat one measurement."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, which holds what it says to those who do not see it."""

    svg: str
    series: tuple[str, ...] = ()
    """Names for a legend, in the order of SERIES and SHAPES; empty where it needs none."""


def bars(title: str, rows: Sequence[Bar]) -> Chart:
    """Draw a bar from 0 for each row, with its interval, in the given order."""
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
    x = _x("low", most)
    known = "isValid(datum.low)"
    marks = [
        _layer({"type": "bar", "stroke": ACCENT, **_IN_ROW}, _FILLED | _x("value", most)),
        _layer(
            {"type": "rule", "color": INK, "strokeWidth": 1.5, **_IN_ROW, "aria": False},
            {**x, "x2": {"field": "high"}},
            where=known,
        ),
        *(
            _layer(
                {"type": "tick", "color": INK, "size": 7, "thickness": 1.5, **_IN_ROW,
                 "aria": False},
                _x(end, most),
                where=known,
            )
            for end in ("low", "high")
        ),
    ]  # fmt: skip
    return _list(title, rows, values, marks if highs else marks[:1])


def stacks(title: str, rows: Sequence[Stack]) -> Chart:
    """Draw a bar from 0 for each row, made of its parts, in the given order."""
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
    """Draw two points and the line between them for each row: the first hollow, the second full."""
    most = max(max(each.before, each.after) for each in rows)
    values = [
        {
            "row": place,
            "before": each.before,
            "after": each.after,
            "told": f"{each.label}: {each.shown}",
        }
        for place, each in enumerate(rows)
    ]
    between = {**_x("before", most), "x2": {"field": "after"}}
    dot: Spec = {"type": "point", "size": 60, "strokeWidth": 1.5, "stroke": ACCENT, "opacity": 1}
    dot["yOffset"] = _IN_ROW["yOffset"]
    marks = [
        _layer(
            {"type": "rule", "color": ACCENT, "strokeWidth": 1.5, **_IN_ROW, "aria": False}, between
        ),
        _layer({**dot, "fill": PAGE, "aria": False}, _x("before", most)),
        _layer({**dot, "fill": ACCENT}, {**_x("after", most), **_TOLD}),
    ]
    return _list(title, rows, values, marks)


def plane(
    title: str, points: Sequence[Point], x_title: str, y_title: str, width: int = WIDTH
) -> Chart:
    """Draw points in a plane, of which x is logarithmic; y begins at 0."""
    values = _values(points)
    x: Spec = {"field": "x", "type": "quantitative", "title": x_title}
    x |= {"scale": {"type": "log", "nice": False, "padding": 24}}
    x |= {"axis": {"tickCount": 4, "format": "~g", "grid": False}}
    y: Spec = {"field": "y", "type": "quantitative", "title": y_title, "scale": {"zero": True}}
    y |= {"axis": {"tickCount": 5}}
    dot: Spec = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    beside: Spec = {
        "type": "text",
        "align": "left",
        "dx": 7,
        "dy": -6,
        "color": MUTED,
        "aria": False,
    }
    layers: list[Spec] = [
        {"mark": beside, "encoding": {"text": {"field": "label"}}},
        {"mark": dot, "encoding": {**_series(points), **_TOLD}},
    ]
    spec = {"data": {"values": values}, "encoding": {"x": x, "y": y}, "layer": layers}
    return replace(_draw(title, spec, width - AXIS, 260), series=_names(points))


def history(title: str, points: Sequence[Point], y_title: str) -> Chart:
    """Draw values over time with their intervals; points of the same measurement are joined."""
    x: Spec = {
        "field": "x",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "padding": 8},
    }
    x |= {"axis": {"grid": False, "values": _days(points), "format": "%Y-%m-%d"}}
    y: Spec = {"field": "y", "type": "quantitative", "title": y_title, "scale": {"zero": True}}
    y |= {"axis": {"tickCount": 4}}
    series = _series(points)
    whisker: Spec = {"y": {"field": "low"}, "y2": {"field": "high"}, "color": series["color"]}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "aria": False, "opacity": 0.5},
            "encoding": whisker,
            "transform": [{"filter": "isValid(datum.low)"}],
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.5, "aria": False},
            "encoding": {"color": series["color"], "detail": {"field": "line"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
            "encoding": {**series, **_TOLD},
        },
    ]
    spec = {"data": {"values": _values(points)}, "encoding": {"x": x, "y": y}, "layer": layers}
    return replace(_draw(title, spec, WIDTH - AXIS, 180), series=_names(points))


_IN_ROW: Spec = {"yOffset": 8, "height": 9}
"""Below the label of the row."""

_TOLD: Spec = {"description": {"field": "told"}}
_FILLED: Spec = {"fill": {"field": "fill", "type": "nominal", "scale": None}, **_TOLD}


def _x(field: str, most: float) -> Spec:
    """Return where a value stands, on a scale from 0 to the longest."""
    scale = {"domain": [0, most or 1], "nice": False, "zero": True}
    return {"x": {"field": field, "type": "quantitative", "scale": scale, "axis": None}}


class _Row(Protocol):
    """What every row of a list has."""

    @property
    def label(self) -> str: ...

    @property
    def shown(self) -> str: ...


def _layer(mark: Spec, encoding: Spec, where: str = "") -> Spec:
    filtered = {"transform": [{"filter": where}]} if where else {}
    return {"mark": mark, "encoding": encoding, **filtered}


def _list(title: str, rows: Sequence[_Row], values: list[Spec], marks: list[Spec]) -> Chart:
    """Draw rows, each with its label and its value in words above its marks.

    These texts are not drawn by Vega, which takes a hundred times longer for a text than for a bar.
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
    """Return some of the moments, of each day the last one: what an axis names, up to the last day.

    They are in milliseconds since 1970, as Vega has them.
    """
    days = {moment[:10]: moment for moment in sorted(str(each.x) for each in points)}
    moments = [datetime.fromisoformat(each).timestamp() * 1000 for each in days.values()]
    step = max(1, ceil((len(moments) - 1) / (MOST_TICKS - 1)))
    return moments[::-step][::-1]


def _names(points: Sequence[Point]) -> tuple[str, ...]:
    return tuple(sorted({each.series for each in points}))


def _series(points: Sequence[Point]) -> Spec:
    """Return the colour and the shape of each series. Vega takes long to draw a legend."""
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
    """Return the drawing of a specification."""
    import vl_convert  # loads a machine for JavaScript

    spec = {**spec, "width": width, "height": height, "config": _CONFIG}
    return Chart(_slim(vl_convert.vegalite_to_svg(spec), title))


_TAG = re.compile(r"<[^>]*>")
_NEEDLESS = re.compile(
    r' (?:class|pointer-events|aria-roledescription|font-family|xmlns|xmlns:xlink|version)="[^"]*"'
    r'| (?:opacity="1"|font-weight="normal"|stroke-miterlimit="10"|fill-opacity="1")'
)
_GEOMETRY = re.compile(r' (?:d|transform|x2|y2|viewBox)="[^"]*"')
_NUMBER = re.compile(r"\d+\.\d{2,}")
_EMPTY = re.compile(r'<path class="(?:background|foreground)"[^>]*/>')


def _slim(svg: str, title: str) -> str:
    """Return an SVG with its title, and without what does nothing on a page.

    Of texts and names nothing is changed: what is between tags, and in an `aria-label`.
    """
    svg = _TAG.sub(lambda tag: _slim_tag(tag[0]), _EMPTY.sub("", svg))
    role = f'<svg role="graphics-document" aria-label="{html.escape(title)}"'
    return re.sub(r'^<svg width="[\d.]+" height="[\d.]+"', lambda _: role, svg, count=1)


def _slim_tag(tag: str) -> str:
    """Return a tag without needless attributes, and with places rounded to a tenth of a unit."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.1f}"

    return _GEOMETRY.sub(lambda each: _NUMBER.sub(rounded, each[0]), _NEEDLESS.sub("", tag))
