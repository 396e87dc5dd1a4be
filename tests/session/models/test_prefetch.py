"""The pre-fetch: what it says, what it keeps for the fixture, and how often it reads a model."""

from __future__ import annotations

import builtins
import io
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest

from adapters import REGISTRY, files_of
from adapters.base import Case
from fixtures.hub import Fault
from tests.helpers.fake_session import FakeSession
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit
from tests.helpers.stores import fresh, offline
from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.lock import Lock, LockedModel, write_lock
from whisper_speedtest.cache.model import (
    RepoError,
    Unavailable,
    VerificationError,
    VerifiedModel,
)
from whisper_speedtest.engine.process import Engine
from whisper_speedtest.session.models import model_status, prefetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapters.base import ModelFiles
    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

TOY = Case("toy", "micro", "good")
INTERRUPTED = "^interrupted while fetching models; the next run goes on where this one stopped$"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lines in place of bars, one library more, and exports of the test's own."""
    monkeypatch.setenv("CI", "1")
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    monkeypatch.setattr(embedded, "CACHE", tmp_path / "exports")


@pytest.fixture(name="reads")
def _reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was opened to be read, by the path that its links lead to."""
    counts: Counter[str] = Counter()
    original = io.open

    def counting(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if isinstance(file, str | os.PathLike) and not set("wax+") & set(mode):
            counts[os.path.realpath(file)] += 1
        return original(file, mode, *arguments, **named)

    monkeypatch.setattr(io, "open", counting)
    monkeypatch.setattr(builtins, "open", counting)
    return counts


def passes(reads: Counter[str], model: VerifiedModel) -> dict[str, int]:
    """Return how often each file of a model was read, by its name."""
    return {name: reads[os.path.realpath(path)] for name, (path, _) in model.files.items()}


# How often a model's bytes are read


def test_cached_model_is_read_once_from_the_plan_to_the_fixture(
    store: Store, reads: Counter[str]
) -> None:
    """A cached model is read once for the plan, however many tests use it afterwards."""
    cached = store.prepare(BASE)
    reads.clear()
    session = FakeSession(fresh(store))

    session.fetch(BASE, QUANTISED)
    models = [session.model(BASE) for _ in range(5)]

    assert models == [cached] * 5
    assert passes(reads, cached) == {"weights.npz": 1, "config.json": 1}


def test_downloaded_model_is_hashed_as_it_comes_and_read_back_once(
    store: Store, reads: Counter[str]
) -> None:
    """A downloaded model is hashed as it comes, and read back once."""
    session = FakeSession(store)

    session.fetch(BASE)
    model = session.model(BASE)

    assert passes(reads, model) == {"weights.npz": 1, "config.json": 1}


def test_model_of_the_project_is_read_once_and_once_more_before_each_load(
    store: Store, reads: Counter[str], tmp_path: Path
) -> None:
    """A model of the project is read once for the plan, and once more before each load."""
    files = files_of(TOY)
    embedded.make(files)
    reads.clear()
    session = FakeSession(store)

    session.fetch(files)
    model = session.model(files)
    planned = passes(reads, model)
    for number in range(2):
        (folder := tmp_path / f"engine-{number}").mkdir()
        Engine(TOY, session.model(files), folder, "cpu").lay_out()

    assert planned == {"config.json": 1}
    assert passes(reads, model) == {"config.json": 3}


def test_model_that_was_not_planned_is_read_when_it_is_first_asked_for(
    store: Store, reads: Counter[str]
) -> None:
    """A model that was not planned is read once, when it is first asked for."""
    cached = store.prepare(BASE)
    reads.clear()
    session = FakeSession(fresh(store))

    models = [session.model(BASE) for _ in range(3)]

    assert models == [cached] * 3
    assert passes(reads, cached) == {"weights.npz": 1, "config.json": 1}


def test_file_that_changes_after_the_plan_is_found_before_the_load(
    store: Store, tmp_path: Path
) -> None:
    """A file that changes after the plan is found before the load."""
    files = files_of(TOY)
    session = FakeSession(store)
    session.fetch(files)
    model = session.model(files)
    flip_bit(model.files["config.json"][0])
    (folder := tmp_path / "engine").mkdir()

    with pytest.raises(VerificationError, match=r"config\.json: expected sha256"):
        Engine(TOY, session.model(files), folder, "cpu").lay_out()


# What becomes of each model


def test_problem_of_a_model_is_raised_for_each_of_its_tests(hub: Hub, store: Store) -> None:
    """The problem of a model is raised for each of its tests, without asking the hub again."""
    hub.fault(Fault(status=404, headers={"X-Error-Code": "RepoNotFound"}), repo=QUANTISED.repo)
    session = FakeSession(store)
    session.fetch(QUANTISED, BASE)
    hub.clear()

    errors = []
    for _ in range(2):
        with pytest.raises(RepoError) as caught:
            session.model(QUANTISED)
        errors.append(caught.value)

    assert errors[0] is errors[1]
    assert session.model(BASE).repo == BASE.repo
    assert hub.requests == []


def test_limit_on_downloads_is_that_of_the_option(store: Store) -> None:
    """A model that exceeds --max-download is not available to any test."""
    session = FakeSession(store, max_download=300_000)

    session.fetch(BASE)

    with pytest.raises(Unavailable, match="raise that with --max-download 301kB"):
        session.model(BASE)


# What is said


def test_plan_and_outcome_are_told_in_lines(hub: Hub, store: Store) -> None:
    """The plan, each download and the outcome of each model are told in lines."""
    hub.fault(Fault(status=404), kind="cdn", repo=QUANTISED.repo)
    session = FakeSession(store)

    session.fetch(BASE, QUANTISED)

    summary, *lines = session.lines
    assert summary.startswith("models: 0 there and verified (0 bytes), 2 to fetch (600.1 kB to ")
    assert lines[:2] == [f"  fetch      {files}: 300.1 kB" for files in (BASE, QUANTISED)]
    downloads = [line for line in lines if line.startswith("  download   ")]
    assert sorted(downloads) == sorted(
        f"  download   {files.repo} {name}: {size}"
        for files in (BASE, QUANTISED)
        for name, size in (("weights.npz", "300.0 kB"), ("config.json", config_size(files)))
    )
    assert lines[-2] == f"  verified   {BASE}"
    assert lines[-1].startswith(f"  failed     {QUANTISED} (commit ")


def test_failure_is_told_in_red(hub: Hub, store: Store) -> None:
    """A failure of a download is told in red, and success in no colour."""
    hub.fault(Fault(status=404), kind="cdn", repo=QUANTISED.repo)
    session = FakeSession(store)
    session.get_terminal_writer().hasmarkup = True

    session.fetch(BASE, QUANTISED)

    verified, failed = session.lines[-2:]
    assert verified == f"  verified   {BASE}"
    assert failed.startswith("\x1b[31m  failed     ")


def config_size(files: ModelFiles) -> str:
    """Return how large a model's config is, for people."""
    return f"{len(content(files)['config.json'])} bytes"


