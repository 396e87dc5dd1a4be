"""The workflows of GitHub Actions: each of their shell lines is run, where it is not macOS's own.

pip, tox and pytest are stand-ins here, which note how they are called: what they do in earnest is
what other tests are about. What pytest is told by a workflow is told to the real one as well.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]

from adapters import REGISTRY
from fixtures.hub import Hub
from tests.helpers.project import ROOT, child_environment
from tests.mutants.rooms import ROOMS

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTEXT = {
    "fromJSON(needs.extras.outputs.names)": "faster-whisper",
    "github.run_id": "123",
    "github.run_number": "7",
    "github.token": "secret",
    "inputs.libraries": "faster-whisper whisper.cpp",
    "inputs.options": "--processes 2 --device cpu",
    "matrix.environment": "faster-whisper",
    "matrix.room": "hub",
    "matrix.selection": "fp16 and (tiny or base)",
    "strategy.job-index": "0",
    "vars.PIP_EXTRA_INDEX_URL": "",
}
"""What stands in `${{ }}` in the environment of a step → what it is in the tests."""

OF_MACOS = 'test "$(uname -m)" = arm64'


class Step(NamedTuple):
    """A step of a job that runs something in a shell."""

    workflow: str
    job: str
    name: str
    shell: str
    script: str
    environment: dict[str, str]

    def __str__(self) -> str:
        """Return what a test's id has of it."""
        return f"{self.workflow}-{self.job}-{self.name}"


def load(path: Path) -> dict[str, Any]:
    """Return a workflow."""
    workflow: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def steps() -> Iterator[Step]:
    """Yield every step of every workflow that runs something, but for what only a Mac passes."""
    for path in WORKFLOWS:
        workflow = load(path)
        for job, content in workflow["jobs"].items():
            for number, step in enumerate(content["steps"]):
                if "run" in step and step["run"] != OF_MACOS:
                    given = {**workflow.get("env", {}), **step.get("env", {})}
                    environment = {name: in_context(value) for name, value in given.items()}
                    name = step.get("name", str(number))
                    shell = step.get("shell", "bash")
                    yield Step(path.stem, job, name, shell, step["run"], environment)


def in_context(value: str) -> str:
    """Return a value of a step's environment, with what GitHub would put into it."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: CONTEXT[match[1]], value)


STAND_IN = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$CALLS"
case "$*" in *--report*)
    folder=$(echo "$*" | sed 's/.*--report \\([^ ]*\\).*/\\1/')
    mkdir -p "$folder" && echo '# The report' > "$folder/report.md" ;;
esac
exit "${STATUS:-0}"
"""


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """A checkout in which the programs that a workflow calls note their arguments."""
    folder = tmp_path / "checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("pip", "pytest", "tox"):
        program = folder / ".venv" / "bin" / name
        program.write_text(STAND_IN)
        program.chmod(0o755)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python3", "git"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    for name in ("journals", "new", "pages", "report"):
        (folder / name).mkdir()
    (folder / "journals" / "one.jsonl").touch()
    (folder / "new" / "night-7.jsonl").touch()
    (folder / "report" / "report.md").write_text("# The report\n")
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return folder


class Ran(NamedTuple):
    """What came of a step."""

    status: int
    calls: list[str]
    summary: str
    output: str
    errors: str


