"""The README says what is: its table is the registry's, its options exist, its commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import REGISTRY, adapter_class
from adapters.base import SIZES
from tests.helpers.project import ROOT, child_environment
from tests.helpers.results import cold, load, measured
from whisper_speedtest.results.layout import lines
from whisper_speedtest.results.table import columns, rows

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for command in re.findall(r"^```sh\n(.*)\n```$", README, re.MULTILINE)
    if command.startswith("pytest ")
]


def library_table() -> str:
    """Return the table of libraries, extras, sizes and variants, as Markdown."""
    rows = ["| library | extra | sizes | variants |", "|---|---|---|---|"]
    for name in REGISTRY:
        lock = f"requirements/{name}.txt"
        torch = ", PyTorch" if "torch" in adapter_class(name).packages else ""
        extra = f"`{lock}`{torch}" if (ROOT / lock).exists() else "default"
        check_map = adapter_class(name).check_map
        sizes = sorted(check_map, key=SIZES.index)
        variants = dict.fromkeys(variant for models in check_map.values() for variant in models)
        cells = (" ".join(f"`{cell}`" for cell in column) for column in (sizes, variants))
        rows.append(f"| {' | '.join([name, extra, *cells])} |")
    return "\n".join(rows)


def test_table_is_the_registry() -> None:
    """The README lists every library with its sizes and variants; the table to paste is printed."""
    table = library_table()

    assert table in README, f"expected in README.md:\n{table}"


def test_options_are_those_of_the_plugins() -> None:
    """Every option in the README's table exists, and none of the suite's own is missing there."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    own = run.stdout.split("whisper-speedtest:\n")[1].split("\n\n")[0]
    every, ours = (
        set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) for text in (run.stdout, own)
    )

    in_table = set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE))
    assert ours <= in_table, f"README.md, the table of options lacks {ours - in_table}"
    assert in_table <= every, f"README.md, the table of options: no {in_table - every} in --help"


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_command_runs(command: str, tmp_path: Path) -> None:
    """Every pytest command in the README does what it says, or says that it has no model to do it.

    There is no network, so `micro` alone is there, in one process and one call. What runs beside
    the benchmarks is left out: it is among these tests.
    """
    arguments = shlex.split(command)[1:]
    environment = child_environment(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "huggingface"))

    places = (f"--basetemp={tmp_path}/run", f"--journal={tmp_path}/run.jsonl")
    brief = ("--processes=1", "--calls=1", "--deselect=tests/test_repo_consistency.py")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *places, *brief],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    output = f"{command}: status {run.returncode}\n{run.stdout}{run.stderr}"
    if "micro" in command:
        assert run.returncode == pytest.ExitCode.OK, output
        assert "\nlibrary  " in run.stdout, f"no table of results from {output}"
    else:
        assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, output
        assert "skipped:  offline (--offline or HF_HUB_OFFLINE)" in run.stdout, output
        assert "nothing was measured" in run.stdout, output


def test_sample_has_the_headings_of_the_table() -> None:
    """What a reader sees in README.md is what a terminal of 80 columns shows."""
    several = [measured(f"lightning-whisper-mlx {variant}") for variant in ("fp16", "4bit")]
    starts = {"case": several[0].case, "machine": several[0].machine}
    results = [*several, cold(1.0, **starts), load(1.0, **starts)]
    found = rows(results)
    made = lines(found, columns(found), 80)
    headings = [line.text.split() for line in made if line.style == "heading"]

    (sample,) = re.findall(r"^( +95% .*\nlibrary  +time .*)$", README, re.MULTILINE)

    assert [line.split() for line in sample.splitlines()] == headings
