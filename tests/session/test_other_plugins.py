"""Beside other plugins: a benchmark works, or the session says in a line why it must not be run so.

Small plugins stand in for what others do: they put tests in another order, run them again, trace
them, add parameters to them, replace what prints, or fail.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from _pytest.config import default_plugins, essential_plugins

from tests.helpers.project import ROOT, child_environment
from tests.helpers.sessions import Session, Sessions
from whisper_speedtest.session import other_plugins
from whisper_speedtest.session.other_plugins import INSTALLED_APART, NEEDED, SPREAD_OVER_WORKERS
from whisper_speedtest.session.outcomes import ON_THE_GPU

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = ("benchmarks/test_transcribe.py", "-k", "toy-micro-good-short", "--device=cpu")
OFF = "expected a pytest-benchmark that saves results, got one that is turned off; leave out"
ROW = re.compile(r"^toy +micro +good +short ", re.MULTILINE)


def run(sessions: Sessions, *arguments: str, plugin: str = "", **variables: str) -> Session:
    """Run one warm measurement of the toy, beside a plugin with this source."""
    (sessions.folder / "standing_in.py").write_text(plugin, encoding="utf-8")
    path = str(sessions.folder)
    return sessions.run(*CHOSEN, "-p", "standing_in", *arguments, PYTHONPATH=path, **variables)


def assert_measured(session: Session, status: int = pytest.ExitCode.OK) -> None:
    """Fail unless a session shows its row, and ends with this status and without a traceback."""
    assert ROW.search(session.output), f"expected a row of the toy, got:\n{session.output}"
    assert session.status == status, session.output
    assert "INTERNALERROR" not in session.output
    assert "Traceback" not in session.output


def pytest_in_project(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project itself."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


# pytest-xdist


@pytest.mark.parametrize(
    "arguments",
    [("-n2", "--benchmark-only"), ("-n2",), ("--tx=popen", "--dist=each")],
    ids=["benchmarks only", "all", "each"],
)
def test_workers_are_refused_for_benchmarks(arguments: tuple[str, ...]) -> None:
    """Benchmarks are refused with workers of pytest-xdist, before any test has run."""
    ended = pytest_in_project("benchmarks", "-k", "lightning and micro-fp16-short", *arguments)

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout + ended.stderr
    assert f"ERROR: {SPREAD_OVER_WORKERS}\n" in ended.stderr
    assert "passed" not in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_workers_may_run_what_is_no_benchmark() -> None:
    """Tests that are no benchmarks may run in workers of pytest-xdist."""
    ended = pytest_in_project("benchmarks", "tests/speech/test_values.py", "-n1", "-k", "frozen")

    assert ended.returncode == pytest.ExitCode.OK, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def test_no_worker_is_as_good_as_no_plugin(sessions: Sessions) -> None:
    """Benchmarks run with -n 0, which stands for no worker."""
    assert_measured(run(sessions, "-n0"))


# Order, parameters, tracing, printing


REVERSED = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    yield
    items.reverse()
"""

SEEDED = """
import random

def pytest_runtest_setup(item):
    random.seed(1)

def pytest_collection_modifyitems(items):
    random.Random(1).shuffle(items)
"""

TRACED = """
import sys, threading
import pytest

def trace(frame, event, argument):
    return trace

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)
"""

OTHER_REPORTER = """
import pytest

class Reporter(pytest.TerminalReporter):
    def _determine_show_progress_info(self):
        return False

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    plugin = config.pluginmanager.getplugin("terminalreporter")
    config.pluginmanager.unregister(plugin)
    config.pluginmanager.register(Reporter(config, plugin._tw._file), "terminalreporter")
"""


@pytest.mark.parametrize(
    "plugin",
    [REVERSED, SEEDED, TRACED, OTHER_REPORTER],
    ids=["reversed", "shuffled", "traced", "another reporter"],
)
def test_benchmarks_work_beside_plugins(sessions: Sessions, plugin: str) -> None:
    """Benchmarks measure and show the same beside plugins that reorder, trace or print tests."""
    session = run(sessions, plugin=plugin)

    assert_measured(session)
    assert session.saved_names == {"test_transcribe[toy-micro-good-short]"}


