"""The panels of a machine: which results are drawn, in which order, and what of the others."""

from __future__ import annotations

from dataclasses import replace as with_fields
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.pages import read_page
from tests.helpers.results import (
    CLIP,
    COMMIT,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    cold,
    measured,
    score,
)
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.samples import Start
from whisper_speedtest.results.report import panels
from whisper_speedtest.results.report.merged import merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whisper_speedtest.measure.result import Result
    from whisper_speedtest.results.report.merged import OnMachine
    from whisper_speedtest.results.report.panels import Panel

replace = msgspec.structs.replace
CPU = replace(PROVENANCE, device="cpu")
PARAGRAPH = replace(CLIP, name="paragraph", sha256="ab" * 32, seconds=24.0)


def on(*results: Result) -> OnMachine:
    """Return what is known of the one machine of these results."""
    (machine,) = merge(results).machines
    return machine


def told(panel: Panel) -> list[str]:
    """Return what the marks of a panel say, in their order."""
    return read_page(panel.chart.svg).labels


def headings(found: Sequence[Panel]) -> list[str]:
    """Return the headings of panels."""
    return [each.heading for each in found]


def started(name: str, *totals: float, **changes: Any) -> Result:
    """Return a cold start of a library's `small` on MACHINE."""
    adapter, variant, size = [*name.split(), "small"][:3]
    case = Case(adapter, size, variant)
    fields = {"test": f"test_cold[{case}]", "case": case, "machine": MACHINE}
    return cold(*totals, **{**fields, **changes})


def speed(machine: OnMachine) -> list[Panel]:
    """Return the panels of speed."""
    drawn, _ = panels.speed(machine)
    return drawn


def test_speed_has_a_panel_of_each_size_fastest_first() -> None:
    """Speed is drawn in a panel for each size, small ones first, the fastest row first in each.

    Each row has its RTFx, interval and repetitions.
    """
    found = speed(
        on(
            measured("mlx-whisper fp16", 2.0, 2.0, 2.0),
            measured("mlx-whisper 4bit", 1.0, 1.0, 1.0),
            measured("mlx-whisper fp16 base", 0.5, 0.5, 0.5),
        )
    )

    assert headings(found) == ["base, short", "small, short"]
    assert told(found[0]) == ["mlx-whisper fp16: 24.0 ±0.0% (3×1)"]
    assert told(found[1]) == [
        "mlx-whisper 4bit: 12.0 ±0.0% (3×1)",
        "mlx-whisper fp16: 6.0 ±0.0% (3×1)",
    ]
    assert [each.notes for each in found] == [(), ()]


def test_interval_of_rtfx_is_that_of_the_time_turned_over() -> None:
    """The interval of an RTFx is that of the time turned over: the longest time is its low end."""
    result = measured("mlx-whisper fp16", 1.0, 1.1, 1.2)
    estimate = result.estimate
    assert estimate.low
    assert estimate.high

    bar = panels._rtfx_bar("name", result)

    assert (bar.low, bar.value, bar.high) == pytest.approx(
        (12 / estimate.high, 12 / estimate.seconds, 12 / estimate.low)
    )
    assert bar.low is not None
    assert bar.low < bar.value
    assert not bar.hollow


def test_short_stands_before_other_clips() -> None:
    """Panels of the short clip stand before those of other clips.

    The answer is about it. Then small sizes stand before large ones.
    """
    found = speed(
        on(
            measured("mlx-whisper fp16 base", clip=PARAGRAPH),
            measured("mlx-whisper fp16 small", clip=PARAGRAPH),
            measured("mlx-whisper fp16 small"),
        )
    )

    assert headings(found) == ["small, short", "base, paragraph", "small, paragraph"]


