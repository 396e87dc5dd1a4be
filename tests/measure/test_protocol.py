"""How often things are timed and how long they may take."""

from __future__ import annotations

import pytest

from adapters import all_cases
from adapters.base import Case
from whisper_speedtest.measure.protocol import (
    BATCH_SIZES,
    batch_sizes,
    calls_of,
    is_slow,
    starts_of,
    time_limit,
)

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


@pytest.mark.parametrize("size", LIMITS)
def test_time_limit_goes_by_the_size(size: str) -> None:
    """An English or distilled model has the limit of the size that it is named after."""
    assert time_limit(Case("any", size, "fp16")) == LIMITS[size]


@pytest.mark.parametrize(
    ("seconds", "limit"), [(92.0, 240.0), (120.0, 240.0), (180.0, 360.0), (1200.0, 2400.0)]
)
def test_time_limit_grows_with_long_audio(seconds: float, limit: float) -> None:
    """In proportion, from two minutes on: a podcast of 20 minutes has ten times the time."""
    assert time_limit(Case("any", "micro", "fp16"), seconds) == limit


def test_every_size_has_a_time_limit() -> None:
    """No size of any library is left out above."""
    assert {case.size for case in all_cases()} == set(LIMITS)


@pytest.mark.parametrize(
    ("seconds", "gpu", "cpu"), [(0.5, 10, 2), (15.0, 10, 2), (15.001, 5, 1), (90.0, 5, 1)]
)
def test_brief_clips_are_timed_more_often(seconds: float, gpu: int, cpu: int) -> None:
    """Up to 15 s: ten calls on a GPU, two on a CPU; of a longer clip half as many."""
    assert calls_of(seconds, "gpu") == gpu
    assert calls_of(seconds, "cpu") == cpu


def test_starts_are_timed_three_times_on_a_gpu_and_twice_on_a_cpu() -> None:
    """Except where a device runs a variant many times slower: there once."""
    fast, slow = (Case("lightning-whisper-mlx", "micro", kind) for kind in ("fp16", "4bit"))

    assert (starts_of(fast, "gpu"), starts_of(fast, "cpu")) == (3, 2)
    assert (starts_of(slow, "gpu"), starts_of(slow, "cpu")) == (3, 1)


def test_quantised_mlx_models_are_slow_on_a_cpu_alone() -> None:
    """On a GPU nothing is, and of other libraries nothing is anywhere."""
    slow = {case for case in all_cases() if is_slow(case, "cpu")}

    assert {(case.adapter, case.variant) for case in slow} == {
        (adapter, variant)
        for adapter in ("lightning-whisper-mlx", "mlx-whisper")
        for variant in ("4bit", "8bit")
    }
    assert not [case for case in all_cases() if is_slow(case, "gpu")]


def test_batch_sizes_are_those_that_a_library_can_be_told() -> None:
    """A library that decodes one window after another is measured with that alone."""
    assert BATCH_SIZES == (1, 6, 12, 24)
    assert batch_sizes(Case("faster-whisper", "micro", "fp16")) == (1, 6, 12, 24)
    assert batch_sizes(Case("whisper.cpp", "micro", "fp16")) == (1,)
