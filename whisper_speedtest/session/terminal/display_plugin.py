"""The plugin that shows each test over cases on the session's display, while the test runs.

The display is cleared after each phase of a test, before pytest writes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.protocol import is_slow, largest_batch
from whisper_speedtest.session import gpu
from whisper_speedtest.session.choice.options import rules_of
from whisper_speedtest.session.choice.selection import case_of, measure_of, parameters_of
from whisper_speedtest.session.outcomes import RECORDER
from whisper_speedtest.session.terminal.display import Display, Shown
from whisper_speedtest.session.terminal.screen import screen_of
from whisper_speedtest.session.terminal.time_left import Kind, TimeLeft

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager

    from whisper_speedtest.session.choice.selection import Selected
    from whisper_speedtest.speech.clip import Clip
    from whisper_speedtest.speech.corpus import Corpus

T = TypeVar("T")

LIMITED = {Measure.WARM, Measure.TUNED, Measure.LONG_FORM}
"""The measures whose timed calls have a budget and no pauses."""

DISPLAY = pytest.StashKey[Display]()
SHOWN = pytest.StashKey[Shown]()
"""What the display shows of a test."""

LEFT = pytest.StashKey[TimeLeft]()


def display_of(config: pytest.Config) -> Display:
    """Return the session's display; one that shows nothing if there is none."""
    return config.stash.get(DISPLAY, None) or Display(None)


def showing(config: pytest.Config, subject: str) -> AbstractContextManager[None]:
    """Show a subject on the session's display while the block runs."""
    return display_of(config).showing(Shown(subject))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Make the display, if there is a reporter: a worker of pytest-xdist has none."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    config.stash[DISPLAY] = Display(screen_of(reporter) if reporter else None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Decide what to show of a test over cases, and note how long the test took."""
    stash = item.config.stash
    if kind := kinds([item]).get(item.nodeid):
        if LEFT not in stash:
            stash[LEFT] = TimeLeft(kinds(item.session.items))
        time_left = stash[LEFT]
        time_left.begin(item.nodeid)
        display_of(item.config).wrote()
        case = kind.case
        item.stash[SHOWN] = Shown(
            subject=f"{case.label} {kind.what}",
            short=f"{case.size}-{case.variant} {kind.what}",
            since=time.monotonic(),
            left=time_left.left,
        )
    outcome = yield
    if recorder := item.stash.get(RECORDER, None):
        if recorder.result.outcome is Outcome.SKIPPED:
            stash[LEFT].skip(item.nodeid)
        else:
            stash[LEFT].end(item.nodeid, time.monotonic() - item.stash[SHOWN].since)
    return outcome


def _shown(item: pytest.Item) -> Generator[None, T, T]:
    """Show a test during one of its phases."""
    if SHOWN not in item.stash:
        return (yield)
    with display_of(item.config).showing(item.stash[SHOWN]):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Show the test while its fixtures are set up."""
    return (yield from _shown(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Show the test while it runs."""
    return (yield from _shown(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Show the test while its fixtures end, after pytest has written its outcome."""
    display_of(item.config).wrote()
    return (yield from _shown(item))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the display."""
    display_of(config).close()


def name_of(measure: Measure, clip: Clip | Corpus | None, batch_size: int | None) -> str:
    """Return what a test measures, in few words: `load`, `short`, `long batch6`."""
    if measure.of_a_start or clip is None:
        return str(measure)
    words = [clip.name]
    if measure in {Measure.TUNED, Measure.CORPUS}:
        words.insert(0, str(measure))
    elif measure is Measure.AFTER_PAUSE:
        words.append(str(measure))
    if batch_size:
        words.append(f"batch{batch_size}")
    return " ".join(words)


def kinds(items: Iterable[pytest.Item]) -> dict[str, Kind]:
    """Return the id of each test over cases → what the test measures."""
    found: dict[str, Kind] = {}
    for item in items:
        case, measure = case_of(item), measure_of(item)
        if case is not None and measure is not None and isinstance(item, pytest.Function):
            selected = parameters_of(item)
            what = name_of(measure, selected.audio, selected.batch_size)
            skipped = _is_on_cpu(item.config) and _is_skipped_on_cpu(measure, selected)
            budget = _budget(item.config) if measure in LIMITED else None
            found[item.nodeid] = Kind(case, what, measure.of_a_start, skipped, budget)
    return found


def _budget(config: pytest.Config) -> float | None:
    """Return the seconds that the timed calls of a test may take together.

    None if the user has chosen the number of calls or processes, however long they take.
    """
    rules = rules_of(config)
    if rules.calls is not None or rules.processes is not None:
        return None
    return rules.budget_on("gpu" if config.getoption("device") == "gpu" else "cpu")


def _is_on_cpu(config: pytest.Config) -> bool:
    """Tell whether it is known before the tests that all libraries compute on the CPU."""
    return config.getoption("device") == "cpu" or not gpu.may_have_gpu()


def _is_skipped_on_cpu(measure: Measure, selected: Selected) -> bool:
    """Tell whether a test is skipped if its library computes on the CPU."""
    if is_slow(selected.case, "cpu"):
        return not measure.of_a_start
    batch = selected.batch_size or 1
    return selected.clip is not None and batch > largest_batch(selected.clip.seconds, "cpu")