def test_document_stands_alone_on_stdout_beside_another_reporter(sessions: Sessions) -> None:
    """The JSON document of a check stands alone on stdout, beside another reporter as well."""
    (sessions.folder / "standing_in.py").write_text(OTHER_REPORTER, encoding="utf-8")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *CHOSEN),
            *("-p", "standing_in", "-p", "no:cacheprovider", "--check-models=json"),
        ],
        cwd=sessions.tree,
        env=child_environment(PYTHONPATH=str(sessions.folder)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert json.loads(ended.stdout)["complete"] is True, ended.stderr


REPEATED = """
import pytest

@pytest.fixture
def step(request):
    return request.param

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("step")
    metafunc.parametrize("step", [1, 2], indirect=True)
"""


def test_parameters_of_another_plugin_are_left_to_it(sessions: Sessions) -> None:
    """Each test that another plugin makes of a benchmark by parameters is measured."""
    session = run(sessions, plugin=REPEATED)

    assert_measured(session)
    assert session.saved_names == {f"test_transcribe[toy-micro-good-short-{n}]" for n in (1, 2)}


RUN_AGAIN = """
from _pytest.runner import runtestprotocol

tried = set()

def pytest_runtest_call(item):
    if item.nodeid not in tried:
        tried.add(item.nodeid)
        raise RuntimeError("the first try fails")

def pytest_runtest_protocol(item, nextitem):
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_failure_that_was_run_again_is_still_a_failure(sessions: Sessions) -> None:
    """A failure stays a failure if another plugin runs the test again and it passes."""
    session = run(sessions, plugin=RUN_AGAIN)

    assert_measured(session, pytest.ExitCode.TESTS_FAILED)
    assert "1 passed" in session.output
    assert (
        "failed:   test_transcribe[toy-micro-good-short]: the first try fails\n" in session.output
    )


# Without plugins of pytest's own


OWN_PLUGINS = [
    f"whisper_speedtest.{room}"
    for room in (
        "session.choice.options",
        "session.models.prefetch",
        "session.fixtures",
        "results.summary_plugin",
    )
]
REFUSED = [*NEEDED, *OWN_PLUGINS, "fixtures", "runner"]


@pytest.mark.parametrize("name", REFUSED)
def test_session_without_a_plugin_that_it_needs_is_refused(name: str) -> None:
    """A session without a plugin that it needs is refused in one line that names it."""
    ended = pytest_in_project("benchmarks", "-p", f"no:{name}", "--collect-only", "-q")

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout + ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("ERROR: ")
    assert name in line
    if name in NEEDED:
        reason = (
            f"expected pytest's plugin {name}, {NEEDED[name]}, got -p no:{name}; leave that out"
        )
        assert line == f"ERROR: {reason}"
    assert "::" not in ended.stdout


@pytest.mark.parametrize(("lacking", "package"), INSTALLED_APART.items())
def test_plugin_that_is_not_installed_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, lacking: str, package: str
) -> None:
    """A plugin that is not installed is asked for, with its reason and the way to install it."""
    plugins = pytest.PytestPluginManager()
    monkeypatch.setattr(plugins, "hasplugin", lambda name: name != lacking)

    with pytest.raises(pytest.UsageError) as caught:
        other_plugins.pytest_addoption(plugins)

    assert str(caught.value) == (
        f"expected pytest's plugin {lacking}, {NEEDED[lacking]}, got a pytest that has not loaded "
        f"{package}; install requirements/tests.txt as README.md says, and unset "
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
    )


@pytest.mark.parametrize("more", ["--check-models=json", "--prefetch-only"])
def test_plugin_is_needed_also_where_nothing_is_measured(sessions: Sessions, more: str) -> None:
    """A session that only checks or fetches models is refused without pytest's terminal plugin."""
    session = run(sessions, "-p", "no:terminal", more)

    assert session.status == pytest.ExitCode.USAGE_ERROR, session.output
    assert "got -p no:terminal; leave that out" in session.output


def test_benchmarks_work_without_the_plugins_that_they_do_not_need(sessions: Sessions) -> None:
    """Benchmarks work without all of pytest's plugins that they do not need."""
    names = [name for name in default_plugins if name not in {*essential_plugins, *NEEDED}]
    assert len(names) > 15

    session = run(sessions, *(f"-pno:{name}" for name in names))

    assert_measured(session)
    assert session.saved_names == {"test_transcribe[toy-micro-good-short]"}


# Saving and comparing


FAILS_AT_THE_END = """
def pytest_sessionfinish():
    raise OSError(28, "No space left on device")
"""


def test_fault_at_the_end_costs_no_table(sessions: Sessions) -> None:
    """If another plugin fails as a session ends, the table is shown, and the session has failed."""
    session = run(sessions, plugin=FAILS_AT_THE_END)

    assert_measured(session, pytest.ExitCode.TESTS_FAILED)
    fault = "OSError: [Errno 28] No space left on device"
    assert f"unsaved:  another plugin failed as the session ended: {fault}\n" in session.output


@pytest.mark.parametrize("option", ["--prefetch-only", "--check-models"])
def test_fault_at_the_end_of_a_session_without_results_is_told(
    sessions: Sessions, option: str
) -> None:
    """If another plugin fails as a session without results ends, the reason is told."""
    session = run(sessions, option, plugin=FAILS_AT_THE_END)

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert "unsaved:  another plugin failed as the session ended: OSError: " in session.output


def test_results_that_cannot_be_saved_are_shown(sessions: Sessions) -> None:
    """Results that pytest-benchmark cannot save are shown, and the session has failed."""
    (storage := sessions.folder / "storage").touch()

    session = run(sessions, "--benchmark-autosave", f"--benchmark-storage=file://{storage}")

    assert_measured(session, pytest.ExitCode.TESTS_FAILED)
    assert "unsaved:  another plugin failed as the session ended: " in session.output


def test_results_are_compared_with_saved_ones(sessions: Sessions) -> None:
    """Results can be compared with saved ones; without any, the table is shown all the same."""
    storage = sessions.folder / "storage"
    compare = ("--benchmark-compare", f"--benchmark-storage=file://{storage}")

    nothing = run(sessions, *compare, "--benchmark-autosave")
    something = run(sessions, *compare)
    (saved,) = storage.rglob("*.json")
    saved.write_text("{", encoding="utf-8")
    unreadable = run(sessions, *compare)

    for session in (nothing, something, unreadable):
        assert_measured(session)
    assert "Can't compare. No benchmark files" in nothing.output
    assert "test_transcribe[toy-micro-good-short] (NOW)" in something.output
    assert "(NOW)" not in unreadable.output


@pytest.mark.parametrize("how", [("-W", "error"), ("-p", "no:warnings")], ids=["-W", "PYTHON"])
def test_users_own_strictness_costs_no_session(sessions: Sessions, how: tuple[str, ...]) -> None:
    """Warnings that the user makes errors of do not end a session before its first test.

    They are told in a line.
    """
    storage = f"--benchmark-storage=file://{sessions.folder}/storage"

    session = run(sessions, *how, "--benchmark-compare", storage, PYTHONWARNINGS="error")

    assert_measured(session)
    (said,) = [line for line in session.output.splitlines() if "Can't compare." in line]
    assert said.endswith(
        f"PytestBenchmarkWarning: Can't compare. No benchmark files in '{sessions.folder}/storage'."
        " Can't load the previous benchmark."
    )


WARNS_EVERYWHERE = """
import warnings
import pytest

def pytest_configure():
    warnings.warn("as it was configured", DeprecationWarning)

def pytest_sessionstart():
    warnings.warn("as the session began")

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    warnings.warn("before the tests", pytest.PytestConfigWarning)

def pytest_unconfigure():
    warnings.warn("after the session")
"""

WARNS_IN_A_TEST = """
def pytest_runtest_call(item):
    warnings.warn("in a test")
"""


def test_users_strictness_is_for_tests(sessions: Sessions) -> None:
    """If the user makes errors of warnings, one of a test fails it, and any other is shown."""
    lenient = run(sessions, "-W", "error", plugin=WARNS_EVERYWHERE)
    strict = run(sessions, "-W", "error", plugin=WARNS_EVERYWHERE + WARNS_IN_A_TEST)

    assert_measured(lenient)
    for said in (
        "DeprecationWarning: as it was configured",
        "UserWarning: as the session began",
        "PytestConfigWarning: before the tests",
        "UserWarning: after the session",
    ):
        assert f": {said}\n" in lenient.output, lenient.output
    assert strict.status == pytest.ExitCode.TESTS_FAILED, strict.output
    assert "failed:   test_transcribe[toy-micro-good-short]: in a test\n" in strict.output


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("", "a folder"),
        ("none/x.json", "no folder {folder}/none"),
        ("file/x.json", "no folder {folder}/file, as {folder}/file is a file; name another"),
        ("n" * 300, "one that cannot be looked at: File name too long; name another"),
    ],
    ids=["a folder", "in no folder", "in a file", "too long a name"],
)
def test_file_that_cannot_be_written_is_refused_before_anything_runs(
    sessions: Sessions, name: str, got: str
) -> None:
    """A JSON file that cannot be written is refused before any test runs."""
    (sessions.folder / "file").touch()

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *CHOSEN, "-p", "no:cacheprovider"),
            f"--benchmark-json={sessions.folder}/{name}",
        ],
        cwd=sessions.tree, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout + ended.stderr
    expected = "expected a file that can be written, got " + got.format(folder=sessions.folder)
    assert expected in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (("--benchmark-disable", "--benchmark-json={folder}/x.json"), {}, OFF),
        (("--benchmark-autosave",), {"PYTEST_XDIST_WORKER": "gw0"}, OFF),
        (("--benchmark-histogram",), {}, "expected the packages pygal and pygaljs, which draw it"),
        (("--timeout=inf",), {}, "--timeout: expected seconds from 0.001 to 1e+09, or 0"),
        ((), {"PYTEST_TIMEOUT": "5s"}, "PYTEST_TIMEOUT: expected seconds from 0.001 to 1e+09"),
    ],
    ids=["turned off", "of a worker", "not drawn", "no timer", "no number"],
)
def test_what_would_cost_the_results_at_the_end_is_refused_at_once(
    sessions: Sessions, arguments: tuple[str, ...], variables: dict[str, str], says: str
) -> None:
    """An option that would cost the results at the end is refused before any test runs."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *CHOSEN, "-p", "no:cacheprovider"),
            *(argument.format(folder=sessions.folder) for argument in arguments),
        ],
        cwd=sessions.tree,
        env=child_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, ended.stdout + ended.stderr
    (line,) = [each for each in ended.stderr.splitlines() if each.startswith("ERROR: ")]
    assert says in line
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_folder_for_engines_that_cannot_be_made_is_told(sessions: Sessions, device: str) -> None:
    """If the folder for engines cannot be made, each test fails with the reason and the way out."""
    folder = sessions.folder / "file" / "root"
    folder.parent.touch()
    (sessions.tree / "with_gpu.py").write_text(
        "from whisper_speedtest.session import gpu\ngpu.has_no_gpu = lambda: False\n"
    )
    chosen = (*CHOSEN, f"--device={device}", "-p", "with_gpu", f"--basetemp={folder}")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen],
        cwd=sessions.tree, env=child_environment() | {"PYTHONPATH": str(sessions.tree)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    told = "failed:   test_transcribe[toy-micro-good-short]: expected a folder for engines, got "
    assert told in ended.stdout, ended.stdout + ended.stderr
    assert "name another one, with --basetemp" in ended.stdout
    assert ON_THE_GPU not in ended.stdout
    assert "INTERNALERROR" not in ended.stdout
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED


def test_file_of_an_earlier_run_is_not_taken_for_this_ones(sessions: Sessions) -> None:
    """A session that measured nothing leaves the JSON of an earlier run as it is, and says so."""
    (sessions.folder / "saved.json").write_text('{"benchmarks": []}', encoding="utf-8")

    session = sessions.run("benchmarks", "-k", "lightning and medium and 8bit")

    assert session.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert session.saved == {"benchmarks": []}
    assert (
        f"unsaved:  {sessions.folder}/saved.json: what is there is of an earlier run, as nothing "
        "was measured in this one\n" in session.output
    )


def test_check_that_loads_nothing_ends_with_status_5(sessions: Sessions) -> None:
    """A check that could try no load ends with status 5."""
    session = sessions.run(
        *("benchmarks", "-k", "lightning and medium and 8bit", "--check-models=load"),
        HF_HOME=str(sessions.folder),
    )

    assert session.status == pytest.ExitCode.NO_TESTS_COLLECTED, session.output
    assert "no load was tried, as no model of the selection is complete" in session.output


# A checkout that can only be read


def test_checkout_that_cannot_be_written_to_is_measured(sessions: Sessions, tmp_path: Path) -> None:
    """A checkout that cannot be written to is measured, and its temporary folder is left empty."""
    tree, scratch = tmp_path / "checkout", tmp_path / "scratch"
    shutil.copytree(sessions.tree, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for name in (".cache", ".pytest_cache", ".benchmarks"):
        (tree / name).touch()
    scratch.mkdir()

    session = run(Sessions(tree, tmp_path), "--benchmark-compare", TMPDIR=str(scratch))

    assert_measured(session)
    assert list(scratch.iterdir()) == [], "the models that were made are still there"