def test_models_of_the_project_are_planned_in_silence(store: Store) -> None:
    """A session says nothing of models of the project alone, unless one cannot be made.

    Beside models of a hub they are counted.
    """
    alone, together, broken = (FakeSession(offline(store)) for _ in range(3))
    wrong = files_of(TOY).__class__("embedded/micro", ("config.json",))

    alone.fetch(files_of(TOY))
    together.fetch(files_of(TOY), BASE)
    broken.fetch(wrong)

    assert alone.lines == []
    assert together.lines[0].startswith("models: 1 there and verified (")
    assert ", 1 left out" in together.lines[0]
    assert broken.lines[0] == (
        "models: 0 there and verified (0 bytes), 0 to fetch (0 bytes to download), 1 left out"
    )
    assert broken.lines[1].startswith("  left out   embedded/micro@main: expected embedded/")


def test_nothing_selected_is_nothing_said(store: Store) -> None:
    """A session that selects no model says nothing of models."""
    session = FakeSession(store)

    session.fetch()

    assert session.lines == []
    assert prefetch.FETCHED not in session.stash


def test_plan_knows_the_limit_and_where_libraries_may_have_the_files(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is given the limit on downloads and the places where libraries may have files."""
    plan = Mock(wraps=store.plan)
    monkeypatch.setattr(store, "plan", plan)
    places = {BASE: {"weights.npz": [Path("/here/weights.npz")]}}

    prefetch.fetch(FakeSession(store, max_download=5_000_000).as_config, places, places)

    plan.assert_called_once_with([BASE], max_download=5_000_000, places=places)


@pytest.mark.parametrize("no_requests", [True, False])
def test_store_is_that_of_the_options_and_of_the_project_s_lock(
    tmp_path: Path, no_requests: bool
) -> None:
    """A session has one store, made of its options and of the project's lock."""
    lock = Lock({str(BASE): LockedModel("c" * 40, {})})
    write_lock(tmp_path / "models.lock", lock)
    session = FakeSession(offline=no_requests)
    session.rootpath = tmp_path

    made = prefetch.session_store(session.as_config)

    assert made.lock == lock
    assert made.settings.offline is no_requests
    assert prefetch.session_store(session.as_config) is made


def test_interrupt_ends_the_session_as_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while fetching ends the session with status 2, and with a word on the next."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "plan", interrupted)

    with pytest.raises(pytest.exit.Exception, match=INTERRUPTED) as caught:
        FakeSession(store).fetch(BASE)

    assert caught.value.returncode == pytest.ExitCode.INTERRUPTED


# When it is done


def loop(
    monkeypatch: pytest.MonkeyPatch, *, needed: bool = True, **session: Any
) -> tuple[object, int, list[list[ModelFiles]]]:
    """Return what the hook returns, the failures that the session ends with, and each fetch.

    Of two models, which three cases need, one cannot be had.
    """
    cases = [Case("toy", "micro", "good"), Case("toy", "base", "a"), Case("toy", "base", "b")]
    entries = dict(zip(cases, (files_of(TOY), BASE, BASE), strict=True))
    fake = FakeSession(**session)
    fetched: list[list[ModelFiles]] = []

    def note(config: FakeSession, models: Iterable[ModelFiles], _: object) -> None:
        fetched.append(list(models))
        outcomes = config.stash.setdefault(prefetch.FETCHED, {})
        for files in models:
            made = embedded.make(files).local.verified() if files.embedded else None
            outcomes[files] = made or Unavailable("no")

    monkeypatch.setattr(prefetch, "needed", lambda _: dict.fromkeys(cases, 60.0) if needed else {})
    monkeypatch.setattr(prefetch, "files_of", entries.__getitem__)
    monkeypatch.setattr(prefetch, "fetch", note)
    ended = prefetch.pytest_runtestloop(fake.real)
    if ended and session.get("prefetch_only"):
        assert fake.lines[-1] == "models: 1 of 2 complete and verified"
    return ended, fake.testsfailed, fetched


def test_models_are_fetched_before_the_first_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """All models are fetched before the first test, each once."""
    assert loop(monkeypatch) == (None, 0, [[files_of(TOY), BASE]])


def test_prefetch_only_ends_the_session_with_the_models_that_lack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """--prefetch-only ends the session, with the number of models that are missing as failures."""
    assert loop(monkeypatch, prefetch_only=True) == (True, 1, [[files_of(TOY), BASE]])


@pytest.mark.parametrize(("lacking", "colour"), [(False, "32"), (True, "31")])
def test_prefetch_ends_in_green_or_in_red(lacking: bool, colour: str) -> None:
    """The last line of a pre-fetch is green if all models are there, and else red."""
    session = FakeSession(prefetch_only=True)
    session.get_terminal_writer().hasmarkup = True
    model = VerifiedModel(BASE.repo, BASE.revision, "c" * 40, {})
    outcomes = session.stash.setdefault(prefetch.FETCHED, {})
    outcomes[BASE] = Unavailable("no") if lacking else model

    assert prefetch._report(cast("pytest.Config", session), [BASE]) == lacking

    (line,) = session.lines
    assert line.startswith(f"\x1b[{colour}mmodels: {0 if lacking else 1} of 1 complete")


@pytest.mark.parametrize(
    "options",
    [{"check_models": frozenset()}, {"collectonly": True}, {"failed": 1}],
    ids=["check", "collect-only", "collection-failed"],
)
def test_session_that_runs_no_test_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """A session that runs no test fetches nothing."""
    failed = options.get("failed", 0)

    assert loop(monkeypatch, **options) == (None, failed, [])
    assert loop(monkeypatch, prefetch_only=True, **options) == (None, failed, [])


def test_errors_of_the_collection_may_be_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """If errors of the collection are passed over, models are fetched for the other tests."""
    ended, _, fetched = loop(monkeypatch, failed=1, continue_on_collection_errors=True)

    assert (ended, len(fetched)) == (None, 1)


def test_prefetch_of_no_model_is_status_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pre-fetch that needs no model ends with status 5."""
    with pytest.raises(pytest.exit.Exception, match="no selected test needs a model") as caught:
        loop(monkeypatch, needed=False, prefetch_only=True)

    assert caught.value.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert loop(monkeypatch, needed=False) == (None, 0, [[]])


def test_model_of_several_libraries_is_looked_for_where_each_of_them_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model of several libraries is looked for in the place of each of them."""
    cases = [Case("toy", "tiny", variant) for variant in ("one", "two")]
    given: list[object] = []
    monkeypatch.setattr(prefetch, "needed", lambda _: dict.fromkeys(cases, 1.0))
    monkeypatch.setattr(prefetch, "files_of", lambda _: BASE)
    monkeypatch.setattr(
        model_status, "library_places", lambda case, folder: {"weights.npz": folder / case.variant}
    )
    monkeypatch.setattr(prefetch, "fetch", lambda _, models, places: given.extend((models, places)))

    prefetch.pytest_runtestloop(cast("pytest.Session", FakeSession()))

    places = {BASE: {"weights.npz": [Path("/here/one"), Path("/here/two")]}}
    assert given == [places, places]


def broken_adapter() -> Any:
    """Return the test that stands for an adapter that cannot be used."""
    item = Mock(spec=pytest.Function, nodeid="test_load[broken]")
    marks = (pytest.mark.over(measure="load"), pytest.mark.unusable(adapter="broken", reason="no"))
    item.get_closest_marker = {each.name: each.mark for each in marks}.get
    return item


def test_adapter_that_cannot_be_used_is_a_failure_where_nothing_else_needs_a_model() -> None:
    """A pre-fetch with nothing but an adapter that cannot be used is a failure, with the reason."""
    fake = FakeSession(prefetch_only=True)
    fake.items.append(broken_adapter())

    with pytest.raises(pytest.exit.Exception) as raised:
        prefetch.pytest_runtestloop(fake.real)

    assert raised.value.returncode == pytest.ExitCode.TESTS_FAILED
    assert str(raised.value) == "no selected test needs a model; no"


def test_adapter_that_cannot_be_used_counts_as_a_model_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An adapter that cannot be used counts as a failure of a pre-fetch, and its reason is told."""
    fake = FakeSession(prefetch_only=True)
    fake.items.append(broken_adapter())
    monkeypatch.setattr(prefetch, "needed", lambda _: {TOY: 1.0})

    assert prefetch.pytest_runtestloop(fake.real) is True

    assert fake.testsfailed == 1
    assert "not looked for: no" in fake.lines
    assert fake.lines[-1] == "models: 1 of 1 complete and verified"
