"""The errors of engines, and the texts that explain them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.errors import advice_on_limit_in, memory_limit

if TYPE_CHECKING:
    from pathlib import Path

LOG = "engine.log"
"""The file in an engine's folder for the child's output."""

LAST_LINES = "; the last lines of its output:"
"""Introduces the end of an engine's log in an error."""

LOG_LINES = 20
"""How many of the last lines of an engine's log an error shows."""

LOG_BYTES = 1 << 16
"""How many bytes at the end of a log are read for that, as a library may print without end."""

LINE_LENGTH = 500
"""How many characters of each line are shown."""

MOST_COMMANDS = 3
"""How many programs that a library has started are named."""

COMMAND_LENGTH = 60
"""How many characters of each program's command line are shown."""

MARGIN = "  | "
"""Stands before each line of a log."""

NO_LINES = f"{MARGIN}(nothing)"
"""Stands for the lines of an empty log."""

TRY_ANOTHER = "try another version of the library"
AT_LAUNCH = (
    "no library was imported yet: see whether this Python starts, and install its packages anew"
)
NEXT_STEPS: Mapping[int, str] = {
    signal.SIGKILL: "close other programs, or choose a smaller size",
    signal.SIGILL: "install a build of the library for this processor",
    signal.SIGXCPU: "allow it more processor time, with `ulimit -t unlimited`",
}
"""Signal that ended an engine → what to do. For other signals and exit statuses: TRY_ANOTHER."""


class EngineError(Exception):
    """An engine crashed, hung, ran out of memory or could not answer a call."""

    raised_in = ""
    """The call in which the library raised an exception, such as `import_library`; "" for other
    failures, such as the end of its process."""


class EngineTimeoutError(EngineError):
    """An engine did not answer within its time limit, and was ended."""


def meanwhile(process: subprocess.Popen[bytes] | None) -> str:
    """Return, as the end of a sentence, which programs that a child has started still run.

    A library may wait for one of them, as mlx does for g++.
    """
    import psutil

    if process is None:
        return ""
    found = []
    with suppress(psutil.Error, OSError):
        for each in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error, OSError):
                found.append(" ".join(each.cmdline())[:COMMAND_LENGTH])
    shown = ", ".join(f"`{each}`" for each in found[:MOST_COMMANDS])
    return f"; it had started {shown}, which had not ended either" if shown else ""


def last_lines(log: Path) -> str:
    """Return the last lines of a child's output, as errors show them."""
    if not log.exists():
        return NO_LINES
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        text = file.read(LOG_BYTES).decode(errors="replace")
    tail = text.splitlines()[-LOG_LINES:]
    return "\n".join(f"{MARGIN}{line[:LINE_LENGTH]}" for line in tail) or NO_LINES


def how_it_ended(process: subprocess.Popen[bytes], seconds: float, during: str, log: Path) -> str:
    """Return how a child ended that has closed its end of the wire, and what to do about it.

    The child may take `seconds` to end. `during` names the call. The last line of its log most
    likely says why it ended.
    """
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"the engine hung up and did not end within {seconds:g} s during {during}"
    last = _last_line(log)
    said = f"it printed last: {last}; " if last else ""
    limit = advice_on_limit_in(last)
    step = limit or (AT_LAUNCH if during == "launch" else TRY_ANOTHER)
    if code >= 0:
        return f"the engine ended with exit status {code} during {during}; {said}{step}"
    hint = " (the system's out-of-memory killer sends it)" if code == -signal.SIGKILL else ""
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    step = NEXT_STEPS.get(-code) or limit or memory_limit() or step
    return f"the engine was ended by {name}{hint} during {during}; {said}{step}"


def _last_line(log: Path) -> str:
    """Return the last line of a child's output that is not blank, shortened; "" without one."""
    shown = last_lines(log)
    if shown == NO_LINES:
        return ""
    lines = [line.removeprefix(MARGIN) for line in shown.splitlines()]
    return next((line for line in reversed(lines) if line.strip()), "")
