"""How an engine fails, as whoever uses one sees it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOG = "engine.log"
"""The file in an engine's folder that takes what the child prints."""

LAST_LINES = "; the last lines of its output:"
"""Stands in an error before the end of an engine's log, which takes all that it prints."""

LOG_LINES = 20
"""How many of the last lines of an engine's log an error shows."""


class EngineError(Exception):
    """An engine that crashed, hung, ran out of memory or could not do what it was asked."""


class EngineTimeoutError(EngineError):
    """An engine that did not answer within its time limit, and was ended."""


def last_lines(log: Path) -> str:
    """Return the end of what a child has printed, as an error shows it."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    tail = "\n".join(f"  | {line}" for line in text.splitlines()[-LOG_LINES:])
    return tail or "  | (nothing)"


def how_it_ended(process: subprocess.Popen[bytes], seconds: float) -> str:
    """Say how a child ended that has closed its end of the wire; wait `seconds` s at most."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"the engine hung up and did not end within {seconds:g} s"
    if code >= 0:
        return f"the engine ended with exit status {code}"
    hint = " (the system's out-of-memory killer sends it)" if code == -signal.SIGKILL else ""
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"the engine was ended by {name}{hint}"
