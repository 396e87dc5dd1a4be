"""How much longer a session takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from adapters import REGISTRY
from adapters.base import Case
from whisper_speedtest.session.terminal.time_left import Kind, TimeLeft, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (63.4, "63 s"),
        (99.4, "99 s"),
        (99.5, "2 min"),
        (725.0, "12 min"),
        (5969.0, "99 min"),
        (5970.0, "1.7 h"),
        (9000.0, "2.5 h"),
    ],
)
def test_time_is_said_as_people_do(seconds: float, text: str) -> None:
    """A time is said in seconds up to 99, in minutes up to 99, and then in hours."""
    assert duration(seconds) == text


def kind(name: str, what: str, *, skipped: bool = False, budget: float | None = None) -> Kind:
    """Return what a test measures of a case: adapter and variant, as `a fp16`, of size tiny."""
    adapter, variant = name.split()
    return Kind(Case(adapter, "tiny", variant), what, what in {"load", "cold"}, skipped, budget)


def of(*kinds: Kind) -> TimeLeft:
    """Return what is left of tests that are called by their number, from 1."""
    return TimeLeft({str(number): each for number, each in enumerate(kinds, start=1)})


def run(left: TimeLeft, *seconds: float, first: int = 1) -> None:
    """Let tests one after another take so many seconds, from the one of this number on."""
    for number, each in enumerate(seconds, start=first):
        left.begin(str(number))
        left.end(str(number), each)


CALLS = ("short", "window", "noisy", "long", "tuned")


def test_nothing_is_said_before_three_tests_of_calls() -> None:
    """The time left is not said before three tests of calls of a case have ended."""
    left = of(kind("a x", "load"), kind("a x", "cold"), *(kind("a x", what) for what in CALLS))

    for number, seconds in enumerate((30.0, 0.2, 8.0, 2.0), start=1):
        left.begin(str(number))
        assert left.left(0.0) == f"test {number} of 7"
        left.end(str(number), seconds)
    left.begin("5")
    assert left.left(0.0) == "test 5 of 7"
    left.end("5", 5.0)
    left.begin("6")

    assert left.left(0.0) == "about 10 s left", "expected twice the middle of 2, 5 and 8 s"


def test_rest_of_the_test_that_runs_counts_and_all_after_it() -> None:
    """The time left is that of the rest of the running test and of all tests after it."""
    left = of(*(kind("a x", what) for what in CALLS))
    run(left, 10.0, 20.0, 30.0)

    left.begin("4")

    assert left.left(0.0) == "about 40 s left"
    assert left.left(15.0) == "about 25 s left"


def test_test_that_takes_longer_than_expected_says_nothing_of_the_rest() -> None:
    """While a test takes longer than expected, no time left is said."""
    left = of(*(kind("a x", what) for what in CALLS))
    run(left, 10.0, 10.0, 10.0)

    left.begin("4")

    assert left.left(9.9) == "about 10 s left"
    assert left.left(10.0) == "test 4 of 5"


def test_the_same_test_of_another_variant_tells_once_two_are_begun() -> None:
    """A test's time is expected from the same test of other variants, once two are begun.

    It is the median of what these took.
    """
    variants = ("a x", "a y", "a z", "a w")
    left = of(*(kind(name, what) for name in variants for what in ("load", "short")))

    for number, seconds in enumerate((2.0, 10.0), start=1):
        left.begin(str(number))
        left.end(str(number), seconds)
    left.begin("3")
    assert left.left(0.0) == "test 3 of 8"
    left.end("3", 4.0)
    left.begin("4")
    assert left.left(0.0) == "about 36 s left", "expected 10 s, and twice 3 s and 10 s"
    left.end("4", 30.0)
    run(left, 9.0, 12.0, first=5)
    left.begin("7")

    assert left.left(0.0) == "about 16 s left", "expected 4 s of 2, 4, 9 and 12 s of 10, 30, 12"


def test_variant_that_is_slower_so_far_is_expected_to_stay_so() -> None:
    """A variant that is slower so far is expected to stay so, by the median ratio of its calls."""
    what = ("load", "short", "window", "noisy", "long")
    left = of(*(kind(name, each) for name in ("a x", "a y") for each in what))
    run(left, 1.0, 2.0, 10.0, 4.0, 20.0)
    run(left, 9.0, 6.0, 30.0, first=6)

    left.begin("9")

    assert left.left(0.0) == "about 72 s left", "expected three times 4 s and 20 s"


def test_library_that_was_not_met_is_only_guessed_and_too_much_of_it_says_nothing() -> None:
    """The time left is not said if over a quarter of the known part would have to be guessed.

    It is guessed from another library, which may be five times as fast.
    """
    names = ("short", "window", "noisy", "long")
    kinds = [kind("a x", what) for what in names]
    few, many = (of(*kinds, kind("b x", "short")) for _ in range(2))
    for left, short in ((few, 2.5), (many, 2.6)):
        run(left, short, 10.0, 12.5)
        left.begin("4")

    assert few.left(0.0) == "about 12 s left", "expected 10 s, and 2.5 s of another library"
    assert many.left(0.0) == "test 4 of 5", (
        "expected 2.6 s to be too much to be guessed beside 10 s"
    )


def test_what_is_guessed_is_what_other_libraries_of_its_size_took_in_the_mean() -> None:
    """The time of a library that has not begun is the mean of other libraries of its size."""
    names = ("short", "window", "noisy", "long")
    tests = {
        **{f"base {what}": Kind(Case("a", "base", "x"), what) for what in names},
        **{f"a {what}": kind("a x", what) for what in names},
        **{f"b {what}": kind("b x", what) for what in names},
        **{f"c {what}": kind("c x", what) for what in names[:1]},
    }
    left = TimeLeft(tests)
    took = {"base": 900.0, "a": 2.0, "b": 20.0}
    for test in tests:
        left.begin(test)
        if test == "b long":
            break
        library, _ = test.split()
        left.end(test, {"a short": 1.0, "b short": 5.0}.get(test, took[library]))

    assert left.left(0.0) == "about 23 s left", "expected 20 s, and the mean of 1 s and 5 s"


def test_first_test_of_another_size_says_nothing_by_what_its_library_took_before() -> None:
    """The first test of another size is not expected to take what tests of earlier sizes took."""
    tests = {f"{name} {what}": kind(name, what) for name in ("a x", "a y") for what in CALLS}
    left = TimeLeft({**tests, "base": Kind(Case("a", "base", "x"), "short")})
    for test in tests:
        left.begin(test)
        left.end(test, 10.0)

    left.begin("base")

    assert left.left(0.0) == "test 11 of 11"


def test_test_that_no_other_variant_has_is_expected_by_what_their_calls_took() -> None:
    """A test that no other variant has is expected to take the median of a variant's calls.

    A start is not, as calls say nothing of it.
    """
    calls = ("short", "window", "noisy")
    a, b = ([kind(name, what) for what in calls] for name in ("a x", "a y"))
    only = of(*a, *b, kind("a z", "long"))
    run(only, 1.0, 2.0, 3.0, 10.0, 20.0, 30.0)
    start = of(*a, *b, kind("a z", "load"))
    run(start, 1.0, 2.0, 3.0, 10.0, 20.0, 30.0)

    only.begin("7")
    start.begin("7")

    assert only.left(0.0) == "about 20 s left"
    assert start.left(0.0) == "test 7 of 7"


def test_what_starts_take_does_not_depend_on_the_calls_of_a_case() -> None:
    """The time that a start takes is not expected to grow with the calls of its case."""
    what = ("load", "short", "window", "noisy", "cold")
    left = of(*(kind(name, each) for name in ("a x", "a y") for each in what))
    run(left, 1.0, 2.0, 2.0, 2.0, 7.0, 1.0, 20.0, 20.0, 20.0)

    left.begin("10")

    assert left.left(0.0) == "about 7 s left"


def test_test_that_runs_again_is_no_measure_of_itself() -> None:
    """A test that runs again is expected to take what it took of another variant."""
    what = ("load", "short", "window", "noisy")
    left = of(*(kind(name, each) for name in ("a x", "a y") for each in what))
    run(left, 1.0, 2.0, 4.0, 6.0, 1.0, 2.0, 4.0, 60.0)

    left.begin("8")

    assert left.left(0.0) == "about 6 s left"


def test_what_no_library_has_measured_says_nothing_of_the_whole() -> None:
    """While no library has run a test of a size, the time left is not said."""
    left = TimeLeft(
        {
            **{what: kind("a x", what) for what in CALLS},
            "base": Kind(Case("a", "base", "x"), "short"),
        }
    )
    for what in CALLS[:-1]:
        left.begin(what)
        left.end(what, 10.0)

    left.begin(CALLS[-1])

    assert left.left(0.0) == "test 5 of 6"


def test_test_that_is_known_to_be_skipped_takes_no_time() -> None:
    """A test that is known to be skipped is expected to take no time."""
    left = of(*(kind("a x", what) for what in CALLS), kind("b x", "load", skipped=True))
    run(left, 10.0, 10.0, 10.0)

    left.begin("4")

    assert left.left(0.0) == "about 20 s left"


def test_what_was_skipped_of_a_case_is_expected_to_be_skipped_of_its_other_variants() -> None:
    """A test that was skipped of one case is expected to be skipped of its other variants.

    It is not where the whole case was skipped, as a model may be missing.
    """
    what = ("load", "short", "long")
    left = of(*(kind(name, each) for name in ("a x", "a y", "a z") for each in what))
    run(left, 1.0, 2.0)
    left.begin("3")
    left.skip("3")
    run(left, 1.0, first=4)
    left.begin("5")
    assert left.left(0.0) == "about 5 s left", "expected 2 s and 3 s, and nothing of long"

    absent = of(*(kind(name, each) for name in ("a y", "a x", "a z", "a w") for each in what))
    for number in "123":
        absent.begin(number)
        absent.skip(number)
    run(absent, 1.0, 2.0, 3.0, 1.0, 2.0, first=4)
    absent.begin("9")
    assert absent.left(0.0) == "about 9 s left", "expected 3 s, and 1 s, 2 s and 3 s"


def test_test_that_is_run_again_counts_once() -> None:
    """A test that is run again counts once."""
    left = of(*(kind("a x", what) for what in CALLS))
    run(left, 10.0, 10.0, 10.0, 10.0)

    left.begin("4")

    assert left.left(0.0) == "about 20 s left"
    assert left.left(99.0) == "test 4 of 5"


def with_budget(name: str, *what: str) -> list[Kind]:
    """Return tests of a case; the timed calls of each test of calls have 6 s."""
    starts = {"load", "cold"}
    return [kind(name, each, budget=None if each in starts else 6.0) for each in what]


def test_most_that_is_left_is_said_where_the_budget_limits_what_is_only_guessed() -> None:
    """While tests of a library are only guessed, the most that is left is said by their budget.

    A test of calls takes 8 s of a budget of 6 s, or what it took; a start what one took. Of a
    library that has begun, what is known counts.
    """
    names = ("load", "short", "window", "noisy", "long")
    left = of(*with_budget("a x", *names), *with_budget("b x", *names))
    run(left, 3.0, 2.0, 4.0, 14.9)
    left.begin("5")
    assert left.left(0.0) == "test 5 of 10", "expected nothing, as no library has measured long"
    left.end("5", 5.0)

    left.begin("6")
    assert left.left(0.0) == "at most about 42 s left", "expected 3 s, three times 8 s and 14.9 s"
    assert left.left(2.0) == "at most about 40 s left"
    assert left.left(3.0) == "test 6 of 10"

    run(left, 3.0, 1.0, 1.0, 1.0, first=6)
    left.begin("10")
    assert left.left(0.0) == "about 1 s left"


def test_most_of_a_start_is_the_longest_that_was_met() -> None:
    """The most that a start is expected to take is the longest start so far."""
    names = ("a x", "b x", "c x")
    left = of(*(each for name in names for each in with_budget(name, "load", "short")))
    run(left, 30.0, 1.0, 2.0, 1.0)

    left.begin("5")

    assert left.left(0.0) == "at most about 38 s left", "expected 30 s and 8 s"


@pytest.mark.parametrize(
    ("took", "said"), [(15.0, "at most about 30 s left"), (15.1, "test 2 of 3")]
)
def test_most_is_not_said_where_single_calls_are_longer_than_the_budget(
    took: float, said: str
) -> None:
    """The most that is left is not said if a test took over two and a half times its budget."""
    left = of(*(kind(name, "short", budget=6.0) for name in ("a x", "b x", "c x")))
    run(left, took)

    left.begin("2")

    assert left.left(0.0) == said


def test_most_is_not_said_of_a_size_that_was_not_met_or_has_no_budget() -> None:
    """The most that is left is not said of a size that has not begun, or without a budget."""
    small = Kind(Case("a", "tiny", "x"), "short", budget=6.0)
    for other in (
        Kind(Case("a", "large", "x"), "short", budget=6.0),
        Kind(Case("b", "tiny", "x"), "short"),
    ):
        left = TimeLeft({"small": small, "other": other})
        left.begin("small")
        left.end("small", 1.0)

        left.begin("other")

        assert left.left(0.0) == "test 2 of 2"


# A session that was recorded


RECORDED = Path(__file__).with_name("durations.txt")
ID = re.compile(rf"(\w+)\[({'|'.join(map(re.escape, REGISTRY))})-micro-(\w+)-?(.*)\]")
OF_STARTS = {"test_load", "test_cold_start_and_memory"}


BUDGET = 20.0
"""Seconds that the timed calls of each test of that session had."""


def recorded(libraries: str) -> list[tuple[Kind, float]]:
    """Return the tests of some libraries, with the seconds that each took in a real session."""
    found = []
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            seconds, outcome, test = line.split()
            match = ID.fullmatch(test)
            assert match, f"{RECORDED}: expected a test of micro, got {line!r}"
            name, adapter, variant, rest = match.groups()
            case = Case(adapter, "micro", variant)
            skipped = outcome == "skipped"
            if re.search(libraries, adapter):
                of_a_start = name in OF_STARTS
                budget = None if of_a_start else BUDGET
                kind = Kind(case, f"{name} {rest}", of_a_start, skipped, budget)
                found.append((kind, float(seconds)))
    return found


class Told(NamedTuple):
    """What was said of a session before one of its tests."""

    number: int
    words: str
    said: float
    true: float
    """Seconds that were left."""


def told_of(session: list[tuple[Kind, float]]) -> list[Told]:
    """Return all that is said of the time left while such a session goes on."""
    left = TimeLeft({str(number): kind for number, (kind, _) in enumerate(session)})
    found = []
    for number, (kind, seconds) in enumerate(session):
        left.begin(str(number))
        true = sum(each for _, each in session[number:])
        text = left.left(0.0)
        if match := re.fullmatch(r"(about|at most about) ([\d.]+) (s|min|h) left", text):
            words, count, unit = match.groups()
            said = float(count) * {"s": 1, "min": 60, "h": 3600}[unit]
            found.append(Told(number, words, said, true))
        else:
            assert text == f"test {number + 1} of {len(session)}"
        if kind.skipped:
            left.skip(str(number))
        else:
            left.end(str(number), seconds)
    return found


@pytest.mark.parametrize(
    ("libraries", "tests"),
    [("", 141), ("mlx", 57), ("lightning", 33), ("whisper.cpp", 32), ("openai|transformers", 19)],
)
def test_what_is_said_of_a_real_session_is_right_within_a_factor_of_one_and_a_half(
    libraries: str, tests: int
) -> None:
    """The time left in a real session is right within a factor of 1.5, or within 5 s."""
    session = recorded(libraries)
    assert len(session) == tests

    known = [each for each in told_of(session) if each.words == "about"]

    assert len(known) >= 3, "nothing was ever said of the time left"
    for number, _, said, true in known:
        near = said <= 1.5 * true and true <= 1.5 * said
        assert near or abs(said - true) <= 5, f"{said} s for {true:.0f} s at test {number}"


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("turn", [1, -1], ids=["forwards", "backwards"])
def test_most_that_is_said_of_a_real_session_of_six_libraries_holds(first: int, turn: int) -> None:
    """In a real session, what is said to be left at most is exceeded by a fifth at most.

    It is no more than six times what is left, whichever libraries come first. A fifth is allowed
    for what varies, as the longest start so far is taken for the longest.
    """
    session = recorded("")
    libraries = list(dict.fromkeys(kind.case.adapter for kind, _ in session))
    turned = (libraries[first:] + libraries[:first])[::turn]
    session.sort(key=lambda each: turned.index(each[0].case.adapter))

    most = [each for each in told_of(session) if each.words == "at most about"]

    assert len(most) >= 30
    for number, _, said, true in most:
        assert true <= 1.2 * said, f"at most {said} s for {true:.0f} s at test {number}"
        assert said <= 6 * true, f"at most {said} s for {true:.0f} s at test {number}"


def test_most_is_said_of_a_real_session_once_its_first_case_is_measured() -> None:
    """In a real session of six libraries, the most that is left is said from the second case on."""
    session = recorded("")

    first, *_ = told_of(session)

    assert (first.number, first.words) == (11, "at most about")
    assert session[first.number][0].case.variant != session[first.number - 1][0].case.variant
