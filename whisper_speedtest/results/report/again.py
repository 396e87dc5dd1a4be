"""Makes the command that measures a result again."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from fixtures.audio import clips

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

_NAME = re.compile(r"[\w+.\[\]-]+")
"""A text that pytest's -k reads as one name, and not as an expression of several."""

OWN_RECORDING = "--audio=PATH"
"""Stands for the user's own recording, whose path is not in a result."""


def command(result: Result) -> str:
    """Return the command line, in which a user's own recording has to be replaced by its path.

    With -k it selects the test by its id, or by its case where -k cannot read the id as a name.
    """
    words = ["pytest", "benchmarks", "--benchmark-only"]
    if result.clip and result.clip.name not in clips():
        words.append(OWN_RECORDING)
    words += ["-k", result.test if _NAME.fullmatch(result.test) else str(result.case)]
    return shlex.join(words)
