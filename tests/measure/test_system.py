"""What the system tells, and what is done where it tells nothing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from whisper_speedtest.measure import system
from whisper_speedtest.measure.system import output_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_text_of_a_file(tmp_path: Path) -> None:
    """A file that is missing or a folder reads as an empty text, and is no error."""
    (tmp_path / "cur_state").write_text("3\n")

    assert text_of(f"{tmp_path}/cur_state") == "3\n"
    assert text_of(f"{tmp_path}/missing") == ""
    assert text_of(str(tmp_path)) == ""


def test_text_that_is_no_ascii_costs_nothing(tmp_path: Path) -> None:
    """A byte of a system's file that is not ASCII is replaced, and is no error."""
    (tmp_path / "product_name").write_bytes(b"Bl\xe5 1\n")

    assert text_of(f"{tmp_path}/product_name") == "Bl\ufffd 1\n"


def test_output_of_a_program() -> None:
    """The output of a program is what it prints to stdout, even if it fails."""
    script = "import sys; print('known'); print('unknown', file=sys.stderr); sys.exit(1)"

    assert output_of(sys.executable, "-c", script) == "known\n"
    assert output_of("/no/such/program") == ""


def test_program_is_asked_nothing() -> None:
    """A program that is asked for its output gets an empty input."""
    script = "import sys; print(repr(sys.stdin.read()))"

    assert output_of(sys.executable, "-c", script) == "''\n"


def test_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that hangs is ended after its time limit, and its output is dropped."""
    script = f"""import os, time
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
print("too early", flush=True)
time.sleep(600)"""
    monkeypatch.setattr(system, "SECONDS", 3.0)

    assert output_of(sys.executable, "-c", script) == ""

    from tests.helpers.processes import wait_until_gone

    assert wait_until_gone(int((tmp_path / "pid").read_text()))


def test_environment_can_be_chosen() -> None:
    """A program that is asked for its output gets the given variables and no others."""
    script = "import os; print(os.environ.get('OWN'), os.environ.get('HOME'))"
    own = {name: os.environ[name] for name in ("PATH",) if name in os.environ}

    assert output_of(sys.executable, "-c", script, environment={**own, "OWN": "1"}) == "1 None\n"
