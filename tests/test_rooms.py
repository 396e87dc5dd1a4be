"""The rooms know only those before them: held over every import, lazy ones and types included."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from adapters import adapter_class, valid_adapters
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "whisper_speedtest"
FLOW = (
    ("common",),
    ("adapters", "speech"),
    ("fixtures",),
    ("cache",),
    ("hub",),
    ("engine",),
    ("measure",),
    ("session",),
    ("results",),
)
"""Data flows from left to right. A room may import itself and what stands to the left of it."""

OUTSIDE = {"adapters", "fixtures"}
"""Rooms that are no folders of the package."""

RANKS = {
    room if room in OUTSIDE else f"{PACKAGE}.{room}": rank
    for rank, rooms in enumerate(FLOW)
    for room in rooms
}
"""Rooms by the name that they are imported by. Other packages may be called hub or engine too."""

CACHE, HUB = f"{PACKAGE}.cache", f"{PACKAGE}.hub"

SHARED = {"huggingface_hub", "numpy"}
"""Packages that libraries use and that are none of them, nor compute anything for them alone."""

OTHER_MODULES = {"openai-whisper": {"whisper"}, "pywhispercpp": {"pywhispercpp", "_pywhispercpp"}}
"""A distribution → what is imported of it, where that is not its own name."""

LIBRARIES = {
    module
    for adapter in map(adapter_class, valid_adapters())
    for package in adapter.packages
    for module in OTHER_MODULES.get(package, {package.replace("-", "_")})
} - SHARED
"""The modules of the libraries that are measured, and of what they compute with."""

WITH_PYTEST = (
    "session/",
    "results/benchmark_plugin.py",
    "results/failures_plugin.py",
    "results/interrupted_plugin.py",
    "results/stored_plugin.py",
    "results/summary_plugin.py",
    "results/journal/journal_plugin.py",
    "results/journal/resume_plugin.py",
    "results/report/report_plugin.py",
)
"""Where pytest may be imported, from the package."""

MOST_LINES = 400
FILES = sorted(path for room in (PACKAGE, *OUTSIDE) for path in ROOT.glob(f"{room}/**/*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
in_each_file = pytest.mark.parametrize("file", NAMES)


def imports(source: str, file: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of whatever a file imports, wherever in it that is.

    Of a name that is put together as the code runs, it is the package with which it begins.
    """
    package = file.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join([*package[: len(package) + 1 - level], *filter(None, [module])])
                start = base if level else str(module)
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name
            case ast.Call(
                func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
                args=[ast.JoinedStr(values=[ast.Constant(value=str(beginning)), *_]), *_],
            ) if "." in beginning:
                yield node.lineno, beginning.rpartition(".")[0]


def room_of(name: str) -> str:
    """Return the room of a dotted name, or its first part where that is no room."""
    rooms = (room for room in RANKS if f"{name}.".startswith(f"{room}."))
    return next(rooms, name.partition(".")[0])


def wrong_imports(source: str, file: str) -> list[str]:
    """Return a line for each import of a file that the rules forbid, with the rule."""
    room = room_of(file.removesuffix(".py").replace("/", "."))
    wrong = []
    for line, name in imports(source, file):
        other = room_of(name)
        if other in {"tests", "benchmarks"}:
            rule = f"no room knows {other}/, which is there to use the rooms"
        elif other in RANKS and other != room and RANKS[other] >= RANKS[room]:
            before = ", ".join(name for name, rank in RANKS.items() if rank < RANKS[room])
            rule = f"{room} may import {before or 'no other room'}"
        elif other in {"pytest", "_pytest", "pluggy", "pytest_benchmark"} and not file.startswith(
            tuple(f"{PACKAGE}/{place}" for place in WITH_PYTEST)
        ):
            rule = f"pytest is for {' and '.join(WITH_PYTEST)} alone"
        elif (
            other in {"httpx2", "requests", "socket"}
            and RANKS[room] < RANKS[HUB]
            and room != "fixtures"  # which has a hub of its own, for tests
        ):
            rule = "requests are for hub/, and the rooms before it make none"
        elif other in LIBRARIES and room in {CACHE, HUB}:
            rule = "Whisper libraries are for adapters/, and run in engines alone"
        else:
            continue
        wrong.append(f"{file}:{line} imports {name}: {rule}")
    return wrong


@in_each_file
def test_imports_run_with_the_flow(file: str) -> None:
    """A room imports rooms before it, and none after it; pytest is imported in few places."""
    wrong = wrong_imports((ROOT / file).read_text(encoding="utf-8"), file)

    assert not wrong, "\n".join(["imports against the flow:", *wrong])


