"""A check map of faster-whisper that leaves out tokenizer.json: the library finds another one.

From a repo without that file, the library silently fetches the tokenizer of openai/whisper-tiny, or
of its English twin for a model that knows English only, as the stand-ins are.
"""

from __future__ import annotations

from typing import ClassVar

from adapters.base import CheckMap, ModelFiles
from adapters.faster_whisper import FILES, REPOS, FasterWhisper

TOKENIZER = "tokenizer.json"
HIDDEN_REPO = "openai/whisper-tiny.en"


class MissingTokenizer(FasterWhisper):
    """The real adapter, with a repo that has no tokenizer."""

    check_map: ClassVar[CheckMap] = {
        "tiny": {
            "fp16": ModelFiles(REPOS["tiny"], tuple(file for file in FILES if file != TOKENIZER))
        }
    }
