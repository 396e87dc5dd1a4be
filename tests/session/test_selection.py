"""Which tests there are: their ids are stored keys, so they are held to a stored list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters import REGISTRY, all_cases, why_unusable
from adapters.base import Case
from fixtures.audio import clips
from tests.helpers.project import ROOT
from whisper_speedtest.measure.measures import Measure
from whisper_speedtest.session.options import BY_DEFAULT
from whisper_speedtest.session.selection import Selected, is_default, select, selects, suits
from whisper_speedtest.speech.clip import OWN_ORIGIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STORED = Path(__file__).with_name("stored_ids.txt")
MICRO, TINY = (Case("faster-whisper", size, "fp16") for size in ("micro", "tiny"))
BATCHLESS = Case("whisper.cpp", "tiny", "fp16")


def benchmarks() -> Iterator[tuple[str, pytest.Mark]]:
    """Yield each benchmark's name with its marker `over`."""
    for path in sorted((ROOT / "benchmarks").glob("test_*.py")):
        module = import_module(f"benchmarks.{path.stem}")
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", []):
                if name.startswith("test_") and mark.name == "over":
                    yield name, mark


def over(*names: str, **options: object) -> pytest.Mark:
    """Return a marker `over`."""
    return pytest.mark.over(*names, measure=Measure.WARM, **options).mark


def keys(marker: pytest.Mark, *cases: Case, own: str = "") -> list[str]:
    """Return the bracketed part of the ids of a test with this marker."""
    recordings = [replace(clips()["human"], name=own, origin=OWN_ORIGIN)] if own else []
    return [each.key for each in select(marker, cases, clips(), recordings)]


def test_ids_are_the_stored_ones() -> None:
    """With every library installed, no id is new, gone or renamed without this list saying so.

    Runs are compared by these ids: under another one, a slow-down goes unnoticed.
    """
    ids = {
        f"{name}[{each.key}]"
        for name, marker in benchmarks()
        for each in select(marker, all_cases(), clips())
    }
    stored = set(STORED.read_text(encoding="utf-8").splitlines())
    # A library that was added since then has no id in the list, and nothing to be compared with.
    ids -= {
        each
        for each in ids
        for name in REGISTRY
        if f"[{name}-" in each and not any(f"[{name}-" in known for known in stored)
    }

    # What an adapter that cannot be used would have is unknown; tests/adapters/ says why it cannot.
    broken = filter(why_unusable, REGISTRY)
    stored -= {known for name in broken for known in stored if f"[{name}-" in known}

    new, gone = sorted(ids - stored), sorted(stored - ids)
    assert new + gone == [], (
        f"{len(new)} ids are not in tests/session/{STORED.name} ({new[:3]}), {len(gone)} of it are "
        f"no longer there ({gone[:3]}); if that is meant, edit the list, and say so under Results "
        "affected in CHANGELOG.md"
    )


def test_every_benchmark_says_what_it_measures() -> None:
    """Each measure has a benchmark, and no two have the same."""
    measures = [Measure(marker.kwargs["measure"]) for _, marker in benchmarks()]

    assert sorted(measures) == sorted(Measure)


def test_id_names_case_clip_and_batch_size() -> None:
    """In this order, joined by hyphens; what there is none of is left out."""
    clip = clips()["short"]

    assert Selected(TINY).key == "faster-whisper-tiny-fp16"
    assert Selected(TINY, clip).key == "faster-whisper-tiny-fp16-short"
    assert Selected(TINY, clip, 6).key == "faster-whisper-tiny-fp16-short-batch6"


def test_cases_come_in_their_order_with_every_clip_and_batch_size() -> None:
    """The batch size changes fastest, then the clip."""
    assert keys(over("short", "long", batches=True), TINY, BATCHLESS) == [
        *(f"faster-whisper-tiny-fp16-short-batch{size}" for size in (1, 6, 12, 24)),
        *(f"faster-whisper-tiny-fp16-long-batch{size}" for size in (1, 6, 12, 24)),
        "whisper.cpp-tiny-fp16-short-batch1",
        "whisper.cpp-tiny-fp16-long-batch1",
    ]


def test_test_without_clips_runs_once_a_case() -> None:
    """As the load does, whatever recordings the user has."""
    assert keys(over(own=True), TINY, MICRO, own="mine") == [
        "faster-whisper-tiny-fp16",
        "faster-whisper-micro-fp16",
    ]


def test_own_recordings_join_the_tests_that_take_them() -> None:
    """After the project's clips, and also for the embedded model: the user asked for it."""
    assert keys(over("short", own=True), MICRO, own="mine") == [
        "faster-whisper-micro-fp16-short",
        "faster-whisper-micro-fp16-mine",
    ]
    assert keys(over("short"), MICRO, own="mine") == ["faster-whisper-micro-fp16-short"]


def test_embedded_model_is_not_measured_on_a_human_voice() -> None:
    """It knows synthetic voices alone; every other size is measured on both."""
    human, synthetic = clips()["human"], clips()["short"]

    assert not suits(MICRO, human)
    assert suits(MICRO, synthetic)
    assert suits(TINY, human)
    assert suits(TINY, synthetic)
    assert suits(MICRO, replace(human, origin=OWN_ORIGIN))


# What a session has that selects nothing


@dataclass
class Config:
    """The options that say which tests are run; nothing is selected unless it is given."""

    keyword: str = ""
    markexpr: str = ""
    lf: bool = False
    max_download: int | None = None
    args: Sequence[str] = ("benchmarks", "benchmarks/test_start.py")

    def getoption(self, name: str, default: object = None) -> object:
        """Return an option's value."""
        return getattr(self, name, default)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, False),
        ({"keyword": "medium"}, True),
        ({"markexpr": "tuned"}, True),
        ({"lf": True}, True),
        ({"max_download": 10**9}, True),
        ({"max_download": 0}, True),
        ({"args": ["benchmarks/test_start.py::test_load[a-medium-fp16]"]}, True),
        ({"args": ["benchmarks", "b.py::test_load"]}, True),
        ({"args": []}, False),
    ],
)
def test_user_selects_by_keyword_marker_id_last_failure_or_size(
    options: dict[str, Any], chosen: bool
) -> None:
    """A folder or a file of tests is no choice of models."""
    assert selects(cast("pytest.Config", Config(**options))) is chosen


def test_default_is_fp16_of_the_sizes_that_a_quarter_of_an_hour_is_enough_for() -> None:
    """Of every library the same, as far as it has them."""
    sizes = ("micro", "tiny", "base", "small")
    expected = [case for case in all_cases() if case.size in sizes and case.variant == "fp16"]

    assert list(filter(is_default, all_cases())) == expected
    assert {case.adapter for case in expected} == {case.adapter for case in all_cases()}


def test_default_is_named_in_the_help_as_it_is() -> None:
    """What is said and what is done are the same sizes."""
    assert BY_DEFAULT == "fp16 of micro, tiny, base and small"
