"""The defect that the consistency test is for, kept: an adapter with the map of an application.

That application looked here to tell whether a model was on disk, and loaded through the library,
which has a map of its own. So the 8-bit medium was looked for and the unquantised one loaded.
"""

from __future__ import annotations

from typing import ClassVar

from adapters.base import CheckMap, ModelFiles
from adapters.lightning_whisper_mlx import FILES, LightningWhisperMLX

REPOS = {
    "tiny": {"fp16": "mlx-community/whisper-tiny-mlx-q4"},
    "small": {"fp16": "mlx-community/whisper-small-mlx-4bit"},
    "medium": {"fp16": "mlx-community/whisper-medium-mlx-8bit"},
    "large-v1": {"fp16": "mlx-community/whisper-large-v3-turbo"},
    "large-v2": {"fp16": "mlx-community/whisper-large-v2-mlx-4bit"},
    "large-v3": {"fp16": "mlx-community/whisper-large-v3-mlx-8bit"},
}


class HistoricMap(LightningWhisperMLX):
    """Loads as the real adapter does, and checks something else."""

    check_map: ClassVar[CheckMap] = {
        size: {variant: ModelFiles(repo, FILES) for variant, repo in variants.items()}
        for size, variants in REPOS.items()
    }
