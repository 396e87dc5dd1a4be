"""A trial import of the adapters, in a process that they may harm.

A module can do anything while it is imported: end the process, never return, or print into a
document that a machine reads. So pytest's process imports no adapter before a process forked from
it has done so unharmed. A fork takes a few milliseconds; starting an interpreter would take longer
than all the rest of collection. A timer in pytest's own process would not do: it interrupts neither
native code nor a module that catches every exception, and a module could still end the process.
"""

from __future__ import annotations

import builtins
import errno
import faulthandler
import io
import json
import linecache
import os
import re
import resource
import select
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.errors import encodable, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType
    from typing import Any, NoReturn

    Places = Iterable[tuple[str, int]]
    """Files and lines of a stack, the innermost first."""

    LookUp = Callable[[str], object]
    """Returns the class that a path names, or a text that says why there is none."""

SECONDS = 10.0
"""How long one adapter may take. It imports nothing heavy, so milliseconds are usual."""

GRACE = 5.0
"""Further seconds before a process is killed that does not even say where it hangs."""

FILES = 12
"""How many more files pytest's process has to be able to open."""

ROOT = Path(__file__).resolve().parents[1]
OURS = [str(ROOT / "adapters" / name) for name in ("__init__.py", "contract.py", "trial.py")]
"""Files of the look-up itself, which are in every stack and never to blame."""

NO_WATCH = b"no watch\n"
"""What a trial writes if it cannot start the thread that ends a module which never returns."""

MOST_TEXT = 500
"""How many characters of an error's text are quoted."""

DUMPED = re.compile(rb'^  File "(.*)", line (\d+) in ', re.MULTILINE)
"""A line of the stack that faulthandler writes."""

CHANGES = {
    "os.chdir": "leaves the working directory as it is, got a change to",
    "os.putenv": "leaves the environment as it is, got a change of",
    "os.unsetenv": "leaves the environment as it is, got the removal of",
}
"""Audit event → how the error about it begins; the event's first argument follows."""

FORKS = {"os.fork", "os.forkpty"}
"""Audit events of a process that copies itself. The copy would go on as a second pytest."""


TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
LIMITS = [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]


def _umask() -> int:
    """Return the mask of new files, which can only be read by setting it."""
    before = os.umask(0)
    os.umask(before)
    return before


STATE: dict[str, Callable[[], object]] = {
    "what a signal does": lambda: [signal.getsignal(each) for each in signal.valid_signals()],
    "Python's own names": lambda: dict(vars(builtins)),
    "the standard streams": lambda: [
        (id(each), getattr(each, "closed", True)) for each in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "the mask of new files": _umask,
    "the timers": lambda: [signal.getitimer(each)[0] > 0 for each in TIMERS],
    "the limits of the process": lambda: [resource.getrlimit(each) for each in LIMITS],
    "the priority of the process": lambda: os.getpriority(os.PRIO_PROCESS, 0),
    "the limit on recursion": sys.getrecursionlimit,
    "whether all warnings are errors": lambda: (
        [each[0] for each in warnings.filters[:1]] == ["error"]
    ),
    "where modules are looked for": lambda: list(sys.path),
    "the threads that a process waits for": lambda: [
        each for each in threading.enumerate() if not each.daemon
    ],
}
"""What an import must not change → a function that returns its state.

No audit event reports changes of these.
"""

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


def raised(error: BaseException) -> str:
    """Return the message on an exception of a look-up, with the line that is to blame."""
    summary = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno or 0) for frame in reversed(summary)]
    if isinstance(error, SyntaxError) and error.filename:
        places.insert(0, (error.filename, error.lineno or 0))
    got = f"{type(error).__name__}: {text_of(error, MOST_TEXT)}"
    place = _place(places)
    mend = "mend that line" if place else "mend this entry, or what it names"
    return f"expected a class at `module:class`, got {got}{place}; {mend}"


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
        place = _place((file.decode(), int(line)) for file, line in DUMPED.findall(told))
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
    return f"expected an import that {got}{place}; mend {'that line' if place else _file(path)}"


