"""How an engine's end is told: the exit status, the signal, or that it did not end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.project import child_environment
from whisper_speedtest.engine.errors import SEE_OUTPUT, TRY_ANOTHER, how_it_ended


@pytest.mark.parametrize(
    ("ends_by", "told"),
    [
        ("exit 3", f"the engine ended with exit status 3 during load; {SEE_OUTPUT}"),
        ("kill -TERM $$", f"the engine was ended by SIGTERM during load; {TRY_ANOTHER}"),
        (
            "kill -KILL $$",
            "the engine was ended by SIGKILL (the system's out-of-memory killer sends it) during "
            "load; close other programs, or choose a smaller size",
        ),
        (
            "kill -ILL $$",
            "the engine was ended by SIGILL during load; install a build of the library for this "
            "processor",
        ),
        (
            "kill -XCPU $$",
            "the engine was ended by SIGXCPU during load; allow it more processor time, with "
            "`ulimit -t unlimited`",
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
def test_end_of_an_engine_is_told_by_its_status_or_signal(ends_by: str, told: str) -> None:
    """A signal without a name is told by its number."""
    limit = 0.2 if "sleep" in ends_by else 20.0
    with subprocess.Popen(["/bin/sh", "-c", ends_by], env=child_environment()) as process:
        try:
            assert how_it_ended(process, limit, "load") == told
        finally:
            process.kill()
