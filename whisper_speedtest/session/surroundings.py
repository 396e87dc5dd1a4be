"""Records the machine of each measurement, and its state before and after."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.session.plugin import RECORDER
from whisper_speedtest.session.selection import case_of
from whisper_speedtest.session.shown import showing

if TYPE_CHECKING:
    from collections.abc import Generator

    from adapters.base import Case
    from whisper_speedtest.measure.machine import Machine, State

MACHINE: pytest.StashKey[Machine] = pytest.StashKey()
FIRST: pytest.StashKey[State] = pytest.StashKey()
"""The state of the machine before the first measurement."""

LAST: pytest.StashKey[State] = pytest.StashKey()
"""The state after the last measurement, which is the one before the next."""

LAST_CASE: pytest.StashKey[Case | None] = pytest.StashKey()

PAUSE = 1.0
"""Seconds between two looks at a machine that is cooling down."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Record the machine of a test over cases, before anything can skip it or let it fail."""
    if recorder := item.stash.get(RECORDER, None):
        recorder.on(machine_of(item.config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Record the machine's state before and after a test over cases."""
    recorder = item.stash.get(RECORDER, None)
    if recorder is None:
        return (yield)
    from whisper_speedtest.measure.machine import state

    stash = item.config.stash
    if FIRST not in stash:
        stash[FIRST] = stash[LAST] = state()
    elif stash[LAST_CASE] != case_of(item):
        cool_down(item.config)
    stash[LAST_CASE] = case_of(item)
    before = stash[LAST]
    try:
        return (yield)
    finally:
        stash[LAST] = state()
        recorder.around(before, stash[LAST])


def machine_of(config: pytest.Config) -> Machine:
    """Return the machine, of which the system is asked once a session."""
    if MACHINE not in config.stash:
        from whisper_speedtest.measure.machine import machine

        config.stash[MACHINE] = machine()
    return config.stash[MACHINE]


def cool_down(config: pytest.Config) -> None:
    """Wait until the machine is as fast as at first, no longer than --cooldown says."""
    from whisper_speedtest.measure.machine import state
    from whisper_speedtest.measure.reference import drift, has_drifted

    deadline = time.monotonic() + config.getoption("cooldown")
    first = config.stash[FIRST].reference
    with showing(config, "waiting for the machine to cool down"):
        while time.monotonic() < deadline:
            now = config.stash[LAST].reference
            if not has_drifted(drift(now, now, first)):
                return
            time.sleep(PAUSE)
            config.stash[LAST] = state()