def test_long_audio_has_a_panel_of_each_batch_size_behind_other_clips() -> None:
    """Long audio has a panel for each batch size, behind the panels of other clips.

    They are named as in the table, so that each of its rows has a bar.
    """
    six = with_fields(SETTINGS, batch_size=6)
    long = {"measure": Measure.LONG_FORM, "clip": replace(CLIP, name="long", seconds=120.0)}
    found = speed(
        on(
            measured("mlx-whisper fp16", 2.0, 2.0, **long),
            measured("mlx-whisper fp16", 1.0, 1.0, settings=six, test="test_six", **long),
            measured("mlx-whisper 4bit", 3.0, 3.0, settings=six, **long),
            measured("mlx-whisper fp16", clip=PARAGRAPH),
            measured("mlx-whisper fp16"),
        )
    )

    assert headings(found) == [
        "small, short",
        "small, paragraph",
        "small, long ×1",
        "small, long ×6",
    ]
    assert told(found[2]) == ["mlx-whisper fp16: 60.0 ±0.0% (2×1)"]
    assert told(found[3]) == [
        "mlx-whisper fp16: 120.0 ±0.0% (2×1)",
        "mlx-whisper 4bit: 40.0 ±0.0% (2×1)",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"), [((0.1,), "120.0 (1×1)"), ((0.01, 1.0), "120.0 >±100% (2×1)")]
)
def test_result_without_an_interval_that_says_something_is_hollow_and_last(
    seconds: tuple[float, ...], shown: str
) -> None:
    """A bar without an interval, or with one over ±100 %, is hollow and last, however fast.

    Nobody knows its place; the panel says so, and draws no interval.
    """
    fast = measured("mlx-whisper 4bit", *seconds)
    (found,) = speed(on(fast, measured("mlx-whisper fp16")))

    assert told(found) == ["mlx-whisper fp16: 6.0 ±0.0% (3×1)", f"mlx-whisper 4bit: {shown}"]
    assert found.notes == ("Hollow: no interval, or one over ±100%, so that its place is a guess.",)
    bar = panels._rtfx_bar("name", fast)
    assert (bar.low, bar.high, bar.hollow) == (None, None, True)


def test_speed_says_what_is_left_out() -> None:
    """A panel of speed says how many busy and failed results it leaves out."""
    (found,) = speed(
        on(
            measured("mlx-whisper fp16"),
            measured("mlx-whisper 4bit", outcome=Outcome.BUSY),
            measured("faster-whisper int8", outcome=Outcome.FAILED, samples=()),
        )
    )

    assert told(found) == ["mlx-whisper fp16: 6.0 ±0.0% (3×1)"]
    assert found.notes == ("Left out: 1 busy, 1 failed.",)


def test_clip_of_which_nothing_can_be_ranked_is_named_and_not_drawn() -> None:
    """A clip of which nothing can be ranked is named with the reasons, and not drawn.

    An empty drawing tells nothing.
    """
    drawn, undrawn = panels.speed(
        on(
            measured("mlx-whisper fp16"),
            measured("mlx-whisper fp16", clip=PARAGRAPH, outcome=Outcome.BUSY),
            measured("mlx-whisper 4bit", clip=PARAGRAPH, outcome=Outcome.BUSY),
            measured("mlx-whisper 8bit", clip=PARAGRAPH, outcome=Outcome.FAILED, samples=()),
            measured("mlx-whisper fp16 base", outcome=Outcome.TIMED_OUT, samples=()),
        )
    )

    assert headings(drawn) == ["small, short"]
    assert undrawn == ["base, short (1 timed out)", "small, paragraph (2 busy, 1 failed)"]


def test_devices_are_named_where_there_are_several() -> None:
    """The rows of a panel name the device only where results are of several."""
    one = speed(on(measured("mlx-whisper fp16")))
    two = speed(
        on(measured("mlx-whisper fp16"), measured("mlx-whisper fp16", 3, 3, 3, provenance=CPU))
    )

    assert [each.split(":")[0] for each in told(one[0])] == ["mlx-whisper fp16"]
    assert [each.split(":")[0] for each in told(two[0])] == [
        "mlx-whisper fp16, gpu",
        "mlx-whisper fp16, cpu",
    ]


