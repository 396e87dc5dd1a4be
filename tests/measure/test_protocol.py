"""How often things are timed and how long they may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters import all_cases
from adapters.base import Case
from whisper_speedtest.measure.protocol import (
    BATCH_SIZES,
    MOST_CALLS,
    Rules,
    batch_sizes,
    is_slow,
    largest_batch,
)

if TYPE_CHECKING:
    from adapters.base import Device
    from tests.helpers.fake_engine import FakeEngine

LIMITS = {
    "micro": 240,
    "tiny": 180,
    "tiny.en": 180,
    "base": 240,
    "base.en": 240,
    "small": 420,
    "small.en": 420,
    "distil-small.en": 420,
    "medium": 900,
    "medium.en": 900,
    "distil-medium.en": 900,
    "large-v1": 1800,
    "large-v2": 1800,
    "large-v3": 1800,
    "large-v3-turbo": 1800,
    "distil-large-v2": 1800,
    "distil-large-v3": 1800,
    "distil-large-v3.5": 1800,
}


FAST, SLOW = (Case("lightning-whisper-mlx", "micro", kind) for kind in ("fp16", "4bit"))


# Limits


@pytest.mark.parametrize("size", LIMITS)
def test_limit_of_a_start_goes_by_the_size(size: str) -> None:
    """An English or distilled model has the limit of the size that it is named after."""
    assert Rules().start_limit(Case("any", size, "fp16")) == LIMITS[size]


def test_every_size_has_a_limit() -> None:
    """No size of any library is left out above."""
    assert {case.size for case in all_cases()} == set(LIMITS)


@pytest.mark.parametrize(
    ("seconds", "limit"), [(92.0, 240.0), (120.0, 240.0), (180.0, 360.0), (1200.0, 2400.0)]
)
def test_limit_of_a_call_grows_with_long_audio(seconds: float, limit: float) -> None:
    """In proportion, from two minutes on: a podcast of 20 minutes has ten times the time."""
    assert Rules().call_limit(FAST, seconds) == limit


@pytest.mark.parametrize(("timeout", "limit"), [(7.0, 7.0), (0.0, 1e6)])
def test_limit_of_the_user_is_in_place_of_the_suites(timeout: float, limit: float) -> None:
    """However long the audio; 0 is none, which no wait of the system is longer than."""
    rules = Rules(timeout=timeout)

    assert (rules.start_limit(FAST), rules.call_limit(FAST, 1200.0)) == (limit, limit)


@pytest.mark.parametrize(
    ("rules", "limit"),
    [
        (Rules(), 3 * 240 + 3 * (1 + 10 * 3) * 480),
        (Rules(processes=5), 5 * 240 + 5 * (1 + 10 * 3) * 480),
        (Rules(calls=1), 3 * 240 + 3 * (1 + 1 * 3) * 480),
    ],
)
def test_limit_of_a_test_is_the_sum_of_its_starts_and_calls(rules: Rules, limit: float) -> None:
    """With the untimed call of each process, and each timed one made three times."""
    assert rules.test_limit(FAST, 240.0) == limit


def test_limit_of_a_test_grows_by_its_pauses() -> None:
    """One before each call, also before one that is made again."""
    calls = 3 * (1 + 10 * 3)

    assert Rules().test_limit(FAST, 240.0, 5.0) == Rules().test_limit(FAST, 240.0) + calls * 5


def test_limit_of_a_corpus_is_the_sum_of_a_start_and_a_call_a_clip() -> None:
    """With an untimed call, which has the limit of a start; a long clip has more than a short."""
    assert Rules().corpus_limit(FAST, [5.0, 240.0]) == 240 + 240 + 240 + 480
    assert Rules().corpus_limit(FAST, []) == 480
    assert Rules(timeout=7.0).corpus_limit(FAST, [5.0, 240.0]) == 4 * 7


# Repeats


def test_three_processes_are_started_and_one_of_what_is_slow() -> None:
    """Slow is what the device runs many times slower than others do; a user's number wins."""
    rules, chosen = Rules(), Rules(processes=2)

    assert (rules.processes_of(FAST, "gpu"), rules.processes_of(FAST, "cpu")) == (3, 3)
    assert (rules.processes_of(SLOW, "gpu"), rules.processes_of(SLOW, "cpu")) == (3, 1)
    assert (chosen.processes_of(FAST, "cpu"), chosen.processes_of(SLOW, "cpu")) == (2, 2)


