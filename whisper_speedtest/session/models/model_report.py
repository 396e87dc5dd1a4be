"""Writes lines and tables about models: the plan of a pre-fetch, and the state of a selection.

There may be hundreds of models, so what many have in common is written once, above their names.
"""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import UNCONFIRMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from adapters.base import Case, ModelFiles
    from whisper_speedtest.cache.inspection import FileState, Inspection
    from whisper_speedtest.cache.plan import Plan, PlannedModel
    from whisper_speedtest.hub.hosted import FetchedModels
    from whisper_speedtest.session.models.model_status import ModelStatus

_STYLES: dict[FileState, str] = {
    "complete": "green",
    "incomplete": "yellow",
    "corrupt": "bold red",
    "other model": "bold red",
    "missing": "dim",
    "unknown": "yellow",
}
LOADS, NOT_TRIED = "loads", "not tried"
"""The outcomes of a load, besides the reason why it failed."""

HUB_CACHE, SUITE_CACHE = "hub cache", "suite's cache"
"""The places of models that the suite uses: one for models of the hub and of plain web servers, the
other for models that the suite makes itself."""

OWN_FOLDER = "own folder"
"""The place where a library by itself looks for a model."""


def rendered(table: RenderableType, width: int, *, styled: bool) -> str:
    """Return a table as text of `width` columns, with its styles if `styled`."""
    from rich.console import Console

    text = io.StringIO()
    # For a terminal that calls itself dumb, rich uses `width` only if it is given a height as well.
    # No markup and no emoji: brackets and colons may be part of the name of a user's file.
    console = Console(
        file=text, width=width, height=25, force_terminal=styled, markup=False, emoji=False
    )
    console.print(table)
    return text.getvalue()


def short_name(files: ModelFiles) -> str:
    """Return `repo@revision`; for a file by URL, whose revision is a long hash, `URL file`."""
    return f"{files.repo} {files.files[0]}" if files.by_url and files.files else str(files)


def plan_lines(plan: Plan, width: int) -> list[str]:
    """Return lines on a plan: what is there, what to download, and what is left out and why.

    Names are wrapped to `width` columns.
    """
    from whisper_speedtest.common.text import human

    coming = f"{human(plan.download_size)} to download"
    free = "" if plan.free is None else f", {human(plan.free)} free on the disk"
    summary = (
        f"models: {len(plan.complete)} there and verified ({human(plan.size_complete)}), "
        f"{len(plan.to_fetch)} to fetch ({coming}{free}), {len(plan.unavailable)} left out"
    )
    lines = [summary]
    for model in sorted(plan.to_fetch, key=lambda model: model.download_size):
        name = f"{short_name(model.files)}{_led_to(model.listed_as)}"
        there = f", {human(model.size_begun)} are there from before" if model.size_begun else ""
        lines.append(f"  fetch      {name}: {human(model.download_size)}{there}")
    if doubtful := [model.files for model in plan.models if model.unconfirmed]:
        lines += _wrapped(f"{UNCONFIRMED}: ", map(short_name, doubtful), width, indent=2)
    causes: dict[str, list[PlannedModel]] = {}
    for model in plan.unavailable:
        assert model.problem is not None
        causes.setdefault(model.problem.cause or str(model.problem), []).append(model)
    for cause, alike in causes.items():
        if len(alike) == 1:
            lines.append(f"  left out   {alike[0].problem}")
            continue
        lines.append(f"  left out   {len(alike)} models: {cause}")
        for owner, names in _by_owner(model.files for model in alike).items():
            lines += _wrapped(f"{owner}: ", names, width, indent=13)
    return lines


def fetched_lines(plan: Plan, outcomes: FetchedModels) -> list[tuple[str, bool]]:
    """Return a line for each model that was to be fetched, and whether that succeeded."""
    lines = []
    for model in plan.to_fetch:
        outcome = outcomes[model.files]
        failed = isinstance(outcome, Exception)
        name = f"{short_name(model.files)}{_led_to(model.listed_as)}"
        said = f"failed     {outcome}" if failed else f"verified   {name}"
        lines.append((f"  {said}", not failed))
    return lines


def complete_line(complete: Mapping[ModelFiles, bool]) -> str:
    """Return a line on how many models are complete; a model of several cases counts once."""
    return f"models: {sum(complete.values())} of {len(complete)} complete and verified"


def _led_to(listed_as: str) -> str:
    """Return what to add to a repo's name if the hub redirected to another repo; else ""."""
    return f" (which the hub calls {listed_as} now, at the same commit)" if listed_as else ""


