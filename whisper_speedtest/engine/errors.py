"""How an engine fails, as whoever uses one sees it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.errors import limit_told, memory_limit

if TYPE_CHECKING:
    from pathlib import Path

LOG = "engine.log"
"""The file in an engine's folder that takes what the child prints."""

LAST_LINES = "; the last lines of its output:"
"""Stands in an error before the end of an engine's log, which takes all that it prints."""

LOG_LINES = 20
"""How many of the last lines of an engine's log an error shows."""

LOG_BYTES = 1 << 16
"""How much of the end of a log is read for that: a library may print without end."""

LINE_LENGTH = 500
"""How many characters of each line are shown."""

MOST_COMMANDS = 3
"""How many programs are told that a library has started."""

COMMAND_LENGTH = 60
"""How many characters of the command line of each."""

MARGIN = "  | "
"""Stands before each of these lines."""

NO_LINES = f"{MARGIN}(nothing)"
"""Stands in the place of the lines of a log that is empty."""

TRY_ANOTHER = "try another version of the library"
AT_LAUNCH = (
    "no library was imported yet: see whether this Python starts, and install its packages anew"
)
NEXT_STEPS: Mapping[int, str] = {
    signal.SIGKILL: "close other programs, or choose a smaller size",
    signal.SIGILL: "install a build of the library for this processor",
    signal.SIGXCPU: "allow it more processor time, with `ulimit -t unlimited`",
}
"""Signal that ended an engine → what to do; TRY_ANOTHER after any other, and any exit status."""


class EngineError(Exception):
    """An engine that crashed, hung, ran out of memory or could not do what it was asked."""

    raised_in = ""
    """The call that the library answered with an exception, as `import_library`; "" where it did
    not, as where its process has ended."""


class EngineTimeoutError(EngineError):
    """An engine that did not answer within its time limit, and was ended."""


def meanwhile(process: subprocess.Popen[bytes] | None) -> str:
    """Return which programs a child has started that still run, as the end of a sentence.

    A library may wait for one of them, as mlx does for g++.
    """
    import psutil

    found = []
    with suppress(psutil.Error, OSError):
        for each in psutil.Process(process.pid).children(recursive=True) if process else ():
            with suppress(psutil.Error, OSError):
                found.append(" ".join(each.cmdline())[:COMMAND_LENGTH])
    shown = ", ".join(f"`{each}`" for each in found[:MOST_COMMANDS])
    return f"; it had started {shown}, which had not ended either" if shown else ""


def last_lines(log: Path) -> str:
    """Return the end of what a child has printed, as an error shows it."""
    if not log.exists():
        return NO_LINES
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        text = file.read(LOG_BYTES).decode(errors="replace")
    tail = text.splitlines()[-LOG_LINES:]
    return "\n".join(f"{MARGIN}{line[:LINE_LENGTH]}" for line in tail) or NO_LINES


def how_it_ended(process: subprocess.Popen[bytes], seconds: float, during: str, log: Path) -> str:
    """Say how a child ended that has closed its end of the wire, and what to do about it.

    It is waited for so many seconds at most. `during` says in which call it was. The last line of
    its log most likely says why.
    """
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"the engine hung up and did not end within {seconds:g} s during {during}"
    printed = () if (shown := last_lines(log)) == NO_LINES else shown.splitlines()
    lines = [each.removeprefix(MARGIN) for each in printed]
    last = next((each for each in reversed(lines) if each.strip()), "")
    said = f"it printed last: {last}; " if last else ""
    limit = limit_told(last)
    step = limit or (TRY_ANOTHER if during != "launch" else AT_LAUNCH)
    if code >= 0:
        return f"the engine ended with exit status {code} during {during}; {said}{step}"
    hint = " (the system's out-of-memory killer sends it)" if code == -signal.SIGKILL else ""
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    step = NEXT_STEPS.get(-code) or limit or memory_limit() or step
    return f"the engine was ended by {name}{hint} during {during}; {said}{step}"
