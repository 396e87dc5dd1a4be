"""The list of published models: each repo's and file's name tells what the list says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from adapters.sizes import DIMENSIONS
from fixtures.models.micro.export import FORMATS
from tests.consistency.published import Published, published

if TYPE_CHECKING:
    from adapters.base import ModelFiles

in_the_list = pytest.mark.parametrize(
    "model", published(), ids=lambda model: f"{'-'.join(model.kind)}-{model.entry.repo}"
)
QUANTISED = re.compile(r"q\d_\d|q\d|\dbit|\d-bit|int8")


def size_in(text: str) -> str:
    """Return the size that a text names, by the longest of the names that fits.

    What is called `large` alone was the first of the large models.
    """
    plain = text.lower().replace("whisper-", "")
    ends = r"(?![\w.]*\d)"  # so that large-v3 is not found in large-v3.5
    words = [size for size in DIMENSIONS if re.search(f"(?<![a-z]){re.escape(size)}{ends}", plain)]
    return max(words, key=len) if words else "large-v1" if "large" in plain else ""


def name_of(entry: ModelFiles) -> str:
    """Return what tells a model from the others: its repo, and the first of its files."""
    return f"{entry.repo} {entry.files[0].removesuffix('.bin').removesuffix('.pt')}"


@in_the_list
def test_name_of_a_model_tells_its_size(model: Published) -> None:
    """The name of each published model shows the size that the list says."""
    name = name_of(model.entry)

    assert size_in(name) == model.size, f"{name}: the list says {model.size}"


@in_the_list
def test_name_of_a_model_tells_its_variant(model: Published) -> None:
    """The name of each published model has its quantisation, if it has one, and no other."""
    name = name_of(model.entry).replace("-bit", "bit")
    expected = set() if model.variant == "fp16" else {model.variant}

    assert set(QUANTISED.findall(name)) == expected, f"{name}: the list says {model.variant}"


@in_the_list
def test_model_has_a_known_size_and_a_format_with_its_variant(model: Published) -> None:
    """Each published model's size has dimensions, and its variant is one of its format's."""
    assert model.size in DIMENSIONS
    assert model.variant in FORMATS[model.format].variants


@in_the_list
def test_place_of_a_model_is_complete(model: Published) -> None:
    """A published checkpoint at a URL lies in a folder of its hash's name, all else on main."""
    if model.entry.by_url:
        assert re.fullmatch(r"https://\S+[^/]", model.entry.repo)
        assert re.fullmatch(r"[0-9a-f]{64}", model.entry.revision)
    else:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.entry.repo)
        assert model.entry.revision == "main"
    assert len(set(model.entry.files)) == len(model.entry.files)


def test_no_file_belongs_to_two_models() -> None:
    """No file belongs to two published models."""
    owners: dict[tuple[str, str, str], Published] = {}
    for model in published():
        for file in model.entry.files:
            other = owners.setdefault((*model.place, file), model)
            assert other is model, f"{file} of {model.entry} is of {other.kind} and {model.kind}"


def test_keys_of_a_group_are_those_of_its_models() -> None:
    """A published model has its own keys beside its group's, and its folder before each file."""
    (distil,) = (
        model.entry for model in published() if model.kind == ("mlx", "distil-large-v2", "8bit")
    )
    (openai,) = (model.entry for model in published() if model.kind == ("torch", "small", "fp16"))

    assert distil.repo == "mustafaaljadery/distil-whisper-mlx"
    assert distil.files == tuple(
        f"mlx_models/distil-large-v2-8-bit/{file}" for file in ("weights.npz", "config.json")
    )
    assert openai.revision.startswith("9ecf779972d90ba49c06d968637d720d")
    assert openai.files == ("small.pt",)


def test_size_is_read_from_a_name() -> None:
    """A size is read from a name by the longest name of a size that fits."""
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
