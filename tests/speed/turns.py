"""Two things compared in one run: they take turns, so that a slow drift of the machine cancels."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    benchmark: BenchmarkFixture,
    ours: Callable[[], object],
    theirs: Callable[[], float],
    *,
    most: float,
    turns: int,
    most_turns: int = 25,
    settle: Callable[[], object] = lambda: None,
) -> None:
    """Time `ours`, and fail where its median is over `most` times that of `theirs`.

    `theirs` returns its own seconds. After so many turns the answer may still be the machine's
    noise: as long as it is against us, more turns are taken, up to `most_turns`. `settle` is called
    before each of the two, outside both clocks, so that neither pays for the other's leavings.
    """
    theirs()  # connections, imports and the disk's cache are warm for both
    ours()
    our_seconds: list[float] = []
    their_seconds: list[float] = []

    def turn() -> None:
        settle()
        their_seconds.append(theirs())
        settle()

    benchmark.pedantic(lambda: our_seconds.append(seconds(ours)), setup=turn, rounds=turns)
    while (ratio := median(our_seconds) / median(their_seconds)) > most:
        if len(our_seconds) >= most_turns:
            break
        turn()
        our_seconds.append(seconds(ours))

    benchmark.extra_info.update(ratio=ratio, turns=len(our_seconds))
    assert ratio <= most, f"expected at most {most} times as long, got {ratio:.3f}"
