"""The closing table: one row for each case and clip that was timed warm. Its columns are data.

Rows stand by size, in a size by clip, and of a clip the fastest first; then those without a place,
as they have no interval or one that says nothing. Starts without a clip come next. Busy rows end
their size, as they rank nothing. How the columns fit into a terminal is the matter of `layout`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.protocol import WINDOW_SECONDS
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.ranking import has_place, rankings
from whisper_speedtest.results.units import margin, megabytes, percent, rtfx, seconds, times

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.estimate import Estimate
    from whisper_speedtest.measure.result import Result

FASTEST = "×1.0"
"""What stands in the column `slower` of a row that is decidedly the fastest."""

BUSY = " busy"
"""What stands behind a time that says little."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one row tells of a case: one warm measurement, and those of its starts.

    `warm` is None where only starts were measured; the starts are None where they were not.
    """

    case: Case
    warm: Result | None
    cold: Result | None
    load: Result | None
    relative: str = ""
    """How many times as long as the fastest of its size and clip; "" where that is not known."""

    @property
    def busy(self) -> bool:
        """Whether what it tells first was timed beside other work of the machine."""
        return self.any_result.outcome is Outcome.BUSY

    @property
    def clip(self) -> str:
        """The clip's name with what is special about the measurement; "" of starts."""
        return clip_name(self.warm) if self.warm else ""

    @property
    def any_result(self) -> Result:
        """A result of the row, for what all of them tell alike."""
        result = self.warm or self.cold or self.load
        assert result is not None  # a row is made of at least one
        return result


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading, and what stands under it in a row."""

    heading: str
    cell: Callable[[Row], str]
    right: bool = True
    """Whether the cells are numbers, which stand at the right."""

    leaves: int = 0
    """Where there is no room for all columns, they leave in this order, 1 first; 0 stays."""


def rows(results: Sequence[Result]) -> list[Row]:
    """Return the rows of what was measured, in the order in which they are shown.

    The starts are those of the case, so they stand in each of its rows. What a call takes after a
    pause, and a start with cold files, are told in a line each; see notes.
    """
    cases: dict[Case, list[Result]] = {}
    for result in results:
        if result.outcome.was_right:
            cases.setdefault(result.case, []).append(result)
    found = []
    for case, measured in cases.items():
        starts = {each.measure: each for each in measured if each.measure.of_a_start}
        cold, load = starts.get(Measure.COLD), starts.get(Measure.LOAD)
        beside = {*starts, Measure.AFTER_PAUSE, Measure.RATIO}
        warm = [each for each in measured if each.measure not in beside]
        if warm or cold or load:
            found += [Row(case, each, cold, load) for each in warm or (None,)]
    return _ordered(_related(found, results))


def _related(found: Sequence[Row], results: Sequence[Result]) -> list[Row]:
    """Return the rows with how many times as long each takes as the fastest of its ranking.

    `×` stands where the order is decided, and `≈` where nobody can tell which of some is the
    fastest.
    """
    relative: dict[int, str] = {}
    for ranking in rankings(results):
        if len(ranking.ranked) > 1:
            first, near = ranking.ranked[0], ranking.near(ranking.ranked[0])
            relative[id(first)] = "≈1.0" if near else FASTEST
            for each in ranking.ranked[1:]:
                sign = "≈" if each in near else "×"
                relative[id(each)] = sign + times(ratio(each.estimate, first.estimate).value)
    return [replace(row, relative=relative.get(id(row.warm), "")) for row in found]


def _ordered(found: Sequence[Row]) -> list[Row]:
    """Return the rows in their order; a clip has its place by its first row."""
    clips = {clip: place for place, clip in enumerate(dict.fromkeys(row.clip for row in found))}

    def place(row: Row) -> tuple[object, ...]:
        size = place_of_size(row.case.size)
        if row.warm is None:
            return size, row.busy, True
        estimate = row.warm.estimate
        speed = (not has_place(estimate), estimate.seconds)
        return size, row.busy, False, clips[row.clip], *(() if row.busy else speed)

    return sorted(found, key=place)


def time_of(result: Result | None) -> str:
    """Return what a call or a start takes; "" where there was none."""
    if result is None:
        return ""
    return f"{seconds(result.estimate.seconds)}{BUSY if result.outcome is Outcome.BUSY else ''}"


def _margin(row: Row) -> str:
    """Return how far the time may be off."""
    if row.warm is None or row.warm.outcome is Outcome.BUSY:
        return ""
    return repeated(row.warm.estimate)


def repeated(estimate: Estimate) -> str:
    """Return how far an estimate may be off, and how many processes × calls it is made of."""
    fewest, most = min(estimate.calls), max(estimate.calls)
    calls = f"{most}" if fewest == most else f"{fewest}-{most}"
    count = f"({len(estimate.calls)}×{calls})"
    return count if estimate.margin is None else f"{margin(estimate.margin)} {count}"


def _rtfx(row: Row) -> str:
    return rtfx(row.warm.rtfx) if row.warm and row.warm.rtfx is not None else ""


def _peak_memory(row: Row) -> str:
    return megabytes(row.cold.memory.footprint) if row.cold and row.cold.memory else ""


def _wer(row: Row) -> str:
    result = row.warm or row.cold
    return rate(result) if result else ""


def rate(result: Result) -> str:
    """Return the error rate of a transcript, and what is special about it.

    `CER` stands where letters are counted in place of words, and `pooled` behind that of a corpus:
    all errors of its clips over all their words.
    """
    if result.score is None:
        return "unchecked"
    words = [percent(result.score.wer, 1)]
    words += ["CER"] if result.score.cer is not None else []
    words += ["pooled"] if result.measure is Measure.CORPUS else []
    return " ".join(words)


def time_error(result: Result) -> str:
    """Return how far the segments of long audio are off, and over how many boundaries."""
    if not (result.clip and result.score) or result.score.time_error is None:
        return ""
    if result.clip.seconds <= WINDOW_SECONDS:
        return ""
    return f"{result.score.time_error * 1e3:,.0f} ms ({result.score.boundaries})"


def computed_on(result: Result) -> str:
    """Return the device and the type that a result was computed in; "" where nothing was."""
    facts = result.provenance
    return f"{facts.device}, {facts.dtype}" if facts else ""


TIME = "time"

COLUMNS = (
    Column("library", lambda row: row.case.adapter, right=False),
    Column("size", lambda row: row.case.size, right=False),
    Column("variant", lambda row: row.case.variant, right=False),
    Column("clip", lambda row: row.clip, right=False),
    Column(TIME, lambda row: time_of(row.warm)),
    Column("95% interval", _margin, leaves=8),
    Column("RTFx", _rtfx),
    Column("slower", lambda row: row.relative),
    Column("cold start", lambda row: time_of(row.cold), leaves=6),
    Column("load", lambda row: time_of(row.load), leaves=2),
    Column("peak memory", _peak_memory, leaves=4),
    Column("WER", _wer, leaves=5),
    Column("time error", lambda row: time_error(row.warm) if row.warm else "", leaves=7),
    Column(
        "computed on",
        lambda row: computed_on(row.any_result),
        right=False,
        leaves=1,
    ),
)

GROUP = ("size", "clip")
"""Columns that stand above the rows which share them, where there is no room beside."""

NAME = ("library", "variant")
"""Columns that become one in that case."""


def columns(shown: Sequence[Row], earlier: Collection[str] = ()) -> tuple[Column, ...]:
    """Return the columns for some rows, without those that would be empty in every row.

    There is one more where some tests' results are of an earlier session.
    """
    usual = tuple(each for each in COLUMNS if any(map(each.cell, shown)))
    if not earlier:
        return usual
    return *usual, Column("earlier", lambda row: _earlier(row, earlier), right=False, leaves=3)


def _earlier(row: Row, earlier: Collection[str]) -> str:
    """Return which parts of a row an earlier session has measured."""
    parts = {"call": row.warm, "cold start": row.cold, "load": row.load}
    there = {name: result for name, result in parts.items() if result}
    found = [name for name, result in there.items() if result.test in earlier]
    return "all" if len(found) == len(there) else ", ".join(found)
