"""Time limits, Ctrl-C and the parent's end, whenever they come, leave no engine behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import whisper_speedtest.engine.process as process_module
from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from tests.helpers.processes import Interrupted, alarm, running_engines, wait_until_gone
from tests.helpers.project import ROOT, child_environment
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.child import Child
from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.engine.interrupts import signals_held
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.engine.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Toys = Callable[[str], Engine]

SETTINGS = DecodeSettings()
PHASES = ("lay_out", "launch", "import_library", "load", "verify_load")


# Signals held


@pytest.fixture(name="interrupting")
def _interrupting() -> Iterator[None]:
    """Handlers of SIGUSR1 and SIGUSR2 that raise, as those of time limits do."""

    def interrupt(number: int, _: Any) -> None:
        raise Interrupted(number)

    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.signal(number, interrupt) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("interrupting")
def test_held_signal_comes_down_after_the_block() -> None:
    """A signal that comes while signals are held raises at the end of the block, not earlier."""
    steps = []

    def step() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        steps.append("after the signal")

    with pytest.raises(Interrupted) as interrupt, signals_held():
        step()

    assert steps == ["after the signal"]
    assert interrupt.value.args == (signal.SIGUSR1,)


@pytest.mark.usefixtures("interrupting")
def test_handlers_are_as_before_when_nothing_came() -> None:
    """Holding signals changes no handler for good, nor what happens to a later signal."""
    numbers = signal.valid_signals()
    before = {number: signal.getsignal(number) for number in numbers}

    with signals_held():
        pass

    assert {number: signal.getsignal(number) for number in numbers} == before
    with pytest.raises(Interrupted):
        os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.usefixtures("interrupting")
def test_second_signal_is_not_held_up_by_the_first() -> None:
    """When two signals were held and the first raises, the handlers are all in their places."""
    before = [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)]

    def both() -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(Interrupted), signals_held():
        both()

    assert [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)] == before


@pytest.mark.usefixtures("interrupting")
def test_error_of_the_block_is_seen_beside_a_held_signal() -> None:
    """An error in the block is the context of the interrupt that was held meanwhile."""

    def fail() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        raise ValueError("the block's own")

    with pytest.raises(Interrupted) as interrupt, signals_held():
        fail()

    assert str(interrupt.value.__context__) == "the block's own"


def test_other_threads_hold_nothing() -> None:
    """Threads other than the main one hold no signals."""
    done = []

    def hold() -> None:
        with signals_held():
            done.append("entered")

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()

    assert done == ["entered"]


# Interrupted engines


@dataclass(frozen=True, slots=True)
class Endless(VerifiedModel):
    """A model whose files take forever to hash."""

    def recheck(self) -> None:
        """Wait for a signal."""
        signal.pause()


def through(engine: Engine, last: str) -> None:
    """Take an engine through the phases before `last`."""
    for phase in PHASES[: PHASES.index(last)]:
        getattr(engine, phase)()


@pytest.mark.parametrize(
    ("variant", "phase"),
    [("good", "launch"), ("hangs-loading", "load"), ("hangs-verifying", "verify_load")],
)
def test_time_limit_in_a_phase_ends_the_engine(new_toy: Toys, variant: str, phase: str) -> None:
    """A time limit that comes down on a phase leaves no process, and a note that names it."""
    engine = new_toy(variant)
    through(engine, phase)

    # An interpreter takes longer than this to come up.
    with pytest.raises(Interrupted) as interrupt, alarm(0.005 if phase == "launch" else 0.3):
        getattr(engine, phase)()

    (note,) = interrupt.value.__notes__
    assert note.startswith(f"toy[micro-{variant}]: stopped during ")
    assert "which had not returned; the last lines of its output:" in note
    assert running_engines() == []
    assert not engine.loaded
    with pytest.raises(EngineError) as later:
        engine.ready()
    assert str(later.value) == note


def test_time_limit_in_a_call_ends_the_engine(toy: Toys) -> None:
    """A time limit that comes down on a hung call leaves no process, and a note that names it."""
    engine = toy("hangs")

    with pytest.raises(Interrupted) as interrupt, alarm(0.3):
        engine.transcribe("clip", SETTINGS)

    (note,) = interrupt.value.__notes__
    assert note.startswith("toy[micro-hangs]: stopped during transcribe, which had not returned; ")
    assert running_engines() == []
    assert engine.loaded  # So that another engine may be tried with other audio.


def test_note_of_an_interrupt_by_the_user_shows_nothing_of_the_log(toy: Toys) -> None:
    """The note of an interrupt by the user shows nothing of the library's log."""
    engine = toy("hangs")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with alarm(60):
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt) as ended:
            engine.transcribe("clip", SETTINGS)

    assert ended.value.__notes__ == [
        "toy[micro-hangs]: stopped during transcribe, which had not returned"
    ]


