"""The rows and columns of the closing table: one row for each case and clip that was timed warm.

Rows are sorted by size, then by clip, then fastest first; the rows of a clip that have no place, as
they have no interval or one that says nothing, follow its others. Behind them stand cases of which
only starts were measured, and at the end of each size the busy rows, which rank nothing. A column
is an entry of COLUMNS. How the table fits into a terminal is decided in `layout`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from whisper_speedtest.measure.estimate import ratio
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.protocol import WINDOW_SECONDS
from whisper_speedtest.results.aspects import of_loaded
from whisper_speedtest.results.names import clip_name
from whisper_speedtest.results.order import place_of_size
from whisper_speedtest.results.ranking import has_place, rankings
from whisper_speedtest.results.units import margin, megabytes, percent, rtfx, seconds, times

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from adapters.base import Case
    from whisper_speedtest.measure.estimate import Estimate
    from whisper_speedtest.measure.result import Result

_Loaded = frozenset[tuple[str, str]]
"""What `of_loaded` gives, as the key of a dict."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell of the table; `str` gives it in full."""

    text: str = ""
    short: str | None = None
    """The text where the column has to be narrower; None where that is the same text."""

    busy: bool = False
    """Whether the text is a time that was measured beside other work, so that `busy` follows it."""

    def __str__(self) -> str:
        return f"{self.text} busy" if self.busy else self.text


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a case with one measurement of its warm calls, and those of its starts.

    `warm`, `cold` and `load` are None where they were not measured; at least one of them was.
    """

    case: Case
    warm: Result | None
    cold: Result | None
    load: Result | None
    relative: str = ""
    """How many times as long it takes as the fastest of its size and clip, as `×1.7`; "" where that
    is not known."""

    fastest: bool = False
    """Whether it is decidedly the fastest of its size and clip."""

    @property
    def busy(self) -> bool:
        """Whether other processes used the machine while its `any_result` was measured."""
        return self.any_result.outcome is Outcome.BUSY

    @property
    def clip(self) -> str:
        """The `clip_name` of its warm measurement; "" where there is none."""
        return clip_name(self.warm) if self.warm else ""

    @property
    def any_result(self) -> Result:
        """The first of its results that there is, for what all of them have in common."""
        result = self.warm or self.cold or self.load
        assert result is not None  # a row is made of at least one
        return result


class Role(Enum):
    """What a column is to a narrow table; see `layout`."""

    NAME = auto()
    """All columns of names become one."""

    GROUP = auto()
    """It becomes a part of the line above the rows that share it."""

    CALL = auto()
    """It has the times of warm calls."""

    START = auto()
    """It has the times of starts."""

    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading, and what stands under it in a row."""

    heading: str
    cell: Callable[[Row], Cell]
    role: Role = Role.OTHER
    right: bool = True
    """Whether the cells are aligned to the right, as numbers are."""

    leaves: int = 0
    """Its turn to be left out where there is no room for all columns: 1 first; 0 never."""

    @property
    def is_time(self) -> bool:
        """Whether it has the times of calls or of starts."""
        return self.role in {Role.CALL, Role.START}


def rows(results: Sequence[Result]) -> list[Row]:
    """Return the rows of what was measured, in the order in which they are shown.

    Starts stand in each row of their case that was measured with the same model and library; see
    `of_loaded`. A call after a pause and a start with cold files have a line below the table
    instead; see `notes`.
    """
    cases: dict[Case, list[Result]] = {}
    for result in results:
        if result.outcome.was_right:
            cases.setdefault(result.case, []).append(result)
    found = [row for case, measured in cases.items() for row in _of_case(case, measured)]
    return _ordered(_with_relative(found, results))


def _of_case(case: Case, measured: Sequence[Result]) -> Iterator[Row]:
    """Yield the rows of a case: those of its calls, then those of starts that belong to no call."""
    starts: dict[_Loaded, dict[Measure, Result]] = {}
    calls: list[tuple[_Loaded, Result]] = []
    for each in measured:
        loaded = frozenset(of_loaded(each).items())
        if each.measure.of_a_start:
            starts.setdefault(loaded, {})[each.measure] = each
        elif each.measure not in {Measure.AFTER_PAUSE, Measure.RATIO}:
            calls.append((loaded, each))
    for loaded, call in calls:
        found = starts.get(loaded, {})
        yield Row(case, call, found.get(Measure.COLD), found.get(Measure.LOAD))
    with_calls = {loaded for loaded, _ in calls}
    for loaded, found in starts.items():
        cold, load = found.get(Measure.COLD), found.get(Measure.LOAD)
        if loaded not in with_calls and (cold or load):
            yield Row(case, None, cold, load)


def _with_relative(found: Sequence[Row], results: Sequence[Result]) -> list[Row]:
    """Return the rows with how many times as long each takes as the fastest of its ranking.

    `×` stands where it is decided which of the two is faster, and `≈` where it is not.
    """
    relative: dict[int, str] = {}  # by the id of the warm result, as results have no hash
    fastest: set[int] = set()
    for ranking in rankings(results):
        if len(ranking.ranked) > 1:
            first = ranking.ranked[0]
            near = ranking.near(first)
            relative[id(first)] = "≈1.0" if near else "×1.0"
            if not near:
                fastest.add(id(first))
            for each in ranking.ranked[1:]:
                sign = "≈" if each in near else "×"
                relative[id(each)] = sign + times(ratio(each.estimate, first.estimate).value)
    return [
        replace(row, relative=relative.get(id(row.warm), ""), fastest=id(row.warm) in fastest)
        for row in found
    ]


