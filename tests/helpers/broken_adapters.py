"""Adapter modules that harm, or end, the process that imports them, and what is to be said of each.

A message has `<file>` and `<base>` for the module's file, with and without its folder, `<module>`
for its name, and `<seconds>` for the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

RAISED = "expected a class at `module:class`, got "


@dataclass(frozen=True, slots=True)
class Broken:
    """The source of a module, and what is wrong with it."""

    source: str
    message: str

    def told(self, file: str, module: str, seconds: float) -> str:
        """Return what is said of it, where it is in this file, and may take so many seconds."""
        message = self.message.replace("<seconds>", f"{seconds:g}")
        message = message.replace("<base>", file.rpartition("/")[2])
        return message.replace("<file>", file).replace("<module>", module)


def _raises(source: str, error: str, line: int = 1) -> Broken:
    code = source.splitlines()[line - 1].strip()
    return Broken(source, f"{RAISED}{error}, at <file>:{line}, `{code}`; mend that line")


def _harms(source: str, what: str, line: int = 1) -> Broken:
    code = source.splitlines()[line - 1].strip()
    return Broken(
        source, f"expected an import that {what}, at <file>:{line}, `{code}`; mend that line"
    )


def _changes(source: str, what: str) -> Broken:
    return Broken(source, f"expected an import that leaves {what} alone; mend <file>")


def _lasts(source: str, line: int = 1) -> Broken:
    return _harms(source, "ends within <seconds> s, got one that was still going on", line)


RAISING = {
    "name": _raises("\n\nlimit = limits\n", "NameError: name 'limits' is not defined", 3),
    "syntax": _raises("table = {\n", "SyntaxError: '{' was never closed (<base>, line 1)"),
    "imports": _raises(
        "import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"
    ),
    "raises": _raises('raise RuntimeError("no library")\n', "RuntimeError: no library"),
    "exits": _raises("import sys\nsys.exit(4)\n", "SystemExit: 4", 2),
    "ends-pytest": _raises('import pytest\npytest.exit("bye")\n', "Exit: bye", 2),
    "skips-pytest": _raises(
        'import pytest\npytest.skip("bye", allow_module_level=True)\n', "Skipped: bye", 2
    ),
    "ends-process": _raises("import os\nos._exit(0)\n", "SystemExit: os._exit(0)", 2),
    "asks": _raises("key = input()\n", "UnsupportedOperation: readline"),
    "reads-a-line": _raises(
        "import sys\nkey = sys.stdin.readline()\n", "UnsupportedOperation: readline", 2
    ),
    "reads": _raises("import os\nos.read(0, 1)\n", "OSError: [Errno 9] Bad file descriptor", 2),
    "cannot-be-printed": _raises('raise OSError("\\udcff")\n', "OSError: \\udcff"),
    "recurses": _raises(
        "def again(): again()\nagain()\n", "RecursionError: maximum recursion depth exceeded"
    ),
    "unspeakable": _raises(
        "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd\n",
        "Odd: (an error without a text)",
        4,
    ),
    "in-a-call": _raises(
        "def ask():\n    return {}['repo']\n\n\nanswer = ask()\n", "KeyError: 'repo'", 2
    ),
}
"""What raises an error, which Python knows the line of."""

HARMING = {
    "prompts": _harms('key = input("key: ")\n', "prints nothing, got 'key: ' on standard output"),
    "prints": _harms('print("hello")\n', "prints nothing, got 'hello' on standard output"),
    "moves": _harms(
        'import os\nos.chdir("/")\n',
        "leaves the working directory as it is, got a change to /",
        2,
    ),
    "moves-by-number": _harms(
        "import os\nos.dup2(os.open('/', os.O_RDONLY), 99)\nos.fchdir(99)\n",
        "leaves the working directory as it is, got a change to 99",
        3,
    ),
    "sets": _harms(
        'import os\nos.environ["HF_HUB_OFFLINE"] = "1"\n',
        "leaves the environment as it is, got a change of HF_HUB_OFFLINE",
        2,
    ),
    "unsets": _harms(
        'import os\ndel os.environ["PATH"]\n',
        "leaves the environment as it is, got the removal of PATH",
        2,
    ),
    "forks": _harms("import os\nos.fork()\n", "does not fork its process", 2),
    "forks-unheard": _harms(
        "import os\ntry:\n    os.fork()\nexcept OSError:\n    pass\n",
        "does not fork its process",
        3,
    ),
    "closes-the-output": _changes("import sys\nsys.stdout.close()\n", "the standard streams"),
    "takes-the-output": _changes(
        "import io, sys\nsys.stderr = io.StringIO()\n", "the standard streams"
    ),
    "ignores-interrupts": _changes(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n", "what a signal does"
    ),
    "sets-an-alarm": _changes("import signal\nsignal.alarm(3600)\n", "the timers"),
    "lowers-a-limit": _changes(
        "import resource\n_, most = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))\n",
        "the limits of the process",
    ),
    "gives-way": _changes("import os\nos.nice(1)\n", "the priority of the process"),
    "recurses-less": _changes("import sys\nsys.setrecursionlimit(500)\n", "the limit on recursion"),
    "warns-strictly": _changes(
        'import warnings\nwarnings.simplefilter("error")\n', "whether all warnings are errors"
    ),
    "leads-elsewhere": _changes(
        'import sys\nsys.path.insert(0, "/elsewhere")\n', "where modules are looked for"
    ),
    "masks": _changes("import os\nos.umask(0o777)\n", "the mask of new files"),
    "renames": _changes("import builtins\nbuiltins.print = repr\n", "Python's own names"),
    "never-ends": _changes(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n",
        "the threads that a process waits for",
    ),
    "prints-elsewhere": Broken(
        'import subprocess\nsubprocess.run(["echo", "hello"])\n',
        "expected an import that prints nothing, got 'hello\\n' on standard output; mend <file>",
    ),
}
"""What returns, but leaves something behind that others would meet."""

ENDING = {
    "crashes": _harms(
        "import ctypes\nctypes.string_at(0)\n", "returns, got a process that SIGSEGV ended", 2
    ),
    "aborts": _harms("import os\nos.abort()\n", "returns, got a process that SIGABRT ended", 2),
    "killed": Broken(
        "import os, signal\nos.killpg(0, signal.SIGKILL)\n",
        "expected an import that returns, got a process that SIGKILL ended; mend <file>",
    ),
    "leaves": Broken(
        "from posix import _exit\n_exit(0)\n",
        "expected an import that returns, got a process that ended with exit status 0; mend <file>",
    ),
}
"""What ends the process at once."""

HANGING = {
    "loops": _lasts("while True: pass\n"),
    "waits": _lasts(
        "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()\n", 4
    ),
    "catches-all": _lasts(
        "import time\nwhile True:\n    try:\n        time.sleep(3600)\n"
        "    except BaseException:\n        pass\n",
        4,
    ),
    "holds-the-lock": _lasts("import ctypes\nctypes.PyDLL(None).sleep(3600)\n", 2),
}
"""What never returns."""

OF_THE_TOY = "from adapters.toy import Toy\n\nclass Library(Toy):\n"
INCOMPLETE = {
    "lacks-a-method": Broken(
        f"from adapters.base import Adapter\n{OF_THE_TOY}    load = Adapter.load\n",
        "<module>.Library is no complete adapter; class Adapter in adapters/base.py describes each "
        "part:\n  the method load(self, case: Case) -> None is missing",
    ),
    "computes-its-map": Broken(
        f"{OF_THE_TOY}    check_map = classmethod(lambda cls: {{}})\n",
        "<module>.Library is no complete adapter; class Adapter in adapters/base.py describes each "
        "part:\n  check_map: expected size → variant → ModelFiles, got <bound method",
    ),
    "names-no-repo": Broken(
        f"from adapters.base import ModelFiles\n{OF_THE_TOY}"
        "    check_map = {'tiny': {'fp16': ModelFiles(None, ('a',))}}\n",
        "<module>.Library is no complete adapter; class Adapter in adapters/base.py describes each "
        "part:\n  check_map['tiny']['fp16']: expected a repo, got none",
    ),
    "cannot-tell-places": Broken(
        f"{OF_THE_TOY}    place = classmethod(lambda cls, case: {{}}['models'])\n",
        f"{RAISED}KeyError: 'models', at <file>:4, "
        "`place = classmethod(lambda cls, case: {}['models'])`; mend that line",
    ),
    "has-no-class": Broken(
        "class Other: ...\n",
        f"{RAISED}AttributeError: module '<module>' has no attribute 'Library'; mend this entry, "
        "or what it names",
    ),
    "has-no-module": Broken(
        "",
        f"{RAISED}ModuleNotFoundError: No module named '<module>'; mend this entry, or what it "
        "names",
    ),
}
"""What does no harm but is no adapter. Such a class is made of the toy; "" stands for no module."""

INTERRUPTS = Broken("raise KeyboardInterrupt\n", "")
"""What is taken for the user's Ctrl-C."""

