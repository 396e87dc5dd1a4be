"""What an adapter's module must leave alone while it is imported, and which line is to blame.

It may neither print nor fork its process, nor change what is the whole process's: the environment,
the working directory, what signals do, and the like. `Watch` notes what a module does of that.
"""

from __future__ import annotations

import builtins
import io
import linecache
import os
import resource
import select
import signal
import sys
import threading
import traceback
import warnings
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.errors import encodable, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any, NoReturn

    Places = Iterable[tuple[str, int]]
    """Files and lines of a stack, the innermost first."""

    LookUp = Callable[[str], object]
    """Returns the class that a path names, or a text that says why there is none."""

ROOT = Path(__file__).resolve().parents[1]
TRIAL = {str(ROOT / "adapters" / name) for name in ("import_rules.py", "trial.py")}
"""Files of the trial."""

OURS = {*TRIAL, *(str(ROOT / "adapters" / name) for name in ("__init__.py", "contract.py"))}
"""Files of the look-up, which are in every stack and never to blame."""

MOST_TEXT = 500
"""How many characters of an error's text are quoted."""

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


class Watch(io.TextIOBase):
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
            return f"{_prints(text)}; mend {file_of(path)}"
        if changed:
            return f"expected an import that leaves {changed[0]} alone; mend {file_of(path)}"
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
        self._noted.append(f"{what}{place_of(places)}; mend that line")

    def _exit(self, status: int) -> NoReturn:
        """Raise SystemExit in place of `os._exit`, so that its stack tells where it was called."""
        raise SystemExit(f"os._exit({status})")


def _prints(text: str) -> str:
    return f"expected an import that prints nothing, got {text[:MOST_TEXT]!r} on standard output"


def raised(error: BaseException) -> str:
    """Return the message on an exception of a look-up, with the line that is to blame."""
    summary = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno or 0) for frame in reversed(summary)]
    if isinstance(error, SyntaxError) and error.filename:
        places.insert(0, (error.filename, error.lineno or 0))
    got = f"{type(error).__name__}: {text_of(error, MOST_TEXT)}"
    place = place_of(places)
    mend = "mend that line" if place else "mend this entry, or what it names"
    return f"expected a class at `module:class`, got {got}{place}; {mend}"


def place_of(places: Places) -> str:
    """Return `, at file:line, code` of the innermost line of the project that may be to blame.

    Neither the trial itself nor its callers are to blame; "" if no other line is in the project.
    """
    within = dropwhile(lambda place: place[0] in TRIAL, places)
    for file, line in takewhile(lambda place: place[0] not in TRIAL, within):
        inside = file.startswith(f"{ROOT}{os.sep}") and "site-packages" not in file
        if inside and file not in OURS:
            code = linecache.getline(file, line).strip()
            name = Path(file).relative_to(ROOT).as_posix()
            return f", at {name}:{line}" + (f", `{code}`" if code else "")
    return ""


def file_of(path: str) -> str:
    """Return the file of the module that `module:class` names."""
    return f"{path.partition(':')[0].replace('.', '/')}.py"
