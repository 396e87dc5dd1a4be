"""An adapter module that ends, stops or changes the process it is imported in does so to a trial.

Each module is imported by a process that this one has forked, as pytest's process does with all
adapters of the registry. Nothing of it may be seen here but the reason.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import resource
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from adapters import import_rules, look_up, trial
from adapters.trial import Refusal
from tests.helpers.broken_adapters import ENDING, HANGING, HARMING, RAISING
from tests.helpers.processes import wait_until_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Write = Callable[[str, str], str]

SECONDS = 1.0
FINE = "from tests.adding.adapter import ParrotAdapter as Adapter\n"


def try_imports(paths: Iterable[str]) -> dict[str, str]:
    """Try each as the registry's are tried."""
    return trial.try_imports(paths, look_up)


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes a module of a name, and returns `module:class`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(import_rules, "ROOT", tmp_path)

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        return f"{name}:Adapter"

    return write


def state() -> tuple[object, ...]:
    """Return what a module might change in this process."""
    stdio = [os.fstat(number)[:3] for number in range(3)]
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)]
    streams = (sys.stdin, sys.stdout, sys.stderr, os._exit)
    return Path.cwd(), dict(os.environ), stdio, handlers, streams, psutil.Process().children()


@pytest.mark.parametrize("kind", [*RAISING, *HARMING, *ENDING])
def test_module_that_does_harm_is_named_with_its_line(kind: str, write: Write) -> None:
    """A module that does harm is named with its line; other modules and this process are fine."""
    broken = {**RAISING, **HARMING, **ENDING}[kind]
    name = f"trial_{kind}".replace("-", "_")
    paths = [write("trial_before", FINE), write(name, broken.source), write("trial_after", FINE)]
    before = state()

    found = try_imports(paths)

    assert found == {f"{name}:Adapter": broken.told(f"{name}.py", name, trial.SECONDS)}
    assert state() == before
    assert not {"trial_before", name, "trial_after"} & set(sys.modules)


