"""A trial import of the adapters, in a process that they may harm.

A module can do anything while it is imported: end the process, never return, or print into a
document that a machine reads. So pytest's process imports no adapter before a process forked from
it has done so unharmed. A fork takes a few milliseconds; starting an interpreter would take longer
than all the rest of collection. A timer in pytest's own process would not do: it interrupts neither
native code nor a module that catches every exception, and a module could still end the process.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import re
import select
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from adapters.import_rules import Watch, file_of, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import NoReturn

    from adapters.import_rules import LookUp

SECONDS = 10.0
"""How long one adapter may take. It imports nothing heavy, so milliseconds are usual."""

GRACE = 5.0
"""Further seconds before a process is killed that does not even say where it hangs."""

FILES = 12
"""How many more files pytest's process has to be able to open."""

NO_WATCH = b"no watch\n"
"""What a trial writes if it cannot start the thread that ends a module which never returns."""

DUMPED = re.compile(rb'^  File "(.*)", line (\d+) in ', re.MULTILINE)
"""A line of the stack that faulthandler writes."""

MAY_NOT_SURVIVE_A_FORK = sys.platform == "darwin"
"""Whether frameworks that pytest's process uses may end a fork of that process.

Such an end says nothing about the adapter, so it is tried once more, in a new process.
"""

_end_process = os._exit


def try_imports(paths: Iterable[str], look_up: LookUp) -> dict[str, str]:
    """Look each `module:class` up in a forked process; return path → what went wrong with it.

    A class that is missing or incomplete is no such fault: the real look-up, which it does not
    harm, will find that.

    Raises:
        KeyboardInterrupt: A module raised it, or the user has pressed Ctrl-C.
        OSError: No process can be started, or it could open so few files or start so few threads
            that this would look like a fault of the adapters.
    """
    found: dict[str, str] = {}
    left = list(paths)
    if left:
        _require_files()
    while left:
        problems = _try_until_first_problem(left, look_up)
        found |= {path: problem for path, problem in zip(left, problems, strict=False) if problem}
        left = left[len(problems) :]
    return found


def _require_files() -> None:
    """Raise OSError unless this process can open as many files as the trial and an engine take."""
    spare: list[int] = []
    try:
        with suppress(OSError):
            while len(spare) < FILES:
                spare.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in spare:
            os.close(descriptor)
    if len(spare) < FILES:
        lacking = f"expected room for {FILES} more, got {len(spare)}"
        raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)}: {lacking}")


class Refusal:
    """A finder that refuses to import the modules that harmed the process that tried them."""

    def __init__(self, harm: dict[str, str]) -> None:
        """Take `module:class` → what went wrong."""
        self._modules = {path.partition(":")[0]: problem for path, problem in harm.items()}

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ImportError for such a module; find no other module."""
        if problem := self._modules.get(name):
            raise ImportError(f"{name} is not imported again: {problem}", name=name)


def _try_until_first_problem(paths: Sequence[str], look_up: LookUp) -> list[str]:
    """Return what went wrong with each path up to the first problem; "" for what went well.

    The paths after that have to be tried in a new process, as this one may be harmed.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork if there are threads, and another plugin may have started one.
        # The child uses nothing that such a thread may hold a lock on, and its time is limited.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _serve(paths, look_up, writing)
    os.close(writing)
    told = b""
    try:
        while answers := select.select([reading], [], [], SECONDS + GRACE)[0]:
            if not (part := os.read(reading, 1 << 16)):
                break
            told += part
    finally:
        os.close(reading)
        status = _ended(child)
    if status == -signal.SIGINT:
        raise KeyboardInterrupt
    if NO_WATCH in told:
        lacking = "expected a thread that watches it, got none"
        raise OSError(errno.EAGAIN, f"{os.strerror(errno.EAGAIN)}: {lacking}")
    lines = takewhile(lambda line: line.startswith(b'"'), told.splitlines())
    problems: list[str] = [json.loads(line) for line in lines]
    if len(problems) < len(paths) and not any(problems):
        place = place_of((file.decode(), int(line)) for file, line in DUMPED.findall(told))
        hangs = not answers or b"Timeout (" in told
        path = paths[len(problems)]
        harmless = status < 0 and not hangs and MAY_NOT_SURVIVE_A_FORK and _is_harmless(path)
        problems.append("" if harmless else _ending(path, None if hangs else status, place))
    return problems


def _is_harmless(path: str) -> bool:
    """Tell whether a new process survives the look-up of an adapter that ended a forked one.

    It is the leader of a group of its own, so that a signal to its group does not reach pytest.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; import adapters; adapters.look_up({path!r})"
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        start_new_session=True,
    )
    try:
        return process.wait(SECONDS + GRACE) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ended(child: int) -> int:
    """Kill what is left of the child and of all that it started; return its exit status.

    A signal that ended it is a negative number.
    """
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:  # pytest was started with SIGCHLD ignored
        return 0


def _ending(path: str, status: int | None, place: str) -> str:
    """Return the message on the end of the process that tried an adapter.

    `status` is its exit status, as `_ended` returns it; None if it had to be killed.
    """
    if status is None:
        got = f"ends within {SECONDS:g} s, got one that was still going on"
    elif status < 0:
        names = {number.value: number.name for number in signal.Signals}
        ended_by = names.get(-status, f"signal {-status}")
        got = f"returns, got a process that {ended_by} ended"
    else:
        got = f"returns, got a process that ended with exit status {status}"
    return f"expected an import that {got}{place}; mend {'that line' if place else file_of(path)}"


def _serve(paths: Sequence[str], look_up: LookUp, out: int) -> NoReturn:
    """Write a line of JSON for each path: what went wrong with it, or "". Runs in the child.

    If the process ends or hangs, faulthandler writes the stack instead.
    """
    try:
        os.setsid()  # It has no terminal then, and what it starts is ended with it.
        watch = Watch()
        faulthandler.enable(file=out)
        for path in paths:
            try:
                faulthandler.dump_traceback_later(SECONDS, exit=True, file=out)
            except RuntimeError:  # No thread can be started.
                os.write(out, NO_WATCH)
                break
            problem = watch.problem(path, look_up)
            os.write(out, f"{json.dumps(problem)}\n".encode())
            if problem:
                break
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        _end_process(1)