def _by_owner(models: Iterable[ModelFiles]) -> Mapping[str, list[str]]:
    """Return the owner on the hub, or the URL → the names of its models."""
    owners: dict[str, dict[str, int]] = {}
    for files in models:
        if files.by_url:
            owner, name = files.repo, ", ".join(files.files)
        else:
            owner, _, name = files.repo.rpartition("/")
            name += f"@{files.revision}"
        names = owners.setdefault(owner, {})
        names[name] = names.get(name, 0) + 1
    return {
        owner: [name if count == 1 else f"{name} ({count} models)" for name, count in names.items()]
        for owner, names in owners.items()
    }


def _wrapped(head: str, names: Iterable[str], width: int, indent: int) -> list[str]:
    """Return `head` and the names in lines of `width` columns, without breaking a name."""
    text = head + ", ".join(name.replace(" ", "\0") for name in names)
    return [
        line.replace("\0", " ")
        for line in textwrap.wrap(
            text,
            width,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def cache_name(files: ModelFiles) -> str:
    """Return the name of the place from which the suite uses a model."""
    return SUITE_CACHE if files.embedded else HUB_CACHE


def cache_names(models: Iterable[ModelStatus]) -> list[str]:
    """Return the names of the places from which the suite uses some models, hub cache first."""
    names = {cache_name(model.files) for model in models}
    return [each for each in (HUB_CACHE, SUITE_CACHE) if each in names]


def as_table(
    models: Sequence[ModelStatus], loads: Mapping[Case, str] | None = None
) -> RenderableType:
    """Return a table with a few lines for each model that has any file."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from whisper_speedtest.common.text import human

    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False)
    table.add_column("model, repo@revision, commit: files", overflow="fold", min_width=12)
    table.add_column("files in\n" + " or\n".join(cache_names(models)), min_width=12)
    table.add_column(f"files in\n{OWN_FOLDER}", min_width=12)
    if loads:
        table.add_column("load", overflow="fold", min_width=9)

    def cell(place: Inspection) -> Text:
        size = f"\n{human(place.size)}" if place.size else ""
        return Text.assemble((place.state, _STYLES[place.state]), (size, "dim"))

    adapter = ""
    for model in models:
        if model.absent:
            continue
        if model.case.adapter != adapter:
            adapter = model.case.adapter
            table.add_row(Text(adapter, style="bold underline"))
        # The revision of a file by URL is its commit, which comes next.
        repo = model.files.repo if model.files.by_url else str(model.files)
        repo += _led_to(model.cache.listed_as)
        commit = f"{model.cache.commit[:12]}: " if model.cache.commit else ""
        row = [
            Text.assemble(
                (f"{model.case.size} {model.case.variant}\n", "bold"),
                f"{repo}\n",
                (f"{commit}{', '.join(model.files.files)}", "dim"),
            ),
            cell(model.cache),
            cell(model.own_place),
        ]
        if loads:
            # The reason for a failure stands below the table.
            load = loads[model.case]
            row.append(Text(load if load in (LOADS, NOT_TRIED) else "fails"))
        table.add_row(*row)
    return table


def absent_lines(models: Sequence[ModelStatus], width: int) -> list[str]:
    """Return lines on the models that have no file anywhere: adapter, repo, sizes and variants.

    They are wrapped to `width` columns.
    """
    adapters: dict[str, dict[str, dict[str, list[str]]]] = {}
    for model in models:
        if model.absent:
            repo = model.files.repo if model.files.by_url else str(model.files)
            sizes = adapters.setdefault(model.case.adapter, {}).setdefault(repo, {})
            sizes.setdefault(model.case.size, []).append(model.case.variant)
    lines = []
    for adapter, repos in adapters.items():
        lines.append(f"missing, in the hub cache and where {adapter} looks:")
        for repo, sizes in repos.items():
            names = [f"{size} {' '.join(variants)}" for size, variants in sizes.items()]
            lines += _wrapped(f"{repo}: ", names, width, indent=2)
    return lines


def explanations(
    models: Sequence[ModelStatus], loads: Mapping[Case, str] | None = None
) -> list[str]:
    """Return a line for each wrong file, each unconfirmed file and each failed load."""
    reasons: dict[str, list[str]] = {}
    for model in models:
        cache = cache_name(model.files)
        places = {cache: model.cache}
        if model.own_place is not model.cache:
            places[OWN_FOLDER] = model.own_place
        found = [
            f"{where}: {file.reason}"
            for where, place in places.items()
            if place.state != "missing"  # `absent_lines` or the table says that already
            for file in place.faults
        ]
        if model.cache.unconfirmed:
            found.append(f"{cache}: {UNCONFIRMED}")
        if loads and loads[model.case] not in (LOADS, NOT_TRIED):
            found.append(f"load: {loads[model.case]}")
        for reason in found:
            reasons.setdefault(reason, []).append(model.case.label)
    return [f"{', '.join(dict.fromkeys(labels))}: {reason}" for reason, labels in reasons.items()]