def test_second_interrupt_leaves_no_call_half_done(
    toy: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is interrupted twice ends its engine, so that no later call gets its answer.

    Here Ctrl-C comes while the engine takes note of a time limit.
    """
    engine = toy("slow")

    def interrupted(*_: object) -> EngineError:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Child, "fail", interrupted)
        with pytest.raises(KeyboardInterrupt), alarm(0.05):
            engine.transcribe("clip", SETTINGS)

    with pytest.raises(EngineError, match="stopped during transcribe, which had not returned"):
        engine.memory()
    assert running_engines() == []


def test_time_limit_while_the_files_are_hashed_again_ends_the_engine(
    new_toy: Toys, model: VerifiedModel
) -> None:
    """A load whose verification was stopped counts as not verified: no call is made with it."""
    engine = new_toy("good")
    through(engine, "verify_load")
    engine.model = Endless(model.repo, model.revision, model.commit, model.files)

    with pytest.raises(Interrupted), alarm(0.2):
        engine.verify_load()

    assert running_engines() == []
    with pytest.raises(EngineError, match="stopped during verify_load, which had not returned"):
        engine.ready()


def test_time_limit_while_the_files_are_hashed_first_leaves_the_engine_as_it_was(
    new_toy: Toys, model: VerifiedModel
) -> None:
    """A time limit that comes before an engine has started anything lets it be tried again."""
    engine = new_toy("good")
    engine.model = Endless(model.repo, model.revision, model.commit, model.files)
    with pytest.raises(Interrupted), alarm(0.2):
        engine.ready()

    engine.model = model
    engine.ready()

    assert engine.loaded


def test_time_limit_while_a_child_is_waited_for_ends_it(toy: Toys) -> None:
    """A child that hung up, and does not end, is ended when the time limit comes first."""
    engine = toy("hangs-up")

    with pytest.raises(Interrupted), alarm(0.3):
        engine.transcribe("clip", SETTINGS)

    assert running_engines() == []
    with pytest.raises(EngineError, match="stopped during transcribe, which had not returned"):
        engine.ready()


def test_signal_that_comes_while_the_process_is_started(
    new_toy: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt that comes while the engine's process is started leaves no process."""

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    engine = new_toy("good")
    engine.lay_out()

    with pytest.raises(Interrupted), alarm(60):
        engine.launch()

    assert running_engines() == []
    assert engine.closed


@pytest.mark.usefixtures("interrupting")
def test_signal_at_any_line_of_a_launch_leaves_no_engine(
    monkeypatch: pytest.MonkeyPatch, model: VerifiedModel, tmp_path: Path
) -> None:
    """An engine's process ends, whatever line of its launch a signal interrupts.

    It has ended when the exception arrives at the owner, unless the signal comes right where the
    owner closes the engine, before anything can take note of it. Then the system ends the child as
    soon as nobody holds the engine any more.
    """
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    # Nothing is waited for until the child is up.
    monkeypatch.setattr(Child, "_await_answer", lambda *_: None)
    monkeypatch.setattr(Wire, "await_greeting", lambda _: None)
    folder = str(Path(process_module.__file__).parent)
    wanted = 0
    lines: list[str] = []
    late: list[str] = []

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(folder):
            return None
        line = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
        if event == "line" and line not in lines:
            lines.append(line)
            if len(lines) == wanted:
                os.kill(os.getpid(), signal.SIGUSR1)
        return trace

    def launch_and_close() -> bool:
        """Tell whether the signal came down, and gather what it has left."""
        (engine_folder := tmp_path / f"engine-{wanted}").mkdir()
        engine = Engine(Case("toy", "micro", "good"), model, engine_folder, "cpu")
        engine.lay_out()
        tracer = sys.gettrace()
        try:
            sys.settrace(trace)
            with engine:
                engine.launch()
        except Interrupted:
            if running_engines():
                late.append(lines[-1])
            return True
        finally:
            sys.settrace(tracer)
        return False

    came = True
    while came:
        wanted += 1
        lines.clear()
        with warnings.catch_warnings():
            # Python warns when the handle of a process that runs is let go of.
            warnings.simplefilter("ignore", ResourceWarning)
            came = launch_and_close()
            gc.collect()
        for left in running_engines():
            assert wait_until_gone(left.pid), f"an engine was left, interrupted at {lines[-1]}"

    assert wanted > 40, "expected a launch and its end to be some forty lines"
    assert {line.split()[1] for line in late} <= {"__exit__", "close"}


# The parent's end

PARENT = f"""
import os, signal, sys, threading
from pathlib import Path
import numpy as np
from adapters import REGISTRY
from adapters.base import Case, DecodeSettings
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel

REGISTRY["toy"] = "tests.helpers.toy_adapter:Toy"
file = Path("{FILE}")
file.write_text("text")
model = VerifiedModel("embedded/toy", "main", "0", {{"{FILE}": (file.absolute(), prove(file))}})
Path("engine").mkdir()
engine = Engine(Case("toy", "micro", sys.argv[1]), model, Path("engine").absolute(), "cpu")
"""


@pytest.fixture(name="start_parent")
def _start_parent(tmp_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """A function that starts a process which has an engine of a variant, and runs a script."""
    parents: list[subprocess.Popen[str]] = []

    def start(variant: str, script: str) -> subprocess.Popen[str]:
        parents.append(
            subprocess.Popen(
                [sys.executable, "-c", PARENT + textwrap.dedent(script), variant],
                cwd=tmp_path,
                env=child_environment(PYTHONPATH=str(ROOT)),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        return parents[-1]

    yield start
    for parent in parents:
        with parent:
            parent.kill()


def number_from(parent: subprocess.Popen[str]) -> int:
    """Return the number in the next line that a process prints."""
    assert parent.stdout is not None
    return int(parent.stdout.readline())


@pytest.mark.parametrize("variant", ["good", "hangs", "hogs"])
def test_engine_ends_with_a_killed_parent(
    start_parent: Callable[[str, str], subprocess.Popen[str]], variant: str
) -> None:
    """An engine does not outlive a SIGKILLed parent: idle, in mid-call, or in native code.

    The native code of "hogs" holds the interpreter's lock, so that no thread of Python's can run.
    """
    if variant == "hogs" and sys.platform != "linux":
        pytest.skip("only Linux ends a process whose interpreter's lock is held")
    parent = start_parent(
        variant,
        """
        engine.hear("clip", np.zeros(9, np.float32))
        print(engine.pid, flush=True)
        engine.transcribe("clip", DecodeSettings())
        threading.Event().wait()
        """,
    )
    engine = number_from(parent)
    time.sleep(0.2)  # Until the call has begun.

    parent.kill()

    assert wait_until_gone(engine)


def test_what_a_library_starts_ends_with_a_killed_parent(
    start_parent: Callable[[str, str], subprocess.Popen[str]],
) -> None:
    """The processes that a library has started do not outlive the parent of their engine."""
    parent = start_parent(
        "leaves-child",
        """
        engine.hear("clip", np.zeros(9, np.float32))
        print(engine.transcribe("clip", DecodeSettings()).text, flush=True)
        threading.Event().wait()
        """,
    )
    grandchild = number_from(parent)

    parent.kill()

    assert wait_until_gone(grandchild)


def test_engine_without_the_help_of_linux_ends_with_its_parent() -> None:
    """Without the help of Linux an engine ends with its parent, and so does what it started."""
    script = (
        "import subprocess, sys, time\n"
        "from whisper_speedtest.engine import worker\n"
        "sys.platform = 'another'\n"
        "worker._end_with_parent()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=child_environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        grandchild = number_from(process)
        assert process.stdin is not None

        process.stdin.close()

        assert process.wait(10) == -signal.SIGKILL
    assert wait_until_gone(grandchild)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.4])
def test_engine_ends_with_a_parent_that_is_told_to_end(
    start_parent: Callable[[str, str], subprocess.Popen[str]],
    tmp_path: Path,
    number: signal.Signals,
    seconds: float,
) -> None:
    """No engine is left when Ctrl-C or SIGTERM comes while it gets ready, whenever that is."""
    import psutil

    parent = start_parent(
        "hangs-loading",
        """
        print(0, flush=True)
        with engine:
            engine.ready()
        """,
    )
    number_from(parent)
    time.sleep(seconds)

    parent.send_signal(number)

    assert parent.wait(10) == -number
    deadline = time.monotonic() + 10
    folder = str(tmp_path / "engine")
    while left := [
        process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == folder
    ]:
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.02)


def test_signal_that_comes_while_handlers_are_put_back_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal that comes while handlers are put back goes to its own handler at once."""
    seen: list[int] = []

    def note(number: int, _: Any) -> None:
        seen.append(number)

    early, late = sorted((signal.SIGUSR1, signal.SIGUSR2))
    before = {number: signal.signal(number, note) for number in (early, late)}
    put_back = signal.signal

    def interrupted(number: int, handler: Any) -> Any:
        result = put_back(number, handler)
        if (number, handler) == (early, note):
            signal.raise_signal(late)
        return result

    try:
        with signals_held():
            monkeypatch.setattr(signal, "signal", interrupted)
        monkeypatch.undo()

        assert seen == [late]
        assert signal.getsignal(late) is note
    finally:
        monkeypatch.undo()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_signal_that_came_twice_comes_down_once() -> None:
    """A held signal that came twice comes down once, and so does another that was held."""
    seen: list[int] = []
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.signal(number, lambda number, _: seen.append(number)) for number in numbers]
    try:
        with signals_held():
            for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
                signal.raise_signal(number)
            assert seen == []
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    assert seen == [signal.SIGUSR2, signal.SIGUSR1]
