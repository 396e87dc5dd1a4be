"""The check map of an application that once had the mistake which the consistency test is for.

The application looked for these repos to tell whether a model was on disk, and then loaded it
through the library, which has a table of its own. So it looked for the 8-bit medium, and loaded
the unquantised one.
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
    """The real adapter, with the application's check map."""

    check_map: ClassVar[CheckMap] = {
        size: {variant: ModelFiles(repo, FILES) for variant, repo in variants.items()}
        for size, variants in REPOS.items()
    }