def circles(sources: Mapping[str, str]) -> list[str]:
    """Return the files of a circle of imports, with the first of them at the end too, or nothing.

    A package stands for whatever is imported from it, as its `__init__` is run first.
    """
    files = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in sources
    }
    known: dict[str, set[str]] = {}
    for file, source in sources.items():
        names = {name for _, name in imports(source, file)}
        owners = {next((each for each in _prefixes(name) if each in files), "") for name in names}
        known[file] = {files[owner] for owner in owners if owner} - {file}
    try:
        TopologicalSorter(known).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _prefixes(name: str) -> Iterator[str]:
    """Yield a dotted name and whatever it is in, the nearest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def test_no_files_import_each_other_in_a_circle() -> None:
    """No files import each other in a circle, lazily or for types alone as well."""
    found = circles(
        {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
    )

    assert not found, f"a circle of imports: {' <- '.join(found)}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from whisper_speedtest.measure import b", True),
        ("from whisper_speedtest.measure.b import C", True),
        ("def f():\n    from whisper_speedtest.measure.b import C", True),
        ("if TYPE_CHECKING:\n    import whisper_speedtest.measure.b", True),
        ("from .b import C", True),
        ("from whisper_speedtest.measure.c import b", False),
        ("import b", False),
    ],
)
def test_circle_is_found(source: str, expected: bool) -> None:
    """A circle of imports is found in whatever form the import that closes it is written."""
    files = {
        "measure/a.py": source,
        "measure/b.py": "from whisper_speedtest.measure.a import D",
        "measure/c.py": "",
    }

    found = circles({f"{PACKAGE}/{file}": text for file, text in files.items()})

    assert bool(found) is expected, found
    assert not found or {f"{PACKAGE}/measure/a.py", f"{PACKAGE}/measure/b.py"} == set(found)


@pytest.mark.parametrize("file", [file for file in NAMES if not file.startswith("fixtures/")])
def test_no_file_is_too_long_to_read(file: str) -> None:
    """A file of a room has 400 lines at most; of fixtures, some are how a thing was made."""
    lines = len((ROOT / file).read_text(encoding="utf-8").splitlines())

    assert lines <= MOST_LINES, f"{file} has {lines} lines; split it, as {MOST_LINES} are the most"


def test_package_itself_is_empty() -> None:
    """The package's own `__init__.py` is empty, so that importing the package runs nothing."""
    content = (ROOT / PACKAGE / "__init__.py").read_text(encoding="utf-8")

    assert not content, f"{PACKAGE}/__init__.py is to stay empty, and begins with {content[:60]!r}"


def test_every_folder_of_the_package_is_a_known_room() -> None:
    """Every folder of the package is a room with its place in the flow."""
    rooms = {f"{PACKAGE}.{path.parent.name}" for path in ROOT.glob(f"{PACKAGE}/*/*.py")}

    assert rooms | OUTSIDE == set(RANKS), "tests/test_rooms.py, FLOW: give each room its place"


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        (
            "hub/a.py",
            "import whisper_speedtest.engine.process",
            "engine.process: whisper_speedtest.hub may import whisper_speedtest.common, adapters, ",
        ),
        ("hub/a.py", "from whisper_speedtest import engine", "engine: whisper_speedtest.hub may"),
        ("hub/a.py", "from ..engine.process import Engine", "Engine: whisper_speedtest.hub may"),
        ("hub/a.py", "from .. import engine", "engine: whisper_speedtest.hub may"),
        ("engine/a.py", "def f():\n    from whisper_speedtest.measure import clock", "a.py:2 "),
        (
            "speech/a.py",
            "if TYPE_CHECKING:\n    import adapters.base",
            "speech may import whisper_speedtest.common",
        ),
        (
            "hub/a.py",
            "import_module('whisper_speedtest.session.outcomes')",
            "outcomes: whisper_speedtest.hub",
        ),
        ("session/a.py", "import importlib\nimportlib.import_module('benchmarks')", "a.py:2 "),
        ("measure/a.py", "import pytest", "pytest: pytest is for session/ and"),
        ("results/table.py", "from _pytest.config import Config", "pytest is for session/"),
        (
            "session/a.py",
            "from whisper_speedtest.results import table",
            "results.table: whisper_speedtest.session may",
        ),
        ("results/a.py", "from tests.helpers import project", "no room knows tests/"),
        ("cache/a.py", "def f():\n    import httpx2", "httpx2: requests are for hub/"),
        ("cache/a.py", "import mlx.core as mx", "mlx.core: Whisper libraries are for adapters/"),
        ("cache/a.py", "from torch import load", "torch.load: Whisper libraries are for"),
        ("hub/a.py", "def f():\n    import whisper", "whisper: Whisper libraries are for"),
        ("hub/a.py", "import_module('_pywhispercpp')", "_pywhispercpp: Whisper libraries are"),
        ("hub/a.py", "from faster_whisper.utils import _MODELS", "Whisper libraries are for"),
        ("speech/a.py", "import_module(f'fixtures.{name}.export')", "imports fixtures: whisper_"),
        (
            "cache/a.py",
            "import_module(f'whisper_speedtest.hub.{name}')",
            "hub: whisper_speedtest.cache may import whisper_speedtest.common, ",
        ),
    ],
)
def test_import_against_the_flow_is_found(file: str, source: str, expected: str) -> None:
    """Whatever its form, an import that breaks a rule is named with its line and the rule."""
    [wrong] = wrong_imports(source, f"{PACKAGE}/{file}")

    assert wrong.startswith(f"{PACKAGE}/{file}:")
    assert expected in wrong


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "results/summary_plugin.py",
            "import pytest\nfrom whisper_speedtest.session.outcomes import RECORDER",
        ),
        ("session/fixtures.py", "from whisper_speedtest.measure import clock\nimport pytest"),
        ("cache/folders.py", "from adapters.base import ModelFiles\nfrom .model import Proof"),
        ("cache/a.py", "import_module(f'fixtures.models.{name}.export')\nimport numpy"),
        ("hub/a.py", "from huggingface_hub import constants\nimport httpx2"),
        ("hub/a.py", "import_module(f'{name}.export')\nimport_module(f'whisper{name}')"),
        ("engine/worker.py", "import engine, hub.session, results"),
    ],
)
def test_import_with_the_flow_is_allowed(file: str, source: str) -> None:
    """A room may import itself, the rooms before it and any foreign package."""
    assert wrong_imports(source, f"{PACKAGE}/{file}") == []
