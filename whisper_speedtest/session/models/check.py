"""`--check-models`: says whether the selected models are there and right, and whether they load.

With `=json`, stdout has only this document:

    cache                  the hub cache
    complete               whether every model is complete there, and no adapter is unusable
    unusable[]             adapter and reason, of adapters that cannot be used
    models[]               in the order of the tests
      adapter, size, variant
      repo, revision       on the hub; or a folder's URL, and the sha256 of the one file
      listed_as            the repo that the hub led to when it was last fetched, "" if to none
      commit               what the revision stood for when it was last fetched, or null
      files                the names of the files that are needed, in the repo
      cache, library       the two places, which may be the same: the hub cache, or that of the
                           suite for a model that it makes itself, and the library's; each with
        state              a FileState, of all files together
        bytes              of the files that are there
        files[]            name, path, state, bytes and sha256 (null for a missing file),
                           reason (what is wrong, or ""),
                           unconfirmed (true where it is complete, and nothing but its own name
                           in the hub cache says that it is the right one),
                           origin (repo, commit and file whose bytes these are instead, or null)
      loads                with =load,json only: "loads", "not tried" (where the model is not
                           complete in the cache), or the reason why it does not load
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure.judging import WrongTranscriptError
from whisper_speedtest.session.choice.options import given
from whisper_speedtest.session.choice.selection import needed, skip_reasons, unusable
from whisper_speedtest.session.device import choose_device, transcribe_once, why_not_gpu
from whisper_speedtest.session.ending import has_failed_to_collect
from whisper_speedtest.session.models.prefetch import exit_without_models, session_store
from whisper_speedtest.session.terminal.display_plugin import showing
from whisper_speedtest.session.terminal.width import tell, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from adapters.base import Case
    from whisper_speedtest.cache.inspection import Inspection
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.session.models.model_status import ModelStatus


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """With `=json`, let nothing but the document go to stdout."""
    checks = config.getoption("check_models")
    if checks is None:
        return
    if found := given(config, ("--prefetch-only", "--lock-models", "--refresh")):
        raise pytest.UsageError(f"--check-models makes no request: leave out {', '.join(found)}")
    if "json" in checks:
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(
            pytest.TerminalReporter(config, sys.stderr), "terminalreporter"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Check the models that the collected tests need, and end the session there."""
    checks = session.config.getoption("check_models")
    if checks is None:
        return None
    if has_failed_to_collect(session):
        return None
    session.testsfailed = _check(session, checks, needed(session.items))
    return True


def _check(session: pytest.Session, checks: frozenset[str], needs: Mapping[Case, float]) -> int:
    """Print the state of each case's model; return how many are not complete or do not load.

    An adapter that cannot be used counts as one.
    """
    from whisper_speedtest.cache.model import Unavailable
    from whisper_speedtest.session.models.model_report import NOT_TRIED
    from whisper_speedtest.session.models.model_status import check

    config = session.config
    store = session_store(config)
    try:
        with showing(config, f"models: hashing {len(needs)}"):
            models = check(needs, store, config.invocation_params.dir)
    except Unavailable as error:  # of the whole hub cache
        pytest.exit(f"--check-models: {error}", returncode=pytest.ExitCode.TESTS_FAILED)
    loads: dict[Case, str] | None = None
    if "load" in checks:
        loads = dict.fromkeys((model.case for model in models), NOT_TRIED)
        for model in models:
            if model.verified:
                loads[model.case] = load_model(
                    config, model.case, model.verified, needs[model.case]
                )
    broken = unusable(session.items)
    if "json" in checks:
        print(json.dumps(as_json(models, store.settings.cache, loads, broken), indent=2))
    if not models:
        exit_without_models(session)
    if reason := store.settings.no_hub:
        tell(config.get_terminal_writer(), f"the hub cannot be asked: {reason}")
    if "json" not in checks:
        _print(session, models, loads, store.settings.cache)
    if loads and set(loads.values()) == {NOT_TRIED} and not broken:
        pytest.exit(none_tried(models), returncode=pytest.ExitCode.NO_TESTS_COLLECTED)
    return faults(models, loads) + len(broken)


def none_tried(models: Sequence[ModelStatus]) -> str:
    """Return the line that says why no load was tried: no model is complete."""
    from whisper_speedtest.session.models.model_report import HUB_CACHE, cache_names

    places = cache_names(models)
    if HUB_CACHE in places:
        step = "fetch them with --prefetch-only"
    else:
        step = "what keeps the suite from making them stands above"
    return (
        "no load was tried, as no model of the selection is complete in the "
        f"{' or the '.join(places)}; {step}"
    )


def faults(models: Sequence[ModelStatus], loads: Mapping[Case, str] | None) -> int:
    """Return how many models are not complete, or do not load."""
    from whisper_speedtest.session.models.model_report import LOADS, NOT_TRIED

    lacking = sum(model.verified is None for model in models)
    failed = sum(load not in {LOADS, NOT_TRIED} for load in (loads or {}).values())
    return lacking + failed


def _print(
    session: pytest.Session,
    models: Sequence[ModelStatus],
    loads: Mapping[Case, str] | None,
    cache: Path,
) -> None:
    """Write the table, what is wrong, where the places are, and what to do next."""
    from whisper_speedtest.session.models.model_report import cache_names, complete_line
    from whisper_speedtest.session.models.model_status import all_complete

    config = session.config
    out = config.get_terminal_writer()
    _print_states(session, models, loads)
    tell(out, _places_line(models, cache, config.invocation_params.dir))
    complete = complete_line({model.files: model.verified is not None for model in models})
    command = next_command(config.invocation_params.args, fetch=not all_complete(models))
    places = " or the ".join(cache_names(models))
    out.line(f"{complete} in the {places}; next: {command}", bold=True)


