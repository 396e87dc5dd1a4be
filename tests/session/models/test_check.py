"""What a check of models prints for machines, tries to load, and advises to do next."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import REGISTRY
from adapters.base import Case, ModelFiles
from tests.helpers.fake_session import FakeSession
from tests.helpers.processes import Interrupted, alarm, running_engines
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.hashes import Proof, prove
from whisper_speedtest.cache.inspection import CachedFile, Finding, Inspection
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.store import Store
from whisper_speedtest.session.models import check, prefetch
from whisper_speedtest.session.models import model_status as status_module
from whisper_speedtest.session.models.check import as_json, faults, load_model, next_command
from whisper_speedtest.session.models.model_status import ModelStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE = Case("library", "base", "fp16")
ANOTHER = Case("library", "tiny", "fp16")
FILES = ModelFiles("org/base", ("w.npz", "c.json"), "v1")
COMMIT = "c" * 40


# For machines


@pytest.fixture(name="status")
def _status() -> ModelStatus:
    """A model that is complete in the hub cache, and partly another one where its library looks."""
    cached = {
        name: Finding(name, "complete", Path("/hub", name), "e" * 40, Proof(size, "5" * 64), "")
        for name, size in (("w.npz", 300), ("c.json", 20))
    }
    origin = CachedFile("org/other", "d" * 40, "w.npz")
    found = {
        "w.npz": Finding(
            "w.npz", "other model", Path("/lib/w"), "", Proof(7, "6" * 64), "w.npz: is", origin
        ),
        "c.json": Finding("c.json", "missing", Path("/lib/c"), "", None, "c.json: not at"),
    }
    cache = Inspection(FILES, COMMIT, cached, "org/base-1")
    return ModelStatus(CASE, FILES, cache, Inspection(FILES, COMMIT, found), cache.verified())


def test_document_has_each_value_in_its_place(status: ModelStatus) -> None:
    """The JSON document of a check has each value of a model and its files in its own place."""
    assert as_json([status], Path("/hub")) == {
        "cache": "/hub",
        "complete": True,
        "unusable": [],
        "models": [
            {
                "adapter": "library",
                "size": "base",
                "variant": "fp16",
                "repo": "org/base",
                "revision": "v1",
                "listed_as": "org/base-1",
                "commit": COMMIT,
                "files": ["w.npz", "c.json"],
                "cache": {
                    "state": "complete",
                    "bytes": 320,
                    "files": [file("w.npz", "/hub/w.npz", 300), file("c.json", "/hub/c.json", 20)],
                },
                "library": {
                    "state": "other model",
                    "bytes": 7,
                    "files": [
                        {
                            "name": "w.npz",
                            "path": "/lib/w",
                            "state": "other model",
                            "bytes": 7,
                            "sha256": "6" * 64,
                            "reason": "w.npz: is",
                            "unconfirmed": False,
                            "origin": {"repo": "org/other", "commit": "d" * 40, "file": "w.npz"},
                        },
                        {
                            "name": "c.json",
                            "path": "/lib/c",
                            "state": "missing",
                            "bytes": None,
                            "sha256": None,
                            "reason": "c.json: not at",
                            "unconfirmed": False,
                            "origin": None,
                        },
                    ],
                },
            }
        ],
    }


def file(name: str, path: str, size: int) -> dict[str, Any]:
    """Return what the document has of a complete file."""
    whole = {"name": name, "path": path, "state": "complete", "bytes": size, "sha256": "5" * 64}
    return {**whole, "reason": "", "unconfirmed": False, "origin": None}


def test_document_says_which_files_nobody_confirmed(status: ModelStatus) -> None:
    """A check's document tells of each file by itself whether no host confirmed it."""
    cached = dict(status.cache.findings)
    cached["w.npz"] = replace(cached["w.npz"], unconfirmed=True)

    doubtful = replace(status, cache=replace(status.cache, findings=cached))
    document = as_json([doubtful], Path("/hub"))

    files = document["models"][0]["cache"]["files"]
    assert [each["unconfirmed"] for each in files] == [True, False]


