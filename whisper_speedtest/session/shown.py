"""What of a session is shown while it goes on: each test over cases, and what comes before them.

Nothing is shown while pytest writes: what is on the screen is taken away after each phase of a
test.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.session.display import Display, Shown
from whisper_speedtest.session.plugin import RECORDER
from whisper_speedtest.session.screen import screen_of
from whisper_speedtest.session.selection import case_of, measure_of, parameters_of
from whisper_speedtest.session.time_left import Kind, TimeLeft

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager

T = TypeVar("T")

DISPLAY = pytest.StashKey[Display]()
SHOWN = pytest.StashKey[Shown]()
"""What is shown of a test."""

LEFT = pytest.StashKey[TimeLeft]()


def display_of(config: pytest.Config) -> Display:
    """Return what shows people that the session goes on."""
    return config.stash.get(DISPLAY, None) or Display(None)


def showing(config: pytest.Config, subject: str) -> AbstractContextManager[None]:
    """Show people what goes on while the block runs."""
    return display_of(config).showing(Shown(subject))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to show, where there is a reporter: a worker of pytest-xdist has none."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    config.stash[DISPLAY] = Display(screen_of(reporter) if reporter else None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Show a test over cases from now on."""
    case = case_of(item)
    if case is None or not isinstance(item, pytest.Function):
        return (yield)
    stash = item.config.stash
    if LEFT not in stash:
        stash[LEFT] = TimeLeft(kinds(item.session.items))
    left, begin, name = stash[LEFT], time.monotonic(), name_of(item)
    left.begin(item.nodeid)
    display_of(item.config).wrote()
    item.stash[SHOWN] = Shown(
        f"{case.label} {name}", f"{case.size}-{case.variant} {name}", begin, left.left
    )
    outcome = yield
    recorder = item.stash.get(RECORDER, None)
    if recorder and recorder.result.outcome is not Outcome.SKIPPED:
        left.end(item.nodeid, time.monotonic() - begin)
    return outcome


def _shown(item: pytest.Item) -> Generator[None, T, T]:
    """Show a test in one of its phases."""
    if SHOWN not in item.stash:
        return (yield)
    with display_of(item.config).showing(item.stash[SHOWN]):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Show it while its fixtures are made."""
    return (yield from _shown(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Show it while it runs."""
    return (yield from _shown(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Show it while its fixtures end; pytest has just said how it went."""
    display_of(item.config).wrote()
    return (yield from _shown(item))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the thread."""
    display_of(config).close()


def name_of(item: pytest.Function) -> str:
    """Return what a test measures of its case, in few words: `load`, `short`, `long batch6`."""
    selected, measure = parameters_of(item), measure_of(item)
    assert measure is not None
    if measure.of_a_start or selected.clip is None:
        return str(measure)
    words = [str(measure)] if measure is Measure.TUNED else []
    words.append(selected.clip.name)
    words += [f"batch{selected.batch_size}"] if selected.batch_size else []
    return " ".join(words)


def kinds(items: Sequence[pytest.Item]) -> dict[str, Kind]:
    """Return the kind of each test over cases, by its id."""
    found: dict[str, Kind] = {}
    before = None
    for item in items:
        case = case_of(item)
        if case is not None and isinstance(item, pytest.Function):
            found[item.nodeid] = Kind(case.size, name_of(item), first=case != before)
            before = case
    return found
