"""The clock: how a call is timed, and how often."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

T = TypeVar("T")

BUDGET = 6.0
"""Seconds that the rounds of one warm benchmark should take together."""

MIN_ROUNDS, MAX_ROUNDS = 3, 10


def measure_warm(benchmark: BenchmarkFixture, call: Callable[[], T]) -> list[T]:
    """Time `call` after one discarded call; return what every call returned, the first included.

    The discarded call also tells how many rounds fit the budget, so that a model of half a second
    gets ten and one of a minute gets three.
    """
    returned: list[T] = []

    def timed() -> None:
        returned.append(call())

    start = time.perf_counter()
    timed()
    seconds = time.perf_counter() - start
    rounds = max(MIN_ROUNDS, min(MAX_ROUNDS, int(BUDGET / seconds)))
    benchmark.pedantic(timed, rounds=rounds)
    return returned
