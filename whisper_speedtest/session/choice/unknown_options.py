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
"""The beginning of argparse's error about unknown options."""

MOST_NAMED = 3
"""How many options are named for one that does not exist."""

LEAST_LIKENESS = 0.7
"""The least similarity of an option that is named, where 1 is equality."""

AS_NEAR = 0.05
"""How much less similar than the nearest one other named options may be."""

WHERE_ALL_ARE = "docs/options.md has this suite's options, and pytest --help all of them"


def name_nearest(parser: pytest.Parser) -> None:
    """Let pytest's error about an unknown option name the nearest options.

    Every plugin has added its options by the time pytest reports the error. pytest does not accept
    an abbreviated option, so --process is unknown, too.
    """
    known = parser.optparser
    known.error = partial(_refuse, known.error, known._option_string_actions)  # type: ignore[method-assign]


def _refuse(usual: Callable[[str], NoReturn], names: Iterable[str], message: str) -> NoReturn:
    """Raise pytest's own error, with a hint for the unknown options."""
    try:
        usual(message)
    except pytest.UsageError as error:
        if lines := about_unknown(message, list(names)):
            raise pytest.UsageError(f"{error}\n{lines}") from None
        raise


def about_unknown(message: str, names: Iterable[str]) -> str:
    """Return the hint for the unknown options that argparse's message names; "" if none."""
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
    """Return the options that are most similar to a word, the nearest first.

    An option that begins with the word counts like one with a slight misspelling.
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
