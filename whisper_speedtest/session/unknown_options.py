"""Names the options that a user may have meant by one that does not exist."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNKNOWN = "unrecognized arguments: "
"""How argparse begins to name what it does not know."""

MOST_NAMED = 3
"""How many options are named for one that does not exist."""

LEAST_LIKENESS = 0.7
"""How much an option must be like the one that was written, where 1 is the same."""

AS_NEAR = 0.05
"""How much less like it others may be that are named beside the nearest one."""

WHERE_ALL_ARE = "docs/options.md has this suite's options, and pytest --help all of them"


def name_nearest(parser: pytest.Parser) -> None:
    """Let pytest's error of an unknown option name the nearest ones that there are.

    pytest knows them all once this file is read, as every plugin has added its own by the time that
    it reports the error. It takes no beginning of a name for the whole of it, so that --process is
    unknown, too.
    """
    known = parser.optparser
    known.error = partial(_refuse, known.error, known._option_string_actions)  # type: ignore[method-assign]


def _refuse(usual: Callable[[str], NoReturn], names: Iterable[str], message: str) -> NoReturn:
    """Raise pytest's own error, with what to say of the options that it does not know."""
    try:
        usual(message)
    except pytest.UsageError as error:
        if lines := about_unknown(message, list(names)):
            raise pytest.UsageError(f"{error}\n{lines}") from None
        raise


def about_unknown(message: str, names: Iterable[str]) -> str:
    """Return what to say of the options that a message of argparse does not know; else ""."""
    if not message.startswith(UNKNOWN):
        return ""
    words = [word.partition("=")[0] for word in message.removeprefix(UNKNOWN).split()]
    written = dict.fromkeys(word for word in words if re.fullmatch(r"-{1,2}[A-Za-z][\w-]*", word))
    said = [
        f"{word}: did you mean {' or '.join(near)}?"
        for word in written
        if (near := nearest(word, names))
    ]
    return "\n".join(f"  {line}" for line in (*said, WHERE_ALL_ARE))


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """Return the options that are most like a word, the nearest first.

    An option that begins with the word is as near as one that is hardly misspelt.
    """
    likeness = {
        name: max(
            SequenceMatcher(None, word.lower(), name).ratio(),
            1.0 - AS_NEAR if name.startswith(word) else 0.0,
        )
        for name in names
        if name.startswith("--")
    }
    best = max(likeness.values(), default=0.0)
    least = max(LEAST_LIKENESS, best - AS_NEAR)
    near = sorted(likeness, key=lambda name: (-likeness[name], name))
    return [name for name in near if likeness[name] >= least][:MOST_NAMED]