@pytest.mark.parametrize(
    ("first", "device", "repeats"),
    [
        (0.01, "cpu", (3, 10)),
        (0.19, "cpu", (3, 10)),
        (0.21, "cpu", (3, 9)),
        (0.5, "cpu", (3, 4)),  # twelve of these fill the budget of a GPU
        (0.51, "cpu", (3, 3)),
        (2.0, "cpu", (3, 3)),
        (20 / 9, "cpu", (3, 3)),  # nine of these fill the budget
        (20 / 9 + 0.01, "cpu", (3, 2)),
        (20 / 6 + 0.01, "cpu", (3, 1)),
        (25 / 3, "cpu", (3, 1)),  # three of these take 25 s, a quarter more than the budget
        (25 / 3 + 0.01, "cpu", (1, 1)),
        (0.01, "gpu", (3, 10)),
        (0.19, "gpu", (3, 10)),
        (0.21, "gpu", (3, 9)),
        (2.5, "gpu", (3, 1)),
        (2.51, "gpu", (1, 1)),
    ],
)
def test_first_call_and_the_budget_decide_how_many_are_timed(
    first: float, device: Device, repeats: tuple[int, int]
) -> None:
    """The budget of a test is 6 s on a GPU, and 20 s on a CPU for up to three calls a process."""
    assert Rules().repeats(first, 3, device) == repeats


@pytest.mark.parametrize(
    ("first", "device", "repeats"),
    [(0.01, "gpu", (3, 1)), (2.5, "gpu", (3, 1)), (2.51, "gpu", (1, 1)), (0.01, "cpu", (3, 1))],
)
def test_each_process_makes_one_call_after_a_pause(
    first: float, device: Device, repeats: tuple[int, int]
) -> None:
    """Unless the user wants more; how long the pause is decides nothing."""
    for pause in (0.1, 600.0):
        assert Rules().repeats(first, 3, device, pause) == repeats
    assert Rules(calls=4).repeats(first, 3, device, 5.0) == (3, 4)


def test_pause_is_made_on_a_gpu_unless_the_user_says_otherwise() -> None:
    """Of 5 s; what the user says holds for every device, and 0 is none."""
    assert (Rules().pause_on("gpu"), Rules().pause_on("cpu")) == (5.0, 0.0)
    assert (Rules(pause=2.0).pause_on("gpu"), Rules(pause=2.0).pause_on("cpu")) == (2.0, 2.0)
    assert (Rules(pause=0.0).pause_on("gpu"), Rules(pause=0.0).pause_on("cpu")) == (0.0, 0.0)


def test_what_the_user_has_chosen_is_known() -> None:
    """By name; 0 is a choice, too."""
    assert Rules().chosen == ()
    assert Rules(pause=0.0, processes=1).chosen == ("processes", "pause")
    assert Rules(calls=1, budget=1.0, max_others=None, timeout=1.0).chosen == ("calls", "budget")


def test_processes_that_there_are_share_the_budget() -> None:
    """Where memory holds two engines only, each may make three calls of 3 s in 20 s."""
    assert Rules().repeats(3.0, 2, "cpu") == (2, 3)
    assert Rules().repeats(3.0, 3, "cpu") == (3, 2)


def test_budget_of_the_user_is_in_place_of_the_suites() -> None:
    """Twice the budget, twice the calls, on a CPU too; a process makes ten of them at most."""
    assert Rules(budget=12.0).repeats(2.0, 3, "cpu") == (3, 2)
    assert Rules(budget=6.0).repeats(2.0, 3, "cpu") == (3, 1)
    assert Rules(budget=24.0).repeats(2.0, 3, "cpu") == (3, 4)
    assert Rules(budget=999.0).repeats(2.0, 3, "cpu") == (3, 10)


def test_numbers_of_the_user_are_obeyed() -> None:
    """Calls that were chosen are made however long they take; so are processes."""
    assert Rules(calls=7).repeats(999.0, 3, "cpu") == (3, 7)
    assert Rules(processes=5).repeats(999.0, 5, "cpu") == (5, 1)
    assert Rules(processes=5, calls=2).repeats(0.001, 5, "gpu") == (5, 2)


