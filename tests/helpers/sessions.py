"""Sessions of the real pytest, in a copy of the project to which a library was added."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.helpers.project import ROOT, child_environment, copy_project, edit

if TYPE_CHECKING:
    import psutil

TOKEN = "hf_" + "not" * 9
TIME_LIMIT = 5
"""Seconds that one test of the toy library may take."""

ABSENT = '''"""A library that is not installed."""

from adapters.toy import Toy


class Absent(Toy):
    """Needs a package that nobody has."""

    packages = ("no-such-package",)
'''


@dataclass(frozen=True, slots=True)
class Session:
    """How a session of pytest ended."""

    status: int
    output: str
    saved: dict[str, Any] | None
    """pytest-benchmark's JSON; None when there is none."""

    @property
    def saved_names(self) -> set[str]:
        """The tests that have a result in the JSON."""
        return {result["name"] for result in self.saved["benchmarks"]} if self.saved else set()


def make_toy_project(tree: Path) -> None:
    """Copy the project to `tree`, with a toy library and one that is not installed added to it.

    The reference computation, which is timed before and after each test, is brief there.
    """
    copy_project(tree)
    shutil.copy(ROOT / "tests" / "helpers" / "toy_adapter.py", tree / "adapters" / "toy.py")
    (tree / "adapters" / "absent.py").write_text(ABSENT, encoding="utf-8")
    lines = '    "toy": "adapters.toy:Toy",\n    "absent": "adapters.absent:Absent",\n'
    edit(tree / "adapters" / "__init__.py", "= {\n", f"= {{\n{lines}")
    limit = f'    if case.adapter in {{"toy", "absent"}}:\n        return {TIME_LIMIT}\n'
    protocol = tree / "whisper_speedtest" / "measure" / "protocol.py"
    edit(protocol, mark := "    return next(float(limit)", limit + mark)
    reference = tree / "whisper_speedtest" / "measure" / "reference.py"
    edit(reference, "\nROUNDS = 32\n", "\nROUNDS = 1\n")
    edit(reference, "\nTRIES = 5\n", "\nTRIES = 1\n")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Runs sessions in the project at `tree`; what they write goes to `folder`."""

    tree: Path
    folder: Path

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a session of benchmarks, without a network, and with a token in its environment."""
        # Other tests run beside these: nothing is to be called contaminated for that. One process
        # of a case shows all but how several are used; comparisons are refused a number of them.
        options = ["--benchmark-only", "--max-others=inf"]
        if not {"--head-to-head", "--against"} & {each.split("=")[0] for each in arguments}:
            options.append("--processes=1")
        options.append(f"--benchmark-json={self.folder}/saved.json")
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments, f"--basetemp={self.folder}/run"],
            cwd=self.tree,
            # Each line is whole then, and a row of the closing table has all of its columns.
            env=child_environment(
                **{"HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1", "COLUMNS": "1000", **variables}
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Session:
        """Wait for a session to end."""
        output, _ = process.communicate(timeout=200)
        saved = self.folder / "saved.json"
        return Session(
            process.returncode,
            output,
            json.loads(saved.read_text(encoding="utf-8")) if saved.exists() else None,
        )

    def run(self, *arguments: str, **variables: str) -> Session:
        """Run a session to its end."""
        return self.finish(self.start(*arguments, **variables))

    def engines(self) -> list[psutil.Process]:
        """Return the engines that run now: processes whose working directory is in the folder."""
        import psutil

        return [
            process
            for process in psutil.process_iter(["cwd"])
            if (process.info["cwd"] or "").startswith(str(self.folder))
        ]
