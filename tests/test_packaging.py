"""Locks, environments, the README's two commands and .ci/run fit the stated dependencies."""

import ast
import configparser
import importlib.metadata
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from adapters import REGISTRY, adapter_class
from fixtures.hub.tls import NEEDS_TRUSTME
from tests.helpers.project import ROOT, child_environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = {name: stated for name, stated in PROJECT["dependency-groups"].items() if name != "lock"}
STATED = {**GROUPS, **EXTRAS}
FOUND = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
LOCKS = sorted(FOUND & STATED.keys())
LOCKED_EXTRAS = [extra for extra in EXTRAS if extra in FOUND]
"""One test tells of a lock that is missing; all others are of those that are there."""

TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini")
SDIST_ONLY = "openai-whisper"
PLATFORMS = (
    {"sys_platform": "darwin", "platform_machine": "arm64"},
    {"sys_platform": "linux", "platform_machine": "x86_64"},
)
ENVIRONMENTS = [
    {**platform, "python_version": python, "python_full_version": f"{python}.0"}
    for platform, python in itertools.product(PLATFORMS, ("3.11", "3.12", "3.13", "3.14"))
]
in_each_lock = pytest.mark.parametrize("lock", LOCKS)
in_each_extra = pytest.mark.parametrize("extra", LOCKED_EXTRAS)
in_each_environment = pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda e: f"{e['sys_platform']}-{e['python_version']}"
)


def entries(lock: str) -> list[tuple[str, list[str]]]:
    """Return each requirement in requirements/`lock`.txt with its hashes; comments are left out."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines.pop(0) == "--only-binary :all:", f"{lock}: nothing may be compiled on installation"
    if lock == SDIST_ONLY:
        assert lines.pop(0) == f"--no-binary {SDIST_ONLY}"
    return [(line.split("--hash=")[0].strip(), line.split("--hash=")[1:]) for line in lines]


def pins(lock: str, environment: dict[str, str]) -> list[tuple[str, str]]:
    """Return the (name, version) pairs that `lock` installs.

    environment: the markers in which the system and Python differ from the ones in use.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    requirements = [Requirement(requirement) for requirement, _ in entries(lock)]
    return [
        (canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("=="))
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]


def unmet(requirements: Iterable[str], environment: dict[str, str], *locks: str) -> set[str]:
    """Return the names of the `requirements` that apply in `environment` and the `locks` fail."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    versions = {name: version for lock in locks for name, version in pins(lock, environment)}
    return {
        requirement.name
        for requirement in map(Requirement, requirements)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "", **environment})
        if (version := versions.get(canonicalize_name(requirement.name))) is None
        or version not in requirement.specifier
    }


def readme_commands() -> list[str]:
    """Return the lines in the README's sh fences that set up an environment, in order."""
    readme = (ROOT / "README.md").read_text()
    fences = re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()]
    return [line for line in lines if line.startswith("python3 requirements/make_venv.py")]


@pytest.fixture(name="bare_machine")
def _bare_machine(tmp_path: Path) -> Path:
    """A folder with README.md, .ci/run, and in bin/ a python3 whose environments note each call.

    So does apt-get; there is a chromium, and the user is root. A call of a program NAME fails where
    there is a file fail-NAME.
    """
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text(
        """#!/bin/sh
        name=$(basename "$0")
        if [ "$1" != -c ]; then echo "$name${*:+ $*}" >> calls; fi
        if [ "$1" = requirements/make_venv.py ]; then
            mkdir -p .venv/bin
            for program in pip pytest tox; do cp "$0" ".venv/bin/$program"; done
        fi
        ! [ -e "fail-$name" ]
        """
    )
    python.chmod(0o755)
    for program in ("apt-get", "chromium"):
        shutil.copy(python, tmp_path / "bin" / program)
    root = tmp_path / "bin" / "id"
    root.write_text("#!/bin/sh\necho 0\n")
    root.chmod(0o755)
    return tmp_path


def ci_run(machine: Path, **variables: str) -> tuple[int, list[str]]:
    """Run .ci/run on `machine`; return its exit status and the calls it made, in order."""
    environment = {"PATH": f"{machine / 'bin'}:/usr/bin:/bin", **variables}
    status = subprocess.run([machine / ".ci/run"], env=environment, check=False).returncode
    calls = machine / "calls"
    return status, calls.read_text().splitlines() if calls.exists() else []


