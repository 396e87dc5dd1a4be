"""Holds a check map to the list of what is really published, published.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from adapters.base import ModelFiles
from tests.helpers.project import ROOT

if TYPE_CHECKING:
    from adapters.base import Adapter, Case

Part: TypeAlias = Callable[[ModelFiles], object]
"""What is looked at in an entry of a check map."""

REPO: Part = attrgetter("repo")
REVISION: Part = attrgetter("revision")
FILES: Part = attrgetter("files")

LIST = Path(__file__).with_suffix(".toml").relative_to(ROOT).as_posix()


IF_NEW = " (if it is published, add a line for it there)"
"""What to do about a right model that is not in the list."""


def whole(entry: ModelFiles) -> object:
    """Return all of an entry."""
    return entry


def has(file: str) -> Part:
    """Return the function that tells whether an entry has a file."""
    return lambda entry: file in entry.files


class Problem(NamedTuple):
    """What is wrong with an entry of a check map: in words, and which part of the entry it is."""

    words: str
    part: Part


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it is published, all of whose files are in `entry`."""

    format: str
    size: str
    variant: str
    entry: ModelFiles

    @classmethod
    def of(
        cls,
        *,
        format: str,  # the key in the list
        size: str,
        variant: str,
        repo: str,
        files: list[str],
        folder: str = "",
        revision: str = "main",
    ) -> Published:
        """Return the model of a line in the list."""
        paths = tuple(f"{folder}/{file}" if folder else file for file in files)
        return cls(format, size, variant, ModelFiles(repo, paths, revision))

    def holds(self, entry: ModelFiles) -> bool:
        """Tell whether all files of an entry are this model's."""
        return self.place == (entry.repo, entry.revision) and {*entry.files} <= {*self.entry.files}

    @property
    def kind(self) -> tuple[str, str, str]:
        """The format, the size and the variant that is stored."""
        return (self.format, self.size, self.variant)

    @property
    def place(self) -> tuple[str, str]:
        """The repo and its revision, in which there may be other models too."""
        return (self.entry.repo, self.entry.revision)


@cache
def published() -> tuple[Published, ...]:
    """Return every model of the list."""
    groups = tomllib.loads((ROOT / LIST).read_text(encoding="utf-8"))["group"]
    return tuple(
        Published.of(**{name: value for name, value in group.items() if name != "models"}, **model)
        for group in groups
        for model in group["models"]
    )


def first_published(*kind: str) -> Published:
    """Return the model of a format, size and variant that messages name: the first in the list."""
    return next(model for model in published() if model.kind == kind)


def folder_of(entry: ModelFiles) -> str:
    """Return where the files of an entry are: a repo's id, or the URL of a folder."""
    return f"{entry.repo}/{entry.revision}" if entry.by_url else entry.repo


def format_of(adapter: type[Adapter]) -> str:
    """Return the format of a library's models, or "" where its adapter does not tell.

    The name of its embedded model tells it.
    """
    for one in adapter.__mro__:
        for entry in vars(one).get("check_map", {}).get("micro", {}).values():
            _, _, form_and_variant = entry.repo.partition("-")
            return str(form_and_variant.partition("-")[0])
    return ""


def kind_of(case: Case, adapter: type[Adapter]) -> tuple[str, str, str]:
    """Return the format, the size and the stored variant of the model that a case needs."""
    variant = "fp16" if adapter.traits.converts else case.variant
    return (format_of(adapter), case.size, variant)


def published_for(case: Case, adapter: type[Adapter]) -> list[Published]:
    """Return the models of the list that a case may be; messages name the first."""
    return [model for model in published() if model.kind == kind_of(case, adapter)]


def problem_of(case: Case, adapter: type[Adapter]) -> Problem | None:
    """Return what is wrong with a case's entry in the check map; None: it is in the list.

    It must be a model of the case's size and variant, or of the variant that the library makes the
    case's from, in the library's format.
    """
    entry, fitting = adapter.files(case), published_for(case, adapter)
    form, _, variant = kind_of(case, adapter)
    if any(model.holds(entry) for model in fitting):
        return None
    there = [model for model in published() if model.place == (entry.repo, entry.revision)]
    fitting_there = [model for model in there if model in fitting]
    holders = [model for model in there if model.holds(entry)]
    if fitting_there and not holders:
        its_files = fitting_there[0].entry.files
        lacking = next(file for file in entry.files if file not in its_files)
        files = f"the files of {case.size} {variant} in {entry.repo} are {', '.join(its_files)}"
        return Problem(f"checked {lacking}, but {files}", has(lacking))
    part = REPO
    if fitting_there:
        part = FILES
    elif len(there) > 1:  # which of them is meant, the files tell
        part = whole
    elif entry.by_url or not there:
        part = REVISION if any(one.entry.repo == entry.repo for one in published()) else REPO
    known = holders or (there if len(there) == 1 else [])
    got = f"holds {_words(known[0], form)}" if known else f"is not in {LIST}{IF_NEW}"
    expected = f"as in {_named(fitting[0].entry, part)}" if fitting else "of which it has none"
    return Problem(
        f"checked {_named(entry, part)}, which {got}; expected {case.size} {variant}, {expected}",
        part,
    )


def _named(entry: ModelFiles, part: Part) -> str:
    """Return the name of an entry in which a part of it stands."""
    if part in {FILES, whole}:
        return f"{entry.files[0]} of {entry.repo}"
    return str(entry) if part is REVISION else entry.repo


def _words(model: Published, form: str) -> str:
    """Return what a model is, with its format where it is not the one that is asked for."""
    words = f"{model.size} {model.variant}"
    return words if model.format == form else f"{words} in the format {model.format}"
