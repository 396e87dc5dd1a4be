"""What a call through an engine is compared with computes where the engine does."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from pathlib import Path

MODULES = {
    "mlx/core.py": """
gpu, cpu = "the GPU", "the CPU"
chosen = "no device"

def set_default_device(device):
    global chosen
    chosen = device
""",
    "lightning_whisper_mlx/lightning.py": "models = {}",
    "lightning_whisper_mlx/__init__.py": """
import sys
import mlx.core

class LightningWhisperMLX:
    def __init__(self, **options):
        print("loads on", mlx.core.chosen, file=sys.stderr)

    def transcribe(self, audio, language):
        print("computes on", mlx.core.chosen, file=sys.stderr)
""",
}
"""Doubles of mlx and of the library, which say where they compute."""


@pytest.mark.parametrize(("device", "name"), [("cpu", "the CPU"), ("gpu", "the GPU")])
def test_bare_call_selects_the_device_that_it_is_told(
    device: str, name: str, tmp_path: Path
) -> None:
    """The library's own call loads and computes on the device that it is told."""
    import numpy as np

    for path, code in MODULES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(code, encoding="utf-8")
    np.save(tmp_path / "audio.npy", np.zeros(160, np.float32))

    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.speed.bare_call", "audio.npy", device],
        cwd=tmp_path,
        env=child_environment(PYTHONPATH=f"{tmp_path}:{ROOT}"),
        input="\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr.splitlines() == [f"loads on {name}", f"computes on {name}"]
    assert float(done.stdout) >= 0
