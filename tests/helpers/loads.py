"""Processes that compute, sleep, or do both by turns, beside what is measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.helpers.project import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE = "sys.stdin.read()"
BUSY = "while True: pass"
HALF_BUSY = """
while True:
    end = time.monotonic() + 0.01
    while time.monotonic() < end: pass
    time.sleep(0.01)
"""
COMES_AND_GOES = """
pause = random.Random(1).uniform
while True:
    end = time.monotonic() + pause(0.02, 1.0)
    while time.monotonic() < end: pass
    time.sleep(pause(0.02, 1.0))
"""
"""Computes for up to a second, and sleeps for up to a second."""


BEGIN = "import random, subprocess, sys, time; print('begun', flush=True)\n"


@contextmanager
def running(script: str) -> Iterator[int]:
    """Run a Python script in a process of its own until the block ends; give the process id.

    The process has begun when the block does.
    """
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + script],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n", f"the script did not begin: {script}"
            yield process.pid
        finally:
            process.kill()


@contextmanager
def busy_machine() -> Iterator[None]:
    """Compute on every processor until the block ends, half of the time.

    That is more than is let pass beside a library anywhere, with --max-others=0.
    """
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            stack.enter_context(running(HALF_BUSY))
        yield


def wait_until(reached: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a state; fail where it is not reached in ample time."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"expected a state within {seconds:g} s, got none"
        time.sleep(0.005)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has spent, to 0.01 s."""
    import psutil

    spent = psutil.Process(pid).cpu_times()
    return float(spent.user + spent.system)
