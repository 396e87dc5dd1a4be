"""The closing table: one row for each case and clip that was timed warm. Its columns are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.results.units import megabytes, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rich.table import Table

    from adapters.base import Case
    from whisper_speedtest.measure.result import Result


@dataclass(frozen=True, slots=True)
class Row:
    """What one row tells of a case: one warm measurement, and those of its starts.

    `warm` is None where only starts were measured; the starts are None where they were not.
    """

    case: Case
    warm: Result | None
    cold: Result | None
    load: Result | None

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


def rows(results: Sequence[Result]) -> list[Row]:
    """Return the rows of what was measured, case by case in the order in which they began.

    The starts are those of the case, so they stand in each of its rows.
    """
    cases: dict[Case, list[Result]] = {}
    for result in results:
        if result.outcome in {Outcome.PASSED, Outcome.BUSY}:
            cases.setdefault(result.case, []).append(result)
    found = []
    for case, measured in cases.items():
        starts = {each.measure: each for each in measured if each.measure.of_a_start}
        cold, load = starts.get(Measure.COLD), starts.get(Measure.LOAD)
        calls = [each for each in measured if not each.measure.of_a_start]
        warm = [each for each in calls if each.measure is not Measure.RATIO]
        if warm or starts:
            found += [Row(case, each, cold, load) for each in warm or (None,)]
    return found


def clip_name(result: Result) -> str:
    """Return a clip's name with what is special about its measurement: `long ×6`, `long tuned`."""
    name = result.clip.name if result.clip else ""
    if result.measure is Measure.LONG_FORM and result.settings:
        return f"{name} ×{result.settings.batch_size}"
    return f"{name} tuned" if result.measure is Measure.TUNED else name


def _time(result: Result | None) -> str:
    """Return what a call or a start takes."""
    if result is None:
        return ""
    return f"{seconds(result.estimate.seconds)}{' busy' if result.outcome is Outcome.BUSY else ''}"


def _margin(row: Row) -> str:
    """Return how far the time may be off, and of how many processes and calls each it is."""
    if row.warm is None or row.warm.outcome is Outcome.BUSY:
        return ""
    estimate = row.warm.estimate
    fewest, most = min(estimate.calls), max(estimate.calls)
    calls = f"{most}" if fewest == most else f"{fewest}-{most}"
    repeated = f"({len(estimate.calls)}×{calls})"
    return repeated if estimate.margin is None else f"±{percent(estimate.margin, 1)} {repeated}"


def _rtfx(row: Row) -> str:
    return f"{row.warm.rtfx:.1f}" if row.warm and row.warm.rtfx is not None else ""


def _peak_memory(row: Row) -> str:
    return megabytes(row.cold.memory.footprint) if row.cold and row.cold.memory else ""


def _wer(row: Row) -> str:
    result = row.warm or row.cold
    if result is None:
        return ""
    return percent(result.score.wer, 1) if result.score else "unchecked"


def _computed_on(row: Row) -> str:
    facts = row.any_result.provenance
    return f"{facts.device}, {facts.dtype}" if facts else ""


COLUMNS = (
    Column("adapter", lambda row: row.case.adapter, right=False),
    Column("size", lambda row: row.case.size, right=False),
    Column("variant", lambda row: row.case.variant, right=False),
    Column("clip", lambda row: clip_name(row.warm) if row.warm else "", right=False),
    Column("time", lambda row: _time(row.warm)),
    Column("95% interval", _margin),
    Column("RTFx", _rtfx),
    Column("cold start", lambda row: _time(row.cold)),
    Column("load", lambda row: _time(row.load)),
    Column("peak memory", _peak_memory),
    Column("WER", _wer),
    Column("computed on", _computed_on, right=False),
)


def _earlier(row: Row, earlier: Collection[str]) -> str:
    """Return which parts of a row an earlier session has measured."""
    parts = {"call": row.warm, "cold start": row.cold, "load": row.load}
    there = {name: result for name, result in parts.items() if result}
    found = [name for name, result in there.items() if result.test in earlier]
    return "all" if len(found) == len(there) else ", ".join(found)


def table(results: Sequence[Result], earlier: Collection[str] = ()) -> Table | None:
    """Return the table of the results; None where there is no row.

    `earlier` are the tests whose results were taken over from an earlier session. Where there are
    some, a further column says so.
    """
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(box=SIMPLE, pad_edge=False)
    columns: tuple[Column, ...] = COLUMNS
    if earlier:
        columns += (Column("earlier", lambda row: _earlier(row, earlier), right=False),)
    for column in columns:
        made.add_column(column.heading, justify="right" if column.right else "left", no_wrap=True)
    for row in rows(results):
        made.add_row(*(column.cell(row) for column in columns))
    return made if made.row_count else None