def test_panels_are_not_more_than_a_page_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more panels than a page can hold, the first ones are drawn.

    The others are in the table.
    """
    monkeypatch.setattr(panels, "MOST_PANELS", 1)

    found = speed(on(measured("mlx-whisper fp16 base"), measured("mlx-whisper fp16 small")))

    assert headings(found) == ["base, short"]


def test_accuracy_in_letters_says_so() -> None:
    """A drawing of accuracy in letters says so in its title, at each point and of the clip."""
    letters = [with_fields(score(rate), cer=rate) for rate in (0.1, 0.2)]

    wide, _ = panels.accuracy(
        on(
            measured("mlx-whisper fp16", score=letters[0]),
            measured("mlx-whisper 4bit", score=letters[1]),
        )
    )

    assert wide.heading == "Letter error rate over RTFx, short"
    assert wide.notes[0].startswith("On short, which has 1,000 letters;")
    assert {each.rpartition(", ")[2] for each in told(wide)} == {"CER 10.0%", "CER 20.0%"}


def test_accuracy_is_drawn_of_the_clip_with_most_words() -> None:
    """Accuracy is drawn of the clip with most words, once for wide and once for narrow pages.

    Each point has library, size, RTFx and rate.
    """
    longest = with_fields(score(0.1), reference_words=2000)
    results = [
        measured("mlx-whisper fp16", clip=PARAGRAPH, score=longest),
        measured("faster-whisper int8 base", 1, 1, 1, clip=PARAGRAPH, score=score(0.4)),
        measured("mlx-whisper fp16", score=score(0.3)),
        measured("mlx-whisper 4bit", score=score(0.4)),
    ]

    wide, narrow = panels.accuracy(on(*results))

    assert sorted(told(wide)) == sorted(told(narrow))
    assert sorted(told(wide)) == [
        "faster-whisper int8, base: RTFx 24.0, WER 40.0%",
        "mlx-whisper fp16, small: RTFx 12.0, WER 10.0%",
    ]
    boxes = [read_page(each.chart.svg).one("svg").attributes["viewbox"] for each in (wide, narrow)]
    widths = [float(box.split()[2]) for box in boxes]
    assert widths[0] > 1.5 * widths[1]
    assert "2,000 words" in wide.notes[0]
    assert {"40", "WER in %"} <= {each.text for each in read_page(wide.chart.svg).all("text")}


def test_accuracy_is_not_drawn_where_all_rates_are_the_same() -> None:
    """Accuracy is not drawn where all known error rates are the same."""
    same = [measured("mlx-whisper fp16"), measured("mlx-whisper 4bit", 1, 1, 1)]
    unchecked = [measured("mlx-whisper fp16", score=None), measured("mlx-whisper 4bit")]

    assert panels.accuracy(on(*same)) == []
    assert panels.accuracy(on(*unchecked)) == []


def test_of_many_points_those_are_labelled_that_none_beats_in_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of many points of accuracy, those are labelled that no other beats.

    A point as fast and with fewer errors beats another, and so does one with as many errors that is
    faster.
    """
    results = [
        measured("mlx-whisper a", 1, 1, 1, score=score(0.3)),
        measured("mlx-whisper b", 2, 2, 2, score=score(0.1)),
        measured("mlx-whisper c", 2, 2, 2, score=score(0.2)),
        measured("mlx-whisper d", 3, 3, 3, score=score(0.1)),
        measured("mlx-whisper e", 4, 4, 4, score=score(0.4)),
    ]

    def labels() -> set[str]:
        wide, _ = panels.accuracy(on(*results))
        return {each.text for each in read_page(wide.chart.svg).all("text")}

    assert not {"small a", "small b"} & labels(), (
        "five points are few, and are labelled by size alone"
    )
    monkeypatch.setattr(panels, "MOST_LABELS", 4)
    found = {each for each in labels() if each.startswith("small")}
    assert found == {"small a", "small b"}


def test_phases_add_up_to_the_estimate() -> None:
    """The phases of a cold start add up to its estimate.

    They share it as the mean start of those that count does; the first one does not count.
    """
    starts = (
        Start(process=0, launch=9.0, import_library=9.0, load=9.0, first_call=9.0),
        Start(process=1, launch=1.0, import_library=2.0, load=3.0, first_call=4.0),
        Start(process=2, launch=3.0, import_library=2.0, load=1.0, first_call=4.0),
    )
    result = started("mlx-whisper fp16", 36.0, 20.0, 20.0, starts=starts)

    (found,) = panels.starts(on(result), Measure.COLD)

    assert found.heading == "small"
    assert told(found) == [
        "mlx-whisper fp16, new process: 4.00 s",
        "mlx-whisper fp16, import: 4.00 s",
        "mlx-whisper fp16, load: 4.00 s",
        "mlx-whisper fp16, first call: 8.00 s",
    ]


