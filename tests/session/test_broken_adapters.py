"""An adapter that cannot be used costs no other library anything, whatever its module does.

The sessions run in a copy of the project that has a broken adapter of every kind beside the toy
library: each of them is one failing test of every benchmark, and the toy is collected, measured,
checked and fetched as it would be without them.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapters.errors import advice_on_limit
from tests.helpers.broken_adapters import (
    DYING,
    DYING_AT_LAUNCH,
    ENDING,
    HANGING,
    HARMING,
    IN_ENGINES,
    INCOMPLETE,
    INTERRUPTS,
    NO_FORKS,
    RAISING,
)
from tests.helpers.project import BEING_WRITTEN, child_environment, copy_project, edit
from tests.helpers.sessions import Session, Sessions
from whisper_speedtest.engine.errors import AT_LAUNCH, NEXT_STEPS, TRY_ANOTHER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.broken_adapters import Broken

pytestmark = pytest.mark.slow

SECONDS = 4.0
"""How long an import may take in the copies."""

BROKEN = {**RAISING, **HARMING, **ENDING, **INCOMPLETE, "waits": HANGING["waits"]}
"""Every kind; of those that never return one, as a session has to wait for each of them, and one
that takes no processor meanwhile."""

FEW = {kind: BROKEN[kind] for kind in ("ends-process", "prints", "lacks-a-method", "has-no-module")}
"""One of each way in which an adapter is found to be broken."""

BENCHMARKS = (
    "benchmarks/test_start.py::test_cold_start_and_memory",
    "benchmarks/test_start.py::test_load",
    "benchmarks/test_transcribe.py::test_transcribe",
    "benchmarks/test_transcribe.py::test_tuned",
    "benchmarks/test_long_form.py::test_long_form",
)
ON_CPU = "--device=cpu"
"""Where a machine may have a GPU there is one more benchmark, of a call after a pause."""

GOOD = "toy-micro-good-short"
ROW = re.compile(r"^toy +micro +good +short ", re.MULTILINE)


def module_of(kind: str) -> str:
    """Return the name of a broken adapter's module in adapters/."""
    return f"broken_{kind}".replace("-", "_")


def entry_of(kind: str) -> str:
    """Return a broken adapter's entry in the registry."""
    return f'"broken-{kind}": "adapters.{module_of(kind)}:Library"'


def message_of(kind: str, broken: Broken) -> str:
    """Return all that is said of a broken adapter."""
    told = broken.told(f"adapters/{module_of(kind)}.py", f"adapters.{module_of(kind)}", SECONDS)
    return f"adapters/__init__.py, REGISTRY, {entry_of(kind)}: {told}"


def copy_with(project: Path, tree: Path, kinds: dict[str, Broken]) -> Path:
    """Copy a project and add broken adapters, half of them before all others; return the copy."""
    shutil.copytree(project, tree, ignore=shutil.ignore_patterns(".*", BEING_WRITTEN))
    registry = tree / "adapters" / "__init__.py"
    for number, (kind, broken) in enumerate(kinds.items()):
        if broken.source:
            (tree / "adapters" / f"{module_of(kind)}.py").write_text(broken.source, "utf-8")
        line = f"    {entry_of(kind)},\n"
        if number % 2:
            edit(registry, "= {\n", f"= {{\n{line}")
        else:
            edit(registry, mark := '}\n"""adapter name', line + mark)
    edit(tree / "adapters" / "trial.py", "SECONDS = 10.0", f"SECONDS = {SECONDS}")
    return tree


