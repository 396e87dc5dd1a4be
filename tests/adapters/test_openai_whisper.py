"""The adapter of openai-whisper, on doubles of the library: what it hands on, and what it makes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import openai_whisper, whisper_code
from adapters.base import Case, DecodeSettings, Segment
from adapters.openai_whisper import OpenAIWhisper
from adapters.sizes import DIMENSIONS
from tests.adapters.test_sizes import DIMS

if TYPE_CHECKING:
    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()
MICRO, TINY = (Case("openai-whisper", size, "fp16") for size in ("micro", "tiny"))
CPU, GPU = SimpleNamespace(type="cpu"), SimpleNamespace(type="cuda")


@pytest.fixture(name="library")
def _library(install: Install, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A double of the library, which knows three models."""
    install("torch", manual_seed=Mock(), serialization=Mock())
    install("whisper.transcribe", tqdm=Mock())
    monkeypatch.setattr(whisper_code, "make_tables", Mock())
    return install(
        "whisper",
        _MODELS={
            "tiny": "https://a/tiny.pt",
            "large": "https://a/v3.pt",
            "turbo": "https://a/t.pt",
        },
        _ALIGNMENT_HEADS={"tiny": b"heads"},
        load_model=Mock(),
    )


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> OpenAIWhisper:  # noqa: ARG001 - it must be there
    """The adapter, with the library imported and a CPU to compute on."""
    adapter = OpenAIWhisper()
    adapter.import_library()
    adapter._device = CPU
    return adapter


def test_table_has_the_address_of_each_model(library: Any) -> None:  # noqa: ARG001
    """The table of openai-whisper has the address of each model, by its first name alone."""
    assert OpenAIWhisper().model_table() == {"tiny": {"fp16": "https://a/tiny.pt"}}


def test_file_belongs_into_the_librarys_folder() -> None:
    """openai-whisper's file belongs in the cache folder of the home."""
    assert OpenAIWhisper.place(TINY) == {"tiny.pt": "~/.cache/whisper/tiny.pt"}


def test_embedded_model_joins_the_librarys_table(
    adapter: OpenAIWhisper, library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The embedded model of openai-whisper joins the library's table with the hash of its file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".cache" / "whisper" / "micro.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"checkpoint")

    mends = adapter.mend(MICRO)

    sha256 = hashlib.sha256(b"checkpoint").hexdigest()
    assert mends == ()
    assert library._MODELS["micro"] == f"embedded/{sha256}/micro.pt"
    assert library._ALIGNMENT_HEADS == {"tiny": b"heads", "micro": None}


def test_published_model_stands_in_the_table_already(adapter: OpenAIWhisper, library: Any) -> None:
    """Nothing is mended for a published model of openai-whisper."""
    before = dict(library._MODELS)

    assert adapter.mend(TINY) == ()
    assert before == library._MODELS


def test_model_is_loaded_by_its_size(adapter: OpenAIWhisper, library: Any) -> None:
    """openai-whisper loads a model by its size and device, and its tables are made then."""
    adapter.load(TINY)

    library.load_model.assert_called_once_with("tiny", device=CPU)
    tables: Any = whisper_code.make_tables
    tables.assert_called_once_with(library.transcribe, library.load_model.return_value)


def test_what_the_first_call_would_do_once_is_done_with_the_import(
    adapter: OpenAIWhisper, library: Any
) -> None:
    """openai-whisper's progress bar lock and PyTorch's first seed come with the import."""
    import torch

    del adapter
    library.transcribe.tqdm.tqdm.get_lock.assert_called_once_with()
    torch.manual_seed.assert_called_once_with(0)


@pytest.mark.parametrize(("device", "dtype"), [(CPU, "float32"), (GPU, "float16")])
def test_load_is_verified_by_the_checkpoint(
    device: Any, dtype: str, adapter: OpenAIWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load of openai-whisper is verified by the checkpoint, and its type is the device's."""
    monkeypatch.setenv("HOME", "/home/engine")
    checked = Mock()
    monkeypatch.setattr(openai_whisper, "check_tensors", checked)
    adapter._device = device
    adapter.load(TINY)

    assert adapter.verify_load(TINY) == dtype
    checked.assert_called_once_with(
        Path("/home/engine/.cache/whisper/tiny.pt"), adapter._model.state_dict()
    )


def test_dimensions_are_those_that_the_model_was_made_with(adapter: OpenAIWhisper) -> None:
    """The dimensions of openai-whisper are those with which its model was made."""
    adapter.load(TINY)
    adapter._model.dims = SimpleNamespace(**DIMS)

    assert adapter.dimensions(TINY) == DIMENSIONS["large-v3-turbo"]


USUAL: dict[str, Any] = {
    "language": "en",
    "beam_size": None,
    "temperature": (0.0,),
    "condition_on_previous_text": False,
    "without_timestamps": False,
    "fp16": False,
}
"""What the library is told on equal terms, on a CPU."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, {}),
        ({"language": "de"}, {"language": "de"}),
        ({"beam_size": 2}, {"beam_size": 2}),
        ({"temperature": 0.4}, {"temperature": (0.4,)}),
        ({"fallback": True}, {"temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}),
        ({"context": True}, {"condition_on_previous_text": True}),
        ({"timestamps": False}, {"without_timestamps": True}),
        ({"vad": True, "batch_size": 8}, {}),
    ],
)
def test_each_setting_is_handed_on(
    change: dict[str, Any], told: dict[str, Any], adapter: OpenAIWhisper
) -> None:
    """Each setting is handed to openai-whisper by its name there; ignored ones are not."""
    adapter.load(TINY)
    adapter._model.transcribe.return_value = {"text": "", "segments": []}
    samples: Any = object()

    adapter.transcribe(samples, replace(EQUAL, **change))

    adapter._model.transcribe.assert_called_once_with(samples, **{**USUAL, **told})


def test_gpu_computes_in_float16(adapter: OpenAIWhisper) -> None:
    """The library openai-whisper is asked with each call to compute in float16 on a GPU."""
    adapter.load(TINY)
    adapter._device = GPU
    adapter._model.transcribe.return_value = {"text": "", "segments": []}
    samples: Any = object()

    adapter.transcribe(samples, EQUAL)

    assert adapter._model.transcribe.call_args.kwargs["fp16"] is True


def test_result_is_read_and_calls_are_repeatable(adapter: OpenAIWhisper) -> None:
    """A result of openai-whisper is read, and each call begins from the same random seed."""
    import torch

    adapter.load(TINY)
    torch.manual_seed.reset_mock()
    segment = {"start": 0.5, "end": 2.25, "text": " One.", "temperature": 0.2}
    adapter._model.transcribe.return_value = {"text": " One.", "segments": [segment]}
    samples: Any = object()

    transcript = adapter.transcribe(samples, EQUAL)

    torch.manual_seed.assert_called_once_with(0)
    assert transcript.text == "One."
    assert transcript.segments == (Segment(0.5, 2.25, "One."),)
    assert transcript.fallback
