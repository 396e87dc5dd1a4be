"""In which respects results differ: what makes two of them different measurements, and its name."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import Any

import msgspec
import pytest

from adapters.base import Case
from tests.helpers.results import (
    CLIP,
    COMMIT,
    MACHINE,
    MODEL,
    PROVENANCE,
    SETTINGS,
    SHA256,
    samples,
    score,
    state,
    warm,
)
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.engine.memory import Memory
from whisper_speedtest.measure.measures import Measure, Outcome, Verdict
from whisper_speedtest.measure.result import Comparison, Provenance, Result, Side
from whisper_speedtest.measure.samples import Repeats, Turn
from whisper_speedtest.results.aspects import (
    described,
    differing,
    of_library,
    of_model,
    of_set_up,
    of_subject,
)

replace = msgspec.structs.replace

IDENTIFYING = {
    *("test", "measure", "case", "model", "clip", "settings", "comparison", "provenance"),
    "machine",
}
"""The fields of a result that say what was measured, and where; not all that is in each of them."""

FOUND = {
    *("version", "outcome", "reason", "cause", "when", "repeats", "samples", "starts", "memory"),
    *("transcript", "fallback", "score", "clips", "code", "first", "before", "after"),
}
"""The fields that say what came of it, and how: a repetition may have others."""

SIDE = Side(name="v1", case=Case("a", "tiny", "fp16"), model=MODEL, provenance=PROVENANCE)
COMPARISON = Comparison(
    baseline=SIDE,
    turns=(Turn(block=0, baseline_first=True, seconds=1.0, baseline_seconds=2.0),),
    ratio=0.5,
    low=0.4,
    high=0.6,
    limit=0.05,
    verdict=Verdict.NOT_SLOWER,
)


def differences(one: Result, other: Result) -> list[str]:
    """Return the names of all aspects in which two results differ."""
    return differing([of_subject(each) | of_set_up(each) for each in (one, other)])


def test_each_field_of_a_result_says_what_was_measured_or_what_came_of_it() -> None:
    """Each field of a result says either what was measured or what came of it.

    A new field has to be put into one of the two sets, or reports would mix what is unlike. What
    says what was measured is an aspect of `of_subject` or `of_set_up` as well.
    """
    names = set(Result.__struct_fields__)

    assert not IDENTIFYING & FOUND, "a field is in both sets"
    assert names == IDENTIFYING | FOUND, (
        f"decide whether {names ^ (IDENTIFYING | FOUND)} says what was measured, so that it is an "
        "aspect of results/aspects.py, and put it into one of the sets here"
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"test": "test_other"}, ["test"]),
        ({"measure": Measure.TUNED}, ["measure"]),
        ({"case": Case("mlx-whisper", "tiny", "4bit")}, ["library"]),
        ({"case": Case("lightning-whisper-mlx", "base", "4bit")}, ["size"]),
        ({"case": Case("lightning-whisper-mlx", "tiny", "8bit")}, ["variant"]),
        ({"clip": replace(CLIP, name="long")}, ["clip"]),
        ({"clip": replace(CLIP, sha256="ef" * 32)}, ["sound"]),
        ({"clip": None}, ["clip", "sound"]),
        ({"model": replace(MODEL, repo="org/other")}, ["repo"]),
        ({"model": replace(MODEL, revision="v2")}, ["revision"]),
        ({"model": replace(MODEL, commit="ff" * 20)}, ["commit"]),
        ({"model": replace(MODEL, listed_as="org/new")}, ["listed as"]),
        (
            {"model": replace(MODEL, files={"weights.npz": Proof(23_456_789, "ba" * 32)})},
            ["file weights.npz"],
        ),
        ({"settings": replaced(SETTINGS, batch_size=6)}, ["batch size"]),
        ({"settings": replaced(SETTINGS, vad=True)}, ["vad"]),
        ({"settings": replaced(SETTINGS, threads=8)}, ["threads told"]),
        ({"provenance": replace(PROVENANCE, device="cpu")}, ["device"]),
        ({"provenance": replace(PROVENANCE, device_confirmed=False)}, ["device confirmed"]),
        ({"provenance": replace(PROVENANCE, dtype="float32")}, ["type"]),
        ({"provenance": replace(PROVENANCE, threads=2)}, ["threads"]),
        (
            {"provenance": replace(PROVENANCE, versions=PROVENANCE.versions | {"mlx": "1"})},
            ["mlx"],
        ),
        ({"provenance": replace(PROVENANCE, mends=("one",))}, ["mended"]),
        (
            {"provenance": replace(PROVENANCE, environment={"CUDA_VISIBLE_DEVICES": "0"})},
            ["variable CUDA_VISIBLE_DEVICES"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_result_of_something_else_differs_in_just_that(
    changes: dict[str, Any], names: list[str]
) -> None:
    """Whatever makes two results incomparable is the aspect in which they are said to differ."""
    assert differences(warm(), warm(**changes)) == names


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (replace(PROVENANCE, device="cpu"), ["compiler"]),
        (PROVENANCE, []),
        (replace(PROVENANCE, device="cpu", versions={"faster-whisper": "1.2"}), []),
    ],
    ids=["mlx on the CPU", "mlx on the GPU", "another library"],
)
def test_compiler_is_an_aspect_of_mlx_on_the_cpu(facts: Provenance, names: list[str]) -> None:
    """Results differ by their compiler only where MLX computes on the CPU.

    Earlier versions of the suite named what they found in each result.
    """
    without = replace(facts, compiler=None)

    assert differences(warm(provenance=facts), warm(provenance=without)) == names


def test_repetition_differs_in_nothing() -> None:
    """A repetition differs from the first result in no aspect, whatever came of it."""
    again = warm(
        9.0,
        outcome=Outcome.BUSY,
        reason="other processes",
        cause="other processes",
        when="2026-11-26T07:00:00.000Z",
        samples=samples(7.0),
        repeats=Repeats(processes=5, calls=2, max_others=None),
        memory=Memory(footprint=1, accelerator=None),
        transcript="a ship",
        fallback=True,
        score=score(0.5),
        code="cc" * 32,
        machine=MACHINE,
        before=state(1.0),
        after=state(2.0),
        provenance=replace(PROVENANCE, empty_call=1.0),
    )

    assert differences(warm(), again) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"limit": None}, "baseline limit"),
        ({"baseline": replace(SIDE, name="v2")}, "baseline"),
        ({"baseline": replace(SIDE, case=Case("b", "tiny", "fp16"))}, "baseline library"),
        ({"baseline": replace(SIDE, code="cc" * 32)}, "baseline code"),
        ({"baseline": replace(SIDE, model=replace(MODEL, repo="org/b"))}, "baseline repo"),
        (
            {"baseline": replace(SIDE, provenance=replace(PROVENANCE, dtype="int8"))},
            "baseline type",
        ),
        (
            {"baseline": replace(SIDE, provenance=replace(PROVENANCE, threads=1))},
            "baseline threads",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_comparison_with_another_side_is_another_measurement(
    changes: dict[str, Any], name: str
) -> None:
    """Comparisons differ by their other side and their limit, not by what came of them."""
    one = warm(comparison=COMPARISON)

    assert differences(one, warm(comparison=replace(COMPARISON, **changes))) == [name]
    assert not differences(one, warm(comparison=replace(COMPARISON, ratio=0.55, turns=())))


def test_call_after_another_pause_is_another_measurement() -> None:
    """A call after 2 s of idleness is no repetition of one after 5 s."""
    brief, long, none = (
        warm(repeats=Repeats(processes=3, calls=1, max_others=0.1, pause=pause))
        for pause in (2.0, 5.0, 0.0)
    )

    assert differences(brief, long) == differences(brief, none) == ["pause"]
    assert [of_subject(each)["pause"] for each in (brief, long, none)] == ["2 s", "5 s", ""]
    assert of_subject(warm())["pause"] == ""


def test_limit_of_nought_is_a_limit() -> None:
    """A comparison with a limit of 0 is another measurement than one without a limit."""
    none, nought = (warm(comparison=replace(COMPARISON, limit=limit)) for limit in (None, 0.0))

    assert differences(none, nought) == ["baseline limit"]
    assert of_subject(nought)["baseline limit"] == "0"


def test_nothing_is_known_of_the_set_up_of_what_was_not_measured() -> None:
    """A result that was never measured tells nothing of its set-up: no versions, no threads."""
    assert of_set_up(warm(provenance=None)) == {}
    assert of_set_up(warm())["threads told"] == "4"
    assert of_set_up(warm(settings=None))["threads told"] == ""


def test_other_files_are_not_named_beside_another_commit() -> None:
    """Models of different commits differ by the commit alone; their files are not named.

    Without different commits, the files are what is left to say.
    """
    files = {"a": Proof(1, SHA256), "b": Proof(2, SHA256)}
    one, other = replace(MODEL, files=files), replace(MODEL, files={}, revision="v2")

    assert (
        differing([of_model(one), of_model(other)])
        == [
            "revision",
            "file a",
            "file b",
            "file weights.npz",
        ][:3]
    )
    assert differing([of_model(one), of_model(replace(other, commit="ff" * 20))]) == ["commit"]


def test_aspects_are_named_in_one_order() -> None:
    """Differing aspects are named in one order, among several results as between two."""
    one = of_library(PROVENANCE)
    other = of_library(replace(PROVENANCE, device="cpu", versions={"mlx": "1"}, dtype="int8"))

    assert differing([one, other]) == ["lightning-whisper-mlx", "mlx", "device", "type"]
    assert differing([one, one, other]) == differing([one, other])
    assert differing([one]) == differing([]) == []


def test_aspects_are_described_in_words() -> None:
    """Aspects are described by name and value, hashes in short, and absent ones by `no`."""
    aspects = {"mlx": "0.32.4", "compiler": "", "commit": COMMIT, "sound": SHA256, "set": "a" * 39}

    assert described(aspects, ["mlx", "compiler", "commit", "sound"]) == (
        "mlx 0.32.4, no compiler, commit 121212121212, sound abababababab"
    )
    assert described(aspects, ["set", "torch"]) == f"set {'a' * 39}, no torch"
    assert described(aspects, []) == ""
