"""The notes on what was not measured, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import Case
from tests.helpers.notes import noted, quiet, skipped
from tests.helpers.results import CASE, MODEL
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.measure.result import ModelFacts

ABSENT = ModelFacts(repo="mlx-community/whisper-tiny-mlx-4bit", revision="main")


def test_skips_are_told_by_cause_with_their_models() -> None:
    """Skips are told in a line for each cause, with the number of tests.

    Below it stands a line for each adapter and repo.
    """
    base = replace(CASE, size="base")
    absent = ModelFacts(repo="mlx-community/whisper-base-mlx-4bit", revision="main")

    assert noted(
        [
            skipped("offline", model=ABSENT),
            skipped("offline", model=ABSENT),
            skipped("offline", case=base, model=absent),
            skipped("too slow", model=MODEL),
        ]
    ) == [
        "skipped:  offline (3 tests)",
        "          lightning-whisper-mlx[tiny-4bit]: mlx-community/whisper-tiny-mlx-4bit",
        "          lightning-whisper-mlx[base-4bit]: mlx-community/whisper-base-mlx-4bit",
        "skipped:  too slow (1 test)",
        "          lightning-whisper-mlx[tiny-4bit]",
    ]


def test_variants_of_one_repo_share_a_line() -> None:
    """Skipped variants that a library makes from one repo share a line."""
    int8 = replace(CASE, variant="int8")
    both = [skipped("offline", model=ABSENT), skipped("offline", case=int8, model=ABSENT)]

    assert noted(both)[1] == (
        f"          lightning-whisper-mlx[tiny-4bit, tiny-int8]: {ABSENT.repo}"
    )


def cases_of(number: int) -> list[Case]:
    """Return so many cases of two adapters in turn, each of a size of its own."""
    return [Case(f"adapter{each % 2}", f"size{each}", "fp16") for each in range(number)]


def test_many_models_are_counted_by_adapter() -> None:
    """Of the models skipped for one cause, four are named, and more are counted by adapter.

    Dozens of lines would hide all else.
    """
    skips = [
        skipped("offline", case=case, model=ModelFacts(repo=f"org/{case.size}", revision="main"))
        for case in [*cases_of(5), cases_of(5)[0]]
    ]

    assert noted(skips[:4]) == [
        "skipped:  offline (4 tests)",
        *(f"          adapter{each % 2}[size{each}-fp16]: org/size{each}" for each in range(4)),
    ]
    assert noted(skips) == [
        "skipped:  offline (6 tests)",
        "          models: adapter0 3, adapter1 2; --check-models names each with its repo",
    ]


def test_many_causes_are_counted() -> None:
    """Four causes of skips are told, and more are counted.

    The journal has the reason of each test.
    """
    skips = [skipped(f"cause {each // 2}", case=CASE, model=MODEL) for each in range(12)]

    lines = [line for line in noted(skips) if line.startswith("skipped:")]

    assert lines == [
        *(f"skipped:  cause {each} (2 tests)" for each in range(4)),
        "skipped:  4 tests for 2 more causes; the journal has each",
    ]


def test_libraries_that_are_not_installed_are_told_in_one_line_with_the_remedy() -> None:
    """All libraries that are not installed are told in one line, with the command to get them.

    Other skips are told as they are.
    """
    missing = {"x": "x is not installed; pip install x", "y": "y needs z, which is not installed"}
    reasons = {missing["x"]: Outcome.SKIPPED, "skipped by the user": Outcome.SKIPPED}

    assert noted([], reasons, missing=missing, install="pip install x y") == [
        "skipped:  skipped by the user",
        "missing:  x, y: pip install x y",
    ]
    assert noted([quiet()], missing=missing, install="pip install x y") == [
        "missing:  x, y: pip install x y"
    ]
    assert noted([quiet()], missing={}, install="") == []


def test_adapters_that_cannot_be_used_are_failures() -> None:
    """An adapter that cannot be used is told as a failure, after what was skipped."""
    left_out = {"x.py:1 raises": Outcome.FAILED, "y is not installed": Outcome.SKIPPED}

    for results in ([], [skipped("offline", case=CASE, model=MODEL)]):
        lines = noted(results, left_out)
        assert lines[-2:] == ["skipped:  y is not installed", "failed:   x.py:1 raises"]