def _ordered(found: Sequence[Row]) -> list[Row]:
    """Return the rows in the order of the table; clips in the order in which they first come."""
    clips = list(dict.fromkeys(row.clip for row in found))

    def place(row: Row) -> tuple[object, ...]:
        size = place_of_size(row.case.size)
        if row.warm is None:
            return size, row.busy, True
        of_clip = (size, row.busy, False, clips.index(row.clip))
        if row.busy:
            return of_clip
        estimate = row.warm.estimate
        return *of_clip, not has_place(estimate), estimate.seconds

    return sorted(found, key=place)


def time_of(result: Result | None) -> Cell:
    """Return what a call or a start takes, marked where it was busy; empty where there was none."""
    if result is None:
        return Cell()
    return Cell(seconds(result.estimate.seconds), busy=result.outcome is Outcome.BUSY)


def _margin(row: Row) -> Cell:
    """Return how far the time may be off; empty of a busy one, which says nothing."""
    if row.warm is None or row.warm.outcome is Outcome.BUSY:
        return Cell()
    return margin_and_counts(row.warm.estimate)


def margin_and_counts(estimate: Estimate) -> Cell:
    """Return how far an estimate may be off, and its processes × calls: `±2.1% (3×3)`, `(1×3)`.

    There is no margin where there is no interval. Processes with different numbers of calls are
    `(3×2-3)`. In short, it is the margin alone.
    """
    fewest, most = min(estimate.calls), max(estimate.calls)
    calls = f"{most}" if fewest == most else f"{fewest}-{most}"
    counts = f"({len(estimate.calls)}×{calls})"
    if estimate.margin is None:
        return Cell(counts, short="")
    off = margin(estimate.margin)
    return Cell(f"{off} {counts}", short=off)


def _rtfx(row: Row) -> Cell:
    return Cell(rtfx(row.warm.rtfx) if row.warm and row.warm.rtfx is not None else "")


def _peak_memory(row: Row) -> Cell:
    return Cell(megabytes(row.cold.memory.footprint) if row.cold and row.cold.memory else "")


def _wer(row: Row) -> Cell:
    result = row.warm or row.cold
    return Cell(error_rate(result) if result else "")


def error_rate(result: Result) -> str:
    """Return the error rate of a transcript: `4.2%`; `unchecked` without a reference text.

    `CER` stands behind it where letters are counted in place of words, and `pooled` behind that of
    a corpus: all errors of its clips over all their words.
    """
    if result.score is None:
        return "unchecked"
    words = [percent(result.score.wer, 1)]
    words += ["CER"] if result.score.cer is not None else []
    words += ["pooled"] if result.measure is Measure.CORPUS else []
    return " ".join(words)


def time_error(result: Result) -> str:
    """Return how far the boundaries of segments are off, and how many were compared: `64 ms (62)`.

    It is "" of a clip that fits into one window, and where the times are not known.
    """
    if result.clip is None or result.clip.seconds <= WINDOW_SECONDS:
        return ""
    if result.score is None or result.score.time_error is None:
        return ""
    return f"{result.score.time_error * 1e3:,.0f} ms ({result.score.boundaries})"


def computed_on(result: Result) -> str:
    """Return the device and the type that a result was computed in; "" where nothing was."""
    facts = result.provenance
    return f"{facts.device}, {facts.dtype}" if facts else ""


COLUMNS = (
    Column("library", lambda row: Cell(row.case.adapter), Role.NAME, right=False),
    Column("size", lambda row: Cell(row.case.size), Role.GROUP, right=False),
    Column("variant", lambda row: Cell(row.case.variant), Role.NAME, right=False),
    Column("clip", lambda row: Cell(row.clip), Role.GROUP, right=False),
    Column("time", lambda row: time_of(row.warm), Role.CALL),
    Column("95% interval", _margin, leaves=8),
    Column("RTFx", _rtfx),
    Column("slower", lambda row: Cell(row.relative)),
    Column("cold start", lambda row: time_of(row.cold), Role.START, leaves=6),
    Column("load", lambda row: time_of(row.load), Role.START, leaves=2),
    Column("peak memory", _peak_memory, leaves=4),
    Column("WER", _wer, leaves=5),
    Column("time error", lambda row: Cell(time_error(row.warm) if row.warm else ""), leaves=7),
    Column("computed on", lambda row: Cell(computed_on(row.any_result)), right=False, leaves=1),
)


def columns(shown: Sequence[Row], earlier: Collection[str] = ()) -> tuple[Column, ...]:
    """Return the columns for some rows, without those that would be empty in every row.

    `earlier` are the tests whose results were taken over from an earlier session; if there are any,
    there is a column that says which parts of a row they are.
    """
    usual = tuple(each for each in COLUMNS if any(each.cell(row).text for row in shown))
    if not earlier:
        return usual
    return *usual, Column("earlier", lambda row: _earlier(row, earlier), right=False, leaves=3)


def _earlier(row: Row, earlier: Collection[str]) -> Cell:
    """Return which parts of a row an earlier session has measured, as `cold start, load`."""
    parts = {"call": row.warm, "cold start": row.cold, "load": row.load}
    tests = {name: result.test for name, result in parts.items() if result}
    found = [name for name, test in tests.items() if test in earlier]
    return Cell("all" if len(found) == len(tests) else ", ".join(found))
