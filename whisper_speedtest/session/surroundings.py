"""Records the machine of each measurement, and the machine's state before and after it."""

from __future__ import annotations

import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, files_of, missing_packages, valid_adapters
from adapters.base import Adapter, Case
from whisper_speedtest.session.choice.selection import case_of
from whisper_speedtest.session.models.prefetch import session_model
from whisper_speedtest.session.outcomes import RECORDER
from whisper_speedtest.session.terminal.display_plugin import showing

if TYPE_CHECKING:
    from collections.abc import Generator

    from whisper_speedtest.measure.machine import Machine, State
    from whisper_speedtest.measure.reference import GpuReference

MACHINE: pytest.StashKey[Machine] = pytest.StashKey()

PAUSE = 1.0
"""Seconds between two measurements of a machine that is cooling down."""


@dataclass(slots=True)
class States:
    """The states of the machine, from the first measurement of a session on."""

    first: State
    """The state before the first measurement; GPU values from the first on a GPU."""

    last: State
    """The state after the latest measurement, which is also the state before the next."""

    case: Case | None = None
    """The case of the latest measurement."""


@dataclass(slots=True)
class GpuWatch:
    """What times the GPU's reference in a session, from the first case on a GPU on."""

    reference: GpuReference | None = None
    """None before it is found, and if it has failed."""

    by: str = ""
    """The adapter whose library computes the reference."""

    fault: str = ""
    """Why the reference is not timed; "" after a warning has said so."""

    def lose(self, reason: str) -> None:
        """Time the reference no more; a warning will say why."""
        self.reference = None
        self.fault = f"nothing shows how fast the GPU is through this session: {reason}"


STATES = pytest.StashKey[States]()
GPU = pytest.StashKey[GpuWatch]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Record the machine of a test over cases before the test can be skipped or fail."""
    if recorder := item.stash.get(RECORDER, None):
        recorder.on(machine_of(item.config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Record the machine's state before and after a test over cases."""
    recorder = item.stash.get(RECORDER, None)
    if recorder is None:
        return (yield)
    config, case = item.config, case_of(item)
    if STATES not in config.stash:
        now = _state(config)
        config.stash[STATES] = States(now, now, case)
    states = config.stash[STATES]
    if states.case != case:
        cool_down(config)
        states.case = case
    before = states.last
    try:
        return (yield)
    finally:
        states.last = _state(config)
        recorder.around(states.first, before, states.last)
        watch = config.stash.get(GPU, None)
        if watch and watch.fault:
            fault, watch.fault = watch.fault, ""
            warnings.warn(fault, stacklevel=1)


def machine_of(config: pytest.Config) -> Machine:
    """Return the machine, which is read once a session."""
    if MACHINE not in config.stash:
        from whisper_speedtest.measure.machine import machine

        config.stash[MACHINE] = machine()
    return config.stash[MACHINE]


def watch_gpu(config: pytest.Config, case: Case) -> None:
    """Time a reference on the GPU between the tests of the session from now on.

    It is computed in a process of its own, by the library of the first case on the GPU, or by
    another installed library if that one can only transcribe. If none can, a warning says why, and
    no reference on the GPU is timed.
    """
    if GPU in config.stash:
        return
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.engine.errors import EngineError

    watch = config.stash[GPU] = GpuWatch()
    faults = []
    with showing(config, f"{case.label}: watching the GPU's speed"):
        for watcher in watchers(case):
            try:
                watch.reference = _gpu_reference(config, watcher)
                watch.by = watcher.adapter
                break
            except (EngineError, ModelError, ArithmeticError, OSError) as error:
                faults.append(str(error))
    if watch.reference is None:
        alone = f"{case.adapter} computes nothing but transcripts, and no other is installed"
        watch.lose("; ".join(faults) or alone)
        return
    if states := config.stash.get(STATES, None):
        from msgspec.structs import replace

        now = states.last = _state(config)
        states.first = replace(
            states.first,
            gpu_reference=now.gpu_reference,
            gpu_reference_by=now.gpu_reference_by,
        )


def watchers(case: Case) -> list[Case]:
    """Return `case` alone if its library can compute the reference, else a case of each that can.

    The latter are cases of the embedded model, so that nothing is fetched; no model is loaded.
    """
    if adapter_class(case.adapter).reference is not Adapter.reference:
        return [case]
    return [
        Case(name, "micro", "fp16")
        for name in valid_adapters()
        if adapter_class(name).reference is not Adapter.reference
        and "fp16" in adapter_class(name).check_map.get("micro", {})
        and not missing_packages(name)
    ]


def _gpu_reference(config: pytest.Config, case: Case) -> GpuReference:
    """Return the reference, computed by an engine of a case that lives until the session ends."""
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.measure.protocol import probe_limit
    from whisper_speedtest.measure.reference import GpuReference

    model = session_model(config, files_of(case))
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="whisper-speedtest-")
        path = Path(stack.enter_context(folder))
        engine = stack.enter_context(Engine(case, model, path, "gpu"))
        with engine.limited(probe_limit(case)):
            engine.lay_out()
            engine.launch()
            engine.import_library()
            reference = GpuReference(engine)
        config.add_cleanup(stack.pop_all().close)
    return reference


def cool_down(config: pytest.Config) -> None:
    """Wait until the machine is as fast as at first, but at most as long as --cooldown says."""
    from whisper_speedtest.measure.drift import drift_of, has_drifted

    deadline = time.monotonic() + config.getoption("cooldown")
    states = config.stash[STATES]
    with showing(config, "waiting for the machine to cool down"):
        while time.monotonic() < deadline:
            if not has_drifted(drift_of(states.last, states.last, states.first, "gpu")):
                return
            time.sleep(PAUSE)
            states.last = _state(config)


def _state(config: pytest.Config) -> State:
    """Return the machine's present state, with the GPU's reference if that is timed."""
    from whisper_speedtest.engine.errors import EngineError
    from whisper_speedtest.measure.machine import state

    watch = config.stash.get(GPU, GpuWatch())
    seconds = None
    try:
        seconds = watch.reference.seconds() if watch.reference else None
    except (EngineError, ArithmeticError) as error:
        watch.lose(str(error))
    return state(seconds, None if seconds is None else watch.by)