def test_each_extra_and_group_has_a_lock() -> None:
    """And each lock is of one of them."""
    missing, forgotten = (
        ", ".join(f"requirements/{name}.txt" for name in sorted(names))
        for names in (STATED.keys() - FOUND, FOUND - STATED.keys())
    )

    assert not missing, (
        f"{missing}: expected a lock for each extra and each dependency group of pyproject.toml, "
        "got none; `tox -e lock` writes it"
    )
    assert not forgotten, (
        f"{forgotten}: expected an extra or a dependency group of that name in pyproject.toml, got "
        "none; add it there, or delete the lock"
    )


@in_each_lock
def test_lock_holds_versions_and_hashes_only(lock: str) -> None:
    """Each line of a lock is one exact version with its SHA-256 hashes; none names an address."""
    pin = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-zA-Z0-9_=!<>.' ]+)?")
    sha256 = re.compile(r"sha256:[0-9a-f]{64} *")

    wrong = [
        requirement
        for requirement, hashes in entries(lock)
        if not (pin.fullmatch(requirement) and hashes and all(map(sha256.fullmatch, hashes)))
    ]

    assert not wrong, f"requirements/{lock}.txt: no version with its hashes, see lock.py: {wrong}"


@in_each_lock
def test_lock_names_no_registry(lock: str) -> None:
    """No lock says where packages are to come from, in a comment either."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    host = re.compile(r"://|--(?:extra-)?index|--find-links|\b[\w-]+\.(?:com|dev|io|net|org)\b")

    named = host.findall(text)

    assert not named, f"requirements/{lock}.txt names {named}; mend requirements/lock.py"


@in_each_environment
@in_each_lock
def test_lock_pins_what_pyproject_states(lock: str, environment: dict[str, str]) -> None:
    """On each system and Python, each stated dependency has one version, and it is in its range."""
    stated = STATED[lock]
    if lock == "tests":
        stated = stated + PROJECT["project"]["dependencies"]
    names = [name for name, _ in pins(lock, environment)]

    missing = unmet(stated, environment, lock)
    twice = {name for name in names if names.count(name) > 1}
    place = f"requirements/{lock}.txt, which `tox -e lock` writes from pyproject.toml"
    assert not missing, f"{place}: it lacks {missing}"
    assert not twice, f"{place}: it has two versions of {twice} in one environment"


@in_each_environment
@in_each_lock
def test_lock_agrees_with_those_it_is_installed_with(
    lock: str, environment: dict[str, str]
) -> None:
    """A package in several locks has one version in all, so that all fit one environment."""
    others = {pin for other in ("tests", *LOCKED_EXTRAS) for pin in pins(other, environment)}
    versions = dict(others)

    differing = [
        (name, version)
        for name, version in [*pins(lock, environment), *others]
        if versions.get(name, version) != version
    ]

    assert not differing, f"requirements/{lock}.txt differs from other locks: {differing}"


@in_each_environment
@in_each_extra
def test_default_install_has_nothing_of_an_extra(extra: str, environment: dict[str, str]) -> None:
    """An extra's lock has something, and nothing that the tests' lock has."""
    default = {name for name, _ in pins("tests", environment)}
    added = {name for name, _ in pins(extra, environment)}

    place = f"requirements/{extra}.txt, which `tox -e lock` writes from pyproject.toml"
    assert added, f"{place}: it adds nothing to requirements/tests.txt"
    assert not added & default, (
        f"{place}: it has what requirements/tests.txt has: {added & default}"
    )


def test_extras_are_the_libraries_outside_the_default_install() -> None:
    """Each library has an extra of its name, but the one of the default install."""
    default = "lightning-whisper-mlx"

    expected = sorted(REGISTRY.keys() - {default})
    assert any(stated.startswith(default) for stated in PROJECT["project"]["dependencies"]), (
        f"pyproject.toml: expected {default} in [project] dependencies"
    )
    assert sorted(EXTRAS) == expected, (
        "pyproject.toml: expected in [project.optional-dependencies] one extra for each adapter in "
        "adapters/__init__.py, of the adapter's name"
    )


@pytest.fixture(name="toxfile")
def _toxfile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugin of tox in toxfile.py, which is imported where there is no tox."""
    names = {"plugin": "impl", "config.loader.memory": "MemoryLoader"}
    names["tox_env.python.pip.req_file"] = "PythonDeps"
    for module, name in names.items():
        double = ModuleType(f"tox.{module}")
        setattr(double, name, lambda *arguments, **named: named or arguments[0])
        monkeypatch.setitem(sys.modules, double.__name__, double)
    return SimpleNamespace(**runpy.run_path(str(ROOT / "toxfile.py")))


