"""`-k`: whether it selects what is not there to be asked, or selects by what its words do not mean.

And what to say at the end if it selects nothing, or `-m own` does.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from _pytest.mark.expression import Expression

from adapters import all_cases, install_command, usable, why_not_installed
from adapters.base import SIZES
from fixtures.audio import clips
from whisper_speedtest.session.selection import case_of, measure_of, parameters_of, unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from whisper_speedtest.session.selection import Selected

COLLECTED = pytest.StashKey[tuple[str, ...]]()
"""The ids of all tests that there are, before -k."""

OVER = pytest.StashKey[tuple[str, ...]]()
"""Those of them that are of tests over cases."""

MARKED = pytest.StashKey[frozenset[frozenset[str]]]()
"""The names of the marks that tests have, before -m: one set for all tests that have the same."""

OWN = "own"
"""The mark of a test of a recording that --audio names."""

WITHOUT_OWN = (
    "-m own stands for your own recordings, and none was given; add --audio=FILE",
    "for a corpus, leave -m own out: --corpus=DIR -k test_corpus",
)
"""What to say where -m asks for the user's own recordings, and there are none."""

LISTS_ALL = "pytest benchmarks --collect-only -q lists what there is"
"""What to say where a selection finds no test."""

_OPERATORS = {"and", "or", "not"}
_WORD = re.compile(r"[^\s()]+")
_LETTERS = re.compile(r"[^\W_]+")
"""What pieces of a test's id are separated by others than these: letters and digits."""


def is_selected(test: str, keyword: str) -> bool:
    """Tell whether -k selects a test that is not there to be asked, by its id."""
    if not keyword:
        return True

    def matches(name: str, /, **_: object) -> bool:
        return name.lower() in test.lower()

    return _compiled(keyword).evaluate(matches)


@cache
def _compiled(keyword: str) -> Expression:
    """Return -k as pytest evaluates it; thousands of ids may be asked about."""
    return Expression.compile(keyword)


def words_of(keyword: str) -> list[str]:
    """Return the words of -k without its operators, in small letters, each once."""
    words = [each.lower() for each in _WORD.findall(keyword)]
    return [each for each in dict.fromkeys(words) if each not in _OPERATORS]


def misleading_word(selected: Selected, test: str, keyword: str) -> str:
    """Return the word of -k by which a recording's name, and no model, decides about a test; or "".

    `test` is the id of a test of one of the user's recordings. A word that is a part of models'
    names means these, so that `-k tiny` is not to select each size with a recording `tiny`.
    """
    assert selected.audio is not None
    name, whole = selected.audio.name.lower(), f"{test} {selected.audio.name}".lower()
    model = f"{test.partition('[')[0]}[{selected.case}]".lower()
    of_both = [word for word in words_of(keyword) if word in name and model_with(word)]

    def matches(word: str, /, **_: object) -> bool:
        return word.lower() in (model if word.lower() in of_both else whole)

    decides = of_both and _compiled(keyword).evaluate(matches) != is_selected(whole, keyword)
    return of_both[0] if decides else ""


@cache
def model_with(word: str) -> str:
    """Return two parts of a case's id, one of which has a word in it; "" where none has."""
    pairs = ((f"{case.size}-{case.variant}", f"{case.adapter}-{case.size}") for case in all_cases())
    return next((part for part in chain.from_iterable(pairs) if word in part.lower()), "")


def refuse_misleading(items: Sequence[pytest.Item], keyword: str) -> None:
    """Refuse a -k of which a word that means models selects tests by a recording's name.

    Raises:
        pytest.UsageError: It names the word, the recording, and what to write.
    """
    for item in items:
        if not isinstance(item, pytest.Function) or case_of(item) is None:
            continue
        selected = parameters_of(item)
        if selected.is_own and (word := misleading_word(selected, item.nodeid, keyword)):
            assert selected.audio is not None
            what = "corpus" if selected.corpus else "recording"
            raise pytest.UsageError(
                f'-k "{keyword}": expected {word!r} to be a part of models\' names alone, got the '
                f"{what} {selected.audio.name!r}, which has it, too; rename the {what}, or write "
                f"more of what is meant, as in {model_with(word)!r}"
            )


def parts_lines(keyword: str, tests: Collection[str]) -> list[str]:
    """Return a line for each word of -k that is a whole piece of some ids and a part of others'.

    As `en`, which is a piece of `tiny.en` and a part of `openai`; `.en` is what was meant.
    """
    pieces = set(_LETTERS.findall(" ".join(tests).lower()))
    found = {
        word: sorted(each for each in pieces if word in each and word != each)
        for word in words_of(keyword)
        if word in pieces
    }
    return [
        f"-k takes {word!r} for a part of {', '.join(longer)} as well; write more of what is meant"
        for word, longer in found.items()
        if longer
    ]


