"""The command that measures a result again."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from fixtures.audio import clips

if TYPE_CHECKING:
    from whisper_speedtest.measure.result import Result

_EXPRESSION = re.compile(r"[\w+.\[\]-]+")
"""What pytest's -k takes for one name."""

OWN_RECORDING = "--audio=PATH"


def command(result: Result) -> str:
    """Return the command line; for a user's own recording it has to be told where that lies.

    -k takes a test's whole id where it has the letters for that; if not, the model's name.
    """
    words = ["pytest", "benchmarks", "--benchmark-only"]
    if result.clip and result.clip.name not in clips():
        words.append(OWN_RECORDING)
    of_test = _EXPRESSION.fullmatch(result.test)
    words += ["-k", result.test if of_test else str(result.case)]
    return shlex.join(words)
