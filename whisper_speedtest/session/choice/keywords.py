"""Evaluates `-k` for tests that are not collected, and warns of words that select by accident.

It also gives advice at the end if `-k` or `-m own` selects nothing.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from _pytest.mark.expression import Expression

from adapters import all_cases, install_command, valid_adapters, why_not_installed
from adapters.base import SIZES
from fixtures.audio import clips
from whisper_speedtest.session.choice.selection import case_of, measure_of, parameters_of, unusable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from whisper_speedtest.session.choice.selection import Selected

COLLECTED = pytest.StashKey[tuple[str, ...]]()
"""The ids of all collected tests, before -k is applied."""

OVER = pytest.StashKey[tuple[str, ...]]()
"""The ids among them that are of tests over cases."""

MARKED = pytest.StashKey[frozenset[frozenset[str]]]()
"""The distinct sets of marks that collected tests have, before -m is applied."""

OWN = "own"
"""The mark of tests on a recording that --audio names."""

WITHOUT_OWN = (
    "-m own stands for your own recordings, and none was given; add --audio=FILE",
    "for a corpus, leave -m own out: --corpus=DIR -k test_corpus",
)
"""The advice if -m asks for the user's own recordings, and there are none."""

LISTS_ALL = "pytest benchmarks --collect-only -q lists what there is"
"""The advice if a selection finds no test."""

_OPERATORS = {"and", "or", "not"}
_WORD = re.compile(r"[^\s()]+")
_LETTERS = re.compile(r"[^\W_]+")
"""A piece of a test's id: letters and digits, between other characters."""


def is_selected(test: str, keyword: str) -> bool:
    """Tell whether -k would select a test, of which only the id is known."""
    if not keyword:
        return True

    def matches(name: str, /, **_: object) -> bool:
        return name.lower() in test.lower()

    return _compiled(keyword).evaluate(matches)


@cache
def _compiled(keyword: str) -> Expression:
    """Return -k compiled as pytest compiles it; cached, as it is used for thousands of ids."""
    return Expression.compile(keyword)


def words_of(keyword: str) -> list[str]:
    """Return the words of -k without its operators, in lower case, each once."""
    words = [each.lower() for each in _WORD.findall(keyword)]
    return [each for each in dict.fromkeys(words) if each not in _OPERATORS]


def misleading_word(selected: Selected, test: str, keyword: str) -> str:
    """Return a word of -k that selects a test by its recording's name but means models; else "".

    `test` is the id of a test on one of the user's recordings. A word that is part of model names
    is taken to mean models: `-k tiny` must not select every size on a recording named `tiny`.
    """
    assert selected.audio is not None
    name, whole = selected.audio.name.lower(), f"{test} {selected.audio.name}".lower()
    model = f"{test.partition('[')[0]}[{selected.case}]".lower()
    # These are parts of the recording's name, and of models' names as well.
    of_both = [word for word in words_of(keyword) if word in name and model_with(word)]

    def matches(word: str, /, **_: object) -> bool:
        return word.lower() in (model if word.lower() in of_both else whole)

    if of_both and _compiled(keyword).evaluate(matches) != is_selected(whole, keyword):
        return of_both[0]
    return ""


@cache
def model_with(word: str) -> str:
    """Return two adjacent parts of a case's id that contain a word; "" if no case has it."""
    pairs = ((f"{case.size}-{case.variant}", f"{case.adapter}-{case.size}") for case in all_cases())
    return next((part for part in chain.from_iterable(pairs) if word in part.lower()), "")


def refuse_misleading(items: Sequence[pytest.Item], keyword: str) -> None:
    """Refuse a -k in which a word that means models selects tests by a recording's name.

    Raises:
        pytest.UsageError: The message names the word, the recording, and what to write.
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
    """Return a line for each word of -k that is a whole piece of some ids, and in pieces of others.

    For example, `en` is a piece of `tiny.en` and a part of `openai`; the user means `.en`.
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
    """Return the id of a test that an unusable adapter would have and -k selects; "" if none.

    Its cases are not known, so it is assumed to have all cases that other adapters have.
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
    """Let -k find the test that stands for an unusable adapter as it would find its real tests."""
    keyword = item.config.getoption("keyword")
    if not keyword:
        return
    for adapter in unusable([item]):
        assert isinstance(item, pytest.Function)
        if name := selected_name(item.originalname, adapter, keyword):
            item.extra_keyword_matches.add(name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note all ids and marks before any test is deselected."""
    if keyword := config.getoption("keyword"):
        try:
            refuse_misleading(items, keyword)
        except pytest.UsageError:
            items.clear()  # Otherwise --collect-only would list them all.
            raise
    config.stash[COLLECTED] = tuple(item.nodeid for item in items)
    config.stash[OVER] = tuple(item.nodeid for item in items if measure_of(item))
    config.stash[MARKED] = frozenset(
        frozenset(mark.name for mark in item.iter_markers()) for item in items
    )


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Warn of words of -k that select by accident, as `en` in `openai`."""
    tests: tuple[str, ...] = config.stash.get(OVER, ())
    return parts_lines(config.getoption("keyword"), tests)


def lacks_own(expression: str, marked: Collection[frozenset[str]]) -> bool:
    """Tell whether -m selects nothing, but would select tests on the user's own recordings.

    `marked` has the marks of each test. A test on such a recording has the mark `own` besides.
    """
    if not expression or any(OWN in names for names in marked):
        return False
    compiled = Expression.compile(expression)

    def selects(names: frozenset[str]) -> bool:
        return compiled.evaluate(lambda name, /, **_: name in names)

    return not any(map(selects, marked)) and any(selects(names | {OWN}) for names in marked)


def advice(keyword: str, tests: Collection[str], missing: Sequence[str]) -> list[str]:
    """Return the advice if -k selects none of the collected tests, whose ids are `tests`.

    It names those of the `missing` libraries that a word of -k means.
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
    """Return at most three libraries, sizes, variants or clips that a misspelt word may mean.

    The nearest comes first. If no name is near, names with a part that is near are returned.
    """
    known = [
        *valid_adapters(),
        *SIZES,
        *dict.fromkeys(case.variant for case in all_cases()),
        *clips(),
    ]
    if word in known:
        return []
    if near := get_close_matches(word, known, n=3):
        return near
    parts = dict.fromkeys(part for name in known for part in name.split("-"))
    near = get_close_matches(word, parts, n=1)
    return [name for name in known if near and near[0] in name.split("-")][:3]


def not_installed_line(libraries: Sequence[str]) -> str:
    """Return the line that names missing libraries, and the command that installs them."""
    return f"not installed: {', '.join(libraries)}; add with: {install_command(libraries)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the advice at the end, where it is easy to find."""
    config, session = terminalreporter.config, terminalreporter._session
    keyword, tests = config.getoption("keyword"), config.stash.get(COLLECTED, ())
    if not tests or session is None or session.items or session.testsfailed:
        return
    marked = config.stash[MARKED]
    if lacks_own(config.getoption("markexpr"), marked):
        first, *further = WITHOUT_OWN
    elif keyword and not any(is_selected(test, keyword) for test in tests):
        missing = [name for name in valid_adapters() if why_not_installed(name)]
        first, *further = advice(keyword, tests, missing)
    else:
        return  # Another option, such as --shard, has left them out, and says so itself.
    terminalreporter.line(f"nothing was selected: {first}", yellow=True)
    for line in further:
        terminalreporter.line(f"  {line}")