def test_starts_stand_shortest_first_and_the_first_ever_apart() -> None:
    """Cold starts are drawn shortest first, and a single start stands apart.

    Nobody knows what it found compiled.
    """
    found = panels.starts(
        on(
            started("mlx-whisper fp16", 9.0, 5.0, 5.0),
            started("faster-whisper int8", 9.0, 4.0, 4.0),
            started("mlx-whisper 4bit", 1.0),
        ),
        Measure.COLD,
    )

    assert headings(found) == ["small", "small, first start ever"]
    names = [each.split(",")[0] for each in told(found[0])]
    assert list(dict.fromkeys(names)) == ["faster-whisper int8", "mlx-whisper fp16"]
    assert told(found[1])[0] == "mlx-whisper 4bit, new process: 100 ms"


def test_starts_are_those_of_the_measure_that_passed() -> None:
    """Starts that were busy, or had their files out of memory, are not among the usual ones."""
    files = {"measure": Measure.COLD_FILES, "test": "test_files"}
    machine = on(
        started("mlx-whisper fp16", 9.0, 5.0, outcome=Outcome.BUSY),
        started("mlx-whisper fp16", 9.0, 8.0, **files),
    )

    assert panels.starts(machine, Measure.COLD) == []
    (found,) = panels.starts(machine, Measure.COLD_FILES)
    assert len(told(found)) == 4


def paused(name: str, *seconds: float, **changes: Any) -> Result:
    """Return the result of calls after a pause."""
    fields = {"measure": Measure.AFTER_PAUSE, "test": f"test_pause[{name}]", **changes}
    return measured(name, *seconds, **fields)


def test_call_after_a_pause_is_drawn_beside_one_right_after_another() -> None:
    """A call after a pause is drawn beside a usual one, with how many times as long it takes.

    Both are of the same case, clip, settings, model and device.
    """
    found, undecided = panels.pauses(
        on(
            measured("mlx-whisper fp16", 2.0, 2.0, 2.0),
            paused("mlx-whisper fp16", 3.0, 3.0, 3.0),
            measured("mlx-whisper 4bit", 1.0, 1.0, 1.0),
            paused("mlx-whisper 4bit", 1.5, 1.5, 1.5),
        )
    )

    (panel,) = found
    assert panel.heading == "small"
    assert told(panel) == [
        "mlx-whisper 4bit, short: 1.00 s → 1.50 s, ×1.50",
        "mlx-whisper fp16, short: 2.00 s → 3.00 s, ×1.50",
    ]
    assert undecided == []


def test_shortest_call_after_a_pause_is_drawn_first() -> None:
    """The shortest call after a pause is drawn first.

    That is what a user feels; which one is faster right after another call does not count.
    """
    (panel,), _ = panels.pauses(
        on(
            measured("mlx-whisper fp16", 1.0, 1.0, 1.0),
            paused("mlx-whisper fp16", 4.0, 4.0, 4.0),
            measured("mlx-whisper 4bit", 2.0, 2.0, 2.0),
            paused("mlx-whisper 4bit", 3.0, 3.0, 3.0),
        )
    )

    assert [line.split(",")[0] for line in told(panel)] == ["mlx-whisper 4bit", "mlx-whisper fp16"]


def test_pause_that_makes_no_certain_difference_is_named_and_not_drawn() -> None:
    """A pause that makes no certain difference to a call is named and not drawn."""
    found, undecided = panels.pauses(
        on(
            measured("mlx-whisper fp16", 2.0, 2.2, 2.4),
            paused("mlx-whisper fp16", 2.0, 2.3, 2.5),
        )
    )

    assert found == []
    assert undecided == ["mlx-whisper fp16, small, short"]


@pytest.mark.parametrize(
    "other",
    [
        {"clip": PARAGRAPH},
        {"settings": with_fields(SETTINGS, threads=1)},
        {"model": replace(MODEL, commit=COMMIT[::-1])},
        {"provenance": CPU},
        {"outcome": Outcome.BUSY},
    ],
    ids=["clip", "settings", "model", "device", "busy"],
)
def test_pause_is_not_compared_with_another_call(other: dict[str, Any]) -> None:
    """A call after a pause is compared only with one of its clip, settings, model and device.

    A busy one is none. Else there is nothing to draw, and nothing that is undecided.
    """
    assert panels.pauses(
        on(
            measured("mlx-whisper fp16", 2.0, 2.0, 2.0, **other),
            paused("mlx-whisper fp16", 3.0, 3.0, 3.0),
        )
    ) == ([], [])


