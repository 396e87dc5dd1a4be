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
    """The limit of a start goes by the size, for English and distilled models as well."""
    assert Rules().start_limit(Case("any", size, "fp16")) == LIMITS[size]


def test_every_size_has_a_limit() -> None:
    """Every size of any library has a limit of its own."""
    assert {case.size for case in all_cases()} == set(LIMITS)


@pytest.mark.parametrize(
    ("seconds", "limit"), [(92.0, 240.0), (120.0, 240.0), (180.0, 360.0), (1200.0, 2400.0)]
)
def test_limit_of_a_call_grows_with_long_audio(seconds: float, limit: float) -> None:
    """The limit of a call grows in proportion to its audio, from two minutes on."""
    assert Rules().call_limit(FAST, seconds) == limit


@pytest.mark.parametrize(("timeout", "limit"), [(7.0, 7.0), (0.0, 1e6)])
def test_limit_of_the_user_is_in_place_of_the_suites(timeout: float, limit: float) -> None:
    """A time limit of the user replaces those of the suite, and 0 stands for no limit."""
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
    """The limit of a test is the sum of its starts and calls, with each timed call three times.

    It has the untimed call of each process as well.
    """
    assert rules.test_limit(FAST, 240.0) == limit


def test_limit_of_a_test_grows_by_its_pauses() -> None:
    """The limit of a test grows by a pause before each call, also before one that is made again."""
    calls = 3 * (1 + 10 * 3)

    assert Rules().test_limit(FAST, 240.0, 5.0) == Rules().test_limit(FAST, 240.0) + calls * 5


def test_limit_of_a_corpus_is_the_sum_of_a_start_and_a_call_a_clip() -> None:
    """The limit of a corpus is the sum of a start, an untimed call and a call for each clip."""
    assert Rules().corpus_limit(FAST, [5.0, 240.0]) == 240 + 240 + 240 + 480
    assert Rules().corpus_limit(FAST, []) == 480
    assert Rules(timeout=7.0).corpus_limit(FAST, [5.0, 240.0]) == 4 * 7


# Repeats


def test_three_processes_are_started_and_one_of_what_is_slow() -> None:
    """Three processes are started, and one of what the device runs slowly, unless the user says."""
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
    """The first call and the budget decide how many calls are timed.

    The budget of a test is 6 s on a GPU, and 20 s on a CPU for up to three calls a process.
    """
    assert Rules().repeats(first, 3, device) == repeats


@pytest.mark.parametrize(
    ("first", "device", "repeats"),
    [(0.01, "gpu", (3, 1)), (2.5, "gpu", (3, 1)), (2.51, "gpu", (1, 1)), (0.01, "cpu", (3, 1))],
)
def test_each_process_makes_one_call_after_a_pause(
    first: float, device: Device, repeats: tuple[int, int]
) -> None:
    """After a pause of any length, each process makes one call, unless the user wants more."""
    for pause in (0.1, 600.0):
        assert Rules().repeats(first, 3, device, pause) == repeats
    assert Rules(calls=4).repeats(first, 3, device, 5.0) == (3, 4)


def test_pause_is_made_on_a_gpu_unless_the_user_says_otherwise() -> None:
    """A pause of 5 s is made on a GPU alone, unless the user chooses one for every device."""
    assert (Rules().pause_on("gpu"), Rules().pause_on("cpu")) == (5.0, 0.0)
    assert (Rules(pause=2.0).pause_on("gpu"), Rules(pause=2.0).pause_on("cpu")) == (2.0, 2.0)
    assert (Rules(pause=0.0).pause_on("gpu"), Rules(pause=0.0).pause_on("cpu")) == (0.0, 0.0)


def test_what_the_user_has_chosen_is_known() -> None:
    """Choices of the user are known by name, and 0 is a choice as well."""
    assert Rules().chosen == ()
    assert Rules(pause=0.0, processes=1).chosen == ("processes", "pause")
    assert Rules(calls=1, budget=1.0, max_others=None, timeout=1.0).chosen == ("calls", "budget")


def test_processes_that_there_are_share_the_budget() -> None:
    """The processes that there are share the budget: two may make more calls each than three."""
    assert Rules().repeats(3.0, 2, "cpu") == (2, 3)
    assert Rules().repeats(3.0, 3, "cpu") == (3, 2)


def test_budget_of_the_user_is_in_place_of_the_suites() -> None:
    """A budget of the user replaces the suite's, up to ten calls of each process."""
    assert Rules(budget=12.0).repeats(2.0, 3, "cpu") == (3, 2)
    assert Rules(budget=6.0).repeats(2.0, 3, "cpu") == (3, 1)
    assert Rules(budget=24.0).repeats(2.0, 3, "cpu") == (3, 4)
    assert Rules(budget=999.0).repeats(2.0, 3, "cpu") == (3, 10)


def test_numbers_of_the_user_are_obeyed() -> None:
    """Numbers of calls and processes that the user chose are obeyed, however long calls take."""
    assert Rules(calls=7).repeats(999.0, 3, "cpu") == (3, 7)
    assert Rules(processes=5).repeats(999.0, 5, "cpu") == (5, 1)
    assert Rules(processes=5, calls=2).repeats(0.001, 5, "gpu") == (5, 2)


@pytest.mark.property
def test_calls_stay_within_the_budget_and_are_never_none() -> None:
    """All calls stay within the budget, unless each process makes just one; one is always made."""
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
    """Only quantised MLX models are slow, and only on a CPU."""
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
    """On a CPU the largest batch holds all windows of the audio, and at least six; on a GPU 24."""
    assert largest_batch(seconds, device) == batch


def test_batch_sizes_are_those_that_a_library_can_be_told() -> None:
    """A library is measured with the batch sizes that it takes; whisper.cpp takes 1 alone."""
    assert BATCH_SIZES == (1, 6, 12, 24)
    assert batch_sizes(Case("faster-whisper", "micro", "fp16")) == (1, 6, 12, 24)
    assert batch_sizes(Case("whisper.cpp", "micro", "fp16")) == (1,)


@pytest.mark.parametrize(("device", "needed"), [("cpu", 3), ("gpu", 1)])
def test_library_needs_a_processor_for_each_thread_and_one_to_feed_a_gpu(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, device: Device, needed: int
) -> None:
    """A library needs a processor for each of its threads, or a single one to feed a GPU."""
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
    """On a CPU a batch is no larger than the number of windows, but six at least."""
    assert largest_batch(seconds, "cpu") == on_cpu
    assert largest_batch(seconds, "gpu") == BATCH_SIZES[-1] == 24


def test_comparison_has_time_for_its_first_blocks_beside_its_minutes() -> None:
    """The limit of a comparison is its minutes and five blocks: four, and one begun at the end.

    In each block both sides start, and make an untimed call and ten that may be made three times.
    """
    tiny, large = Case("mlx-whisper", "tiny", "fp16"), Case("mlx-whisper", "large-v3", "fp16")
    block = (180 + 1800) + (1 + 10 * 3) * (180 + 1800)

    assert Rules().comparison_limit((tiny, large), 12.0, 10.0) == 600 + 5 * block
