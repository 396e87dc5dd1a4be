"""A check map of faster-whisper that leaves out tokenizer.json: the library finds another one.

From a repo without that file, the library silently fetches the tokenizer of openai/whisper-tiny.
"""

from __future__ import annotations

from typing import ClassVar

from adapters.base import CheckMap, ModelFiles
from adapters.faster_whisper import FasterWhisper

TOKENIZER = "tokenizer.json"
REPO, HIDDEN_REPO = "Systran/faster-whisper-tiny", "openai/whisper-tiny"


class MissingTokenizer(FasterWhisper):
    """The real adapter, with a repo that has no tokenizer."""

    check_map: ClassVar[CheckMap] = {
        "tiny": {"fp16": ModelFiles(REPO, ("model.bin", "config.json", "vocabulary.txt"))}
    }
