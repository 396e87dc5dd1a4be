"""The notes on failures: each reason once, with the tests that it is about."""

from __future__ import annotations

from dataclasses import replace

from tests.helpers.notes import failed, noted, quiet
from tests.helpers.results import CASE
from whisper_speedtest.measure.measures import Outcome


def test_failures_and_time_outs_are_told_by_test() -> None:
    """Each test that failed or timed out is told with its reason, and none that passed."""
    assert noted(
        [
            quiet(test="test_a[one]", outcome=Outcome.FAILED, reason="it crashed"),
            quiet(test="test_b[two]", outcome=Outcome.TIMED_OUT, reason="not within 3 s"),
            quiet(test="test_c[three]"),
        ]
    ) == ["failed:   test_a[one]: it crashed", "failed:   test_b[two]: not within 3 s"]


def test_failure_of_several_tests_is_told_once_and_counted() -> None:
    """A failure of several tests is told once, with their number and the names of four.

    Other failures stand for themselves.
    """
    alike = [failed(f"t{number}", f"{CASE.label} on memo: it broke") for number in range(6)]

    assert noted([*alike[:2], failed("other", "it crashed")]) == [
        f"failed:   {CASE.label} on memo: it broke (2 tests)",
        "          t0",
        "          t1",
        "failed:   other: it crashed",
    ]
    assert noted(alike[:5])[1:] == [*(f"          t{each}" for each in range(4)), AND_ONE]
    assert noted(alike)[-1] == "          and 2 more tests"


AND_ONE = "          and 1 more test"


def test_failure_of_several_cases_is_told_without_their_names() -> None:
    """A failure that several cases share is told once, with no case named in its reason.

    A library hears the same in each variant, and a time-out is like another.
    """
    other = replace(CASE, variant="8bit")
    cases = (CASE, other)
    heard = [failed(str(each), f"{each.label} on memo: it broke", case=each) for each in cases]
    too_long = {"outcome": Outcome.TIMED_OUT}
    late = [
        quiet(test=f"late {each}", case=each, reason=f"{each.label}: late", **too_long)
        for each in cases
    ]

    assert noted([*heard, *late]) == [
        "failed:   on memo: it broke (2 tests)",
        f"          {CASE}",
        f"          {other}",
        "failed:   late (2 tests)",
        f"          late {CASE}",
        f"          late {other}",
    ]


def test_failures_are_the_same_wherever_their_reason_names_the_case() -> None:
    """Failures that differ only in the case that their reasons name are told as one."""
    other = replace(CASE, variant="8bit")
    said = [
        failed(str(each), f"the GPU of {each.label} hangs", case=each) for each in (CASE, other)
    ]

    assert noted(said) == [
        "failed:   the GPU of the case hangs (2 tests)",
        f"          {CASE}",
        f"          {other}",
    ]
