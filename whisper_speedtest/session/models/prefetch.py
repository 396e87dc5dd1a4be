"""Fetches and verifies the models of a session before its first test.

The models that the selected tests need are planned, downloaded and verified outside all time limits
and clocks. The fixture `model` returns them without hashing them again. If a selection only needs
models that the project makes itself, nothing is printed, and no hub is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from adapters import files_of
from whisper_speedtest.session.choice.options import max_download
from whisper_speedtest.session.choice.selection import needed, skip_reasons, unusable
from whisper_speedtest.session.choice.shard import SPLIT
from whisper_speedtest.session.ending import has_failed_to_collect
from whisper_speedtest.session.models.locking import lock_of, pinned_line, refresh, write
from whisper_speedtest.session.terminal.display_plugin import display_of, showing
from whisper_speedtest.session.terminal.width import tell, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.model import VerifiedModel
    from whisper_speedtest.cache.planning import OtherPlaces
    from whisper_speedtest.hub.hosted import FetchedModels
    from whisper_speedtest.hub.store import Store

STORE: pytest.StashKey[Store] = pytest.StashKey()
"""The session's only store."""

FETCHED: pytest.StashKey[FetchedModels] = pytest.StashKey()
"""The outcome for each model that this session has asked for: verified, or an error."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Fetch the models that the collected tests need; return True to end the session then."""
    config = session.config
    if config.getoption("check_models") is not None or config.getoption("collectonly"):
        return None
    if has_failed_to_collect(session):
        return None
    from whisper_speedtest.session.models.model_status import library_places

    cases = needed(session.items)
    places: dict[ModelFiles, dict[str, list[Path]]] = {}
    for case in cases:
        there = places.setdefault(files_of(case), {})
        for name, path in library_places(case, config.invocation_params.dir).items():
            there.setdefault(name, []).append(path)
    if config.getoption("prefetch_only") and not places:
        exit_without_models(session)
    fetch(config, places, places)
    if not config.getoption("prefetch_only"):
        return None
    broken = unusable(session.items)
    for reason in broken.values():
        tell(config.get_terminal_writer(), f"not looked for: {reason}", red=True)
    session.testsfailed = _report(config, list(places)) + len(broken)
    return True


def exit_without_models(session: pytest.Session) -> NoReturn:
    """End a session with --check-models or --prefetch-only whose selection needs no models.

    It is a failure if the selection has an adapter that cannot be used, and a success if all models
    are in other shards.
    """
    broken = list(unusable(session.items).values())
    split = session.config.stash.get(SPLIT, None)
    if split and split.has_no_case and not broken:
        pytest.exit(f"no model is needed here; {split.line}", returncode=pytest.ExitCode.OK)
    reasons = [*broken, *skip_reasons(session.items)]
    hint = "; ".join(reasons) or "give benchmarks as the path, and look at -k"
    pytest.exit(
        f"no selected test needs a model; {hint}",
        returncode=pytest.ExitCode.TESTS_FAILED if broken else pytest.ExitCode.NO_TESTS_COLLECTED,
    )


def session_store(config: pytest.Config) -> Store:
    """Return the session's only store, which is made when it is first needed."""
    from whisper_speedtest.hub.store import Store

    if STORE not in config.stash:
        offline = config.getoption("offline")
        config.stash[STORE] = Store.from_environment(offline=offline, lock=lock_of(config))
    return config.stash[STORE]


def session_model(config: pytest.Config, files: ModelFiles) -> VerifiedModel:
    """Return a verified model, without verifying again what the pre-fetch has verified.

    A model that was not pre-fetched is fetched and verified now.

    Raises:
        ModelError: The model cannot be had, or is not right. The same error is raised each time.
    """
    outcomes = config.stash.setdefault(FETCHED, {})
    if files not in outcomes:
        store = session_store(config)
        with showing(config, f"looking for {files}"):
            outcomes |= store.fetch(store.plan([files]))
    outcome = outcomes[files]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def fetch(
    config: pytest.Config,
    models: Iterable[ModelFiles],
    places: Mapping[ModelFiles, OtherPlaces] | None = None,
) -> None:
    """Print a plan for some models and fetch them; keep the outcomes for `session_model`.

    A file that a library has already put into its own place, as `places` says, is not downloaded.
    """
    models = list(models)
    if not models:
        return
    from whisper_speedtest.session.models.model_report import fetched_lines, plan_lines
    from whisper_speedtest.session.terminal.download_progress import progress

    out = config.get_terminal_writer()
    store = session_store(config)
    locks = config.getoption("lock_models")
    try:
        if config.getoption("refresh"):
            with showing(config, f"models: asking for {len(models)}"):
                lines = refresh(store, models, take=locks)
            for line in lines:
                tell(out, line)
        if line := pinned_line(store, models):
            tell(out, line)
        with showing(config, f"models: verifying {len(models)}"):
            plan = store.plan(models, max_download=max_download(config), places=places)
        if plan.free is not None or plan.unavailable:
            for line in plan_lines(plan, width_of(out)):
                tell(out, line)
            out.flush()
        with progress(plan, out, display_of(config)) as watcher:
            outcomes = store.fetch(plan, watcher)
    except KeyboardInterrupt:
        pytest.exit(
            "interrupted while fetching models; the next run goes on where this one stopped",
            returncode=pytest.ExitCode.INTERRUPTED,
        )
    for line, good in fetched_lines(plan, outcomes):
        tell(out, line, red=not good)
    if locks:
        tell(out, write(config, store, outcomes))
    config.stash.setdefault(FETCHED, {}).update(outcomes)


def _report(config: pytest.Config, models: Sequence[ModelFiles]) -> int:
    """Print the outcome of the pre-fetch; return how many models are missing."""
    from whisper_speedtest.session.models.model_report import complete_line

    outcomes = config.stash[FETCHED]
    complete = {files: not isinstance(outcomes[files], Exception) for files in models}
    lacking = len(models) - sum(complete.values())
    out = config.get_terminal_writer()
    out.line(complete_line(complete), green=not lacking, red=bool(lacking))
    return lacking