def _print_states(
    session: pytest.Session, models: Sequence[ModelStatus], loads: Mapping[Case, str] | None
) -> None:
    """Write the table of states, what is wrong, and what was not looked for."""
    from whisper_speedtest.session.models.model_report import (
        absent_lines,
        as_table,
        explanations,
        rendered,
    )

    config = session.config
    out = config.get_terminal_writer()
    width = width_of(out)
    if not all(model.absent for model in models):
        out.line(rendered(as_table(models, loads), width, styled=out.hasmarkup))
    for line in [*absent_lines(models, width), *explanations(models, loads)]:
        tell(out, line)
    on_the_cpu = [why_not_gpu(config, model.case) for model in models]
    for reason in filter(None, dict.fromkeys(on_the_cpu)):
        tell(out, reason)
    for reason in unusable(session.items).values():
        tell(out, f"not looked for: {reason}")
    for reason in skip_reasons(session.items):  # Unbroken, as it has a command to be copied.
        out.line(f"not looked for: {reason}")


def _places_line(models: Sequence[ModelStatus], cache: Path, folder: Path) -> str:
    """Return the line that explains the names of the places in the table.

    `cache` is the hub cache, and `folder` is where pytest was started.
    """
    from whisper_speedtest.cache import embedded
    from whisper_speedtest.session.models.model_report import (
        HUB_CACHE,
        OWN_FOLDER,
        SUITE_CACHE,
        cache_names,
    )

    explained = {
        HUB_CACHE: f"{cache}, out of which the suite gives each library its files",
        SUITE_CACHE: f"{embedded.CACHE}, or a temporary folder where that cannot be written to, in "
        "which the suite makes the files of micro, and out of which it gives them to each library",
    }
    caches = "; ".join(f"{name}: {explained[name]}" for name in cache_names(models))
    return (
        f"{caches}; {OWN_FOLDER}: where a library by itself would look, from {folder}, in your "
        "home, or in the hub cache, too: the suite needs nothing there"
    )


def next_command(arguments: Sequence[str | os.PathLike[str]], *, fetch: bool) -> str:
    """Return the command that fetches, or runs, what this command selected.

    A command that fetches does not have --offline.
    """
    from whisper_speedtest.session.choice.values import CHECKS

    action = "--prefetch-only" if fetch else "--benchmark-only"
    dropped = {action, "--offline"} if fetch else {action}
    kept = []
    before = ""
    for argument in map(str, arguments):
        of_the_option = before == "--check-models" and set(argument.split(",")) <= set(CHECKS)
        if not (of_the_option or argument.startswith("--check-models") or argument in dropped):
            kept.append(argument)
        before = argument
    return shlex.join(["pytest", *kept, action])


def as_json(
    models: Sequence[ModelStatus],
    cache: Path,
    loads: Mapping[Case, str] | None = None,
    broken: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the document that this module's docstring describes.

    `loads` has the outcome of each load if loads were tried; `broken` maps adapters that cannot be
    used to the reasons.
    """
    from whisper_speedtest.session.models.model_status import all_complete

    documents = []
    for model in models:
        document = _model_as_json(model)
        if loads is not None:
            document["loads"] = loads[model.case]
        documents.append(document)
    return {
        "cache": str(cache),
        "complete": all_complete(models) and not broken,
        "unusable": [
            {"adapter": adapter, "reason": reason} for adapter, reason in (broken or {}).items()
        ],
        "models": documents,
    }


def _model_as_json(model: ModelStatus) -> dict[str, Any]:
    return {
        **asdict(model.case),
        "repo": model.files.repo,
        "revision": model.files.revision,
        "listed_as": model.cache.listed_as,
        "commit": model.cache.commit,
        "files": list(model.files.files),
        "cache": _place_as_json(model.cache),
        "library": _place_as_json(model.own_place),
    }


def _place_as_json(place: Inspection) -> dict[str, Any]:
    return {
        "state": place.state,
        "bytes": place.size,
        "files": [
            {
                "name": file.name,
                "path": str(file.path),
                "state": file.state,
                "bytes": file.proof.size if file.proof else None,
                "sha256": file.proof.sha256 if file.proof else None,
                "reason": file.reason,
                "unconfirmed": file.unconfirmed,
                "origin": asdict(file.origin) if file.origin else None,
            }
            for file in place.findings.values()
        ],
    }


def load_model(config: pytest.Config, case: Case, model: VerifiedModel, seconds: float) -> str:
    """Load a model in an engine within `seconds`; return "loads", or why it does not load.

    On a GPU the engine also transcribes a short clip, as a library may load there and fail at its
    first call. Finding out whether the GPU works has a time limit of its own.
    """
    from whisper_speedtest.cache.model import ModelError
    from whisper_speedtest.engine.errors import LAST_LINES, EngineError
    from whisper_speedtest.engine.process import Engine
    from whisper_speedtest.session.models.model_report import LOADS

    try:
        device = choose_device(config, case, model)
        with (
            showing(config, f"{case.label}: loading"),
            tempfile.TemporaryDirectory(prefix="whisper-speedtest-") as folder,
            Engine(case, model, Path(folder), device) as engine,
            engine.limited(seconds),
        ):
            if device == "gpu":
                transcribe_once(engine)
            else:
                engine.ready()
    except (EngineError, ModelError, WrongTranscriptError) as error:
        reason = str(error).removeprefix(f"{case.label}: ").partition("\n")[0]
        return reason.removesuffix(LAST_LINES)
    return LOADS
