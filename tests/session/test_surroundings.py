"""What is recorded around a measurement, and the wait for a machine to cool down."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.results import state
from whisper_speedtest.measure.result import from_json
from whisper_speedtest.session.surroundings import FIRST, LAST, cool_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.helpers.sessions import Sessions


class Config:
    """The config of a session with --cooldown, whose machine was first fast and then slow."""

    def __init__(self, cooldown: float, last: float) -> None:
        self.stash = pytest.Stash()
        self.stash[FIRST], self.stash[LAST] = state(0.100), state(last)
        self._cooldown = cooldown

    def getoption(self, name: str) -> float:
        """Return the option's value."""
        assert name == "cooldown"
        return self._cooldown


@pytest.fixture(name="waits")
def _waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, on a clock that moves by them alone."""
    waits: list[float] = []
    module = "whisper_speedtest.session.surroundings.time"
    monkeypatch.setattr(f"{module}.monotonic", lambda: sum(waits))
    monkeypatch.setattr(f"{module}.sleep", waits.append)
    return waits


def wait(
    monkeypatch: pytest.MonkeyPatch, cooldown: float, last: float, readings: Sequence[float] = ()
) -> Any:
    """Let a session cool down, whose machine shows these readings one after another."""
    left = iter(readings)
    monkeypatch.setattr("whisper_speedtest.measure.machine.state", lambda: state(next(left)))
    config: Any = Config(cooldown, last)
    cool_down(config)
    return config


def test_machine_is_waited_for_until_it_is_as_fast_as_at_first(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """Within 5 %; the last reading is the state before the next measurement."""
    config = wait(monkeypatch, 60.0, 0.130, [0.120, 0.106, 0.104])

    assert waits == [1.0, 1.0, 1.0]
    assert config.stash[LAST].reference == 0.104


def test_wait_ends_with_its_time(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """However slow the machine still is."""
    wait(monkeypatch, 3.0, 0.130, [0.130] * 9)

    assert waits == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("cooldown", "last"), [(0.0, 0.200), (60.0, 0.105)])
def test_nothing_is_waited_for_without_need(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], cooldown: float, last: float
) -> None:
    """Without the option, or where the machine is as fast as it was."""
    wait(monkeypatch, cooldown, last)

    assert waits == []


def test_results_hold_the_machine_and_its_state_before_and_after(sessions: Sessions) -> None:
    """The state after one measurement is the one before the next."""
    session = sessions.run("benchmarks", "-k", "toy-micro-good and (load or paragraph or window)")

    assert session.saved is not None, session.output
    results = [from_json(each["extra_info"]) for each in session.saved["benchmarks"]]
    assert len(results) == 3
    for result in results:
        assert result.machine == results[0].machine is not None
        assert result.before is not None
        assert result.after is not None
    for one, following in pairwise(results):
        assert one.after == following.before
        assert one.before != one.after
