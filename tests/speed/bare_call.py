"""The library by itself, as its README shows it: what a call through an engine is compared with.

Run as `python -m tests.speed.bare_call AUDIO.npy DEVICE` in a folder that holds `mlx_models/micro`,
with "cpu" or "gpu" as the device. For each line on standard input it transcribes once and prints
the seconds that the call took.
"""

from __future__ import annotations

import sys
import time

import mlx.core as mx
import numpy as np
from lightning_whisper_mlx import LightningWhisperMLX
from lightning_whisper_mlx.lightning import models


def main() -> None:
    """Answer lines until there are no more."""
    audio_file, device = sys.argv[1:]
    mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
    audio = np.load(audio_file, allow_pickle=False)
    models["micro"] = {"base": "embedded/micro-mlx-fp16"}
    whisper = LightningWhisperMLX(model="micro", batch_size=1)
    for _ in sys.stdin:
        start = time.perf_counter()
        whisper.transcribe(audio, language="en")
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