def run(step: Step, checkout: Path, **changes: str) -> Ran:
    """Run a step as GitHub does, with the variables that its runners set."""
    files = {name: checkout.parent / name for name in ("CALLS", "SUMMARY", "OUTPUT")}
    for file in files.values():
        file.write_text("")
    environment = child_environment(
        CALLS=str(files["CALLS"]),
        CI="true",
        GITHUB_ACTIONS="true",
        GITHUB_OUTPUT=str(files["OUTPUT"]),
        GITHUB_REPOSITORY="someone/whisper-speedtest",
        GITHUB_RUN_NUMBER="7",
        GITHUB_STEP_SUMMARY=str(files["SUMMARY"]),
        **{**step.environment, **changes},
    )
    environment["PATH"] = f"{checkout.parent / 'programs'}:{environment['PATH']}"
    commands = {
        "bash": ["bash", "-e", "-c", step.script],  # no pipefail, where no shell is named
        "python": [sys.executable, "-c", step.script],
    }
    ended = subprocess.run(
        commands[step.shell],
        cwd=checkout, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    texts = {name: file.read_text() for name, file in files.items()}
    return Ran(
        ended.returncode,
        texts["CALLS"].splitlines(),
        texts["SUMMARY"],
        texts["OUTPUT"],
        ended.stdout + ended.stderr,
    )


def the_step(workflow: str, job: str, name: str) -> Step:
    """Return one step."""
    (found,) = (
        step for step in steps() if (step.workflow, step.job, step.name) == (workflow, job, name)
    )
    return found


@pytest.mark.parametrize("step", [*steps()], ids=str)
def test_step_runs_in_the_shell_of_a_runner(step: Step, checkout: Path) -> None:
    """Each step of the workflows ends with 0, and its report is the job's summary."""
    ran = run(step, checkout)

    assert ran.status == 0, f"{step}: {ran.errors}"
    assert ran.summary == ("# The report\n" if "GITHUB_STEP_SUMMARY" in step.script else "")


FAILING = [step for step in steps() if step.shell == "bash" and ".venv/bin/" in step.script]


@pytest.mark.parametrize("step", FAILING, ids=str)
def test_step_fails_where_a_program_fails(step: Step, checkout: Path) -> None:
    """A step of the workflows fails where a program in it fails."""
    assert run(step, checkout, STATUS="1").status != 0, f"{step}: a failure was lost"


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (6, 0), (1, 1), (2, 1), (3, 1), (4, 1)])
def test_comparison_fails_unless_it_is_faster_or_undecided(
    checkout: Path, status: int, expected: int
) -> None:
    """The comparison in CI fails unless pytest passes or finds it undecided."""
    step = the_step("ci", "compare", "Compare")

    ran = run(step, checkout, STATUS=str(status))

    assert ran.status == expected
    (call,) = ran.calls
    assert "--against baseline --fail-slower 10%" in call


def test_further_libraries_are_installed_one_by_one(checkout: Path) -> None:
    """Further libraries are installed in a workflow one by one, each from its own lock."""
    ran = run(the_step("measure", "measure", "Add libraries"), checkout)

    install = "pip install -qq --no-deps --require-hashes -r requirements"
    assert ran.calls == [f"{install}/faster-whisper.txt", f"{install}/whisper.cpp.txt"]


@pytest.mark.parametrize("options", ["", "--processes 2 --device cpu"])
def test_selection_is_one_argument_and_options_are_several(checkout: Path, options: str) -> None:
    """A workflow's selection is one argument of pytest, and its options are several or none."""
    step = the_step("measure", "measure", "Measure")

    (call,) = run(step, checkout, OPTIONS=options).calls

    between = f" {options}" if options else ""
    assert call == (
        f"pytest benchmarks --benchmark-only -k fp16 and (tiny or base){between} "
        "--journal journals/123-0.jsonl"
    )


def test_night_is_added_to_the_history(checkout: Path) -> None:
    """A night's report is added to the published pages and pushed, and no token is shown."""
    step = the_step("nightly", "publish", "Add this night to the history, and publish it")

    ran = run(step, checkout)

    config, clone, report, add, commit, push = ran.calls
    address = "https://github.com/someone/whisper-speedtest"
    assert config.startswith("git config --global credential.https://github.com.helper ")
    assert clone == f"git clone --quiet --depth 1 --branch gh-pages {address} pages"
    assert report == "pytest --report pages --from pages/journals/night-7.jsonl"
    assert add == "git -C pages add --all"
    assert commit.endswith("commit --quiet --message Night 7")
    assert push == f"git -C pages push --quiet {address} HEAD:gh-pages"
    assert "secret" not in f"{ran.calls} {ran.errors}"


