"""Whole sessions, with a library that misbehaves: one failure costs no other result.

They run the real pytest in a copy of the project to which the toy library was added, just as
CONTRIBUTING.md says for a real one.
"""

from __future__ import annotations

import getpass
import json
import platform
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import valid_adapters, why_not_installed
from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.loads import busy_machine
from tests.helpers.project import ROOT
from tests.helpers.sessions import TOKEN, Sessions
from tests.helpers.toy_adapter import VARIANTS
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.measure.cold_files import FilesInMemoryError, evict
from whisper_speedtest.measure.judging import NO_HUMAN_VOICE
from whisper_speedtest.measure.measures import Measure, Outcome
from whisper_speedtest.measure.result import from_json
from whisper_speedtest.measure.samples import Repeats
from whisper_speedtest.session.outcomes import ON_THE_GPU

if TYPE_CHECKING:
    from adapters.base import Device

BY_OTHER_OPTIONS = {Measure.CORPUS, Measure.RATIO}
"""What is measured in place of all else."""


def files_leave_memory(folder: Path) -> bool:
    """Tell whether the system takes files of this folder out of its memory."""
    (folder / "any.bin").write_bytes(content := bytes(2**20))
    files = {"any.bin": (folder / "any.bin", Proof(len(content), ""))}
    try:
        evict(VerifiedModel("any", "", "", files))
    except FilesInMemoryError:
        return False
    return True


