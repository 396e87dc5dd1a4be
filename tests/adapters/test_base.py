"""The words that adapters and the suite share: cases, files, settings, transcripts."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from adapters import adapter_class, files_of
from adapters.base import (
    REFERENCE_SIZE,
    SIZES,
    TEMPERATURES,
    Adapter,
    AdapterError,
    Case,
    DecodeSettings,
    ModelFiles,
    Segment,
    Traits,
    Transcript,
    multiplied,
)
from adapters.cores import usual_threads
from tests.adding.adapter import ParrotAdapter

EQUAL = DecodeSettings()


def test_case_is_written_as_in_ids_and_as_in_messages() -> None:
    """A case is written in ids with dashes, and in messages with brackets."""
    case = Case("whisper.cpp", "large-v3-turbo", "q5_0")

    assert str(case) == "whisper.cpp-large-v3-turbo-q5_0"
    assert case.label == "whisper.cpp[large-v3-turbo-q5_0]"


@pytest.mark.parametrize(
    ("repo", "embedded", "by_url"),
    [
        ("embedded/micro-mlx-fp16", True, False),
        ("mlx-community/whisper-tiny", False, False),
        ("someone/embedded", False, False),
        ("https://example.org/models", False, True),
        ("http://127.0.0.1:8000/models", False, True),
        ("https-models/whisper", False, False),
    ],
)
def test_files_know_where_they_come_from(repo: str, embedded: bool, by_url: bool) -> None:
    """Files are embedded, by URL or on the hub, as the beginning of their repo tells."""
    files = ModelFiles(repo, ("weights",))

    assert (files.embedded, files.by_url) == (embedded, by_url)


def test_files_are_of_the_main_branch_unless_told() -> None:
    """Files are of the main branch unless told, and are written as repo@revision."""
    assert str(ModelFiles("a/b", ("c",))) == "a/b@main"
    assert str(ModelFiles("a/b", ("c",), "v2")) == "a/b@v2"


def test_files_of_a_case_are_those_of_its_check_map() -> None:
    """The files of a case are those of its adapter's check map, by size and variant."""
    case = Case("mlx-whisper", "medium", "4bit")

    assert files_of(case) is adapter_class("mlx-whisper").check_map["medium"]["4bit"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            Case("parrot", "huge", "fp16"),
            "parrot[huge-fp16]: expected one of the sizes micro, tiny; got huge",
        ),
        (
            Case("parrot", "tiny", "4bit"),
            "parrot[tiny-4bit]: expected a variant of fp16; got 4bit",
        ),
    ],
)
def test_model_that_an_adapter_does_not_have_is_named(case: Case, message: str) -> None:
    """A model that an adapter does not have is refused with the sizes or variants that it has."""
    with pytest.raises(AdapterError) as error:
        ParrotAdapter.files(case)

    assert str(error.value) == message


def test_sizes_are_ordered_and_unique() -> None:
    """The sizes are unique and go from the embedded model to the distil models."""
    assert len(set(SIZES)) == len(SIZES)
    assert (SIZES[0], SIZES[1], SIZES[12], SIZES[-1]) == (
        *("micro", "tiny", "large-v3-turbo", "distil-large-v3.5"),
    )


def test_default_settings_are_equal_terms() -> None:
    """The default settings are equal terms: greedy, without fallback, context, VAD or batches."""
    assert asdict(EQUAL) == {
        "language": "en",
        "beam_size": 1,
        "temperature": 0.0,
        "fallback": False,
        "timestamps": True,
        "context": False,
        "vad": False,
        "batch_size": 1,
        "threads": usual_threads(),
    }


def test_temperatures_are_tried_with_a_fallback_only() -> None:
    """Several temperatures are tried with a fallback only, and are those of openai/whisper."""
    assert EQUAL.temperatures == (0.0,)
    assert replace(EQUAL, temperature=0.4).temperatures == (0.4,)
    assert replace(EQUAL, fallback=True).temperatures == TEMPERATURES == (0, 0.2, 0.4, 0.6, 0.8, 1)


def openai_result(*temperatures: float) -> dict[str, object]:
    """Return a result in the form of openai/whisper, with a segment for each temperature."""
    return {
        "text": " One. Two. ",
        "segments": [
            {"start": 1.5 * i, "end": 1.5 * i + 1, "text": f" Part {i} ", "temperature": t}
            for i, t in enumerate(temperatures)
        ],
    }


def test_result_of_openai_whisper_is_read() -> None:
    """A result of openai/whisper is read with times in seconds and without outer spaces."""
    assert Transcript.of(openai_result(0.0, 0.0), EQUAL) == Transcript(
        "One. Two.", (Segment(0.0, 1.0, "Part 0"), Segment(1.5, 2.5, "Part 1")), fallback=False
    )


def test_one_segment_at_a_higher_temperature_is_a_fallback() -> None:
    """A transcript has a fallback if one segment has a higher temperature than was asked for."""
    assert Transcript.of(openai_result(0.0, 0.2), EQUAL).fallback
    assert Transcript.of(openai_result(0.2, 0.0), EQUAL).fallback
    assert not Transcript.of(openai_result(0.4, 0.4), replace(EQUAL, temperature=0.4)).fallback
    assert not Transcript.of(openai_result(), EQUAL).fallback


def test_parts_are_joined_by_one_space() -> None:
    """Parts are joined by one space; empty parts are segments, and add nothing to the text."""
    parts = [(0.0, 1.0, " One."), (1.0, 2.0, "  "), (2.0, 3.5, "Two. ")]

    joined = Transcript.joined(iter(parts), fallback=True)

    assert joined == Transcript(
        "One. Two.",
        (Segment(0.0, 1.0, "One."), Segment(1.0, 2.0, ""), Segment(2.0, 3.5, "Two.")),
        fallback=True,
    )


def test_traits_are_given_by_name() -> None:
    """Traits are given by name alone."""
    make: Any = Traits

    with pytest.raises(TypeError):
        make(True, False, "never", True)


def test_adapter_needs_nothing_special_unless_it_says_so() -> None:
    """An adapter needs no places, mends, ignored settings or slow variants unless it says so."""
    case, parrot = Case("parrot", "tiny", "fp16"), ParrotAdapter()

    assert ParrotAdapter.place(case) is None
    assert parrot.mend(case) == ()
    assert parrot.accelerator_memory() is None
    assert parrot.reference(1) is None
    assert parrot.device_in_use("") is None
    assert Adapter.model_table(parrot) == {}
    assert Adapter.ignored_settings == {}
    assert Adapter.slow_variants == {}


def test_reference_on_a_gpu_is_the_same_in_every_version() -> None:
    """The reference computation on a GPU multiplies matrices of 2,048 rows and columns."""
    assert REFERENCE_SIZE == 2048


def test_each_product_of_the_reference_is_made_of_the_one_before() -> None:
    """Each product of the reference computation is made of the one before."""
    import numpy as np

    matrix = np.diag(np.array([0.5, 0.25], np.float32))

    assert [multiplied(matrix, products) for products in (0, 1, 3)] == [1024.0, 512.0, 128.0]