def selected_name(test: str, adapter: str, keyword: str) -> str:
    """Return an id that -k selects of the tests that an adapter would have; "" if it selects none.

    An adapter that cannot be used has no cases to ask, so it is taken to have all that others have.
    """
    variants = dict.fromkeys(case.variant for case in all_cases())
    ids = (
        f"{test}[{adapter}-{size}-{variant}-{clip}]"
        for size in SIZES
        for variant in variants
        for clip in clips()
    )
    return next((each for each in ids if is_selected(each, keyword)), "")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let -k find what stands for an adapter that cannot be used as it would find its tests."""
    keyword = item.config.getoption("keyword")
    for adapter in unusable([item]) if keyword else ():
        assert isinstance(item, pytest.Function)
        if name := selected_name(item.originalname, adapter, keyword):
            item.extra_keyword_matches.add(name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note what there is, before anything is deselected."""
    if keyword := config.getoption("keyword"):
        try:
            refuse_misleading(items, keyword)
        except pytest.UsageError:
            items.clear()  # or --collect-only would list them all
            raise
    config.stash[COLLECTED] = tuple(item.nodeid for item in items)
    config.stash[OVER] = tuple(item.nodeid for item in items if measure_of(item))
    config.stash[MARKED] = frozenset(
        frozenset(mark.name for mark in item.iter_markers()) for item in items
    )


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say which words of -k are parts of others."""
    tests: tuple[str, ...] = config.stash.get(OVER, ())
    return parts_lines(config.getoption("keyword"), tests)


def lacks_own(expression: str, marked: Collection[frozenset[str]]) -> bool:
    """Tell whether -m selects nothing, and would if there were recordings of the user's own.

    `marked` are the names of the marks of all tests. Such a recording is given to some of them, and
    they have the mark `own` then, beside the others.
    """
    if not expression or any(OWN in names for names in marked):
        return False
    compiled = Expression.compile(expression)

    def selects(names: frozenset[str]) -> bool:
        return compiled.evaluate(lambda name, /, **_: name in names)

    return not any(map(selects, marked)) and any(selects(names | {OWN}) for names in marked)


def advice(keyword: str, tests: Collection[str], missing: Sequence[str]) -> list[str]:
    """Return what to say where -k matches none of the tests that there are, given by their ids.

    Of the libraries that are missing, those are named that a word of it means.
    """
    words = words_of(keyword)
    said = [f'no test matches -k "{keyword}"']
    for word in words:
        if not any(word in test.lower() for test in tests):
            near = near_words(word)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            said.append(f"no test has {word!r} in its name{meant}")
    if absent := [name for name in missing if any(word.lower() in name for word in words)]:
        said.append(not_installed_line(absent))
    return [*said, LISTS_ALL]


def near_words(word: str) -> list[str]:
    """Return the libraries, sizes, variants and clips that a word may mean, if it is none itself.

    The nearest comes first; there are three at most. Where no name is near, a part of one may be.
    """
    known = [*usable(), *SIZES, *dict.fromkeys(case.variant for case in all_cases()), *clips()]
    if word in known:
        return []
    if near := get_close_matches(word, known, n=3):
        return near
    parts = dict.fromkeys(part for name in known for part in name.split("-"))
    near = get_close_matches(word, parts, n=1)
    return [name for name in known if near and near[0] in name.split("-")][:3]


def not_installed_line(libraries: Sequence[str]) -> str:
    """Return the line that names libraries that are missing, and the command that adds them."""
    return f"not installed: {', '.join(libraries)}; add with: {install_command(libraries)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it at the end, where nobody has to look for it."""
    config, session = terminalreporter.config, terminalreporter._session
    keyword, tests = config.getoption("keyword"), config.stash.get(COLLECTED, ())
    if not tests or session is None or session.items or session.testsfailed:
        return
    marked = config.stash[MARKED]
    if lacks_own(config.getoption("markexpr"), marked):
        first, *further = WITHOUT_OWN
    elif keyword and not any(is_selected(test, keyword) for test in tests):
        missing = [name for name in usable() if why_not_installed(name)]
        first, *further = advice(keyword, tests, missing)
    else:
        return  # another option, as --shard, has left them out, and says so itself
    terminalreporter.line(f"nothing was selected: {first}", yellow=True)
    for line in further:
        terminalreporter.line(f"  {line}")