def test_document_has_loads_only_where_they_were_tried(status: ModelStatus) -> None:
    """A check's document says whether a model loads only where a load was tried."""
    (plain,) = as_json([status], Path("/hub"))["models"]
    (loaded,) = as_json([status], Path("/hub"), {CASE: "OSError: no"})["models"]

    assert "loads" not in plain
    assert loaded == {**plain, "loads": "OSError: no"}


def test_document_of_nothing_is_not_complete() -> None:
    """A check's document of a selection without models does not say that it is complete."""
    assert as_json([], Path("/hub")) == {
        "cache": "/hub",
        "complete": False,
        "unusable": [],
        "models": [],
    }


# What the session ends with


def test_faults_are_models_that_are_not_complete_and_loads_that_failed(
    status: ModelStatus,
) -> None:
    """A check counts as faults the models that are not complete and the loads that failed."""
    lacking = replace(status, case=replace(CASE, variant="4bit"), verified=None)
    models = [status, lacking]

    assert faults([status], None) == 0
    assert faults(models, None) == 1
    assert faults([status], {CASE: "loads"}) == 0
    assert faults([status], {CASE: "OSError: no"}) == 1
    assert faults(models, {CASE: "loads", lacking.case: "not tried"}) == 1
    assert faults(models, {CASE: "not within 3 s", lacking.case: "not tried"}) == 2
    assert faults([], {}) == 0


class Looked:
    """A check of a session whose models, and whether they load, are given."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        models: list[ModelStatus],
        loads: dict[Case, str] | None = None,
    ) -> None:
        self.tried: list[tuple[Case, float]] = []
        needs = {model.case: 60.0 + number for number, model in enumerate(models)}

        def load(_: object, case: Case, model: VerifiedModel, seconds: float) -> str:
            assert model is not None
            self.tried.append((case, seconds))
            return (loads or {})[case]

        monkeypatch.setattr(check, "needed", lambda _: needs)
        monkeypatch.setattr(check, "skip_reasons", lambda _: ["x is not installed; install it"])
        monkeypatch.setattr(check, "load_model", load)
        monkeypatch.setattr(status_module, "check", lambda *_: models)

    def run(self, *checks: str, **session: Any) -> FakeSession:
        """Run the check to its end."""
        settings = HubSettings(Path("/hub"), "http://127.0.0.1:9")
        options = {"check_models": frozenset(checks), **session}
        fake = FakeSession(Store(settings), **options)
        assert check.pytest_runtestloop(fake.real) is True
        return fake


def test_check_prints_the_table_what_is_wrong_and_what_to_do(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check prints the table, what is wrong, the number of complete models and what to do next.

    It loads nothing, and cases that share a model count as one.
    """
    lacking = replace(
        status,
        case=replace(CASE, variant="4bit"),
        files=replace(FILES, repo="org/4bit"),
        verified=None,
    )
    looked = Looked(monkeypatch, [status, replace(status, case=ANOTHER), lacking])

    session = looked.run()

    labels = "library[base-fp16], library[tiny-fp16], library[base-4bit]"
    assert session.testsfailed == 1
    assert looked.tried == []
    assert session.lines[1].startswith("model, repo@revision, commit: files")
    assert session.lines[-5:] == [
        f"{labels}: own folder: w.npz: is",
        f"{labels}: own folder: c.json: not at",
        "not looked for: x is not installed; install it",
        (
            "hub cache: /hub, out of which the suite gives each library its files; own folder: "
            "where a library by itself would look, from /here, in your home, or in the hub cache, "
            "too: the suite needs nothing there"
        ),
        (
            "models: 1 of 2 complete and verified in the hub cache; next: pytest benchmarks "
            "--prefetch-only"
        ),
    ]


