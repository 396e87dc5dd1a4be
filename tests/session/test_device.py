"""A library is measured on a GPU only where it has really computed there; else the CPU is told."""

from __future__ import annotations

import errno
import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from adapters import REGISTRY
from adapters.base import Case
from tests.helpers.processes import Interrupted, alarm, running_engines
from tests.helpers.project import edit
from tests.helpers.sessions import Sessions, make_toy_project
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerificationError, VerifiedModel
from whisper_speedtest.engine.checkout import Checkout
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.measure.protocol import probe_limit, usual_limit
from whisper_speedtest.measure.result import from_json
from whisper_speedtest.session import device
from whisper_speedtest.session.device import PROBES, choose_device, why_not_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> VerifiedModel:
    """The toy library's model."""
    (path := tmp_path / FILE).write_text("words", encoding="utf-8")
    return VerifiedModel("embedded/toy", "main", "0" * 40, {FILE: (path, prove(path))})


@pytest.fixture(name="config")
def _config() -> Any:
    """What a session with --device=auto knows; it has tried nothing yet."""
    return SimpleNamespace(getoption={"device": "auto"}.__getitem__, stash=pytest.Stash())


@pytest.fixture(autouse=True)
def _toy_with_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy library has a GPU unless a test takes it away, and nothing of it is left running."""
    use(monkeypatch, "ToyWithGPU")
    yield
    assert running_engines() == [], "expected a probe to end whatever it has started"


def use(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Register a class of tests/helpers/toy_adapter.py as the toy library."""
    monkeypatch.setitem(REGISTRY, "toy", f"tests.helpers.toy_adapter:{library}")


