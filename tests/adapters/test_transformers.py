"""The adapter of transformers, on doubles of the library: what it hands on, and what it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, Mock

import pytest

from adapters import transformers
from adapters.base import Case, DecodeSettings, Segment
from adapters.sizes import DIMENSIONS
from adapters.transformers import Transformers

if TYPE_CHECKING:
    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()
TINY = Case("transformers", "tiny", "fp16")
CPU, GPU = SimpleNamespace(type="cpu"), SimpleNamespace(type="mps")


def audio(seconds: float) -> Any:
    """Return something as long as so much audio at 16 000 Hz."""
    return range(int(seconds * 16_000))


@pytest.fixture(name="library")
def _library(install: Install) -> Any:
    """A double of the library, whose models know many languages."""
    for name in transformers.LATE:
        install(f"transformers.{name}")
    install("torch", profiler=MagicMock())
    return install("transformers", pipeline=Mock(), AutoModelForCTC=Mock())


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> Transformers:  # noqa: ARG001 - it must be there
    """The adapter, with the library imported and a CPU to compute on."""
    adapter = Transformers()
    adapter.import_library()
    adapter._device = CPU
    return adapter


def loaded(adapter: Transformers, *, multilingual: bool = True) -> Any:
    """Load a model; return the pipeline."""
    recogniser: Any = adapter._pipeline.return_value
    recogniser.model.generation_config.is_multilingual = multilingual
    recogniser.model.state_dict.return_value = {"a weight": Mock(), "another": Mock()}
    adapter.load(TINY)
    return recogniser


def test_what_the_library_imports_late_is_imported_with_it(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What transformers would import in its load or first call is imported with the library.

    The first call would import what notes its time, and the load the settings of each model.
    """
    import torch

    imported = Mock(return_value=library)
    monkeypatch.setattr(transformers, "import_module", imported)

    Transformers().import_library()

    assert [call.args[0] for call in imported.call_args_list] == [
        "transformers",
        "transformers.models.whisper.modeling_whisper",
        "transformers.models.whisper.feature_extraction_whisper",
        "transformers.models.whisper.tokenization_whisper",
        "transformers.pipelines.automatic_speech_recognition",
    ]
    noted: Any = torch.profiler.record_function
    noted.return_value.__enter__.assert_called_once_with()
    library.AutoModelForCTC._model_mapping.keys.assert_called_once_with()


@pytest.mark.parametrize(("device", "read"), [(CPU, 1), (GPU, 0)])
def test_weights_are_read_by_the_load(device: Any, read: int, adapter: Transformers) -> None:
    """The load of transformers reads the weights on a CPU, and not on a GPU."""
    adapter._device = device

    model = loaded(adapter).model

    for weight in model.state_dict().values():
        assert weight.sum.call_count == read


@pytest.mark.parametrize(("device", "dtype"), [(CPU, "float32"), (GPU, "float16")])
def test_pipeline_is_made_for_chunks_of_30_s(
    device: Any, dtype: str, adapter: Transformers
) -> None:
    """The pipeline of transformers is made for chunks of 30 s, by repo, device and type."""
    adapter._device = device

    loaded(adapter)

    adapter._pipeline.assert_called_once_with(
        "automatic-speech-recognition",
        model=adapter.files(TINY).repo,
        device=device,
        dtype=dtype,
        chunk_length_s=30,
        ignore_warning=True,
    )


def test_load_is_verified_by_the_weights(
    adapter: Transformers, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    """The load of transformers is verified by the weights, of which one tensor may be left out."""
    install("huggingface_hub", hf_hub_download=lambda repo, file: f"/cache/{repo}/{file}")
    checked = Mock()
    monkeypatch.setattr(transformers, "check_tensors", checked)
    model = loaded(adapter).model
    model.dtype = "torch.float16"

    assert adapter.verify_load(TINY) == "float16"
    checked.assert_called_once_with(
        Path("/cache", adapter.files(TINY).repo, "model.safetensors"),
        model.state_dict(),
        frozenset({"proj_out.weight"}),
    )


def test_dimensions_are_those_of_the_models_config(adapter: Transformers) -> None:
    """The dimensions of transformers are those of its model's config."""
    loaded(adapter).model.config = SimpleNamespace(
        num_mel_bins=128,
        vocab_size=51_866,
        encoder_attention_heads=20,
        d_model=1280,
        encoder_layers=32,
        decoder_layers=4,
    )

    assert adapter.dimensions(TINY) == DIMENSIONS["large-v3-turbo"]


USUAL: dict[str, Any] = {
    "task": "transcribe",
    "language": "en",
    "num_beams": 1,
    "do_sample": False,
    "temperature": None,
}
"""What `generate` is told on equal terms."""


@pytest.mark.parametrize(
    ("change", "told", "of_call"),
    [
        ({}, {}, {}),
        ({"language": "de"}, {"language": "de"}, {}),
        ({"beam_size": 5}, {"num_beams": 5}, {}),
        ({"temperature": 0.4}, {"do_sample": True, "temperature": 0.4}, {}),
        ({"timestamps": False}, {}, {"return_timestamps": False}),
        ({"batch_size": 24}, {}, {"batch_size": 24}),
        ({"fallback": True, "context": True, "vad": True}, {}, {}),
    ],
)
def test_each_setting_is_handed_on(
    change: dict[str, Any], told: dict[str, Any], of_call: dict[str, Any], adapter: Transformers
) -> None:
    """Each setting is handed to transformers by its name there; ignored ones are not."""
    recogniser, samples = loaded(adapter), audio(5.0)
    recogniser.return_value = {"text": "", "chunks": []}

    adapter.transcribe(samples, replace(EQUAL, **change))

    recogniser.assert_called_once_with(
        {"raw": samples, "sampling_rate": 16_000},
        generate_kwargs={**USUAL, **told},
        **{"batch_size": 1, "return_timestamps": True, **of_call},
    )


def test_model_that_knows_english_alone_is_told_no_language(adapter: Transformers) -> None:
    """A model of transformers that knows English alone is given no language and no task."""
    recogniser = loaded(adapter, multilingual=False)
    recogniser.return_value = {"text": "", "chunks": []}

    adapter.transcribe(audio(5.0), EQUAL)

    told = recogniser.call_args.kwargs["generate_kwargs"]
    assert told.keys() == USUAL.keys() - {"task", "language"}


def test_chunks_are_segments_in_seconds(adapter: Transformers) -> None:
    """Chunks of transformers are segments in seconds; one without an end ends with the audio."""
    loaded(adapter).return_value = {
        "text": " One. Two.",
        "chunks": [
            {"timestamp": (0.0, 2.5), "text": " One."},
            {"timestamp": (2.5, None), "text": " Two."},
        ],
    }

    transcript = adapter.transcribe(audio(7.5), EQUAL)

    assert transcript.text == "One. Two."
    assert transcript.segments == (Segment(0.0, 2.5, "One."), Segment(2.5, 7.5, "Two."))
    assert not transcript.fallback


def test_text_without_timestamps_is_one_segment(adapter: Transformers) -> None:
    """A text of transformers without timestamps is one segment, as long as the audio."""
    loaded(adapter).return_value = {"text": " One. Two."}

    transcript = adapter.transcribe(audio(7.5), replace(EQUAL, timestamps=False))

    assert transcript.segments == (Segment(0.0, 7.5, "One. Two."),)
