"""The clock: the only place in the project where a library is timed.

While it runs, the garbage collector, tracers and profilers of this process are paused.
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
    """Pause the garbage collector, tracers and profilers while the block runs."""
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
    """Call `step` and return how many seconds that takes."""
    with _undisturbed():
        begin = time.perf_counter()
        step()
        return time.perf_counter() - begin
