"""What surrounds a session: other packages, other projects, signals, limits of the user's own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.audio import clips
from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.sessions import Sessions

COLLECT = ("--collect-only", "-q", "-p", "no:cacheprovider")


def python(
    *arguments: str | Path, cwd: Path = ROOT, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=child_environment(**(variables or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def collect(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Collect tests, and do not run them."""
    return python("-m", "pytest", *COLLECT, *arguments, variables=variables)


@pytest.mark.parametrize("name", ["adapters", "whisper_speedtest"])
def test_foreign_package_of_one_of_our_names_is_refused_in_a_line(
    tmp_path: Path, name: str
) -> None:
    """A foreign package with the name of one of ours is refused in one line."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    # As an installed package is found: on sys.path, behind the project.
    path = f"import sys, pytest; sys.path.append({str(tmp_path)!r})"
    code = f"{path}; sys.exit(pytest.main({list(COLLECT)}))"

    ended = python("-c", code)

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {name}: expected no other package of this name" in ended.stderr
    assert f"got {tmp_path}/{name}/__init__.py; uninstall that" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_of_another_project_are_refused(tmp_path: Path) -> None:
    """A session with the settings of another project is refused."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest]\n", encoding="utf-8")

    ended = collect("benchmarks", "--rootdir", tmp_path, "-c", tmp_path / "pyproject.toml")

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: expected the settings of {ROOT}/pyproject.toml, got those of" in ended.stderr
    assert "--audio=FILE" in ended.stderr


def test_session_of_a_folder_above_is_refused(tmp_path: Path) -> None:
    """A session that begins in a folder above the project is refused, and told where to begin."""
    for name in ("ours", "theirs"):
        benchmarks = tmp_path / name / "benchmarks"
        shutil.copytree(ROOT / "benchmarks", benchmarks)
        shutil.copy(ROOT / "conftest.py", benchmarks.parent)

    ended = python("-m", "pytest", "-k", "micro", cwd=tmp_path)

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert ended.stderr.strip() == (
        f"ERROR: expected pytest to begin in {tmp_path}/ours, got {tmp_path}; run it there: "
        f"cd {tmp_path}/ours"
    )


def test_paths_outside_of_the_project_are_those_of_an_option_behind_benchmarks(
    tmp_path: Path,
) -> None:
    """Paths outside of the project belong to the option before them if `benchmarks` comes first."""
    journals = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for journal in journals:
        journal.touch()

    behind = collect("benchmarks", f"--report={tmp_path}/out", "--from", *journals)
    alone = collect(f"--report={tmp_path}/out", "--from", *journals)

    told = f"ERROR: --from: {journals[0]}, {journals[1]}: expected a journal with results, got none"
    assert told in behind.stderr
    assert "unrecognized arguments" in alone.stderr, "docs/options.md says so"
    for ended in (behind, alone):
        assert ended.returncode == pytest.ExitCode.USAGE_ERROR


def test_limit_on_the_command_line_comes_before_the_suites_own(sessions: Sessions) -> None:
    """A time limit of the user, by option or variable, replaces the suite's own.

    Another way to give it is pytest-timeout's variable.
    """
    chosen = ("benchmarks/test_transcribe.py", "-k", "toy-micro-hangs-short")

    by_option = sessions.run(*chosen, "--timeout=1")
    by_variable = sessions.run(*chosen, PYTEST_TIMEOUT="1")

    for session in (by_option, by_variable):
        assert session.status == pytest.ExitCode.TESTS_FAILED
        assert "Timeout (>1.0s)" in session.output


def test_limit_of_the_users_own_is_that_of_a_load_too(sessions: Sessions) -> None:
    """The user's time limit also holds for each load of --check-models=load."""
    chosen = ("benchmarks", "-k", "toy-micro-good", "--check-models=load", "--device=cpu")

    brief = sessions.run(*chosen, "--timeout=0.001")
    unlimited = sessions.run(*chosen, "--timeout=0")

    assert "toy[micro-good]: load: launch did not end within 0.001 s" in brief.output
    assert brief.status == pytest.ExitCode.TESTS_FAILED
    assert unlimited.status == pytest.ExitCode.OK, unlimited.output


