"""What a library computes on in this session, and whether a model loads there."""

from __future__ import annotations

import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from adapters.base import Case, Device
    from whisper_speedtest.hub.model import VerifiedModel

GPU_FAULTS = pytest.StashKey[dict[str, str | None]]()
"""adapter → why its library cannot use the GPU here; None where it can."""


def choose_device(config: pytest.Config, case: Case, model: VerifiedModel, folder: Path) -> Device:
    """Return what a case's library is to compute on; `folder` is for a probe of the GPU."""
    from whisper_speedtest.engine.process import probe_gpu

    asked: Device | Literal["auto"] = config.getoption("device")
    if asked != "auto":
        return asked
    gpu_faults = config.stash.setdefault(GPU_FAULTS, {})
    if case.adapter not in gpu_faults:
        fault = probe_gpu(case, model, folder)
        gpu_faults[case.adapter] = fault
        if fault and sys.platform == "darwin":
            warnings.warn(f"measuring on the CPU, not the GPU: {fault}", stacklevel=1)
    return "cpu" if gpu_faults[case.adapter] else "gpu"


class _TimeUp(BaseException):
    """Above Exception, so that nothing on the way takes it for a failure of its own."""


def load_model(config: pytest.Config, case: Case, model: VerifiedModel, seconds: float) -> str:
    """Load a model in an engine; return "loads", or why it does not within so many seconds."""
    from whisper_speedtest.engine.process import Engine, EngineError
    from whisper_speedtest.hub.model import ModelError

    def stop(*_: object) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with tempfile.TemporaryDirectory(prefix="whisper-speedtest-") as name:
            folder = Path(name)
            (folder / "probe").mkdir()
            (folder / "engine").mkdir()
            device = choose_device(config, case, model, folder / "probe")
            with Engine(case, model, folder / "engine", device) as engine:
                engine.ready()
    except _TimeUp:
        return f"not within {seconds:g} s"
    except (EngineError, ModelError) as error:
        reason = str(error).removeprefix(f"{case.label}: ").partition("\n")[0]
        return reason.removesuffix("; its last lines on stderr:")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return "loads"
