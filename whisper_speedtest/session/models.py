"""The hub's plugin: the session's store, and the options that are about models.

Before the first test, the models that the selected tests need are planned, the plan is printed, and
what is missing is downloaded: outside every time limit and every clock. A selection that needs only
embedded models, or none, has no part in this.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from adapters import files_of
from whisper_speedtest.session.device import load_model
from whisper_speedtest.session.progress import busy, progress
from whisper_speedtest.session.selection import needed, not_installed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _pytest._io import TerminalWriter

    from adapters.base import Case, ModelFiles
    from whisper_speedtest.hub.model import ModelError, VerifiedModel
    from whisper_speedtest.hub.status import ModelStatus
    from whisper_speedtest.hub.store import Store

MAX_DOWNLOAD = "4GB"
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

STORE = pytest.StashKey["Store"]()
FETCHED = pytest.StashKey["dict[ModelFiles, VerifiedModel | ModelError]"]()
"""What became of each model that was pre-fetched."""


def parse_size(text: str) -> int:
    """Return a number of bytes: "500MB" and "4GB" are powers of 1000, "1.5GiB" of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if match is None or (match[3] and not match[2]):
        raise argparse.ArgumentTypeError(
            f"expected a size such as 500MB, 4GB or 1.5GiB, got {text!r}"
        )
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS[match[2]])


