"""Names the tests that a user may have meant by a path or a test's id that does not exist."""

from __future__ import annotations

import os
import re
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import valid_adapters, why_not_installed
from fixtures.audio import clips
from whisper_speedtest.session.choice.keywords import (
    LISTS_ALL,
    model_with,
    near_words,
    not_installed_line,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

NOT_FOUND = ("file or directory not found: ", "not found: ", "path cannot contain [] ")
"""The beginnings of pytest's errors about an argument that is neither a path nor a test's id."""

NAMES = pytest.StashKey[dict[Path, list[str]]]()
"""File that pytest has collected → the ids of its tests, without the file."""

_TEST = re.compile(r"test_\w+(\[.*\])?")
"""The name of a test, with or without its parameters in brackets."""


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note all tests that pytest finds in a file, whether they are selected or not."""
    report = yield
    names = collector.config.stash.setdefault(NAMES, {})
    for node in report.result or ():
        if isinstance(node, pytest.Item):
            names.setdefault(node.path, []).append(node.nodeid.partition("::")[2])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Raise pytest's own error, with a hint for each argument that it has not found."""
    try:
        return (yield)
    except pytest.UsageError as error:
        *others, last = map(str, error.args)
        if not last.startswith(NOT_FOUND):
            raise
        config = session.config
        names = config.stash.get(NAMES, {})
        lines = about_unknown(config.args, config.invocation_params.dir, names)
        raise pytest.UsageError(*others, "\n".join((last, *lines))) from None


def about_unknown(
    arguments: Sequence[str], folder: Path, names: Mapping[Path, Sequence[str]]
) -> list[str]:
    """Return hints for arguments that are neither paths nor ids of tests.

    `names` has the tests of each file. Paths in the arguments are relative to `folder`.
    """
    words, said = [], []
    for argument in arguments:
        file, is_id, name = argument.partition("::")
        path = Path(os.path.abspath(folder / file))  # noqa: PTH100 - as pytest, which keeps links
        if is_id:
            said += _about_id(file, name, names.get(path, ()))
        elif means_tests(argument):
            words += [] if path.exists() else [argument]
        elif not path.exists() and (near := near_words(argument)):
            said.append(f"{argument}: did you mean {' or '.join(f'-k {each}' for each in near)}?")
    if words:
        said.append(f"{' '.join(words)}: did you mean -k {shlex.quote(' and '.join(words))}?")
    return [f"  {line}" for line in (*said, LISTS_ALL)]


def means_tests(word: str) -> bool:
    """Tell whether a word, as part of -k, would select models, clips or a test."""
    return bool(model_with(word.lower()) or word in clips() or _TEST.fullmatch(word))


def _about_id(file: str, name: str, names: Sequence[str]) -> list[str]:
    """Return the hint for an unknown id: the test of the file that it may mean."""
    if any(each == name or each.startswith((f"{name}[", f"{name}::")) for each in names):
        return []
    if absent := [
        each for each in valid_adapters() if f"[{each}-" in name and why_not_installed(each)
    ]:
        return [not_installed_line(absent)]
    functions = [each.partition("[")[0] for each in names]
    near = get_close_matches(name, dict.fromkeys((*functions, *names)), n=1)
    return [f"{file}::{name}: did you mean {shlex.quote(f'{file}::{near[0]}')}?"] if near else []
