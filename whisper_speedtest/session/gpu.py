"""Tells from the system's files, without a library, whether the machine may have a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files that the drivers of NVIDIA and AMD make on Linux, and Windows in its Linux (WSL)."""

GRAPHICS = "/dev/dri"
"""The folder in which Linux has a file for each graphics card of any maker."""


def may_have_gpu() -> bool:
    """Tell whether a library might find a GPU here. Every Mac has one."""
    return sys.platform == "darwin" or any(Path(device).exists() for device in GPU_DEVICES)


def has_no_gpu() -> bool:
    """Tell whether there is certainly no GPU here, not even a graphics card."""
    return not may_have_gpu() and not Path(GRAPHICS).exists()