def test_check_says_where_the_files_of_micro_lie(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check says that the files of micro lie in the suite's cache, as it makes them itself."""
    made = ModelFiles("embedded/micro-mlx-fp16", FILES.files)
    micro = replace(status, case=replace(CASE, size="micro"), files=made)
    monkeypatch.setattr(embedded, "CACHE", Path("/checkout/.cache/models"))
    suites = (
        "suite's cache: /checkout/.cache/models, or a temporary folder where that cannot be "
        "written to, in which the suite makes the files of micro, and out of which it gives them "
        "to each library; own folder: where a library by itself would look, from /here, "
    )
    hubs = "hub cache: /hub, out of which the suite gives each library its files; "

    alone = Looked(monkeypatch, [micro]).run().lines
    both = Looked(monkeypatch, [micro, status]).run().lines

    assert alone[-2].startswith(suites)
    assert alone[-1].startswith("models: 1 of 1 complete and verified in the suite's cache; next: ")
    assert both[-2].startswith(hubs + suites)
    assert both[-1].startswith(
        "models: 2 of 2 complete and verified in the hub cache or the suite's cache; next: "
    )


def test_check_of_a_complete_selection_says_how_to_run_it(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of a complete selection has no failure, and says how to run the selection."""
    session = Looked(monkeypatch, [status]).run()

    assert session.testsfailed == 0
    assert session.lines[-1].endswith("next: pytest benchmarks --benchmark-only")


def test_check_counts_an_adapter_that_cannot_be_used_as_a_fault(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check counts an adapter that cannot be used as a fault, and calls nothing complete."""
    monkeypatch.setattr(check, "unusable", lambda _: {"broken": "broken cannot be imported"})
    looked = Looked(monkeypatch, [status])

    told, printed = looked.run(), looked.run("json")

    assert (told.testsfailed, printed.testsfailed) == (1, 1)
    assert "not looked for: broken cannot be imported" in told.lines
    document = json.loads(capsys.readouterr().out)
    assert document["complete"] is False
    assert document["unusable"] == [{"adapter": "broken", "reason": "broken cannot be imported"}]


def test_check_loads_what_is_complete_within_the_limit_of_its_tests(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check loads only models that are complete, each within the time limit of its start.

    With `json`, the document is all that is printed.
    """
    lacking = replace(status, case=replace(CASE, variant="4bit"), verified=None)
    failing = replace(status, case=replace(CASE, variant="8bit"))
    models = [status, lacking, failing]
    looked = Looked(monkeypatch, models, {CASE: "loads", failing.case: "OSError: no"})

    told = looked.run("load")
    tried = list(looked.tried)
    printed = looked.run("load", "json")

    assert (told.testsfailed, printed.testsfailed) == (2, 2)
    assert tried == [(CASE, 60), (failing.case, 62)]
    assert "library[base-8bit]: load: OSError: no" in told.lines
    assert printed.lines == []
    document = json.loads(capsys.readouterr().out)
    assert [model["loads"] for model in document["models"]] == ["loads", "not tried", "OSError: no"]
    assert document["cache"] == "/hub"


@pytest.mark.parametrize(
    ("repos", "told"),
    [
        (
            ["org/base"],
            "complete in the hub cache; fetch them with --prefetch-only",
        ),
        (
            ["embedded/micro-mlx-fp16"],
            "complete in the suite's cache; what keeps the suite from making them stands above",
        ),
        (
            ["embedded/micro-mlx-fp16", "org/base"],
            "complete in the hub cache or the suite's cache; fetch them with --prefetch-only",
        ),
    ],
    ids=["of a hub", "of the suite", "both"],
)
def test_check_that_loads_nothing_names_the_places_of_the_models(
    repos: list[str], told: str, status: ModelStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that could load no model says in which cache each kind of model was looked for."""
    lacking = [
        replace(
            status,
            case=replace(CASE, variant=f"{number}bit"),
            files=ModelFiles(repo, FILES.files),
            verified=None,
        )
        for number, repo in enumerate(repos)
    ]

    with pytest.raises(pytest.exit.Exception) as ended:
        Looked(monkeypatch, lacking).run("load")

    assert ended.value.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert ended.value.msg == f"no load was tried, as no model of the selection is {told}"


def test_check_of_nothing_prints_its_document_and_is_status_5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check of no model prints its document, names libraries not installed, and has status 5."""
    looked = Looked(monkeypatch, [])
    monkeypatch.setattr(prefetch, "skip_reasons", lambda _: ["x is not installed; install it"])

    with pytest.raises(pytest.exit.Exception, match="x is not installed; install it") as caught:
        looked.run("json")

    assert caught.value.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert json.loads(capsys.readouterr().out)["models"] == []


@pytest.mark.parametrize(("collected", "ended"), [(True, True), (False, None)])
def test_check_leaves_other_sessions_alone(
    status: ModelStatus, monkeypatch: pytest.MonkeyPatch, collected: bool, ended: object
) -> None:
    """A check does not run without its option, or after a collection that failed."""
    Looked(monkeypatch, [status])
    store = Store(HubSettings(Path("/hub"), "http://127.0.0.1:9"))
    failed = FakeSession(
        store,
        failed=3,
        check_models=frozenset(),
        continue_on_collection_errors=collected,
    )

    assert check.pytest_runtestloop(FakeSession(store).real) is None
    assert check.pytest_runtestloop(failed.real) is ended


@pytest.mark.parametrize(
    ("checks", "moved"),
    [(None, False), ([], False), (["load"], False), (["json"], True), (["load", "json"], True)],
)
def test_pytest_itself_writes_elsewhere_where_a_document_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, checks: list[str] | None, moved: bool
) -> None:
    """If a check prints JSON, pytest's own report goes to stderr."""
    calls: list[object] = []
    monkeypatch.setattr(pytest, "TerminalReporter", lambda config, file: (config, file))
    session = FakeSession(check_models=checks)
    session.pluginmanager = SimpleNamespace(
        unregister=lambda *, name: calls.append(f"without {name}"),
        register=lambda plugin, name: calls.append((name, plugin)),
    )

    check.pytest_configure(cast("pytest.Config", session))

    swapped = ["without terminalreporter", ("terminalreporter", (session, sys.stderr))]
    assert calls == (swapped if moved else [])


@pytest.mark.parametrize("option", ["prefetch_only", "lock_models", "refresh"])
def test_check_excludes_what_makes_requests_or_changes(option: str) -> None:
    """A check cannot be combined with an option that makes requests or changes the lock."""
    session = FakeSession(None, check_models=frozenset(), **{option: True})
    name = option.replace("_", "-")

    with pytest.raises(pytest.UsageError, match=f"makes no request: leave out --{name}$"):
        check.pytest_configure(cast("pytest.Config", session))
    check.pytest_configure(cast("pytest.Config", FakeSession(prefetch_only=True)))


# What to do next


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["benchmarks", "--check-models"], ["benchmarks"]),
        (["--check-models", "load", "-k", "tiny"], ["-k", "tiny"]),
        (["--check-models", "json,load", "-k", "json"], ["-k", "json"]),
        (["--check-models=load,json", "benchmarks"], ["benchmarks"]),
        (["-k", "tiny and 4bit", "--check-models"], ["-k", "'tiny and 4bit'"]),
        (["load", "--check-models"], ["load"]),
    ],
)
def test_next_command_is_the_same_selection(arguments: list[str], kept: list[str]) -> None:
    """The command that a check advises is its own selection, quoted for a shell."""
    for fetch, action in ((True, "--prefetch-only"), (False, "--benchmark-only")):
        assert next_command(arguments, fetch=fetch) == " ".join(["pytest", *kept, action])


