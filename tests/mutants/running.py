"""Runs the tests of a room on a mutant, in a copy of the project, with a time limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.helpers.project import ROOT, child_environment, copy_project
from tests.mutants.mutants import code_of
from tests.mutants.quick import LEFT_OUT, TIMES_TO, longest
from tests.mutants.rooms import room_of

if TYPE_CHECKING:
    from tests.mutants.mutants import Mutant
    from tests.mutants.rooms import Room

SECONDS_A_TEST = 60
"""A mutant that hangs in a test is stopped here."""

TESTS_FAILED = (1, 2, 3, 4)
"""pytest's exit statuses where tests failed, or could not be collected, or pytest itself failed."""


SHOWN_LINES = 40
"""How much of pytest's output an error shows."""


class Outcome(Enum):
    """What became of a mutant."""

    NOTICED = "noticed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


class BaselineError(Exception):
    """The tests say nothing of a mutant: they fail without it, or there are none."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How the tests of a room do on the code as it is."""

    seconds: float
    """What they take, without those left out."""

    left_out: tuple[str, ...]
    """The slowest tests, without which the others take a minute; no mutant meets them."""

    @property
    def limit(self) -> float:
        """Seconds after which a mutant that is still running counts as noticed."""
        return 30 + 3 * self.seconds


class Copy:
    """A copy of the project, in which one mutant after another is put in and taken out."""

    def __init__(self, folder: Path) -> None:
        """Copy the project into a folder, which is made, and compile it."""
        self.root = folder / "project"
        copy_project(self.root, tests=True)
        self._temporary = folder / "temporary"
        self._left_out = folder / "left_out.json"
        self._times = folder / "times.json"
        home = folder / "home"
        home.mkdir()
        self._environment = child_environment(HOME=str(home), PYTEST_ADDOPTS="")
        for command in (["compileall", "-q", "."], ["pytest", "tests", "--collect-only", "-q"]):
            subprocess.run(
                [sys.executable, "-m", *command],
                cwd=self.root, env=self._environment, stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        # Byte code is known by the time and size of its file, and a mutant may have both.
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def baseline(self, room: Room) -> Baseline:
        """Run the tests of a room on the code as it is; raise BaselineError if any fails."""
        status, output = self._run(room.test_files(self.root), 1800, TIMES_TO, self._times)
        if status != 0:
            raise BaselineError(
                f"{room.tests}: expected all tests to pass, got status {status}:\n{output}"
            )
        seconds: dict[str, float] = json.loads(self._times.read_text(encoding="utf-8"))
        left_out = longest(seconds)
        kept = sum(seconds.values()) - sum(seconds[test] for test in left_out)
        return Baseline(kept, tuple(left_out))

    def outcome(self, mutant: Mutant, baseline: Baseline) -> Outcome:
        """Run the tests on a mutant until one fails, or the time is over."""
        self._left_out.write_text(json.dumps(baseline.left_out), encoding="utf-8")
        path = self.root / mutant.file
        original = path.with_suffix(".original")
        path.rename(original)
        path.write_text(code_of(ROOT, mutant), encoding="utf-8")
        try:
            tests = room_of(mutant.file).test_files(self.root, mutant.file)
            status, output = self._run(tests, baseline.limit, LEFT_OUT, self._left_out)
        finally:
            original.replace(path)
        if status is None:
            return Outcome.TIMED_OUT
        if status == 0:
            return Outcome.SURVIVED
        if status in TESTS_FAILED or status < 0:
            return Outcome.NOTICED
        raise BaselineError(f"{mutant}: expected tests to run, got status {status}:\n{output}")

    def _run(
        self, tests: list[str], limit: float, variable: str, file: Path
    ) -> tuple[int | None, str]:
        """Return pytest's exit status, None where it was stopped at the limit, and its output."""
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", *tests, "-x", "-q", "-m", "not slow"),
                *("-p", "tests.mutants.quick", "-p", "no:cacheprovider", "--hypothesis-seed=0"),
                *(f"--timeout={SECONDS_A_TEST}", f"--basetemp={self._temporary}"),
            ],
            cwd=self.root,
            env={**self._environment, variable: str(file)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                self._end_all()
                return None, ""
            finally:
                self._end_all()
        return process.returncode, "\n".join(output.splitlines()[-SHOWN_LINES:])

    def _end_all(self) -> None:
        """End whatever runs in this copy: of a mutant, engines may outlive their session."""
        import psutil

        for process in psutil.process_iter(["cwd"]):
            if (process.info["cwd"] or "").startswith(f"{self.root.parent}/"):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
