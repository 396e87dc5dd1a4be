"""What a library computes on in this session."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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
