"""The checkout under test, copies of it, and the environment of what a test starts in one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OF_THE_MACHINE = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    "SSL_CERT_DIR", "SSL_CERT_FILE",
)  # fmt: skip
"""Variables that a program needs to run at all, and that change nothing of what the suite does."""

WITHOUT_HYPOTHESIS = "-p no:hypothesispytest"
"""Its plugin imports hypothesis as a session ends, which takes a sixth of a brief session."""

BRIEF_SPINNING = {"OPENBLAS_THREAD_TIMEOUT": "4"}
"""How numpy's threads wait. By default they spin for long, which doubles what its import takes of
the processor, and takes it from the tests beside this one."""

BEING_WRITTEN = "*.pyc.*"
"""Byte code that is only now being compiled. All other byte code serves in a copy as well: Python
knows it by the time of its file, which is kept, and pytest by the content."""


def copy_project(tree: Path, *, tests: bool = False) -> None:
    """Copy what a session of benchmarks needs into `tree`; with `tests`, all of the checkout."""
    left_out = [".*", BEING_WRITTEN, "journals", *([] if tests else ["tests"])]
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*left_out), dirs_exist_ok=True)
    for name in (".ci", ".github") if tests else ():
        shutil.copytree(ROOT / name, tree / name)


def child_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process that a test starts: the machine's variables, `changes`.

    Whatever the tests themselves were started with stays out: FORCE_COLOR would colour the output
    that a test reads, COLUMNS would break its lines, HF_HUB_OFFLINE would stop a download, and
    a worker of pytest-xdist would have its benchmarks turned off.
    """
    environment = {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}
    return {**environment, **BRIEF_SPINNING, "PYTEST_ADDOPTS": WITHOUT_HYPOTHESIS, **changes}


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first place of a text in a file, which must have it."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file}: expected {old!r} in it"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def checklist(title: str) -> list[str]:
    """Return the file that each box of a checklist of CONTRIBUTING begins with, by its heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"## {title}\n")
    return re.findall(r"^- \[ \] `([^`]+)`", section.partition("\n## ")[0], re.MULTILINE)
