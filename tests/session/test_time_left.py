"""How much longer a session takes."""

from __future__ import annotations

import pytest

from whisper_speedtest.session.time_left import Kind, TimeLeft, duration


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
    """In seconds up to 99, in minutes up to 99, and then in hours."""
    assert duration(seconds) == text


START, SHORT, LONG = (
    Kind("tiny", "cold", first=True),
    Kind("tiny", "short", first=False),
    Kind("tiny", "long", first=False),
)


def of(*kinds: Kind) -> TimeLeft:
    """Return what is left of tests that are called by their number, from 1."""
    return TimeLeft({str(number + 1): kind for number, kind in enumerate(kinds)})


def run(left: TimeLeft, *tests: tuple[str, float]) -> None:
    """Let some tests take so many seconds each."""
    for name, seconds in tests:
        left.begin(name)
        left.end(name, seconds)


def test_tests_to_come_take_what_their_kind_did() -> None:
    """The rest of the one that runs, and all after it."""
    left = of(START, SHORT, START, SHORT)
    run(left, ("1", 30.0), ("2", 10.0))

    left.begin("3")
    assert left.left(0.0) == "about 40 s left"
    assert left.left(25.0) == "about 15 s left"

    left.end("3", 50.0)
    left.begin("4")
    assert left.left(4.0) == "about 6 s left"


def test_mean_of_a_kind_is_expected() -> None:
    """Of all libraries that were measured so far."""
    left = of(START, START, START)
    run(left, ("1", 30.0), ("2", 50.0))

    left.begin("3")

    assert left.left(0.0) == "about 40 s left"


def test_where_its_kind_was_not_measured_its_size_tells() -> None:
    """Of those that did not start processes, either."""
    left = of(START, SHORT, LONG, LONG)
    run(left, ("1", 500.0), ("2", 10.0))

    left.begin("3")

    assert left.left(0.0) == "about 20 s left"


@pytest.mark.parametrize("unknown", [Kind("base", "short", first=False), START])
def test_nothing_is_said_of_what_is_not_known(unknown: Kind) -> None:
    """Another size, or the first start: then it is said how many tests there are."""
    left = of(SHORT, SHORT, unknown, SHORT)
    run(left, ("1", 10.0))

    left.begin("2")
    assert left.left(0.0) == "test 2 of 4"

    left.end("2", 10.0)
    left.begin("3")
    assert left.left(0.0) == "test 3 of 4"

    left.end("3", 20.0)
    left.begin("4")
    assert left.left(1.0) == "about 9 s left"


def test_test_that_takes_longer_than_expected_says_nothing_of_the_rest() -> None:
    """Nobody knows how much longer it takes, so it is not said to be about 0 s."""
    left = of(SHORT, SHORT, SHORT)
    run(left, ("1", 10.0))

    left.begin("2")

    assert left.left(9.9) == "about 10 s left"
    assert left.left(10.0) == "test 2 of 3"


def test_test_that_is_run_again_counts_once() -> None:
    """As another plugin may have it."""
    left = of(SHORT, SHORT)
    run(left, ("1", 10.0), ("1", 20.0))

    left.begin("1")

    assert left.left(0.0) == "about 30 s left"
    assert left.left(99.0) == "test 1 of 2"