def test_git_is_told_the_token_for_its_host_alone(tmp_path: Path) -> None:
    """Git gives the token to github.com alone, and no file of git's has it."""
    step = the_step("nightly", "publish", "Add this night to the history, and publish it")
    script, _, _ = step.script.partition("origin=")
    told = "a b$c"
    # On a Mac, git's own settings name the user's keychain as a helper, too.
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    environment = child_environment(HOME=str(tmp_path), **alone) | {"TOKEN": told}
    subprocess.run(["/bin/bash", "-e", "-c", script], env=environment, check=True)

    def asked_for(host: str) -> str:
        return subprocess.run(
            ["/usr/bin/env", "git", "credential", "fill"],
            input=f"protocol=https\nhost={host}\n\n",
            env=environment, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip

    assert f"username=x-access-token\npassword={told}\n" in asked_for("github.com")
    assert "password" not in asked_for("example.com")
    assert [path.name for path in tmp_path.iterdir()] == [".gitconfig"]
    assert told not in (tmp_path / ".gitconfig").read_text()


def test_matrix_has_every_extra(checkout: Path) -> None:
    """The matrix of CI has every extra of pyproject.toml, and all libraries at once."""
    ran = run(the_step("ci", "extras", "Read their names"), checkout)

    name, _, value = ran.output.strip().partition("=")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert (name, json.loads(value)) == ("names", ["libraries", *extras])
    assert set(extras) == set(REGISTRY) - {"lightning-whisper-mlx"}


def test_mutants_of_every_room_are_tried_each_night() -> None:
    """The nightly workflow has a job of mutants for each room, and for no other."""
    matrix = load(ROOT / ".github/workflows/nightly.yml")["jobs"]["mutants"]["strategy"]["matrix"]

    assert matrix["room"] == list(ROOMS), ".github/workflows/nightly.yml, jobs, mutants, room"


def test_pythons_are_those_that_can_make_an_environment() -> None:
    """CI runs the tests with each Python version between the bounds of make_venv.py."""
    script = (ROOT / "requirements" / "make_venv.py").read_text(encoding="utf-8")
    bounds = dict(re.findall(r"^(OLDEST|NEWEST) = \(3, (\d+)\)$", script, re.MULTILINE))

    matrix = load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]

    versions = range(int(bounds["OLDEST"]), int(bounds["NEWEST"]) + 1)
    assert matrix["python"] == [f"3.{minor}" for minor in versions]
    assert matrix["os"] == ["macos-15", "ubuntu-24.04"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_has_a_time_limit_and_the_least_permissions(path: Path) -> None:
    """Every job has a time limit and the least permissions, and each workflow none as a whole."""
    workflow = load(path)

    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 350, name
        expected = {} if name == "gate" else {"contents": "write" if name == "publish" else "read"}
        assert job["permissions"] == expected, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_on_a_mac_requires_apple_silicon(path: Path) -> None:
    """Every job on a Mac requires Apple silicon."""
    for name, job in load(path)["jobs"].items():
        systems = [job["runs-on"], *job.get("strategy", {}).get("matrix", {}).get("os", [])]
        on_a_mac = any("macos" in str(system) for system in systems)
        asked = any(step.get("run") == OF_MACOS for step in job["steps"])
        assert asked == on_a_mac, name


def test_real_pytest_takes_what_the_workflows_tell_it() -> None:
    """Each option that the workflows give pytest exists."""
    helped = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    scripts = [step.script.replace("\\\n", " ") for step in steps()]
    lines = [line for script in scripts for line in script.splitlines() if "bin/pytest" in line]

    words = {word.partition("=")[0] for line in lines for word in shlex.split(line)}
    options = {word for word in words if word.startswith("--")}
    unknown = {option for option in options if not re.search(rf"{option}\b", helped)}
    assert options, "expected options in the workflows, got none"
    assert not unknown, f"the workflows give pytest options that it has not: {unknown}"


def test_nightly_look_at_the_hub_names_what_is_wanting(tmp_path: Path) -> None:
    """The nightly look at the hub fails for a repo that lacks a file, and downloads nothing."""
    with Hub() as hub:
        hub.add_stand_in("mlx-community/whisper-tiny", ["weights.npz", "config.json"])
        commit = hub.commit("mlx-community/whisper-tiny")
        hub.add_stand_in("mlx-community/whisper-base-mlx", ["config.json"])
        chosen = "lightning and fp16 and (tiny or base)"
        record = tmp_path / "hub.xml"
        ran = subprocess.run(
            [
                sys.executable, "-m", "pytest", "tests/online", "-k", chosen,
                "-o", "junit_family=xunit1", f"--junit-xml={record}", f"--basetemp={tmp_path}/run",
            ],
            cwd=ROOT, env={**child_environment(), **hub.env(home=tmp_path / "home")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout
    wanting = re.search(r"whisper-base-mlx@main: .*weights\.npz", ran.stdout)
    assert wanting, ran.stdout
    assert f'name="commit" value="{commit}"' in record.read_text()
    assert not hub.downloads(), "expected no downloads, as the listings are enough"