def test_each_failure_is_a_row_and_costs_no_other_result(
    sessions: Sessions,
) -> None:
    """Each failure of a library is in the summary, and costs no other test its result."""
    session = sessions.run("benchmarks/test_transcribe.py", "-k", "toy and short")

    assert session.status == pytest.ExitCode.TESTS_FAILED, session.output
    assert session.saved_names == {
        f"test_transcribe[toy-micro-{variant}-short]" for variant in ("good", "slow", "lazy")
    }
    for variant, outcome in {
        "raises": "toy[micro-raises]: transcribe raised ValueError: the toy dislikes this audio",
        "varies": "toy[micro-varies] on short: expected one transcript from every call, got",
        "mishears": "toy[micro-mishears] on short: expected a word error rate of at most 0.000",
        "aborts": "toy[micro-aborts]: the engine was ended by SIGABRT during transcribe",
        "killed": "toy[micro-killed]: the engine was ended by SIGKILL",
        "exits": "toy[micro-exits]: the engine ended with exit status 3 during transcribe",
        "hangs": "toy[micro-hangs]: transcribe did not end within 5 s",
        "babbles": "toy[micro-babbles]: its answer to transcribe could not be read",
        "fails-to-load": "toy[micro-fails-to-load]: load raised OSError",
    }.items():
        assert f"failed:   test_transcribe[toy-micro-{variant}-short]: {outcome}" in session.output
    assert re.search(
        r"^failed:   on short: expected a word error rate of at most 0\.000, got WER 1.000 over .*"
        r" 0 added; word 1: .*, on the cpu \(unknown\) in text \(2 tests\)\n",
        session.output,
        re.MULTILINE,
    ), session.output
    for variant in ("empty", "hums"):
        assert f"          test_transcribe[toy-micro-{variant}-short]\n" in session.output
    assert "\n  got:      ♪\n" in session.output, "each transcript is shown"
    assert "INTERNALERROR" not in session.output
    assert "of its output:\n" not in session.output.split("= whisper-speedtest =")[1]
    assert sessions.engines() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_session_keeps_its_results_and_leaves_no_engine(
    sessions: Sessions,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """A session that is interrupted in a call ends its engines and keeps its earlier results."""
    chosen = ("benchmarks/test_transcribe.py", "-k", "toy and short and (good or hangs)")
    process = sessions.start(*chosen, "--device=cpu")
    while not list(tmp_path.glob("run/*/hanging")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    assert sessions.engines()

    process.send_signal(number)
    session = sessions.finish(process)

    assert session.status == pytest.ExitCode.INTERRUPTED, session.output
    assert session.saved_names == {"test_transcribe[toy-micro-good-short]"}
    assert sessions.engines() == []
    assert "toy[micro-hangs]: stopped during transcribe, which had not returned" in session.output
    (journal,) = re.findall(r"1 result is added to (\S+)", session.output)
    kept = (
        f"stopped:  1 result is kept in {journal}; the same command with --resume={journal} runs "
    )
    assert session.output.endswith(f"{kept}what is left\n")
    assert "= whisper-speedtest =" in session.output
    assert re.search(r"\n!+ interrupted !+\n=+ 1 passed, .* =+\n", session.output)
    assert ".py:" not in session.output, "where in the suite's code it was is no news"
    assert "on stderr" not in session.output, "what the engine said last did not end the session"


def test_results_name_no_machine_and_no_person(
    sessions: Sessions,
) -> None:
    """The saved results hold no host name, path, user name or token."""
    session = sessions.run("benchmarks", "-k", "toy and good")

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved is not None
    text = json.dumps(session.saved)
    secrets = [platform.node(), *map(str, (ROOT, Path.home(), sys.prefix)), TOKEN]
    if getpass.getuser() != "root":  # a word that other things are called, too
        secrets.append(getpass.getuser())
    assert [secret for secret in secrets if re.search(rf"\b{re.escape(secret)}\b", text)] == []


def test_busy_machine_is_told_and_saves_nothing(sessions: Sessions, tmp_path: Path) -> None:
    """A row that was timed beside other work is shown, marked, and in no pytest-benchmark JSON."""
    with busy_machine():
        session = sessions.run(
            "benchmarks", "-k", "toy-micro-slow-short", "--max-others=0", "--calls=1"
        )

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved_names == set()
    assert re.search(
        r"^toy +micro +slow +short +\d+ ms busy +\d+ ms busy", session.output, re.MULTILINE
    )
    assert re.search(
        r"^busy: +\d+ of \d+ tests were timed while other", session.output, re.MULTILINE
    )
    assert "Benchmark fixture was not used" not in session.output
    assert f"unsaved:  {tmp_path}/saved.json: not written, as nothing was" in session.output


def test_json_holds_results_and_pytest_benchmark_the_same_times(
    sessions: Sessions,
) -> None:
    """The JSON holds each result, and pytest-benchmark's data are the samples of it."""
    options = ("--device=cpu", "--processes=3", "--pause=0.2", "--cold-files")

    session = sessions.run("benchmarks", "-v", "-k", "toy-micro-good", *options)

    assert session.saved is not None
    results = {each["name"]: from_json(each["extra_info"]) for each in session.saved["benchmarks"]}
    measured = {result.measure for result in results.values()}
    if not files_leave_memory(sessions.tree):
        assert "with its files on the disk alone: " in session.output
        measured.add(Measure.COLD_FILES)
    assert measured == {*Measure} - BY_OTHER_OPTIONS
    order = re.findall(r"::(\w+)\[\S+ (?:PASSED|SKIPPED)", session.output)
    assert order[:2] == ["test_load", "test_cold_start_and_memory"]
    assert order[-1] == "test_cold_files", "cold files leave no engine to later tests"
    begun = results["test_load[toy-micro-good]"].before
    assert begun
    assert {result.first for result in results.values()} == {begun}, "drift is reckoned from there"
    for each in session.saved["benchmarks"]:
        result = results[each["name"]]
        assert result.test == each["name"]
        assert each["stats"]["data"] == result.seconds
        assert result.outcome is Outcome.PASSED
        assert result.case == Case("toy", "micro", "good")
        assert result.model.repo == "embedded/micro-mlx-fp16"
        assert result.model.commit is not None
        assert result.model.files.keys() == {"config.json"}
        assert result.memory is not None
        assert result.memory.footprint > 1_000_000
        facts = result.provenance
        assert facts is not None
        assert (facts.device, facts.dtype) == ("cpu", "text")
        assert facts.versions == {"pytest": pytest.__version__}
    clip = clips()["short"]
    warm = results["test_transcribe[toy-micro-good-short]"]
    assert warm.transcript == clip.reference
    assert warm.clip is not None
    assert (warm.clip.name, warm.clip.sha256) == ("short", clip.sha256)
    assert [(each.process, each.order) for each in warm.samples] == [
        (number // 10, number) for number in range(30)
    ]
    assert warm.repeats == Repeats(
        processes=3, calls=10, max_others=None, budget=20.0, chosen=("processes", "pause")
    )
    assert all(each.gap is not None for each in warm.samples)
    paused = results["test_after_pause[toy-micro-good-short]"]
    assert [each.process for each in paused.samples] == [0, 1, 2]
    assert all(each.gap is not None and each.gap >= 0.2 for each in paused.samples)
    assert paused.repeats is not None
    assert (paused.repeats.calls, paused.repeats.pause) == (1, 0.2)
    told = r"^pause:    toy\[micro-good\]: short takes \S+ times as long after 0.2 s of idleness \("
    assert re.search(told, session.output, re.MULTILINE)
    tuned = results["test_tuned[toy-micro-good-long]"]
    assert tuned.settings is not None
    assert tuned.settings.batch_size == 2
    assert results["test_load[toy-micro-good]"].settings is None
    cold = results["test_cold_start_and_memory[toy-micro-good-short]"]
    assert len(cold.starts) == len(cold.samples) == 3
    assert [start.total for start in cold.starts[1:]] == pytest.approx(cold.seconds)


def test_pause_is_skipped_with_the_reason_where_a_library_has_no_gpu(sessions: Sessions) -> None:
    """A test after a pause is skipped with the reason if the library computes on the CPU."""
    (sessions.tree / "with_gpu.py").write_text(
        "from whisper_speedtest.session import gpu\ngpu.may_have_gpu = lambda: True\n",
        encoding="utf-8",
    )
    variables = {"PYTHONPATH": str(sessions.tree)}

    session = sessions.run(
        "benchmarks", "-p", "with_gpu", "-k", "toy-micro-good-short", **variables
    )

    assert session.status == pytest.ExitCode.OK, session.output
    assert (
        "skipped:  after a pause a CPU computes as before; --pause=5 measures it (1 test)\n"
        "          toy[micro-good]\n"
    ) in session.output
    assert len(session.saved_names) == 2


def test_model_that_cannot_be_had_is_skipped_with_its_repo(
    sessions: Sessions,
) -> None:
    """A model that cannot be had is skipped, with its repo and the reason."""
    session = sessions.run("benchmarks", "-k", "lightning and medium and 8bit and not distil")

    assert session.status == pytest.ExitCode.NO_TESTS_COLLECTED, session.output
    assert "nothing was measured: every test that was begun was skipped" in session.output
    assert session.saved_names == set()
    assert "skipped:  offline (--offline or HF_HUB_OFFLINE); run once" in session.output
    model = "lightning-whisper-mlx[medium-8bit]: mlx-community/whisper-medium-mlx-8bit"
    assert f"          {model}\n" in session.output


def test_library_that_is_not_installed_is_skipped_with_its_extra(
    sessions: Sessions,
) -> None:
    """A library that is not installed is skipped for one reason, without a look at its models."""
    reason = (
        "absent needs no-such-package, which is not installed; "
        "pip install --no-deps --require-hashes -r requirements/absent.txt"
    )
    measured = sessions.run("benchmarks", "-k", "absent")
    checked = sessions.run("benchmarks", "-k", "absent", "--check-models")
    both = sessions.run("benchmarks", "-k", "absent or toy-micro-good", "--check-models")

    assert measured.status == pytest.ExitCode.NO_TESTS_COLLECTED, measured.output
    assert measured.saved_names == set()
    missing = re.findall(r"^missing:  (.*?): .*pip install .*$", measured.output, re.MULTILINE)
    assert [line.split(", ")[0] for line in missing] == ["absent"]
    assert " -r requirements/absent.txt" in measured.output
    assert reason not in measured.output
    assert checked.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert f"no selected test needs a model; {reason}" in checked.output
    assert f"not looked for: {reason}" in both.output
    assert "1 of 1 complete" in both.output


@pytest.mark.slow
def test_needs_no_program_on_the_path(
    sessions: Sessions, tmp_path: Path, tests_device: Device
) -> None:
    """Every library is measured where there is no ffmpeg, no espeak and no compiler."""
    session = sessions.run(
        *("benchmarks/test_transcribe.py", "-k", "micro-fp16-short"),
        *(f"--device={tests_device}", "--processes=1", "--calls=1"),
        PATH=str(tmp_path),
    )

    assert session.status == pytest.ExitCode.OK, session.output
    installed = [name for name in valid_adapters() if not why_not_installed(name)]
    assert session.saved_names == {f"test_transcribe[{n}-micro-fp16-short]" for n in installed}


def test_own_recording_joins_the_clips(
    sessions: Sessions,
    tmp_path: Path,
) -> None:
    """A file named with --audio is transcribed, and scored against the text beside it."""
    clip = clips()["short"]
    shutil.copy(clip.path, tmp_path / "mine.wav")
    (tmp_path / "mine.txt").write_text(clip.sentences[0].text, encoding="utf-8")
    chosen = ("-k", "toy-micro-good-mine or toy-micro-mishears-mine")

    session = sessions.run("benchmarks", *chosen, f"--audio={tmp_path}/mine.wav")

    assert session.saved_names == {
        f"{test}[toy-micro-good-mine]" for test in ("test_transcribe", "test_tuned")
    }
    failed = f"failed:   toy[micro-mishears] on mine: {NO_HUMAN_VOICE}; expected a word error rate "
    assert failed in session.output


SURPRISE = """
import pytest

from whisper_speedtest.engine.errors import EngineError
from whisper_speedtest.measure.measures import Measure


@pytest.mark.over(measure=Measure.LOAD)
def test_verdict(record, case):
    raise EngineError("what was wrong") from OSError("its cause")


@pytest.mark.over(measure=Measure.LOAD)
def test_surprise(record, case):
    raise KeyError("a mistake of ours")
"""


def test_verdict_is_shown_by_its_message_and_a_surprise_with_its_traceback(
    sessions: Sessions,
) -> None:
    """An error of the suite is shown by its message, and an unexpected one with its traceback.

    --full-trace shows both tracebacks.
    """
    file = sessions.tree / "benchmarks" / "test_surprise.py"
    file.write_text(SURPRISE, encoding="utf-8")
    chosen = (str(file), "-k", "toy-micro-good")

    session, whole = sessions.run(*chosen), sessions.run(*chosen, "--full-trace")

    file.unlink()
    shown, _ = session.output.split("= whisper-speedtest =")
    (title,) = re.findall(r"^_+ test_verdict\[toy-micro-good\] _+\n(.*)$", shown, re.MULTILINE)
    assert title == "what was wrong"
    assert "EngineError" not in shown
    assert "its cause" not in shown
    assert ">       raise KeyError(" in shown
    summary = "FAILED benchmarks/test_surprise.py::test_verdict[toy-micro-good] - what was wrong\n"
    assert summary in shown
    assert ">       raise EngineError(" in whole.output


@pytest.mark.parametrize("has_gpu", [True, False])
def test_gpu_that_is_not_there_is_said_once(sessions: Sessions, *, has_gpu: bool) -> None:
    """--device=gpu is refused before any test if the machine has no GPU.

    Where a library does not find it, its tests fail, with one reason.
    """
    (sessions.tree / "gpu_or_none.py").write_text(
        "from whisper_speedtest.session import gpu\n"
        f"gpu.has_no_gpu = lambda: {not has_gpu}\n"
        f"gpu.may_have_gpu = lambda: {has_gpu}\n",
        encoding="utf-8",
    )
    chosen = ("-p", "gpu_or_none", "-k", "toy-micro-good and (short or load)", "--device=gpu")

    session = sessions.run("benchmarks", *chosen, PYTHONPATH=str(sessions.tree))

    if not has_gpu:
        assert session.status == pytest.ExitCode.USAGE_ERROR
        assert "ERROR: --device=gpu: expected a GPU, found none of /dev/nvidiactl" in session.output
        assert "test session starts" not in session.output
        return
    assert session.status == pytest.ExitCode.TESTS_FAILED
    refused = re.findall("^failed:   .*", session.output, re.MULTILINE)
    assert len(refused) == 1, refused
    assert refused[0].startswith("failed:   toy[micro-good]: import_library raised RuntimeError: ")
    assert refused[0].endswith(f"; {ON_THE_GPU} (4 tests)")


def test_bad_recording_is_told_before_anything_runs(
    sessions: Sessions,
    tmp_path: Path,
) -> None:
    """A file that is not audio ends the session with its name and the reason, and no traceback."""
    (tmp_path / "notes.wav").write_text("not a sound", encoding="utf-8")

    session = sessions.run("benchmarks", "-k", "toy", f"--audio={tmp_path}/notes.wav")

    assert session.status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --audio: {tmp_path}/notes.wav: is not audio" in session.output
    assert "Traceback" not in session.output


def test_variants_cover_what_can_go_wrong() -> None:
    """Each variant of the toy library is used by a test."""
    sources = [Path(__file__), ROOT / "tests" / "engine" / "test_engine.py"]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert [variant for variant in VARIANTS if f'"{variant}"' not in text] == []
