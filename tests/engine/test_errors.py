"""How an engine's end is told: the exit status, the signal, or that it did not end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING
from unittest.mock import Mock

import psutil
import pytest

from adapters.errors import advice_on_limit
from tests.helpers.project import child_environment
from whisper_speedtest.engine import errors
from whisper_speedtest.engine.errors import (
    AT_LAUNCH,
    LINE_LENGTH,
    LOG_LINES,
    NO_LINES,
    TRY_ANOTHER,
    how_it_ended,
    last_lines,
    meanwhile,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ends_by", "told"),
    [
        ("exit 3", f"the engine ended with exit status 3 during load; {TRY_ANOTHER}"),
        ("kill -TERM $$", f"the engine was ended by SIGTERM during load; {TRY_ANOTHER}"),
        (
            "kill -KILL $$",
            (
                "the engine was ended by SIGKILL (the system's out-of-memory killer sends it) "
                "during load; close other programs, or choose a smaller size"
            ),
        ),
        (
            "kill -ILL $$",
            (
                "the engine was ended by SIGILL during load; install a build of the library for "
                "this processor"
            ),
        ),
        (
            "kill -XCPU $$",
            (
                "the engine was ended by SIGXCPU during load; allow it more processor time, with "
                "`ulimit -t unlimited`"
            ),
        ),
        pytest.param(
            "kill -36 $$",
            f"the engine was ended by signal 36 during load; {TRY_ANOTHER}",
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux has signals without a name"
            ),
        ),
        ("exec sleep 20", "the engine hung up and did not end within 0.2 s during load"),
    ],
)
def test_end_of_an_engine_is_told_by_its_status_or_signal(
    ends_by: str, told: str, tmp_path: Path
) -> None:
    """The end of an engine is reported by its exit status or signal, with a next step."""
    limit = 0.2 if "sleep" in ends_by else 20.0
    with subprocess.Popen(["/bin/sh", "-c", ends_by], env=child_environment()) as process:
        try:
            assert how_it_ended(process, limit, "load", tmp_path / "log") == told
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("printed", "during", "told"),
    [
        ("one\ntwo\n", "load", f"it printed last: two; {TRY_ANOTHER}"),
        ("", "load", TRY_ANOTHER),
        ("why\n\n  \n", "load", f"it printed last: why; {TRY_ANOTHER}"),
        ("\n\n", "load", TRY_ANOTHER),
        ("No module\n", "launch", f"it printed last: No module; {AT_LAUNCH}"),
        (
            f"what(): {os.strerror(errno.EMFILE)}\n",
            "load",
            (
                f"it printed last: what(): {os.strerror(errno.EMFILE)}; "
                f"{advice_on_limit(OSError(errno.EMFILE, ''))}"
            ),
        ),
        ("x" * 3_000_000, "load", f"it printed last: {'x' * LINE_LENGTH}; {TRY_ANOTHER}"),
    ],
    ids=[
        "two lines",
        "nothing",
        "empty at its end",
        "empty lines",
        "at launch",
        "a limit",
        "a line without end",
    ],
)
def test_last_line_that_was_printed_is_told_with_the_end(
    printed: str, during: str, told: str, tmp_path: Path
) -> None:
    """The last line that an engine printed is reported with its end."""
    (log := tmp_path / "log").write_text(printed, encoding="utf-8")
    with subprocess.Popen(["/bin/sh", "-c", "exit 3"], env=child_environment()) as process:
        said = how_it_ended(process, 20, during, log)

    assert said == f"the engine ended with exit status 3 during {during}; {told}"


def test_memory_that_the_shell_limits_is_told_where_a_library_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on memory is reported as the next step where a library crashes."""
    monkeypatch.setattr(errors, "memory_limit", lambda: "lift it")
    with subprocess.Popen(["/bin/sh", "-c", "kill -SEGV $$"], env=child_environment()) as process:
        said = how_it_ended(process, 20, "load", tmp_path / "log")

    assert said == "the engine was ended by SIGSEGV during load; lift it"


@pytest.mark.parametrize(
    ("signal", "step"),
    [
        ("ABRT", advice_on_limit(OSError(errno.EMFILE, ""))),
        ("ILL", "install a build of the library for this processor"),
    ],
)
def test_next_step_is_of_the_signal_then_of_what_a_library_says_then_of_memory(
    signal: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next step is that of the signal, else of what was printed, else of a memory limit."""
    monkeypatch.setattr(errors, "memory_limit", lambda: "lift it")
    (log := tmp_path / "log").write_text(os.strerror(errno.EMFILE), encoding="utf-8")
    command = ["/bin/sh", "-c", f"kill -{signal} $$"]
    with subprocess.Popen(command, env=child_environment()) as process:
        said = how_it_ended(process, 20, "load", log)

    assert said == (
        f"the engine was ended by SIG{signal} during load; "
        f"it printed last: {os.strerror(errno.EMFILE)}; {step}"
    )


def test_three_programs_that_an_engine_has_started_are_told_each_by_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At most three programs that an engine has started are reported, each by its beginning."""
    gone = Mock(cmdline=Mock(side_effect=psutil.NoSuchProcess(2)))
    started = [Mock(cmdline=Mock(return_value=["c++", letter * 70])) for letter in "abcd"]
    parent = Mock(children=Mock(return_value=[gone, *started]))
    monkeypatch.setattr(psutil, "Process", {11: parent}.__getitem__)

    said = meanwhile(Mock(pid=11))

    shown = ", ".join(f"`c++ {letter * 56}`" for letter in "abc")
    assert said == f"; it had started {shown}, which had not ended either"
    parent.children.assert_called_once_with(recursive=True)


def test_end_of_a_log_is_shown_and_not_all_of_it(tmp_path: Path) -> None:
    """The last lines of an engine's log are shown, each up to a length, and not all of it."""
    (log := tmp_path / "log").write_bytes(b"first\n" * 100_000 + b"\xff" * 600 + b"\nlast")

    lines = last_lines(log).splitlines()

    assert lines[:-2] == ["  | first"] * (LOG_LINES - 2)
    assert lines[-2:] == [f"  | {chr(0xFFFD) * LINE_LENGTH}", "  | last"]
    assert last_lines(tmp_path / "none") == NO_LINES