IN_ENGINES = Broken(
    'import sys, time\nwhile "pytest" not in sys.modules:\n    time.sleep(1)\n'
    f"{OF_THE_TOY}    pass\n",
    "",
)
"""What is fine in pytest's process, and never returns in an engine's."""

NO_FORKS = """
import errno, os

def fork():
    raise OSError(errno.EAGAIN, "too many")

os.fork = fork
"""
"""A plugin with which no process can be forked."""

DYING_AT_LAUNCH = """
import os, sys

if "pytest" not in sys.modules:
    os._exit(4)

from adapters.toy import Toy


class Library(Toy):
    check_map = {"micro": {"launch": Toy.check_map["micro"]["good"]}}
"""
"""What ends an engine's process before its library is imported."""

DYING = """
import os, signal
from adapters.toy import Toy


def die(by):
    if isinstance(by, signal.Signals):
        os.kill(os.getpid(), by)
    os._exit(by)


class AtImport(Toy):
    check_map = {"micro": {"import": Toy.check_map["micro"]["good"]}}

    def import_library(self):
        die(signal.SIGSEGV)


class Library(Toy):
    check_map = {
        "micro": dict.fromkeys(
            ("mend", "load", "transcribe", "memory", "verify"), Toy.check_map["micro"]["good"]
        )
    }

    def mend(self, case):
        if case.variant == "mend":
            die(3)
        return ()

    def load(self, case):
        if case.variant == "load":
            die(signal.SIGKILL)
        super().load(case)

    def transcribe(self, audio, settings):
        if self._variant == "transcribe":
            die(signal.SIGSEGV)
        return super().transcribe(audio, settings)

    def accelerator_memory(self):
        if self._variant == "memory":
            die(3)

    def verify_load(self, case):
        if case.variant == "verify":
            die(signal.SIGKILL)
        return super().verify_load(case)
"""
"""What ends an engine's process in the phase of a start that its variant names."""
