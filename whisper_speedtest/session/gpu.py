"""Whether there is a GPU that a library might find, by what the system shows without asking one."""

from __future__ import annotations

import sys
from pathlib import Path

GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files that a driver of NVIDIA's or AMD's makes on Linux, and Windows in its Linux."""

GRAPHICS = "/dev/dri"
"""Where Linux has a file for each graphics card, whoever made it."""


def may_have_gpu() -> bool:
    """Tell whether a library might find a GPU here, without asking any: every Mac has one."""
    return sys.platform == "darwin" or any(Path(device).exists() for device in GPU_DEVICES)


def has_no_gpu() -> bool:
    """Tell whether there is nothing here that any library could take for a GPU."""
    return not may_have_gpu() and not Path(GRAPHICS).exists()
