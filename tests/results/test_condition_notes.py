"""The notes on what makes results doubtful: unconfirmed models, drift, and other processes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.helpers.notes import noted
from tests.helpers.reports import compared
from tests.helpers.results import CASE, CLIP, MODEL, PROVENANCE, cold, state, warm
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict

if TYPE_CHECKING:
    from typing import Any

    from whisper_speedtest.measure.result import Result


def test_model_that_no_host_has_confirmed_is_told_once() -> None:
    """A model that no host has confirmed is told once, with what to do, however many its tests."""
    doubtful = msgspec.structs.replace(MODEL, unconfirmed=True)

    (told,) = [line for line in noted([warm(model=doubtful)] * 2) if line.startswith("model: ")]

    assert told == (
        "model:    mlx-community/whisper-tiny-mlx-4bit@121212121212: unconfirmed: no host has said "
        "what its files must be, and they have the hashes that the hub cache names them by; to "
        "know, delete the repo's folder there and fetch it anew"
    )
    assert not [line for line in noted([warm()]) if line.startswith("model: ")]
    failed = warm(model=doubtful, outcome=Outcome.FAILED, reason="wrong words")
    assert told in noted([failed]), "an unconfirmed model may be why a test failed"


def beside(before: float, after: float, first: float = 0.1, **changes: Any) -> Result:
    """Return a warm result around which the reference computation took so many seconds.

    It took `first` as the session began. The samples are of one process: there is no interval.
    """
    return warm(before=state(before), after=state(after), first=state(first), **changes)


SINCE = "than when the session began, while these were measured:"


ONCE = "run these again to compare them with what was measured before"


AGAIN = "run these again, or add --cooldown=60, which waits until it is as fast"


def drifts(*results: Result) -> list[str]:
    """Return what is said of drift."""
    return [
        line.removeprefix("drift:    ") for line in noted(results) if line.startswith("drift:    ")
    ]


def test_drift_is_told_with_its_rows_and_the_largest() -> None:
    """Tests beside which the machine's speed drifted are told with the largest drift.

    What was up to 5 % off is not told. The first reading of the session is what all go by.
    """
    long = msgspec.structs.replace(CLIP, name="long")
    other = replace(CASE, size="base")

    assert drifts(
        beside(0.100, 0.105),
        beside(0.104, 0.112, clip=long),
        beside(0.109, 0.107, case=other),
        beside(0.100, 0.080, case=other, clip=long),
        beside(0.100, 0.090),
    ) == [
        f"the machine was up to 12% slower {SINCE} {CASE.label}: long; {other.label}: short; "
        + AGAIN,
        f"the machine was up to 20% faster {SINCE} {other.label}: long; {CASE.label}: short; "
        + ONCE,
    ]


def test_drift_beside_many_models_is_counted() -> None:
    """Drift beside three models is told with their names, and beside four with their number.

    Beside four, a list would hide what is to be done.
    """
    cases = [replace(CASE, size=size) for size in ("tiny", "base", "small", "medium")]
    results = [beside(0.1, 0.12, case=case) for case in cases]

    (three,) = drifts(*results[:3])
    (four,) = drifts(*results, beside(0.1, 0.11, case=cases[0], measure=Measure.LOAD))

    assert three.count(": short") == 3
    assert four == f"the machine was up to 20% slower {SINCE} 5 tests of 4 models; {AGAIN}"


def test_drift_beside_a_start_is_not_hidden_by_that_beside_a_call() -> None:
    """Drift beside a cold start is told although a call of the same clip drifted less.

    The start is called by what it is.
    """
    cold_start = cold(5.0, 5.0, before=state(0.1), after=state(0.15), first=state(0.1))

    assert drifts(beside(0.1, 0.1), cold_start, beside(0.1, 0.108)) == [
        f"the machine was up to 50% slower {SINCE} {CASE.label}: cold, short; {AGAIN}"
    ]


def test_drift_is_reckoned_from_the_beginning_of_its_own_session() -> None:
    """Drift is reckoned from the first reading of the session that measured the result.

    A report may hold several sessions in any order, and other days have other first readings.
    """
    steady = beside(0.2, 0.2, first=0.2, case=replace(CASE, size="base"))
    slower = beside(0.1, 0.108, first=0.1)

    for results in ((steady, slower), (slower, steady)):
        (line,) = drifts(*results)
        assert f"{SINCE} {CASE.label}: short;" in line


def test_drift_of_a_session_that_does_not_tell_its_beginning_is_that_within_a_test() -> None:
    """Where a session's first reading is unknown, drift is reckoned within each test.

    Older versions of the suite recorded none.
    """
    unknown = {"first": None}

    assert drifts(warm(before=state(0.2), after=state(0.2), **unknown)) == []
    (line,) = drifts(warm(before=state(0.2), after=state(0.22), **unknown))
    assert "up to 10% slower" in line


def test_drift_of_the_gpu_is_told_of_what_was_computed_on_it() -> None:
    """Drift of the GPU is told of a test that computed on the GPU, and not of one on the CPU."""
    around = {"before": state(0.1, 0.5), "after": state(0.1, 0.6), "first": state(0.1, 0.5)}
    on_cpu = msgspec.structs.replace(PROVENANCE, device="cpu")

    assert drifts(warm(**around, provenance=on_cpu)) == []
    (line,) = drifts(warm(**around))
    assert line == f"the machine was up to 20% slower {SINCE} {CASE.label}: short; {AGAIN}"


def test_drift_is_told_with_the_libraries_that_timed_the_gpu() -> None:
    """A note on drift names once each library that timed the GPU, and none for the CPU."""
    on_cpu = msgspec.structs.replace(PROVENANCE, device="cpu")
    first, after = state(0.1), [state(0.2, 0.5, by) for by in ("mlx", "torch", "mlx")]
    on_gpu = [warm(before=first, after=each, first=first) for each in after]

    (line,) = drifts(*on_gpu)
    (of_cpu,) = drifts(warm(before=first, after=after[0], first=first, provenance=on_cpu))

    assert f"{CASE.label}: short (the GPU's speed as mlx and torch computed it); {AGAIN}" in line
    assert "GPU" not in of_cpu


def test_drift_beside_a_comparison_is_nothing_to_speak_of() -> None:
    """Drift beside a comparison is not told: both sides took turns, so it is in both."""
    assert drifts(compared(Verdict.NOT_SLOWER, before=state(0.1), after=state(0.2))) == []


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.FAILED])
def test_drift_beside_what_ranks_nothing_is_nothing_to_speak_of(outcome: Outcome) -> None:
    """Drift beside a busy or failed test is not told.

    Its time is not to be believed anyway, and its own line says why.
    """
    assert drifts(beside(0.1, 0.2, outcome=outcome, reason="why")) == []


def test_steady_machine_is_nothing_to_speak_of() -> None:
    """There is no note on drift of a machine that was steady or whose state nobody noted."""
    assert drifts(beside(0.1, 0.1), warm()) == []


def test_busy_results_are_counted_in_a_line() -> None:
    """The busy tests are counted in one note, which says what to do."""
    lines = noted([warm(outcome=Outcome.BUSY), warm()])

    assert lines[-1] == (
        "busy:     1 of 2 tests were timed while other processes used the machine, so that their "
        "times say little; close other programs, and run these tests again"
    )
