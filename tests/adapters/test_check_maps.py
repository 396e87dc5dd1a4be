"""Check maps fit themselves: a repo's or a file's name tells the size and variant it stands for."""

from __future__ import annotations

import re

import pytest

from adapters import REGISTRY, adapter_class, all_cases, files_of
from adapters.base import SIZES, AdapterError, Case, ModelFiles

CASES = all_cases()
WITH_PLACES = [case for case in CASES if adapter_class(case.adapter).place(case) is not None]
QUANTISED = re.compile(r"q\d_\d|q\d|\dbit|\d-bit|int8")


def size_in(text: str) -> str:
    """Return the size that a text names, by the longest of the names that fits.

    What is called `large` alone was the first of the large models.
    """
    plain = text.lower().replace("whisper-", "")
    ends = r"(?![\w.]*\d)"  # so that large-v3 is not found in large-v3.5
    words = [size for size in SIZES if re.search(f"(?<![a-z]){re.escape(size)}{ends}", plain)]
    return max(words, key=len) if words else "large-v1" if "large" in plain else ""


def text_of(files: ModelFiles) -> str:
    """Return what tells a model from the others: its repo, and the first of its files."""
    return f"{files.repo} {files.files[0].removesuffix('.bin').removesuffix('.pt')}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_names_of_repo_and_files_tell_the_size(case: Case) -> None:
    """An entry that was copied from another size would measure that one under a wrong name."""
    text = text_of(files_of(case))

    assert size_in(text) == case.size, f"{case.label}: {text}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_names_of_repo_and_files_tell_the_variant(case: Case) -> None:
    """A quantised one is named in full, and none is named in an unquantised one.

    faster-whisper quantises what it loads, so that its variants share a repo.
    """
    text = text_of(files_of(case)).replace("-bit", "bit")
    named = set(QUANTISED.findall(text))

    if case.variant in {"fp16", "float32"} or case.adapter == "faster-whisper":
        assert not named, f"{case.label}: {text}"
    else:
        assert named == {case.variant}, f"{case.label}: {text}"


@pytest.mark.parametrize("name", REGISTRY)
def test_no_two_models_have_the_same_files(name: str) -> None:
    """Or one of them would be the other. faster-whisper's variants share a size's."""
    known: dict[ModelFiles, str] = {}
    for size, variants in adapter_class(name).check_map.items():
        for variant, files in variants.items():
            model = size if name == "faster-whisper" else f"{size}-{variant}"
            assert known.setdefault(files, model) == model


@pytest.mark.parametrize("case", WITH_PLACES, ids=str)
def test_every_file_has_a_place_of_its_own(case: Case) -> None:
    """Each file of the check map, once, inside the engine's folder."""
    places = adapter_class(case.adapter).place(case) or {}

    assert list(places) == list(files_of(case).files)
    assert len(set(places.values())) == len(places)
    assert not any(place.startswith("/") or ".." in place for place in places.values())


@pytest.mark.parametrize("name", REGISTRY)
def test_embedded_model_comes_first(name: str) -> None:
    """Each library has it unquantised, so that there is always something to run."""
    check_map = adapter_class(name).check_map

    assert next(iter(check_map)) == "micro"
    assert check_map["micro"]["fp16"].embedded
    assert not any(files_of(case).embedded for case in CASES if case.size != "micro")


@pytest.mark.parametrize("name", REGISTRY)
def test_slow_variants_are_variants(name: str) -> None:
    """A name that no model has would change nothing, silently."""
    adapter = adapter_class(name)
    variants = {variant for models in adapter.check_map.values() for variant in models}

    for slow in adapter.slow_variants.values():
        assert slow <= variants


def test_size_is_read_from_a_name() -> None:
    """The reading itself, on names that are like another."""
    assert [
        size_in(text)
        for text in (
            *("openai/whisper-large", "openai/whisper-large-v3", "ggml-large-v3-turbo-q5_0"),
            *("mlx-community/whisper-large-v3-mlx-4bit", "distil-whisper/distil-large-v3.5-ct2"),
            *("Systran/faster-distil-whisper-small.en", "a/whisper-tiny.en-mlx", "a/whisper-tiny"),
            *("mlx_models/distil-large-v3-4-bit/weights.npz", "a/b"),
        )
    ] == [
        *("large-v1", "large-v3", "large-v3-turbo", "large-v3", "distil-large-v3.5"),
        *("distil-small.en", "tiny.en", "tiny", "distil-large-v3", ""),
    ]


def test_unknown_case_is_an_error() -> None:
    """Not another model."""
    with pytest.raises(AdapterError):
        files_of(Case("whisper.cpp", "large-v1", "q5_0"))
