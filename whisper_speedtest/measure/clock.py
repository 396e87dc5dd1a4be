"""The clock: the only place of the project that times a library.

Python's garbage collector, tracers and profilers of this process are paused while it runs.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Pause what would take time of its own while the block runs."""
    tracer, profiler, collects = sys.gettrace(), sys.getprofile(), gc.isenabled()
    sys.settrace(None)
    sys.setprofile(None)
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        sys.setprofile(profiler)
        sys.settrace(tracer)


def seconds_of(step: Callable[[], object]) -> float:
    """Return how many seconds a step takes."""
    with _undisturbed():
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin
