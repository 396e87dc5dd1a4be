"""README.md and docs/ say what is: the table is the registry's, options exist, commands run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from adapters import REGISTRY
from fixtures.audio import clips
from tests.helpers.project import ROOT, child_environment
from tests.helpers.results import cold, load, measured, warm
from whisper_speedtest.results.journal.journal_file import HEADER, line_of
from whisper_speedtest.results.layout import lines
from whisper_speedtest.results.models import TABLE, library_table
from whisper_speedtest.results.table import columns, rows

README, RECIPES, OPTIONS = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/recipes.md", "docs/options.md")
)
COMMANDS = [
    command
    for command in re.findall(r"^```sh\n(.*)\n```$", README + RECIPES, re.MULTILINE)
    if command.startswith("pytest ")
]
MOST_LINES = 144
"""Of README.md, without the rows of the libraries: who has five minutes reads it to the end."""


def test_table_is_the_registry() -> None:
    """README.md lists every library with its extra, sizes and variants; a command writes it."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = TABLE.search(README)
    expected = library_table(stated["project"]["optional-dependencies"])

    if found is None or found[0] != expected:
        pytest.fail(
            "README.md: expected the table of libraries that the registry gives, got another; "
            "run `python -m whisper_speedtest.results.models`, which writes it",
            pytrace=False,
        )


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

    in_table = set(re.findall(r"^\| `(--[a-z-]+)", OPTIONS, re.MULTILINE))
    assert ours <= in_table, f"docs/options.md lacks {ours - in_table}"
    assert in_table <= every, f"docs/options.md: no {in_table - every} in --help"


def test_readme_is_read_in_five_minutes() -> None:
    """The README is short, not counting its libraries' rows, and has a picture near its top."""
    lines = README.splitlines()
    counted = len(lines) - len(REGISTRY)

    assert counted < MOST_LINES, (
        f"README.md: expected fewer than {MOST_LINES} lines beside the rows of the libraries, got "
        f"{counted}; move some to docs/"
    )
    assert any(line.startswith("![") for line in lines[:11])


def anchors(file: Path) -> set[str]:
    """Return the names by which links find the headings of a page."""
    found = re.findall("^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "METHODOLOGY.md", "docs"])
def test_links_lead_somewhere(page: str) -> None:
    """Each link of the documents to a file, or to a heading of one, is right."""
    pages = (ROOT / page).glob("*.md") if page == "docs" else [ROOT / page]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            name, _, heading = target.partition("#")
            file = path.parent / name if name else path
            assert file.exists(), f"{path.name}: {target} leads nowhere"
            if heading:
                found = re.findall("^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {
                    re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in found
                }
                assert heading in anchors, f"{path.name}: {target} leads to no heading"


@pytest.fixture(name="places", scope="module")
def _places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands name → what stands for it here."""
    folder = tmp_path_factory.mktemp("places")
    short = clips()["short"]
    shutil.copy(short.path, folder / "memo.wav")
    talks, journals = folder / "talks", folder / "journals"
    talks.mkdir()
    journals.mkdir()
    shutil.copy(short.path, talks / "1.wav")
    (talks / "1.txt").write_text(short.reference or "", encoding="utf-8")
    (journals / "monday.jsonl").write_bytes(HEADER + line_of(warm(1.0)))
    return {
        "memo.wav": str(folder / "memo.wav"),
        "=talks": f"={talks}",
        "=journals": f"={journals}",
        "=out": f"={folder / 'out'}",
        "old/bin/python": sys.executable,
        "../main": str(ROOT),
        "=.:": f"={ROOT}:",
    }


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_command_runs(command: str, places: dict[str, str], tmp_path: Path) -> None:
    """Each pytest command of the documents runs, or says that it has no model to run with.

    There is no network here, and none of them is about `micro`. What runs beside the benchmarks is
    left out: it is among these tests.
    """
    for name, place in places.items():
        command = command.replace(name, place)
    arguments = shlex.split(command)[1:]
    environment = child_environment(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "huggingface"))

    of_two_sides = "--against" in command or "--head-to-head" in command
    kept = (f"--basetemp={tmp_path}/run", f"--journal={tmp_path}/run.jsonl")
    brief = ("--processes=1", "--calls=1", "--deselect=tests/test_repo_consistency.py")
    further = [] if "--from" in command else [*kept, *(() if of_two_sides else brief)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *further],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    output = f"{command}: status {run.returncode}\n{run.stdout}{run.stderr}"
    if "--from" in command:
        assert run.returncode == pytest.ExitCode.OK, output
        assert (Path(places["=out"][1:]) / "index.html").stat().st_size > 10_000
    else:
        assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, output
        assert "skipped:  offline (--offline or HF_HUB_OFFLINE)" in run.stdout, output
        assert "nothing was measured" in run.stdout, output


def test_sample_has_the_headings_of_the_table() -> None:
    """The sample in the README has the headings that a terminal of 80 columns shows."""
    several = [measured(f"lightning-whisper-mlx {variant}") for variant in ("fp16", "4bit")]
    starts = {"case": several[0].case, "machine": several[0].machine}
    results = [*several, cold(1.0, **starts), load(1.0, **starts)]
    found = rows(results)
    made = lines(found, columns(found), 80)
    headings = [line.text.split() for line in made if line.style == "heading"]

    (sample,) = re.findall(r"^( +95% .*\nlibrary  +time .*)$", README, re.MULTILINE)

    assert [line.split() for line in sample.splitlines()] == headings