def test_long_recordings_have_longer_limits(tmp_path: Path) -> None:
    """A test of a recording of four minutes has longer limits than one of two minutes or less."""
    import numpy as np
    import soundfile

    path = tmp_path / "podcast.wav"
    soundfile.write(path, np.zeros(240 * 16_000, np.float32), 16_000)
    code = (
        "import pytest\n"
        "def pytest_collection_finish(session):\n"
        "    for item in session.items:\n"
        "        print('limit', item.name, item.get_closest_marker('timeout').args[0])\n"
    )
    (tmp_path / "limits.py").write_text(code, encoding="utf-8")

    ended = collect(
        "benchmarks/test_transcribe.py",
        "-k",
        "lightning-whisper-mlx-micro-fp16",
        "-p",
        "limits",
        f"--audio={path}",
        PYTHONPATH=str(tmp_path),
    )

    assert "limit test_transcribe[lightning-whisper-mlx-micro-fp16-podcast] 45360.0" in ended.stdout
    assert "limit test_transcribe[lightning-whisper-mlx-micro-fp16-short] 23040.0" in ended.stdout
    assert clips()["long"].seconds < 120


@pytest.mark.parametrize("ignored", [False, True], ids=["default", "ignored"])
def test_hangup_ends_a_session_unless_it_is_ignored(
    sessions: Sessions, tmp_path: Path, ignored: bool
) -> None:
    """A hang-up ends a session, unless it was started with SIGHUP ignored."""
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:  # a child inherits an ignored signal
        process = sessions.start("benchmarks/test_transcribe.py", "-k", "toy-micro-hangs-short")
    finally:
        signal.signal(signal.SIGHUP, before)
    while not list(tmp_path.glob("run/*/hanging")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)

    process.send_signal(signal.SIGHUP)
    session = sessions.finish(process)

    expected = pytest.ExitCode.TESTS_FAILED if ignored else pytest.ExitCode.INTERRUPTED
    assert session.status == expected, session.output
    assert ("transcribe did not end within 5 s" in session.output) is ignored
    assert sessions.engines() == []


def test_end_of_an_engine_is_known_where_sigchld_is_ignored(sessions: Sessions) -> None:
    """How an engine ended is known in a session that was started with SIGCHLD ignored."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:  # a child inherits an ignored signal
        process = sessions.start("benchmarks/test_transcribe.py", "-k", "toy-micro-killed-short")
    finally:
        signal.signal(signal.SIGCHLD, before)

    session = sessions.finish(process)

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert "toy[micro-killed]: the engine was ended by SIGKILL" in session.output


def test_warning_fails_a_test_of_the_suite() -> None:
    """A warning fails a test of the suite itself."""
    with pytest.raises(UserWarning, match="a warning"):
        warnings.warn("a warning", stacklevel=1)


LOUD = """
import warnings

def pytest_runtest_setup(item):
    warnings.warn("a warning of another plugin")

def pytest_terminal_summary(terminalreporter):
    {ending}
"""


@pytest.mark.parametrize(
    ("ending", "status"),
    [("warnings.warn('another')", pytest.ExitCode.OK), ("raise KeyError", None)],
    ids=["warns", "fails"],
)
def test_warnings_and_faults_of_other_plugins_cost_no_table(
    sessions: Sessions, tmp_path: Path, ending: str, status: int | None
) -> None:
    """A session shows its table even if another plugin warns or fails."""
    (tmp_path / "loud.py").write_text(LOUD.format(ending=ending), encoding="utf-8")

    session = sessions.run(
        "benchmarks/test_transcribe.py",
        "-k",
        "toy-micro-good-short",
        "-p",
        "loud",
        PYTHONPATH=str(tmp_path),
    )

    assert re.search(r"^toy +micro +good +short ", session.output, re.MULTILINE), session.output
    if status is not None:
        assert session.status == status