def test_memory_is_that_of_a_start_the_least_first() -> None:
    """Peak memory is drawn of cold starts, the least first, with the accelerator's if told."""
    (found,) = panels.memory(
        on(
            started("mlx-whisper fp16", memory=Memory(3_000_000_000, 2_000_000_000)),
            started("faster-whisper int8", memory=Memory(1_000_000_000, None)),
            started("mlx-whisper 4bit", memory=None),
            measured("transformers fp16", memory=Memory(1, None)),
        )
    )

    assert told(found) == [
        "faster-whisper int8: 1,000 MB",
        "mlx-whisper fp16: 3,000 MB, accelerator 2,000 MB",
    ]


def of_days(name: str, *seconds: float, **changes: Any) -> list[Result]:
    """Return a result of each day, of calls that take so long."""
    return [
        measured(name, each, each, each, when=f"2026-11-{day:02}T10:00:00.000Z", **changes)
        for day, each in enumerate(seconds, start=1)
    ]


def test_history_has_each_day_of_what_was_measured_more_than_once() -> None:
    """A history has a point for each day of what was measured more than once.

    What was measured once has none, and neither has what was busy or of no known day.
    """
    (found,) = panels.histories(
        on(
            *of_days("mlx-whisper fp16", 2.0, 3.0),
            *of_days("mlx-whisper 4bit", 1.0),
            *of_days("mlx-whisper 8bit", 1.0, 1.0, outcome=Outcome.BUSY),
            measured("faster-whisper int8", 1.0, 1.1),
            measured("faster-whisper int8", 1.2, 1.3),
        )
    )

    assert found.heading == "small, short"
    assert told(found) == [
        "mlx-whisper fp16, 2026-11-01: RTFx 6.0",
        "mlx-whisper fp16, 2026-11-02: RTFx 4.0",
    ]
    assert found.chart.series == ("mlx-whisper fp16",), "the legend names each line"


def test_history_says_what_changed_on_the_way() -> None:
    """A history tells the version of each point and does not join points of different ones."""
    newer = replace(PROVENANCE, versions={**PROVENANCE.versions, "mlx": "0.33.0"})
    before, after = of_days("mlx-whisper fp16", 2.0, 3.0)

    (found,) = panels.histories(on(before, replace(after, provenance=newer)))

    assert told(found) == [
        "mlx-whisper fp16 (mlx 0.32.4), 2026-11-01: RTFx 6.0",
        "mlx-whisper fp16 (mlx 0.33.0), 2026-11-02: RTFx 4.0",
    ]
    paths = [each.attributes["d"] for each in read_page(found.chart.svg).all("path")]
    assert not [path for path in paths if path.count("L") == 1 and "A" not in path]


def test_history_is_that_of_short_or_else_of_what_was_measured_most_often() -> None:
    """The history of a size is of the short clip, or else of the one measured most often.

    The smallest size stands first.
    """
    found = panels.histories(
        on(
            *of_days("mlx-whisper fp16", 2.0, 3.0, clip=PARAGRAPH),
            *of_days("mlx-whisper 4bit", 2.0, 3.0, clip=PARAGRAPH),
            *of_days("mlx-whisper fp16", 2.0),
            *of_days("mlx-whisper fp16 base", 2.0, 3.0),
            *of_days("mlx-whisper fp16 base", 2.0, 3.0, clip=PARAGRAPH),
            *of_days("mlx-whisper 4bit base", 2.0, 3.0, clip=PARAGRAPH),
        )
    )

    assert headings(found) == ["base, short", "small, paragraph"]


def test_history_ends_with_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many points a history has the last, and of many lines those with most points.

    It says how many more lines there are.
    """
    monkeypatch.setattr(panels, "MOST_POINTS", 2)
    monkeypatch.setattr(panels, "MOST_LINES", 1)

    (found,) = panels.histories(
        on(
            *of_days("mlx-whisper 4bit", 1.0, 1.0),
            *of_days("mlx-whisper fp16", 2.0, 3.0, 4.0),
        )
    )

    assert told(found) == [
        "mlx-whisper fp16, 2026-11-02: RTFx 4.0",
        "mlx-whisper fp16, 2026-11-03: RTFx 3.0",
    ]
    assert found.notes == ("1 more are in results.csv.",)
