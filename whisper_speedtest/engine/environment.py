"""The environment variables of an engine's process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HF_HOME = "huggingface"
"""The folder in an engine's folder that holds its hub cache."""

# Variables that would let a library look beyond its engine's folder, or hand it a secret.
_LEFT_OUT = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_", "PYTEST_", "PYTHONPATH")


def sealed_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which every cache that a library knows of lies inside `folder`."""
    inherited: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)
    }
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    return {
        **inherited,
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "HF_HOME": str(folder / HF_HOME),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
    }
