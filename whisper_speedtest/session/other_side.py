"""The side that a session compares each case with: another case, or another checkout."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import all_cases, why_not_installed

if TYPE_CHECKING:
    from adapters.base import Case
    from whisper_speedtest.engine.checkout import Checkout


@dataclass(slots=True)
class OtherSide:
    """The side that a session compares each case with."""

    name: str
    checkout: Checkout
    code: str | None = None
    """The sha256 of its Python files, if it is another checkout."""

    is_ours: bool = False
    """Whether it has the same code and the same interpreter as we have."""

    left_out: int = 0
    """How many selected tests were left out, as they compare nothing."""

    lost: list[str] = field(default_factory=list)
    """A line for each case that the other side can measure and we cannot, with the next step."""


def baseline_case(name: str) -> Case:
    """Return the case of this name, as ids have it."""
    known = {str(case): case for case in all_cases()}
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=3) or list(known)[:3]
        raise pytest.UsageError(
            f"--baseline: expected a case as ids name it, got {name!r}; for example "
            f"{', '.join(near)}"
        )
    if why := why_not_installed(known[name].adapter):
        raise pytest.UsageError(f"--baseline: {name}: {why}")
    return known[name]


def other_checkout(text: str, here: Path) -> OtherSide:
    """Return another checkout and interpreter as the other side."""
    from whisper_speedtest.engine.checkout import OWN, CheckoutError, look_into
    from whisper_speedtest.measure.machine import suite_commit
    from whisper_speedtest.measure.suite import code_hash

    root, python = split(text, here)
    chosen = shutil.which(python) if python else OWN.python
    if chosen is None:
        raise pytest.UsageError(
            f"--against: expected an interpreter that can be run, got {python}; name one as "
            "--against=DIR:PYTHON"
        )
    try:
        code = code_hash(root)
    except OSError as error:
        why = f"{root}: expected a checkout that can be read, got {error.strerror}"
        raise pytest.UsageError(f"--against: {why}; name its top folder") from error
    try:
        checkout = look_into(root, str(Path(chosen).absolute()), name_of(suite_commit(root), code))
    except CheckoutError as error:
        raise pytest.UsageError(f"--against: {error}") from error
    is_ours = code == code_hash() and checkout.python == OWN.python
    return OtherSide(checkout.name, checkout, code, is_ours)


def split(text: str, here: Path) -> tuple[Path, str]:
    """Split `DIR[:PYTHON]` into folder and interpreter; the latter is "" if there is none.

    Both may be relative to `here`, where pytest was started. The folder may have a colon in its
    name. Both may begin with `~`, the user's home, which no shell expands inside an option.
    """
    text = ":".join(map(os.path.expanduser, text.split(":")))
    folder, _, python = text.rpartition(":")
    if not folder or (here / text).is_dir():
        return (here / text).resolve(), ""
    return (here / folder).resolve(), str(here / python) if "/" in python else python


def name_of(commit: str | None, code: str) -> str:
    """Return a short name of a checkout: its commit, or the hash of its code if it has none."""
    if commit is None:
        return f"code {code[:12]}"
    number, _, dirty = commit.partition("-")
    return f"{number[:12]}-{dirty}" if dirty else number[:12]