@pytest.mark.property
def test_calls_stay_within_the_budget_and_are_never_none() -> None:
    """All calls together take no longer than the budget, if they take as long as the first."""
    from hypothesis import given
    from hypothesis import strategies as st

    seconds = st.floats(1e-3, 1e4)

    @given(seconds, st.integers(1, 9), st.sampled_from(["cpu", "gpu"]), seconds)
    def hold(first: float, processes: int, device: Device, budget: float) -> None:
        count, calls = Rules(budget=budget).repeats(first, processes, device)
        assert 1 <= count <= processes
        assert 1 <= calls <= MOST_CALLS
        assert calls == 1 or count * calls * first <= budget
        assert count == processes or (count == 1 and processes * first > 1.25 * budget)

    hold()


# What is measured


def test_quantised_mlx_models_are_slow_on_a_cpu_alone() -> None:
    """On a GPU nothing is, and of other libraries nothing is anywhere."""
    slow = {case for case in all_cases() if is_slow(case, "cpu")}

    assert {(case.adapter, case.variant) for case in slow} == {
        (adapter, variant)
        for adapter in ("lightning-whisper-mlx", "mlx-whisper")
        for variant in ("4bit", "8bit")
    }
    assert not [case for case in all_cases() if is_slow(case, "gpu")]


@pytest.mark.parametrize(
    ("device", "seconds", "batch"),
    [
        ("gpu", 1.0, 24),
        ("gpu", 3600.0, 24),
        ("cpu", 1.0, 6),
        ("cpu", 180.0, 6),
        ("cpu", 180.1, 7),
        ("cpu", 360.0, 12),
    ],
)
def test_batch_on_a_cpu_is_no_larger_than_what_holds_all_windows(
    device: Device, seconds: float, batch: int
) -> None:
    """A larger one would be the same work; six are timed in any case, and a GPU takes them all."""
    assert largest_batch(seconds, device) == batch


def test_batch_sizes_are_those_that_a_library_can_be_told() -> None:
    """A library that decodes one window after another is measured with that alone."""
    assert BATCH_SIZES == (1, 6, 12, 24)
    assert batch_sizes(Case("faster-whisper", "micro", "fp16")) == (1, 6, 12, 24)
    assert batch_sizes(Case("whisper.cpp", "micro", "fp16")) == (1,)


@pytest.mark.parametrize(("device", "needed"), [("cpu", 3), ("gpu", 1)])
def test_library_needs_a_processor_for_each_thread_and_one_to_feed_a_gpu(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, device: Device, needed: int
) -> None:
    """Of those that it leaves free, of 16 here, others may take half."""
    monkeypatch.setattr(
        "whisper_speedtest.measure.contention.free_processors", lambda threads: 16 - threads
    )
    engine.device, engine.threads = device, 3

    assert Rules().most_beside(engine.as_engine) == pytest.approx(0.1 + (16 - needed) / 2)


@pytest.mark.parametrize(
    ("seconds", "on_cpu"),
    [(3.0, 6), (180.0, 6), (180.1, 7), (300.0, 10), (310.0, 11)],
)
def test_batch_of_a_cpu_is_no_larger_than_the_audio_has_windows(
    seconds: float, on_cpu: int
) -> None:
    """Yet at least one batch is timed beside none; a GPU is given all of them."""
    assert largest_batch(seconds, "cpu") == on_cpu
    assert largest_batch(seconds, "gpu") == BATCH_SIZES[-1] == 24


def test_comparison_has_time_for_its_first_blocks_beside_its_minutes() -> None:
    """Five blocks at most: four, and one that is begun as the minutes end.

    In each, both sides start, and make an untimed call and ten that may be made three times.
    """
    tiny, large = Case("mlx-whisper", "tiny", "fp16"), Case("mlx-whisper", "large-v3", "fp16")
    block = (180 + 1800) + (1 + 10 * 3) * (180 + 1800)

    assert Rules().comparison_limit((tiny, large), 12.0, 10.0) == 600 + 5 * block