def test_next_command_fetches_over_the_network_and_says_nothing_twice() -> None:
    """The command that a check advises for fetching has no --offline, and repeats nothing."""
    arguments = ["benchmarks", "--benchmark-only", "--offline", "--check-models"]

    assert next_command(arguments, fetch=True) == (
        "pytest benchmarks --benchmark-only --prefetch-only"
    )
    assert next_command(arguments, fetch=False) == "pytest benchmarks --offline --benchmark-only"


# Loads


@pytest.fixture(name="model")
def _model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VerifiedModel:
    """The toy library's model."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    (path := tmp_path / FILE).write_text("words", encoding="utf-8")
    return VerifiedModel("embedded/toy", "main", "0" * 40, {FILE: (path, prove(path))})


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """No engine outlives the load that started it, and no thread."""
    threads = set(threading.enumerate())
    yield
    assert running_engines() == []
    assert set(threading.enumerate()) <= threads


def test_model_that_loads_is_said_to(pytestconfig: pytest.Config, model: VerifiedModel) -> None:
    """A check says of a model that loads that it loads."""
    assert load_model(pytestconfig, Case("toy", "micro", "good"), model, 60) == "loads"


def test_load_that_fails_gives_its_reason_in_a_line(
    pytestconfig: pytest.Config, model: VerifiedModel
) -> None:
    """The reason of a load that fails is one line, with what the library raised."""
    got = load_model(pytestconfig, Case("toy", "micro", "fails-to-load"), model, 60)

    assert got == "load raised OSError: the toy cannot read its file"


def test_file_that_has_changed_is_not_loaded(
    pytestconfig: pytest.Config, model: VerifiedModel
) -> None:
    """A file that has changed since it was verified is not loaded, and the reason names it."""
    model.files[FILE][0].write_text("other", encoding="utf-8")

    got = load_model(pytestconfig, Case("toy", "micro", "good"), model, 60)

    assert got.startswith(f"embedded/toy@000000000000 {FILE}: expected sha256 ")


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.05, 0.1, 0.2, 0.3])
def test_load_ends_at_its_limit_wherever_that_finds_it(
    pytestconfig: pytest.Config, model: VerifiedModel, seconds: float
) -> None:
    """A load ends at its time limit, whether its engine is starting or loading."""
    started = time.monotonic()

    got = load_model(pytestconfig, Case("toy", "micro", "hangs-loading"), model, seconds)

    assert got.endswith(f" did not end within {seconds:g} s"), got
    assert time.monotonic() - started < seconds + 10


def test_interrupt_ends_the_load(pytestconfig: pytest.Config, model: VerifiedModel) -> None:
    """An interrupt in the midst of a load ends the load and its engine."""
    with alarm(0.5), pytest.raises(Interrupted):
        load_model(pytestconfig, Case("toy", "micro", "hangs-loading"), model, 60)


@pytest.mark.parametrize(
    ("device", "expected"),
    [("gpu", "transcribe raised ValueError: the toy dislikes this audio"), ("auto", "loads")],
)
def test_model_has_to_compute_on_a_gpu_as_well(
    device: str, expected: str, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU a model has to transcribe too; with --device=auto, the CPU takes its place."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:ToyWithGPU")
    config: Any = SimpleNamespace(getoption={"device": device}.__getitem__, stash=pytest.Stash())

    assert load_model(config, Case("toy", "micro", "raises"), model, 60) == expected


def test_load_on_a_gpu_is_verified_after_its_first_call(
    model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load on a GPU is verified after the first call, as a library may read files until then."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:ToyWithGPU")
    config: Any = SimpleNamespace(getoption={"device": "gpu"}.__getitem__, stash=pytest.Stash())
    transcribe = Engine.transcribe

    def change(engine: Engine, *arguments: Any) -> Any:
        model.files[FILE][0].write_text("other", encoding="utf-8")
        return transcribe(engine, *arguments)

    monkeypatch.setattr(Engine, "transcribe", change)

    got = load_model(config, Case("toy", "micro", "good"), model, 60)

    assert got == "verify_load raised WeightsError: the toy holds another text than its file"


def test_model_is_only_loaded_on_a_cpu(pytestconfig: pytest.Config, model: VerifiedModel) -> None:
    """On a CPU a model only has to load, and need not transcribe."""
    assert load_model(pytestconfig, Case("toy", "micro", "raises"), model, 60) == "loads"


def test_error_that_nobody_expects_is_not_taken_for_a_load(
    pytestconfig: pytest.Config, model: VerifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error in a check is raised, and not taken for a load that failed."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(check, "choose_device", broken)

    with pytest.raises(ZeroDivisionError):
        load_model(pytestconfig, Case("toy", "micro", "good"), model, 60)
