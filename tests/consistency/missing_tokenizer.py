"""A check map that leaves out a file which faster-whisper can do without: it takes another repo's.

Where a repo has no tokenizer.json, the library silently fetches that of openai/whisper-tiny, or of
its English twin for a model that knows no other language, as the stand-ins do not.
"""

from __future__ import annotations

from typing import ClassVar

from adapters.base import CheckMap, ModelFiles
from adapters.faster_whisper import FILES, REPOS, FasterWhisper

TOKENIZER = "tokenizer.json"
HIDDEN_REPO = "openai/whisper-tiny.en"


class MissingTokenizer(FasterWhisper):
    """Loads as the real adapter does, from a repo without a tokenizer."""

    check_map: ClassVar[CheckMap] = {
        "tiny": {
            "fp16": ModelFiles(REPOS["tiny"], tuple(file for file in FILES if file != TOKENIZER))
        }
    }