@pytest.fixture(name="broken", scope="module")
def _broken(toy_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a broken adapter of every kind."""
    return copy_with(toy_project, tmp_path_factory.mktemp("broken") / "project", BROKEN)


@pytest.fixture(name="few_broken", scope="module")
def _few_broken(toy_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with few broken adapters."""
    return copy_with(toy_project, tmp_path_factory.mktemp("few") / "project", FEW)


def pytest_in(tree: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy of the project, without a network and not for benchmarks alone."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=tree,
        env=child_environment(HF_HUB_OFFLINE="1", **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def assert_each_is_failed_once(session: Session, kinds: dict[str, Broken]) -> None:
    """Fail unless the summary names each broken adapter, with its reason, once."""
    _, _, summary = session.output.partition("= whisper-speedtest =")
    for kind, broken in kinds.items():
        assert summary.count(f"failed:   {message_of(kind, broken)}") == 1, (
            f"{kind}: expected once {message_of(kind, broken)!r} in:\n{summary}"
        )
    assert summary.count("failed: ") == len(kinds)


def test_every_other_library_is_collected_with_the_same_ids(
    toy_project: Path, broken: Path
) -> None:
    """Beside broken adapters, every other library is collected with the same ids in the same order.

    Each broken adapter has one test of every benchmark, after those.
    """

    def ids(tree: Path) -> list[str]:
        ended = pytest_in(tree, "benchmarks", ON_CPU, "--collect-only", "-q")
        assert ended.returncode == pytest.ExitCode.OK, ended.stdout + ended.stderr
        return [line for line in ended.stdout.splitlines() if "::" in line]

    without, all_of_them = ids(toy_project), ids(broken)
    added = all_of_them[len(without) :]

    assert all_of_them[: len(without)] == without
    assert sorted(added) == sorted(
        f"{benchmark}[broken-{kind}]" for benchmark in BENCHMARKS for kind in BROKEN
    )


def test_broken_adapters_fail_and_others_are_measured(broken: Path, tmp_path: Path) -> None:
    """Broken adapters fail, each with its reason once, and other libraries are measured."""
    session = Sessions(broken, tmp_path).run("benchmarks", ON_CPU, "-k", f"{GOOD} or broken-")

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert ROW.search(session.output), session.output
    assert session.saved_names == {
        f"{test}[{GOOD}]" for test in ("test_transcribe", "test_cold_start_and_memory")
    }
    assert f"2 passed, {len(BROKEN) * len(BENCHMARKS)} errors" in re.sub(
        r"\d+ (de)?selected, ", "", session.output
    )
    assert_each_is_failed_once(session, BROKEN)
    assert "INTERNALERROR" not in session.output
    assert "Traceback" not in session.output


def test_broken_adapters_that_were_left_out_are_not_mentioned(
    few_broken: Path, tmp_path: Path
) -> None:
    """Broken adapters that were not selected are not mentioned."""
    session = Sessions(few_broken, tmp_path).run("benchmarks/test_transcribe.py", "-k", GOOD)

    assert session.status == pytest.ExitCode.OK, session.output
    assert ROW.search(session.output), session.output
    assert "broken-" not in session.output


def test_adapters_that_never_return_are_ended(toy_project: Path, tmp_path: Path) -> None:
    """Adapters whose import never returns are ended and fail, and others are measured."""
    tree = copy_with(toy_project, tmp_path / "project", HANGING)

    session = Sessions(tree, tmp_path).run(
        "benchmarks/test_transcribe.py", "-s", "-k", f"{GOOD} or broken-"
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert ROW.search(session.output), session.output
    assert_each_is_failed_once(session, HANGING)


def test_broken_adapter_alone_is_a_failure(few_broken: Path, tmp_path: Path) -> None:
    """A session that selects a broken adapter alone has failed, and has not only skipped."""
    sessions = Sessions(few_broken, tmp_path)
    chosen = ("benchmarks/test_start.py", "-k", "broken-ends-process and micro and fp16")

    measured = sessions.run(*chosen)

    assert measured.status == pytest.ExitCode.TESTS_FAILED, measured.output
    assert_each_is_failed_once(measured, {"ends-process": FEW["ends-process"]})
    assert "every selected test was skipped" not in measured.output
    for option in ("--check-models", "--check-models=load", "--prefetch-only"):
        session = sessions.run(*chosen, option)

        assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
        reason = message_of("ends-process", FEW["ends-process"])
        assert session.output.count(f"no selected test needs a model; {reason}") == 1


def test_models_of_others_are_checked(few_broken: Path) -> None:
    """Beside broken adapters, the models of others are checked, and the broken ones are told."""
    chosen = ("benchmarks", "-k", f"{GOOD} or broken-")
    table = pytest_in(few_broken, *chosen, "--check-models=load", "--device=cpu")
    document = pytest_in(few_broken, *chosen, "--check-models=json")

    assert table.returncode == document.returncode == pytest.ExitCode.TESTS_FAILED
    told = "models: 1 of 1 complete and verified in the suite's cache"
    assert told in table.stdout, table.stdout + table.stderr
    found = json.loads(document.stdout)
    reasons = {each["adapter"]: each["reason"] for each in found["unusable"]}
    assert reasons.keys() == {f"broken-{kind}" for kind in FEW}
    for kind, broken_one in FEW.items():
        assert reasons[f"broken-{kind}"].startswith(message_of(kind, broken_one))
        assert table.stdout.count(f"not looked for: {reasons[f'broken-{kind}']}\n") == 1
    assert found["complete"] is False
    assert [(model["adapter"], model["cache"]["state"]) for model in found["models"]] == [
        ("toy", "complete")
    ]


def test_check_that_loads_nothing_is_a_failure_beside_a_broken_adapter(
    few_broken: Path, tmp_path: Path
) -> None:
    """A check beside a broken adapter is a failure, though it had no model to load."""
    chosen = ("benchmarks", "-k", "lightning-whisper-mlx-tiny-fp16 or broken-")

    ended = pytest_in(few_broken, *chosen, "--check-models=load", HF_HOME=str(tmp_path))

    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "models: 0 of 1 complete and verified in the hub cache" in ended.stdout


def test_models_of_others_are_fetched(few_broken: Path) -> None:
    """Beside broken adapters, the models of others are fetched, and the session has failed."""
    ended = pytest_in(few_broken, "benchmarks", "-k", f"{GOOD} or broken-", "--prefetch-only")

    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "models: 1 of 1 complete and verified" in ended.stdout
    for kind, broken_one in FEW.items():
        assert ended.stdout.count(f"not looked for: {message_of(kind, broken_one)}") == 1


def test_interrupt_in_a_module_is_the_users(toy_project: Path, tmp_path: Path) -> None:
    """An interrupt while an adapter is imported ends the session as any other Ctrl-C does."""
    kind = {"interrupts": INTERRUPTS}
    tree = copy_with(toy_project, tmp_path / "project", kind)

    ended = pytest_in(tree, "benchmarks", "-k", GOOD)

    assert ended.returncode == pytest.ExitCode.INTERRUPTED, ended.stdout + ended.stderr
    assert "passed" not in ended.stdout


def test_adapter_that_hangs_in_its_engine_alone_is_ended_by_the_tests_limit(
    toy_project: Path, tmp_path: Path
) -> None:
    """An adapter that hangs only in its engine is ended by the time limit of its test."""
    tree = copy_with(toy_project, tmp_path / "project", {"in-engines": IN_ENGINES})
    sessions = Sessions(tree, tmp_path)

    session = sessions.run(
        *("benchmarks/test_transcribe.py", "-k", f"{GOOD} or broken-in-engines-micro-good-short"),
        *("--timeout=5", "--device=cpu", "--processes=1"),
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert ROW.search(session.output), session.output
    assert (
        "failed:   test_transcribe[broken-in-engines-micro-good-short]: Timeout (>5.0s) from "
        "pytest-timeout.; broken-in-engines[micro-good]: stopped during launch" in session.output
    )
    assert sessions.engines() == []


EXIT, SEGMENTATION_FAULT, KILLED = (
    "ended with exit status 3",
    "was ended by SIGSEGV",
    "was ended by SIGKILL (the system's out-of-memory killer sends it)",
)
ENDED_IN = {
    "dying-launch-micro-launch": ("ended with exit status 4", "launch", AT_LAUNCH),
    "dying-import-micro-import": (SEGMENTATION_FAULT, "import_library", TRY_ANOTHER),
    "dying-micro-mend": (EXIT, "mend", TRY_ANOTHER),
    "dying-micro-load": (KILLED, "load", NEXT_STEPS[signal.SIGKILL]),
    "dying-micro-transcribe": (SEGMENTATION_FAULT, "transcribe", TRY_ANOTHER),
    "dying-micro-memory": (EXIT, "memory", TRY_ANOTHER),
    "dying-micro-verify": (KILLED, "verify_load", NEXT_STEPS[signal.SIGKILL]),
}
"""Case → how its process ends, in which call of a start, and what is to be done about it."""


def test_library_that_ends_its_process_costs_its_own_case(
    toy_project: Path, tmp_path: Path
) -> None:
    """A library that ends its process in any phase of a start fails its own case alone."""
    tree = tmp_path / "project"
    shutil.copytree(toy_project, tree, ignore=shutil.ignore_patterns(".*", BEING_WRITTEN))
    (tree / "adapters" / "dying_at_launch.py").write_text(DYING_AT_LAUNCH, encoding="utf-8")
    (tree / "adapters" / "dying.py").write_text(DYING, encoding="utf-8")
    registered = {
        "dying-launch": "dying_at_launch:Library",
        "dying-import": "dying:AtImport",
        "dying": "dying:Library",
    }
    lines = "".join(f'    "{name}": "adapters.{of}",\n' for name, of in registered.items())
    edit(tree / "adapters" / "__init__.py", "= {\n", f"= {{\n{lines}")
    sessions = Sessions(tree, tmp_path)

    session = sessions.run(
        "benchmarks/test_transcribe.py", ON_CPU, "-k", f"{GOOD} or dying and short"
    )

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert ROW.search(session.output), session.output
    assert session.saved_names == {f"test_transcribe[{GOOD}]"}
    _, _, summary = session.output.partition("= whisper-speedtest =")
    failed = re.findall(r"^failed: +test_transcribe\[(.+)-short\]: (.+)$", summary, re.MULTILINE)
    assert [case for case, _ in failed] == list(ENDED_IN), summary
    for case, said in failed:
        how, phase, step = ENDED_IN[case]
        assert re.fullmatch(
            rf".+: the engine {re.escape(how)} during {phase};( it printed last: .+;)? "
            rf"{re.escape(step)}",
            said,
        ), said
    assert sessions.engines() == []


def test_process_that_cannot_be_started_is_told_in_a_line(few_broken: Path, tmp_path: Path) -> None:
    """If no process can be started to try the adapters, the session is refused in one line."""
    (tmp_path / "no_forks.py").write_text(NO_FORKS, encoding="utf-8")

    ended = pytest_in(few_broken, "benchmarks", "-p", "no_forks", PYTHONPATH=str(tmp_path))

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert ended.stderr.strip() == (
        "ERROR: expected to start a process that tries to import the adapters, got [Errno "
        f"{errno.EAGAIN}] too many; {advice_on_limit(OSError(errno.EAGAIN, ''))}"
    )


OF_EACH_ADAPTER = {
    "tests/adapters/test_check_maps.py": (
        "test_embedded_model_comes_first",
        "test_slow_variants_are_variants",
    ),
    "tests/adapters/test_contract.py": ("test_registered_adapters_are_complete",),
    "tests/adapters/test_known_libraries.py": (
        "test_first_package_is_the_librarys_own",
        "test_framework_is_among_the_packages",
        "test_settings_of_a_library",
        "test_traits_of_a_library",
    ),
    "tests/consistency/test_compare.py": (),
    "tests/helpers/test_spies.py": ("test_every_adapter_has_a_spy",),
    "tests/measure/test_judging.py": ("test_library_is_cut_as_its_traits_say",),
    "tests/session/choice/test_selection.py": (),
    "tests/test_repo_consistency.py": ("test_all_that_a_library_names_is_checked",),
}
"""Files whose tests run over the adapters, and those of their tests that run over broken ones."""


def test_tests_of_other_adapters_pass(tmp_path: Path) -> None:
    """Beside a broken adapter, the suite's own tests of other adapters pass.

    Those about the broken one name it as they fail. So they do where they are spread over workers:
    the file of the adapter's own tests, which imports it, is no more than an error.
    """
    tree = tmp_path / "project"
    copy_project(tree, tests=True)
    adapter = tree / "adapters" / "openai_whisper.py"
    adapter.write_text(ENDING["leaves"].source, encoding="utf-8")
    quick = "not loads and not historic and not hidden and not faulty and not keeps and not forked"
    chosen = ("-k", quick, "-m", "not property")
    own = "tests/adapters/test_openai_whisper.py"

    ended = pytest_in(tree, *OF_EACH_ADAPTER, own, "-n1", "-rfE", *chosen)

    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    failed = re.findall(r"^FAILED (\S+)", ended.stdout, re.MULTILINE)
    assert sorted(failed) == sorted(
        f"{file}::{test}[openai-whisper]"
        for file, tests in OF_EACH_ADAPTER.items()
        for test in tests
    )
    reason = re.escape('adapters/__init__.py, REGISTRY, "openai-whisper": ')
    named = re.findall(rf"^(?:E .*AdapterError: )?{reason}", ended.stdout, re.MULTILINE)
    assert len(named) == len(failed)
    assert re.findall(r"^ERROR (\S+)", ended.stdout, re.MULTILINE) == [own]
    (passed,) = re.findall(r"(\d+) passed", ended.stdout)
    assert int(passed) > 400