def _kind_of_check(text: str) -> str:
    if text not in {"table", "load", "json"}:
        raise argparse.ArgumentTypeError(
            f"expected --check-models, --check-models=load or --check-models=json, got {text!r}; "
            "a path goes before it"
        )
    return text


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a user can choose."""
    group = parser.getgroup("whisper-speedtest")
    group.addoption(
        "--check-models",
        nargs="?",
        const="table",
        type=_kind_of_check,
        metavar="load|json",
        help="run no test; say whether the models that the selection needs are there and right, "
        "without any request; =load: also whether they load; =json: for machines",
    )
    group.addoption(
        "--prefetch-only",
        action="store_true",
        help="run no test; download and verify the models that the selection needs",
    )
    group.addoption(
        "--offline",
        action="store_true",
        help="make no request; models that are not there are skipped (as with HF_HUB_OFFLINE)",
    )
    group.addoption(
        "--max-download",
        type=parse_size,
        default=MAX_DOWNLOAD,
        metavar="SIZE",
        help="download no more than this, smallest models first; 500MB, 1.5GiB "
        f"(default: {MAX_DOWNLOAD})",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep stdout for the document alone where one was asked for."""
    config.stash[FETCHED] = {}
    check = config.getoption("check_models")
    if check and config.getoption("prefetch_only"):
        raise pytest.UsageError("--check-models makes no request: leave out --prefetch-only")
    if check == "json":
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(
            pytest.TerminalReporter(config, sys.stderr), "terminalreporter"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Check or fetch the models that the collected tests need; True ends the session there."""
    config = session.config
    if session.testsfailed and not config.getoption("continue_on_collection_errors"):
        return None  # pytest says so
    needs = needed(session.items)
    if check := config.getoption("check_models"):
        session.testsfailed = _check(session, check, needs)
        return True
    if config.getoption("collectonly"):
        return None
    only = config.getoption("prefetch_only")
    if only and not needs:
        _nothing_to_do(session)
    fetched = _fetch(config, needs)
    if not only:
        return None
    session.testsfailed = _report_fetched(config, needs, fetched)
    return True


def session_store(config: pytest.Config) -> Store:
    """Return the session's one store, made when it is first asked for."""
    from whisper_speedtest.hub.store import Store

    if STORE not in config.stash:
        config.stash[STORE] = Store.from_environment(offline=config.getoption("offline"))
    return config.stash[STORE]


def session_model(config: pytest.Config, files: ModelFiles) -> VerifiedModel:
    """Return a model, verified anew; raise the pre-fetch's error where there was one.

    Raises:
        ModelError: As `Store.prepare` does.
    """
    from whisper_speedtest.hub.model import ModelError
    from whisper_speedtest.hub.prepare import prepare

    if isinstance(outcome := config.stash[FETCHED].get(files), ModelError):
        raise outcome
    return prepare(files, None if files.embedded else session_store(config))


def _nothing_to_do(session: pytest.Session) -> NoReturn:
    hint = "; ".join(not_installed(session.items)) or "give benchmarks as the path, and look at -k"
    pytest.exit(
        f"no selected test needs a model; {hint}",
        returncode=pytest.ExitCode.NO_TESTS_COLLECTED,
    )


# Fetching


def _fetch(
    config: pytest.Config, needs: Mapping[Case, float]
) -> Mapping[ModelFiles, VerifiedModel | ModelError]:
    """Plan, say so, and fetch; return what became of each model from the hub."""
    models = [files for files in dict.fromkeys(map(files_of, needs)) if not files.embedded]
    if not models:
        return {}
    from whisper_speedtest.session.report import plan_lines, short_name

    out = config.get_terminal_writer()
    store = session_store(config)
    try:
        with busy(f"verifying {len(models)} models"):
            plan = store.plan(models, max_download=config.getoption("max_download"))
        for line in plan_lines(plan, _width(out)):
            out.line(line)
        out.flush()
        with progress(plan, out) as watcher:
            fetched = store.fetch(plan, watcher)
    except KeyboardInterrupt:
        pytest.exit(
            "interrupted while fetching models; whole files are kept, parts were removed",
            returncode=pytest.ExitCode.INTERRUPTED,
        )
    for model in plan.to_fetch:
        if _is_verified(outcome := fetched[model.files]):
            out.line(f"  verified   {short_name(model.files)}")
        else:
            out.line(f"  failed     {outcome}", red=True)
    config.stash[FETCHED].update(fetched)
    return fetched


def _width(out: TerminalWriter) -> int:
    return max(80, out.fullwidth)


def _is_verified(outcome: VerifiedModel | ModelError) -> bool:
    return not isinstance(outcome, Exception)


def _report_fetched(
    config: pytest.Config,
    needs: Mapping[Case, float],
    fetched: Mapping[ModelFiles, VerifiedModel | ModelError],
) -> int:
    """Print how the pre-fetch ended; return how many models are not there."""
    from whisper_speedtest.hub import embedded
    from whisper_speedtest.hub.model import ModelError

    out = config.get_terminal_writer()
    models = dict.fromkeys(map(files_of, needs))
    lacking = 0
    for files in models:
        try:
            complete = _is_verified(embedded.make(files) if files.embedded else fetched[files])
        except (ModelError, OSError) as error:
            out.line(f"  failed     {files}: {error}", red=True)
            complete = False
        lacking += not complete
    out.line(
        f"models: {len(models) - lacking} of {len(models)} complete and verified",
        green=not lacking,
        red=bool(lacking),
    )
    return lacking


# Checking


def _check(session: pytest.Session, kind: str, needs: Mapping[Case, float]) -> int:
    """Print the state of each case's model; return how many are not complete or do not load."""
    from whisper_speedtest.hub.status import all_complete, as_json, check
    from whisper_speedtest.session.report import absent_lines, as_table, explanations

    config = session.config
    cache = session_store(config).cache
    models = check(needs, cache, config.invocation_params.dir)
    if kind == "json":
        print(json.dumps(as_json(models, cache), indent=2))
    if not models:
        _nothing_to_do(session)
    lacking = sum(model.verified is None for model in models)
    if kind == "json":
        return lacking

    loads = (
        {model.case: _load(config, model, needs[model.case]) for model in models}
        if kind == "load"
        else None
    )
    from rich.console import Console

    out = config.get_terminal_writer()
    width = _width(out)
    if not all(model.absent for model in models):
        text = io.StringIO()
        Console(file=text, width=width, force_terminal=out.hasmarkup).print(as_table(models, loads))
        out.line(text.getvalue())
    for line in [*absent_lines(models, width), *explanations(models, loads)]:
        out.line(line)
    for reason in not_installed(session.items):
        out.line(f"not looked for: {reason}")
    out.line(
        f"hub cache: {cache}; library: where it looks, from {config.invocation_params.dir}, "
        "in your home, or in the hub cache itself"
    )
    out.line(
        f"{len(models) - lacking} of {len(models)} complete in the hub cache; next: "
        + _next_command(config.invocation_params.args, fetch=not all_complete(models)),
        bold=True,
    )
    failed = sum(load not in {"loads", "not tried"} for load in loads.values()) if loads else 0
    return lacking + failed


def _next_command(arguments: Sequence[str | os.PathLike[str]], *, fetch: bool) -> str:
    """Return the command line that fetches, or runs, what this one selected."""
    kept = []
    before = ""
    for argument in map(str, arguments):
        of_the_option = before == "--check-models" and argument in {"load", "json"}
        if not of_the_option and not argument.startswith("--check-models"):
            kept.append(argument)
        before = argument
    return shlex.join(["pytest", *kept, "--prefetch-only" if fetch else "--benchmark-only"])


def _load(config: pytest.Config, model: ModelStatus, seconds: float) -> str:
    """Return "loads", "not tried", or why a model does not load."""
    if model.verified is None:
        return "not tried"
    return load_model(config, model.case, model.verified, seconds)