def _file(path: str) -> str:
    """Return the file of the module that `module:class` names."""
    return f"{path.partition(':')[0].replace('.', '/')}.py"


def _serve(paths: Sequence[str], look_up: LookUp, out: int) -> NoReturn:
    """Write a line of JSON for each path: what went wrong with it, or "". Runs in the child.

    If the process ends or hangs, faulthandler writes the stack instead.
    """
    try:
        os.setsid()  # It has no terminal then, and what it starts is ended with it.
        watch = _Watch()
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


class _Watch(io.TextIOBase):
    """Notes what a module does to its process. It also takes the place of the standard output."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self._noted: list[str] = []
        sys.stdout, sys.stdin = self, io.TextIOBase()  # Nothing can be read from the latter.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        self._printed, printing = os.pipe()
        for here, there in ((nowhere, 0), (printing, 1), (nowhere, 2)):
            os.dup2(here, there)
        os._exit = self._exit
        sys.addaudithook(self._audit)

    def problem(self, path: str, look_up: LookUp) -> str:
        """Look an adapter up; return what went wrong with its import, or ""."""
        before = {what: state() for what, state in STATE.items()}
        found = look_up(path)
        changed = [what for what, state in STATE.items() if state() != before[what]]
        module = path.partition(":")[0]
        if self._noted:
            return self._noted[0]
        if select.select([self._printed], [], [], 0)[0]:
            text = os.read(self._printed, MOST_TEXT).decode(errors="replace")
            return f"{_prints(text)}; mend {_file(path)}"
        if changed:
            return f"expected an import that leaves {changed[0]} alone; mend {_file(path)}"
        # A module that was imported can be imported again, so the real look-up will say the same.
        return found if isinstance(found, str) and module not in sys.modules else ""

    def fileno(self) -> int:
        """Return the descriptor of the standard output, which a module may ask about."""
        return 1

    def write(self, text: str) -> int:
        """Note that something is printed."""
        self._note(_prints(text), sys._getframe(1))
        return len(text)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a change of the whole process's state; refuse to let the process copy itself."""
        if event in FORKS:
            self._note("expected an import that does not fork its process", sys._getframe(1))
            raise OSError("no fork in an import")
        if event in CHANGES:
            to = arguments[0]  # a descriptor if os.fchdir was called
            shown = str(to) if isinstance(to, int) else encodable(os.fsdecode(to), MOST_TEXT)
            self._note(f"expected an import that {CHANGES[event]} {shown}", sys._getframe(1))

    def _note(self, what: str, frame: FrameType | None) -> None:
        """Note what was wrong, and the line to blame in the stack of a frame."""
        places = []
        while frame:
            places.append((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        self._noted.append(f"{what}{_place(places)}; mend that line")

    def _exit(self, status: int) -> NoReturn:
        """Raise SystemExit in place of `os._exit`, so that its stack tells where it was called."""
        raise SystemExit(f"os._exit({status})")


def _prints(text: str) -> str:
    return f"expected an import that prints nothing, got {text[:MOST_TEXT]!r} on standard output"


def _place(places: Places) -> str:
    """Return `, at file:line, code` of the innermost line of the project that may be to blame.

    Neither the trial itself nor its callers are to blame; "" if no other line is in the project.
    """
    within = dropwhile(lambda place: place[0] == OURS[-1], places)
    for file, line in takewhile(lambda place: place[0] != OURS[-1], within):
        inside = file.startswith(f"{ROOT}{os.sep}") and "site-packages" not in file
        if inside and file not in OURS:
            code = linecache.getline(file, line).strip()
            name = Path(file).relative_to(ROOT).as_posix()
            return f", at {name}:{line}" + (f", `{code}`" if code else "")
    return ""
