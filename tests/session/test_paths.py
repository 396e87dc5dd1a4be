"""Sessions whose variables and options hold relative paths, and odd ones."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from pathlib import Path

RELATIVE = ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "TMPDIR", "HOME")


@pytest.mark.parametrize(
    "options", [("--check-models=load",), ("--benchmark-only", "--basetemp=base")], ids=str
)
def test_micro_loads_whatever_relative_paths_there_are(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Micro loads though all variables of folders are relative and the folder's name is odd."""
    (tmp_path / "my Ünï 模型").mkdir()
    (folder := tmp_path / "link").symlink_to("my Ünï 模型")
    for name in RELATIVE:
        (folder / name).mkdir()

    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", f"{ROOT}/benchmarks/test_start.py::test_load"),
            *("-p", "no:cacheprovider", "-c", f"{ROOT}/pyproject.toml", f"--rootdir={ROOT}"),
            *("--device=cpu", "--processes=1", "-k", "micro and lightning and fp16", *options),
            f"--journal={tmp_path}/session.jsonl",
        ],
        cwd=folder,
        env=child_environment(**{name: f"./{name}" for name in RELATIVE}, HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
