"""The closing summary: one row a case and clip, a line for all that was skipped or failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from adapters.base import Case

NOISY_SPREAD = 0.10
"""From here on a spread is marked: the median may not be the same in the next run."""


WARM = ("warm", "long-form", "tuned")
"""The measures that have a row each."""

STARTS = ("load", "cold")
"""The measures that belong to all rows of a case, the later one last."""


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark that passed: its times in seconds, and its `extra_info`."""

    median: float
    iqr: float
    rounds: int
    info: dict[str, Any]

    @property
    def case(self) -> tuple[str, str, str]:
        """Adapter, size and variant."""
        return self.info["adapter"], self.info["size"], self.info["variant"]


@dataclass(slots=True)
class Skipped:
    """What was skipped for one cause: how many tests, of which models.

    `models`: adapter and repo → the sizes and variants. Without a repo, the models do not lack.
    """

    tests: int = 0
    models: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)


@dataclass(slots=True)
class Outcomes:
    """How the benchmarks of a session ended."""

    passed: list[Result] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Test name and what failed."""

    skipped: dict[str, Skipped] = field(default_factory=dict)
    """By cause."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to tell of."""
        return bool(self.passed or self.failed or self.skipped)

    def skip(self, cause: str, case: Case | None = None, repo: str = "") -> None:
        """Count one more test that was skipped for a cause."""
        skipped = self.skipped.setdefault(cause, Skipped())
        skipped.tests += 1
        if case:
            models = skipped.models.setdefault((case.adapter, repo), {})
            models[f"{case.size}-{case.variant}"] = None


def table(results: Sequence[Result]) -> Table:
    """Return a table with a row for each case and clip that was timed warm.

    The load and the peak memory are those of the case, whichever the clip; a case of which nothing
    was timed warm has a row for these alone.
    """
    from rich.box import SIMPLE
    from rich.table import Table

    by_measure = {(result.info["measure"], result.case): result for result in results}
    made = Table(box=SIMPLE, pad_edge=False)
    for heading in ("adapter", "size", "variant", "clip"):
        made.add_column(heading, no_wrap=True)
    for heading in ("median", "spread", "RTFx", "cold start", "load", "peak memory", "WER"):
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("computed on", no_wrap=True)
    for result in _rows(results):
        cold, load = (by_measure.get((measure, result.case)) for measure in ("cold", "load"))
        if result.info["measure"] in WARM:
            clip, median, spread, rtfx, wer = _warm_cells(result)
        else:
            clip, median, spread, rtfx, wer = "", "", "", "", _wer(cold) if cold else ""
        made.add_row(
            *(*result.case, clip, median, spread, rtfx),
            seconds(cold.median) if cold else "",
            seconds(load.median) if load else "",
            megabytes(cold.info["peak_memory_bytes"]) if cold else "",
            *(wer, f"{result.info['device']}, {result.info['dtype']}"),
        )
    return made


def _rows(results: Sequence[Result]) -> list[Result]:
    """Return the results that have a row each, case by case in the order in which they began."""
    rows: dict[tuple[str, str, str], dict[str, list[Result]]] = {}
    for result in results:
        if (measure := result.info["measure"]) in {*WARM, *STARTS}:
            kind = "warm" if measure in WARM else "start"
            rows.setdefault(result.case, {}).setdefault(kind, []).append(result)
    return [row for kinds in rows.values() for row in kinds.get("warm") or kinds["start"][-1:]]


def _warm_cells(result: Result) -> list[str]:
    rtfx = f"{result.info['rtfx']:.1f}"
    return [_clip(result), seconds(result.median), _spread(result), rtfx, _wer(result)]


def notes(outcomes: Outcomes) -> list[str]:
    """Return the lines under the table: what to know of its rows, and why others are not there."""
    lines: dict[str, None] = {}
    for result in outcomes.passed:
        if ratio := result.info.get("measure") == "overhead" and result.info["ratio"]:
            lines[f"harness:  a call takes {ratio:.3f} times the library's own"] = None
        label = f"{result.info['adapter']}[{result.info['size']}-{result.info['variant']}]"
        for mended in result.info["compat"]:
            lines[f"mended:   {label}: {mended}"] = None
        if result.info.get("fallback"):
            on = f"{label} on {_clip(result)}"
            lines[f"fallback: {on}: decoded anew at a higher temperature"] = None
    for cause, skipped in outcomes.skipped.items():
        tests = f"{skipped.tests} test{'s' if skipped.tests > 1 else ''}"
        lines[f"skipped:  {cause} ({tests})"] = None
        for (adapter, repo), models in skipped.models.items():
            lines[f"          {adapter}[{', '.join(models)}]{repo and f': {repo}'}"] = None
    for name, what in outcomes.failed:
        lines[f"failed:   {name}: {what}"] = None
    return list(lines)


def seconds(value: float) -> str:
    """Return a time with three digits that count: `12.0 s`, `87.1 ms`."""
    number, unit = (value, "s") if value >= 1 else (value * 1e3, "ms")
    decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{decimals}f} {unit}"


def megabytes(size: int) -> str:
    """Return a size in MB, which are 1e6 bytes."""
    return f"{size / 1e6:,.0f} MB"


def _clip(result: Result) -> str:
    batch = f" ×{result.info['settings']['batch_size']}"
    added = {"long-form": batch, "tuned": " tuned"}.get(result.info["measure"], "")
    return f"{result.info['clip']}{added}"


def _spread(result: Result) -> str:
    if result.rounds == 1:
        return "1 round"
    share = result.iqr / result.median
    return f"{share:.0%}{' !' if share > NOISY_SPREAD else ''}"


def _wer(result: Result) -> str:
    wer = result.info["wer"]
    return "unchecked" if wer is None else f"{wer:.1%}"