def test_tox_has_an_environment_of_each_extra(toxfile: Any) -> None:
    """`tox -e NAME` installs and tests the library NAME, as [testenv:library] of tox.ini says."""
    state = SimpleNamespace(conf=SimpleNamespace(memory_seed_loaders=defaultdict(list)))
    toxfile.tox_add_core_config(None, state)
    loaders = state.conf.memory_seed_loaders

    assert sorted(toxfile.tox_extend_envs()) == sorted(EXTRAS), "toxfile.py, tox_extend_envs"
    assert {name: loaders[name] for name in EXTRAS} == {
        name: [{"base": ["testenv:library"]}] for name in EXTRAS
    }
    assert "-r requirements/{env_name}.txt" in TOX["testenv:library"]["deps"], "tox.ini"


@pytest.mark.usefixtures("toxfile")
def test_tox_runs_where_a_new_extra_has_no_lock_yet(tmp_path: Path) -> None:
    """A new extra that has no lock yet does not keep tox from beginning."""
    for name in ("toxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    every_lock = runpy.run_path(str(tmp_path / "toxfile.py"))["every_lock"]

    installed = re.findall(r"-r requirements/(.*)\.txt", every_lock())

    assert installed == ["tests", *EXTRAS], "toxfile.py, every_lock: a missing lock is an empty one"


def test_libraries_environment_has_every_extra(toxfile: Any) -> None:
    """The environment of all libraries installs all their locks, the one with a build last."""
    installed = re.findall(r"-r requirements/(.*)\.txt", toxfile.every_lock())

    assert sorted(installed) == sorted(["tests", *EXTRAS]), "toxfile.py, every_lock"
    assert installed[-1] == SDIST_ONLY, (
        f"toxfile.py, every_lock: put {SDIST_ONLY} last, as a later lock's `--only-binary :all:` "
        "would undo its `--no-binary`"
    )


def test_environments_install_torch_for_the_libraries_that_need_it() -> None:
    """The environments of tox run get_torch.py for the libraries on PyTorch before their tests."""
    needy = {name for name in REGISTRY if "torch" in adapter_class(name).packages}
    one, every = (TOX[f"testenv:{name}"]["commands_pre"] for name in ("library", "libraries"))

    told = "tox.ini: expected get_torch.py in commands_pre of {} for the libraries on PyTorch"
    assert set(one.partition(":")[0].strip().split(",")) == needy, told.format("[testenv:library]")
    assert set(every.split("get_torch.py ")[1].split()) == needy, told.format("[testenv:libraries]")


def test_ci_runs_the_environment_of_each_extra(tmp_path: Path) -> None:
    """The workflow reads the extras from pyproject.toml, and has a job for each and for all."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    _, _, step = workflow.partition("shell: python\n        run: |\n")
    script = dedent(step.partition("\n\n")[0])
    output = tmp_path / "output"

    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"GITHUB_OUTPUT": str(output)},
        check=True,
    )

    name, _, value = output.read_text().partition("=")
    assert name == "names"
    assert sorted(json.loads(value)) == sorted([*EXTRAS, "libraries"])
    assert "environment: ${{ fromJSON(needs.extras.outputs.names) }}" in workflow


@in_each_lock
def test_lock_leaves_torch_out(lock: str) -> None:
    """No lock brings torch, or the libraries for GPUs that torch brings on Linux."""
    names = [requirement for requirement, _ in entries(lock)]

    heavy = [name for name in names if name.startswith(("nvidia", "torch", "triton"))]
    assert not heavy, f"requirements/{lock}.txt: exclude {heavy} in pyproject.toml, [tool.uv]"


def test_reason_of_a_test_without_trustme_names_the_lock_that_has_it() -> None:
    """The reason of a test that lacks trustme names a lock that has it."""
    (lock,) = re.findall(r"requirements/(\w+)\.txt", NEEDS_TRUSTME)

    assert "trustme" in [name for name, _ in pins(lock, {})], NEEDS_TRUSTME


@in_each_environment
def test_mlx_comes_with_its_backend(environment: dict[str, str]) -> None:
    """The tests' lock brings mlx's Metal backend on macOS and its CPU backend on Linux."""
    expected = {"darwin": ["mlx-metal"], "linux": ["mlx-cpu"]}[environment["sys_platform"]]

    backends = [name for name, _ in pins("tests", environment) if name.startswith("mlx-")]

    assert backends == expected, "requirements/tests.txt: see mlx in pyproject.toml, dependencies"


@pytest.mark.parametrize("lock", ["tests", *LOCKED_EXTRAS])
def test_only_the_lifted_requirements_are_unmet(lock: str) -> None:
    """The default install, and each extra on it, lack only what pyproject.toml lifts."""
    from packaging.requirements import Requirement

    uv = PROJECT["tool"]["uv"]
    lifted = {Requirement(r).name for r in uv["exclude-dependencies"] + uv["override-dependencies"]}
    try:
        required = [
            requirement
            for package, _ in pins(lock, {})
            for requirement in importlib.metadata.requires(package) or []
        ]
    except importlib.metadata.PackageNotFoundError as error:
        if lock == "tests":
            raise
        pytest.skip(f"{lock} is not installed: no {error.name}; see `tox -e {lock}`")

    missing = unmet(required, {}, "tests", lock) - lifted
    assert not missing, f"requirements/{lock}.txt lacks {missing}, which its packages require"


@pytest.fixture(name="wheels")
def _wheels(tmp_path: Path) -> Path:
    """A folder with a wheel of torch, for the CPU where other builds are heavy."""
    version = "2.13.0" if sys.platform == "darwin" else "2.13.0+cpu"
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / f"wheels/torch-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {
            "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            wheel.writestr(f"torch-{version}.dist-info/{name}", text)
    return tmp_path / "wheels"


def get_torch(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run get_torch.py where torch is what lies in `folder`, as a user who set `variables`."""
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_TARGET": str(folder)}
    return subprocess.run(
        # -S: without what is installed beside this test; pip's environment is another.
        [sys.executable, "-S", ROOT / "requirements/get_torch.py", "library"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **pip, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_torch_comes_from_where_pip_is_told_to_look(tmp_path: Path, wheels: Path) -> None:
    """A build of torch for the CPU is found through pip's own settings, and then kept."""
    found = get_torch(tmp_path / "site", PIP_FIND_LINKS=str(wheels))
    kept = get_torch(tmp_path / "site")

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("library: torch 2.13.0")
    assert (kept.returncode, kept.stdout) == (0, found.stdout)


def test_torch_is_what_the_user_chose(tmp_path: Path, wheels: Path) -> None:
    """The torch that is installed is the one that TORCH names, or none if that is nowhere."""
    run = get_torch(tmp_path / "site", PIP_FIND_LINKS=str(wheels), TORCH="torch==2.12.*")

    assert run.returncode == 1
    assert "library: left out. Expected torch==2.12.*" in run.stderr
    assert not (tmp_path / "site").exists()


def test_torch_that_is_nowhere_is_told(tmp_path: Path) -> None:
    """Without a light build of torch, the libraries left out are named, and what to set."""
    run = get_torch(tmp_path / "site")

    assert run.returncode == 1
    assert "library: left out. Expected torch==2.13.0" in run.stderr
    assert "set PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL" in run.stderr


def test_readme_has_two_commands() -> None:
    """The README sets up and runs everything in two lines: the benchmarks, and the tests."""
    command = (
        "python3 requirements/make_venv.py"
        " && .venv/bin/pip install -qq --no-deps --require-hashes -r requirements/{}.txt"
        " && .venv/bin/{}"
    )

    assert sorted(readme_commands()) == [
        command.format("tests", "pytest benchmarks --benchmark-only"),
        command.format("tox", "tox"),
    ]


def make_venv(folder: Path, pretence: str = "") -> subprocess.CompletedProcess[str]:
    """Run the first step of these commands in `folder`, by a Python that pretends to be another."""
    script = str(ROOT / "requirements" / "make_venv.py")
    made = f"runpy.run_path({script!r}, run_name='__main__')"
    code = f"import sys, platform, runpy\n{pretence}\n{made}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("version", [(3, 7, 9), (3, 9, 6), (3, 10, 99), (3, 15, 0)])
def test_python_that_lacks_wheels_is_refused_in_a_line(
    tmp_path: Path, version: tuple[int, ...]
) -> None:
    """A Python that lacks wheels is refused in one line, and no .venv is left."""
    ended = make_venv(tmp_path, f"sys.version_info = {version}")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{sys.executable}: expected Python 3.11 to 3.14, got 3.{version[1]}; install one "
        "of these, and write its name in place of python3, as python3.13\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pretence", "said"),
    [
        ("sys.implementation.name = 'pypy'", "expected CPython as it usually is, got pypy; "),
        ("sys.abiflags = 't'", "expected CPython as it usually is, got a free-threaded one; "),
        (
            "sys.platform = 'darwin'; platform.machine = lambda: 'x86_64'",
            "expected a Python for arm64, got one for Intel, which Rosetta runs; ",
        ),
        (
            "import importlib.util as u; u.find_spec = lambda name: None",
            "expected a Python that can make virtual environments, got one without ensurepip; ",
        ),
    ],
    ids=["pypy", "free-threaded", "intel", "no-ensurepip"],
)
def test_python_of_another_kind_is_refused_in_a_line(
    tmp_path: Path, pretence: str, said: str
) -> None:
    """A Python of another kind is refused in one line, and no .venv is left."""
    ended = make_venv(tmp_path, pretence)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{sys.executable}: {said}")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(name="made", scope="module")
def _made(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which an environment was made, which takes long, and how that ended."""
    folder = tmp_path_factory.mktemp("made")
    return folder, make_venv(folder)


def test_python_that_is_recent_enough_makes_an_environment(
    made: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """A Python that is recent enough makes an environment with pip in the current folder."""
    folder, ended = made

    assert (ended.returncode, ended.stderr) == (0, "")
    assert (folder / ".venv" / "bin" / "pip").exists()


@pytest.mark.parametrize(
    ("python", "got"),
    [("#!/bin/sh\necho Python 3.9", "Python 3.9"), ("#!/nowhere/python", "one that does not run")],
    ids=["old", "removed"],
)
def test_environment_of_another_python_is_in_the_way(tmp_path: Path, python: str, got: str) -> None:
    """A .venv of another Python, or of one that is gone, is refused with what to remove."""
    (left := tmp_path / ".venv" / "bin" / "python").parent.mkdir(parents=True)
    left.write_text(python)
    left.chmod(0o755)

    ended = make_venv(tmp_path)

    expected = "{}.{}".format(*sys.version_info[:2])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"{sys.executable}: expected the .venv that is here to be of Python {expected}, got "
        f"{got}; remove it: rm -r .venv\n"
    )
    assert list(left.parent.iterdir()) == [left]


@pytest.mark.parametrize("broken_link", [True, False])
def test_what_is_no_environment_is_in_the_way(tmp_path: Path, *, broken_link: bool) -> None:
    """A file or a broken link in the place of .venv is refused with what to remove."""
    left = tmp_path / ".venv"
    if broken_link:
        left.symlink_to("/nowhere")
    else:
        left.touch()

    ended = make_venv(tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"{sys.executable}: expected a folder .venv or none, got a file or a broken link; remove "
        "it: rm .venv\n"
    )


@pytest.mark.parametrize("name", ["PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"])
def test_pip_that_would_install_elsewhere_is_told_before(tmp_path: Path, name: str) -> None:
    """A pip that would install elsewhere than into .venv is refused with what to unset."""
    ended = make_venv(tmp_path, f"import os; os.environ[{name!r}] = '1'")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{sys.executable}: expected a pip that installs into .venv, got {name} in the "
        f"environment, which sends it elsewhere; unset it: unset {name}\n"
    )
    assert list(tmp_path.iterdir()) == []
    for off in ("", "0", "False") if name == "PIP_USER" else ("",):
        unset = f"import os, subprocess; os.environ[{name!r}] = {off!r}; subprocess.call = id"
        assert "expected to make .venv, got" in make_venv(tmp_path, unset).stderr


def test_half_an_environment_is_not_left(tmp_path: Path) -> None:
    """A .venv that could not be made whole is not left."""
    fails = "import subprocess, os\nsubprocess.call = lambda _: os.makedirs('.venv/bin') or 3"

    ended = make_venv(tmp_path, fails)

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{sys.executable}: expected to make .venv, got the error above; nothing of it was kept\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_environment_that_is_there_already_is_kept(
    made: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """A .venv of the right Python that is there already is kept."""
    folder, _ = made
    (kept := folder / ".venv" / "kept").touch()

    assert make_venv(folder).returncode == 0
    assert kept.exists()


def test_old_pythons_understand_the_refusal() -> None:
    """make_venv.py is valid Python 3.7, and has the bounds of pyproject.toml."""
    script = ROOT / "requirements" / "make_venv.py"
    bounds = dict(re.findall(r"^(OLDEST|NEWEST) = \(3, (\d+)\)$", script.read_text(), re.MULTILINE))

    ast.parse(script.read_text(), feature_version=(3, 7))
    python = f'">=3.{bounds["OLDEST"]},<3.{int(bounds["NEWEST"]) + 1}"'
    assert f"requires-python = {python}" in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["ci.yml", "nightly.yml"])
def test_workflows_set_up_environments_as_the_readme_does(name: str) -> None:
    """The workflows set up environments by the same two steps as the README."""
    workflow = (ROOT / ".github" / "workflows" / name).read_text()
    setups = {tuple(command.split(" && ")[:2]) for command in readme_commands()}

    lines = [line.strip() for line in workflow.splitlines()]
    found = {
        pair for pair in itertools.pairwise(lines) if "venv" in pair[0] and "pip install" in pair[1]
    }

    assert found, f"{name}: expected a step that makes .venv and one that fills it, got none"
    assert found <= setups, f"{name}: expected setups of the README's, {setups}, got {found}"
    assert workflow.count("pip install") == workflow.count("python3 requirements/make_venv.py")


def test_ci_run_makes_the_calls_of_the_readme(bare_machine: Path) -> None:
    """.ci/run calls what the README's two commands call, the tests first, then the rest."""
    commands = sorted(readme_commands(), key=lambda command: not command.endswith("/tox"))
    steps = " && ".join(commands).replace(".venv/bin/", "").split(" && ")

    assert ci_run(bare_machine) == (0, [*steps, "tox -e libraries", "tox -e browser"])


def test_ci_run_gets_chromium_where_there_is_none(bare_machine: Path) -> None:
    """.ci/run gets Chromium before the tests that need it, if it runs as root."""
    fetched = ["apt-get -qq update", "apt-get -qq install -y chromium", "tox -e browser"]

    _, as_root = ci_run(bare_machine, CHROMIUM="no-such-browser")
    (bare_machine / "calls").unlink()
    (bare_machine / "bin/id").write_text("#!/bin/sh\necho 1000\n")
    _, as_user = ci_run(bare_machine, CHROMIUM="no-such-browser")

    assert as_root[-3:] == fetched
    assert as_user == [call for call in as_root if not call.startswith("apt-get")]


def test_ci_run_ends_well_where_no_chromium_can_be_had(bare_machine: Path) -> None:
    """.ci/run ends well where no Chromium can be had, after all other tests."""
    (bare_machine / "fail-apt-get").touch()

    status, calls = ci_run(bare_machine, CHROMIUM="no-such-browser")

    assert (status, calls[-2:]) == (0, ["tox -e libraries", "apt-get -qq update"])


def test_ci_run_passes_over_an_old_python(bare_machine: Path) -> None:
    """.ci/run takes the first Python that is recent enough, and only that one."""
    for later in ("python3.14", "python3.13"):
        shutil.copy(bare_machine / "bin/python3", bare_machine / "bin" / later)
    for name in ("python3", "python3.14"):
        (bare_machine / f"fail-{name}").touch()

    status, calls = ci_run(bare_machine)

    assert status == 0
    assert calls.count("python3.13 requirements/make_venv.py") == 2
    assert not any(call.startswith(("python3 ", "python3.14 ")) for call in calls)


@pytest.mark.parametrize("program", ["pip", "tox", "pytest"])
def test_ci_run_fails_where_a_command_fails(bare_machine: Path, program: str) -> None:
    """.ci/run stops at the first call that fails, and fails."""
    (bare_machine / f"fail-{program}").touch()

    status, calls = ci_run(bare_machine)

    assert status != 0
    assert calls[-1].split()[0] == program


def test_ci_run_fails_without_a_command(bare_machine: Path) -> None:
    """.ci/run fails, and calls nothing, where the README has lost its commands."""
    (bare_machine / "README.md").write_text("# whisper-speedtest\n")

    assert ci_run(bare_machine) == (1, [])