def limit_probes(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a probe take so many seconds."""
    monkeypatch.setattr(device, "probe_limit", lambda _: seconds)


def toy(variant: str, size: str = "micro") -> Case:
    """Return a case of the toy library."""
    return Case("toy", size, variant)


def count_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each engine adds its device and its step, as they are made."""
    steps: list[str] = []

    def note(name: str) -> None:
        unchanged = getattr(Engine, name)

        def noted(engine: Engine, *arguments: Any) -> Any:
            steps.append(f"{name} on {engine.device}")
            return unchanged(engine, *arguments)

        monkeypatch.setattr(Engine, name, noted)

    for name in ("launch", "load", "transcribe", "verify_load"):
        note(name)
    return steps


# What a probe does


def test_gpu_that_computes_is_chosen(
    config: Any, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU is chosen after a real load and a real transcription on it.

    They are verified last, as in a start: a library may open more files as it first computes.
    """
    steps = count_starts(monkeypatch)

    assert choose_device(config, toy("good"), model) == "gpu"
    assert steps == [f"{step} on gpu" for step in ("launch", "load", "transcribe", "verify_load")]
    assert why_not_gpu(config, toy("good")) == ""


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("fails-to-load", "load raised OSError: the toy cannot read its file"),
        ("hangs-loading", "load did not end within 2.5 s"),
        ("hangs-verifying", "verify_load did not end within 2.5 s"),
        ("falls-back", "expected a model that computes on the gpu, got one that computes on the"),
        ("raises", "transcribe raised ValueError: the toy dislikes this audio"),
        ("aborts", "the engine was ended by SIGABRT during transcribe"),
        ("exits", "the engine ended with exit status 3 during transcribe"),
        ("hangs", "transcribe did not end within 2.5 s"),
        ("hogs", "transcribe did not end within 2.5 s"),
    ],
)
def test_gpu_that_fails_later_than_it_is_asked_for_is_not_measured(
    variant: str,
    reason: str,
    config: Any,
    model: VerifiedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a library fails as it loads or computes on the GPU, it is measured on the CPU.

    The message says so, with the library, the model and what failed, on any system.
    """
    limit_probes(monkeypatch, 2.5)

    assert choose_device(config, toy(variant), model) == "cpu"
    told = why_not_gpu(config, toy(variant))
    assert told.startswith(f"measuring on the CPU, not the GPU: toy[micro-{variant}]: {reason}"), (
        told
    )
    assert "On the CPU as well" not in told


def test_gpu_that_computes_wrong_words_is_not_measured(config: Any, model: VerifiedModel) -> None:
    """If micro computes wrong words on the GPU, the CPU is measured, and both texts are told."""
    assert choose_device(config, toy("mishears"), model) == "cpu"
    told = why_not_gpu(config, toy("mishears"))
    assert told.startswith(
        "measuring on the CPU, not the GPU: toy[micro-mishears] on short: expected a word error "
    )
    assert "  got:      all of it wrong\n" in told


@pytest.mark.parametrize(
    ("variant", "size", "chosen"),
    [("mishears", "tiny", "gpu"), ("empty", "tiny", "cpu"), ("empty", "micro", "cpu")],
)
def test_real_model_must_hear_some_words_only(
    variant: str, size: str, chosen: str, config: Any, model: VerifiedModel
) -> None:
    """A real model only has to hear some words on the GPU, and they may be wrong."""
    assert choose_device(config, toy(variant, size), model) == chosen


@pytest.mark.parametrize(("seconds", "chosen"), [(20, "gpu"), (0.05, "cpu")])
def test_slow_gpu_is_measured_unless_it_is_hopeless(
    seconds: float,
    chosen: str,
    config: Any,
    model: VerifiedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow GPU is chosen, unless the start takes longer than its limit."""
    limit_probes(monkeypatch, seconds)

    assert choose_device(config, toy("slow"), model) == chosen


def test_probe_may_take_half_of_the_time_of_a_start() -> None:
    """Trying the GPU may take half of the time limit of a start."""
    case = Case("lightning-whisper-mlx", "medium", "fp16")

    assert probe_limit(case) == usual_limit(case) / 2


# Where there is plainly no GPU


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_library_that_refuses_the_gpu_loads_nothing(
    platform: str, config: Any, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that refuses the GPU loads nothing there, and is not asked again.

    On a Mac, which has a GPU, a message says why.
    """
    use(monkeypatch, "Toy")
    steps = count_starts(monkeypatch)

    chosen = [choose_device(config, toy(name), model) for name in ("good", "good", "slow")]

    assert chosen == ["cpu"] * 3
    assert steps == ["launch on gpu"]
    monkeypatch.setattr("sys.platform", platform)
    told = why_not_gpu(config, toy("slow"))
    if platform == "darwin":
        assert told.startswith(
            "measuring on the CPU, not the GPU: toy[micro-good]: import_library raised "
            "RuntimeError: the toy has no GPU; "
        )
    else:
        assert told == ""


@pytest.mark.parametrize("platform", ["darwin", "linux"])
@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("ToyWithSlowSelection", "import_library did not end within 2 s"),
        ("ToyThatIsKilled", "the engine was ended by SIGKILL"),
    ],
)
def test_library_that_does_not_live_to_say_whether_it_takes_the_gpu_is_told(
    library: str,
    reason: str,
    platform: str,
    config: Any,
    model: VerifiedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library that hangs or is killed as it selects the GPU is measured on the CPU, and told.

    It is not asked again for its other models.
    """
    use(monkeypatch, library)
    limit_probes(monkeypatch, 2)
    steps = count_starts(monkeypatch)

    chosen = [choose_device(config, toy(name), model) for name in ("good", "slow")]

    assert chosen == ["cpu", "cpu"]
    assert steps == ["launch on gpu"]
    monkeypatch.setattr("sys.platform", platform)
    told = why_not_gpu(config, toy("slow"))
    assert told.startswith(f"measuring on the CPU, not the GPU: toy[micro-good]: {reason}"), told


def test_process_that_cannot_be_started_costs_its_case_alone_the_gpu(
    config: Any, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the process that tries the GPU cannot be started, that case alone is left to the CPU."""
    start = Checkout.start
    failures = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]

    def start_later(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return start(*arguments)

    monkeypatch.setattr(Checkout, "start", start_later)

    chosen = [choose_device(config, toy("good", size), model) for size in ("tiny", "base", "tiny")]

    assert chosen == ["cpu", "gpu", "gpu"], "expected one failed try of the GPU"
    assert why_not_gpu(config, toy("good", "base")) == ""


# What is remembered


def test_what_computes_is_not_tried_again(
    config: Any, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of a variant's device holds for all of its sizes, and is not tried again."""
    choose_device(config, toy("good"), model)
    steps = count_starts(monkeypatch)

    assert choose_device(config, toy("good", "large-v3"), model) == "gpu"
    assert steps == []
    assert choose_device(config, toy("raises"), model) == "cpu"
    assert choose_device(config, toy("raises", "large-v3"), model) == "cpu"
    phases = ("launch", "load", "transcribe")
    assert steps == [
        *(f"{phase} on {device}" for device in ("gpu", "cpu") for phase in phases),
        "verify_load on cpu",
    ]


def test_model_that_fails_on_the_cpu_too_costs_no_other_its_gpu(
    config: Any, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that fails on the CPU as well leaves other models their GPU."""
    use(monkeypatch, "ToyWithoutTiny")

    assert choose_device(config, toy("good", "tiny"), model) == "cpu"
    assert re.match(
        r"measuring on the CPU, not the GPU: toy\[tiny-good\]: load raised OSError: the toy cannot "
        r"read any tiny model(.|\n)*\nOn the CPU as well: toy\[tiny-good\]: load raised OSError",
        why_not_gpu(config, toy("good", "tiny")),
    )
    assert choose_device(config, toy("good", "base"), model) == "gpu"


@pytest.mark.parametrize("variant", ["hangs-loading", "hangs"])
def test_interrupted_probe_has_shown_nothing(
    variant: str, config: Any, model: VerifiedModel
) -> None:
    """An interrupt while the GPU is tried is raised, and nothing is remembered of the GPU."""
    with alarm(1.5), pytest.raises(Interrupted):
        choose_device(config, toy(variant), model)

    assert config.stash[PROBES] == {}
    assert choose_device(config, toy("good"), model) == "gpu"


def test_changed_file_is_no_fault_of_the_gpu(config: Any, model: VerifiedModel) -> None:
    """A file that has changed is raised as an error, and is no fault of the GPU."""
    model.files[FILE][0].write_text("other", encoding="utf-8")

    with pytest.raises(VerificationError):
        choose_device(config, toy("good"), model)

    assert config.stash[PROBES] == {}


@pytest.mark.parametrize("asked", ["gpu", "cpu"])
def test_device_that_was_asked_for_is_not_tried(
    asked: str, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that the user asked for is chosen without being tried."""
    config: Any = SimpleNamespace(getoption={"device": asked}.__getitem__, stash=pytest.Stash())
    steps = count_starts(monkeypatch)

    assert choose_device(config, toy("raises"), model) == asked
    assert steps == []
    assert why_not_gpu(config, toy("raises")) == ""


# In a session


def test_probe_comes_before_the_time_limit_of_a_test_begins(pytestconfig: pytest.Config) -> None:
    """The GPU is tried before the time limit of a test begins."""
    hooks = pytestconfig.hook.pytest_runtest_protocol.get_hookimpls()
    called = [hook.plugin_name for hook in reversed(hooks)]

    assert called.index("whisper_speedtest.session.device") < called.index("timeout")


def test_session_measures_each_variant_where_it_computes(tmp_path: Path) -> None:
    """A variant that fails on the GPU is measured on the CPU, and other variants on the GPU."""
    make_toy_project(tree := tmp_path / "project")
    edit(tree / "adapters" / "__init__.py", "adapters.toy:Toy", "adapters.toy:ToyWithGPU")
    chosen = "short and (toy-micro-good or toy-micro-raises)"

    session = Sessions(tree, tmp_path).run("benchmarks/test_transcribe.py", "-k", chosen)

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.saved is not None
    results = [from_json(each["extra_info"]) for each in session.saved["benchmarks"]]
    assert {
        (each.case.variant, each.provenance.device, each.provenance.device_confirmed)
        for each in results
        if each.provenance
    } == {("good", "gpu", True), ("raises", "cpu", True)}
    assert (
        "measuring on the CPU, not the GPU: toy[micro-raises]: transcribe raised ValueError: the "
        "toy dislikes this audio"
    ) in session.output


def test_check_of_models_says_why_a_gpu_is_not_used(tmp_path: Path) -> None:
    """--check-models=load says why a model is loaded on the CPU and not on the GPU."""
    make_toy_project(tree := tmp_path / "project")
    edit(tree / "adapters" / "__init__.py", "adapters.toy:Toy", "adapters.toy:ToyWithGPU")

    session = Sessions(tree, tmp_path).run(
        "benchmarks", "-k", "toy-micro-raises", "--check-models=load"
    )

    assert session.status == pytest.ExitCode.OK, session.output
    assert session.output.count("measuring on the CPU, not the GPU: toy[micro-raises]: ") == 1
    assert "1 of 1 complete" in session.output
