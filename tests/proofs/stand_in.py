"""How much others slow down threads that wait for each other, and calls of a GPU.

Run as `python -m tests.proofs.stand_in THREADS CORES` on a machine on which nothing else runs, with
PyTorch and Linux; with 0 threads the calls are the GPU's. PyTorch stands in for a library: its
threads meet after each step of a computation, as those of the Whisper libraries do, and its calls
of a GPU are many small ones. Loops beside it compute for a part of each 50 ms, on the same cores.

The quick time is the quickest tenth of the calls with nothing beside them.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from statistics import median, quantiles
from typing import Any

from tests.helpers.loads import IDLE, running
from whisper_speedtest.measure.clock import seconds_of
from whisper_speedtest.measure.contention import ContentionMeter

LOOP = """
while True:
    end = time.monotonic() + {share} * 0.05
    while time.monotonic() < end: pass
    time.sleep((1 - {share}) * 0.05)
"""
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
CALLS = 16
SECONDS = 7.0
"""No call is begun later than this."""


def calculation(threads: int) -> Any:
    """Return a function that takes a number of steps, on the GPU where there are no threads."""
    import torch

    device = "cpu" if threads else "cuda"
    torch.set_num_threads(max(1, threads))
    signals = torch.randn(512, 384, device=device)
    weights = torch.randn(384, 384, device=device)

    def call(steps: int) -> None:
        result = signals
        for _ in range(steps):
            result = torch.tanh(result @ weights)
        float(result[0, 0])  # which waits for the GPU

    return call


def measure(call: Any, steps: int, share: float, loops: int) -> tuple[list[float], list[float]]:
    """Return seconds of each call, and what others took, beside so many loops."""
    seconds, others = list[float](), list[float]()
    with ExitStack() as beside:
        for _ in range(loops):
            beside.enter_context(running(LOOP.format(share=share)))
        idle = beside.enter_context(running(IDLE))  # An engine that does nothing.
        end = time.monotonic() + SECONDS
        while len(seconds) < CALLS and time.monotonic() < end:
            watch = ContentionMeter(idle)
            seconds.append(seconds_of(lambda: call(steps)))
            others.append(watch.end().others or 0.0)
    return seconds, others


def main() -> None:
    """Print a line for each load."""
    if sys.platform != "linux":
        sys.exit("expected Linux, which can bind this process to some cores")
    threads, cores = map(int, sys.argv[1:])
    os.sched_setaffinity(0, set(range(cores)))
    call = calculation(threads)
    call(100)
    begin = time.perf_counter()
    call(100)
    steps = int(100 * 0.25 / (time.perf_counter() - begin))
    quick = quantiles(measure(call, steps, 0.0, 0)[0], n=10)[0]
    print(f"{threads} threads on {cores} cores: quick calls take {quick:.3f} s")
    print("  beside it             calls   times as long (range)        others (range)")
    many = sorted({cores - threads - 1, cores - threads, cores, 2 * cores} - {-1, 0, 1})
    plan = [(0.0, 0), *((share, 1) for share in SHARES), *((1.0, loops) for loops in many)]
    for share, loops in plan:
        seconds, others = measure(call, steps, share, loops)
        times = [each / quick for each in seconds]
        print(
            f"  {loops:2} loops of {share:4.0%} {len(times):11}"
            f"{median(times):9.2f} ({min(times):5.2f} to {max(times):5.2f})"
            f"{median(others):9.2f} ({min(others):5.2f} to {max(others):5.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
