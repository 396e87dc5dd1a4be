"""How an engine's end is told: the exit status, the signal, or that it did not end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.project import child_environment
from whisper_speedtest.engine.errors import how_it_ended


@pytest.mark.parametrize(
    ("ends_by", "told"),
    [
        ("exit 3", "the engine ended with exit status 3"),
        ("kill -TERM $$", "the engine was ended by SIGTERM"),
        (
            "kill -KILL $$",
            "the engine was ended by SIGKILL (the system's out-of-memory killer sends it)",
        ),
        pytest.param(
            "kill -36 $$",
            "the engine was ended by signal 36",
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux has signals without a name"
            ),
        ),
        ("exec sleep 20", "the engine hung up and did not end within 0.2 s"),
    ],
)
def test_end_of_an_engine_is_told_by_its_status_or_signal(ends_by: str, told: str) -> None:
    """A signal without a name is told by its number."""
    limit = 0.2 if "sleep" in ends_by else 20.0
    with subprocess.Popen(["/bin/sh", "-c", ends_by], env=child_environment()) as process:
        try:
            assert how_it_ended(process, limit) == told
        finally:
            process.kill()
