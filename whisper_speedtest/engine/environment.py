"""The environment variables of an engine's process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HF_HOME = "huggingface"
"""The folder in an engine's folder that holds its hub cache."""

# How variables begin that would let a library look beyond its engine's folder, or hand it a secret.
_ELSEWHERE = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_", "PYTEST_", "PYTHONPATH")

# Of a network, which an engine has none of: a library may make a client all the same, and a wrong
# value would make it fail.
_OF_THE_NETWORK = ("SSL_CERT_", "REQUESTS_CA_", "CURL_CA_")

# That would make warnings errors, spoil the log, or trace the code that is timed.
_OF_DEVELOPERS = ("PYTHONWARNINGS", "PYTHONIOENCODING", "COVERAGE_", "COV_CORE_")

_LEFT_OUT = (*_ELSEWHERE, *_OF_THE_NETWORK, *_OF_DEVELOPERS)


def sealed_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which every cache that a library knows of lies inside `folder`."""
    inherited: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_LEFT_OUT) and not name.lower().endswith("_proxy")
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