@pytest.mark.parametrize("kind", HANGING)
def test_module_that_never_returns_is_ended(
    kind: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that never returns is ended, and the line is named at which it stood."""
    monkeypatch.setattr(trial, "SECONDS", SECONDS)
    name = f"trial_{kind}".replace("-", "_")
    path = write(name, HANGING[kind].source)
    before = state()

    found = try_imports([path])

    assert found == {path: HANGING[kind].told(f"{name}.py", name, SECONDS)}
    assert state() == before


def test_module_that_stops_its_process_is_killed(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that stops its process is killed, and reported without a line."""
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    monkeypatch.setattr(trial, "GRACE", SECONDS)
    path = write("trial_stops", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n")

    assert try_imports([path]) == {
        path: "expected an import that ends within 0.1 s, got one that was still going on; "
        "mend trial_stops.py"
    }
    assert psutil.Process().children() == []


IN_A_FORK = """
import os, sys
if "pytest" in sys.modules:
    os.abort()
"""


@pytest.mark.parametrize(
    ("source", "harmless"),
    [
        (IN_A_FORK + FINE, True),
        ("import os\nos.abort()\n", False),
        ("import ctypes\nctypes.CDLL(None)._exit(0)\n", False),
    ],
    ids=["the fork", "the module", "the module as if nothing were wrong"],
)
def test_end_of_a_fork_is_blamed_on_a_module_that_ends_a_new_process_too(
    source: str, harmless: bool, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a fork is blamed on its module only if that ends a new process, too."""
    monkeypatch.setattr(trial, "MAY_NOT_SURVIVE_A_FORK", True)
    paths = [write("trial_first", FINE), write("trial_forked", source), write("trial_last", FINE)]

    found = try_imports(paths)

    assert list(found) == ([] if harmless else [paths[1]])
    monkeypatch.setattr(trial, "MAY_NOT_SURVIVE_A_FORK", False)
    assert list(try_imports(paths)) == [paths[1]]


def test_new_process_that_signals_its_group_does_not_reach_this_one(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module's signal to its group does not reach pytest's process."""
    monkeypatch.setattr(trial, "MAY_NOT_SURVIVE_A_FORK", True)
    source = "signal.signal(signal.SIGUSR1, signal.SIG_DFL)\nos.killpg(0, signal.SIGUSR1)\n"
    path = write("trial_signals", f"import os, signal\n{source}")
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        found = try_imports([path])
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert list(found) == [path]
    assert came == [], "the signal that an adapter sent to its group came to pytest's process"


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no signal without a name")
def test_signal_without_a_name_is_told_by_its_number(write: Write) -> None:
    """A signal without a name is reported by its number."""
    path = write("trial_signalled", "import os\nos.kill(os.getpid(), 40)\n")

    assert try_imports([path]) == {
        path: "expected an import that returns, got a process that signal 40 ended; mend "
        "trial_signalled.py"
    }


@pytest.mark.parametrize("again", [False, True], ids=["once", "tried again"])
def test_what_a_module_starts_ends_with_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """A program that a module started is killed with the trial."""
    monkeypatch.setattr(trial, "MAY_NOT_SURVIVE_A_FORK", again)
    source = (
        "import subprocess, pathlib\n"
        "child = subprocess.Popen(['sleep', '3600'])\n"
        f"pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        f"import os; {'os.abort()' if again else 'raise OSError'}\n"
    )

    try_imports([write("trial_starts", source)])

    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    assert wait_until_gone(child), f"expected process {child} to be killed, got it running"


def test_interrupt_is_the_users(write: Write) -> None:
    """A KeyboardInterrupt in a module is raised here too, as nobody but the user means it."""
    paths = [write("trial_interrupts", "raise KeyboardInterrupt\n"), write("trial_after", FINE)]

    with pytest.raises(KeyboardInterrupt):
        try_imports(paths)
    assert psutil.Process().children() == []


def test_each_broken_module_is_tried_in_a_process_of_its_own(write: Write) -> None:
    """Each broken module is tried in a process of its own."""
    first = write("trial_first", "import sys\nsys.left_behind = True\nraise OSError\n")
    second = write("trial_second", "import sys\nassert not hasattr(sys, 'left_behind')\n")

    assert list(try_imports([first, second])) == [first]


def test_missing_class_is_left_to_the_look_up(write: Write) -> None:
    """A missing class is left to the look-up, and a missing module is reported."""
    empty = write("trial_empty", "Adapter = None\n")

    found = try_imports([empty, "trial_empty:Other", "trial_nowhere:Adapter"])

    assert found == {
        "trial_nowhere:Adapter": (
            "expected a class at `module:class`, got ModuleNotFoundError: No module named "
            "'trial_nowhere'; mend this entry, or what it names"
        )
    }


def test_module_may_ask_about_the_streams(write: Write) -> None:
    """A module may ask about the standard streams, which are no terminal."""
    source = (
        "import os, sys\n"
        "assert not sys.stdin.isatty() and not sys.stdout.isatty()\n"
        "assert os.fstat(sys.stdout.fileno()) and sys.stdout.encoding.lower() == 'utf-8'\n"
        "sys.stdout.flush()\n"
        "print('a warning', file=sys.stderr)\n"
        "os.environ.get('HOME')\n"
        "os.getcwd()\n"
    )

    assert try_imports([write("trial_looks", f"{source}{FINE}")]) == {}


@pytest.mark.parametrize("emptied", ["resetwarnings()", "filters.clear()"])
@pytest.mark.parametrize("strict", [False, True])
def test_module_that_empties_the_list_of_warning_filters_harms_strictness_alone(
    emptied: str, strict: bool, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that empties the warning filters is refused where warnings are errors."""
    filters = [("error" if strict else "ignore", None, Warning, None, 0)]
    monkeypatch.setattr("warnings.filters", filters)
    clears = write("trial_clears", f"import warnings\nwarnings.{emptied}\n{FINE}")
    told = (
        "expected an import that leaves whether all warnings are errors alone; mend trial_clears.py"
    )

    assert try_imports([clears]) == ({clears: told} if strict else {})
    assert len(filters) == 1, "expected the list of this process as it was"


def test_long_text_is_cut(write: Write) -> None:
    """The text of what a module raised or printed is cut to some 500 letters."""
    paths = [
        write("trial_talks", "raise OSError('x' * 10**6)\n"),
        write("trial_floods", "print('x' * 10**6)\n"),
        write("trial_writes", "import os\nos.write(1, b'x' * 10**4)\n"),
    ]

    found = try_imports(paths)

    assert [message.count("x") for message in found.values()] == pytest.approx([500] * 3, abs=12)


def test_class_that_hangs_when_it_is_read_is_found(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that hangs when its attributes are read is found in the trial."""
    monkeypatch.setattr(trial, "SECONDS", SECONDS)
    source = (
        "from tests.adding.adapter import ParrotAdapter\n"
        "class Adapter(ParrotAdapter):\n"
        "    @classmethod\n"
        "    def place(cls, case):\n"
        "        while True: pass\n"
    )

    (message,) = try_imports([write("trial_place", source)]).values()

    assert message.endswith(
        "still going on, at trial_place.py:5, `while True: pass`; mend that line"
    )


@pytest.fixture(name="room")
def _room() -> Iterator[Callable[[int], int]]:
    """A function that lets this process open so many files more, and returns its new limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(more: int) -> int:
        free = [os.open(os.devnull, os.O_RDONLY) for _ in range(more + 1)]
        for descriptor in free:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], before[1]))
        return free[-1]

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_limit_on_open_files_is_told_and_no_adapter_blamed(
    write: Write, room: Callable[[int], int]
) -> None:
    """A limit on open files is reported with what is free and needed, and no adapter is blamed."""
    path = write("trial_fine", FINE)
    room(trial.FILES - 1)

    with pytest.raises(OSError, match="Too many open files") as error:
        try_imports([path])

    assert error.value.errno == errno.EMFILE
    assert str(error.value).endswith(": expected room for 12 more, got 11")
    assert psutil.Process().children() == []


def test_room_for_just_enough_files_is_enough(write: Write, room: Callable[[int], int]) -> None:
    """A trial does with room for as many open files as it needs, and keeps none of them open."""
    paths = [write("trial_fine", FINE), write("trial_raises", "raise OSError('no')\n")]
    room(trial.FILES)
    before = psutil.Process().num_fds()

    assert list(try_imports(paths)) == paths[1:]
    assert psutil.Process().num_fds() == before


def test_limit_on_threads_is_told_and_no_adapter_blamed(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on threads is reported, and no adapter is blamed."""

    def no_thread(*_: object, **__: object) -> None:
        raise RuntimeError("unable to start watchdog thread")

    monkeypatch.setattr(faulthandler, "dump_traceback_later", no_thread)

    with pytest.raises(OSError, match=r"expected a thread that watches it, got none$") as error:
        try_imports([write("trial_fine", FINE), write("trial_raises", "raise OSError('no')\n")])

    assert error.value.errno == errno.EAGAIN
    assert psutil.Process().children() == []


def test_nothing_to_try_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial of no modules starts no process."""
    monkeypatch.delattr(os, "fork")

    assert try_imports([]) == {}


def test_all_are_tried_in_one_process_where_none_is_broken(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All modules are tried in one process where none is broken."""
    forks = []
    fork = os.fork

    def counted() -> int:
        forks.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", counted)

    assert try_imports([write(f"trial_fine_{number}", FINE) for number in range(4)]) == {}
    assert len(forks) == 1


def test_refused_module_is_imported_by_nobody(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that was refused is not imported again, and the reason is given."""
    harm = {write("trial_harmful", "import os\nos._exit(3)\n"): "it ends the process"}
    write("trial_harmless", "")
    monkeypatch.setattr(sys, "meta_path", [Refusal(harm), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "trial_harmless", raising=False)

    with pytest.raises(ImportError) as error:
        import_module("trial_harmful")

    assert str(error.value) == "trial_harmful is not imported again: it ends the process"
    assert error.value.name == "trial_harmful"
    assert import_module("trial_harmless").__name__ == "trial_harmless"
