"""The adapter of faster-whisper, on doubles of the library: what it hands on, and what it makes."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import faster_whisper
from adapters.base import Case, DecodeSettings, Segment, WeightsError
from adapters.faster_whisper import FasterWhisper
from adapters.sizes import DIMENSIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()
TOKENIZER = {
    "model": {"vocab": {"a": 0, "b": 1}},
    "added_tokens": [{"id": 1, "content": "b"}, {"id": 2, "content": "<|en|>"}],
}
"""Three tokens, one of which stands in both lists."""


def audio(seconds: float) -> Any:
    """Return something as long as so much audio at 16 000 Hz."""
    return range(int(seconds * 16_000))


@pytest.fixture(name="library")
def _library(install: Install, tmp_path: Path) -> Any:
    """A double of the library, of whose models two are known."""
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER), encoding="utf-8")
    install(
        "faster_whisper.utils",
        _MODELS={"tiny": "a/tiny", "large-v3": "a/v3", "large": "a/v3", "turbo": "a/turbo"},
        download_model=Mock(return_value=str(tmp_path)),
        huggingface_hub=Mock(),
    )
    install("ctranslate2", get_cuda_device_count=Mock(return_value=0))
    install("faster_whisper.transcribe", tqdm=Mock())
    return install("faster_whisper", WhisperModel=Mock(), BatchedInferencePipeline=Mock())


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> FasterWhisper:  # noqa: ARG001 - it must be there
    """The adapter, with the library imported and told to compute on three threads."""
    adapter = FasterWhisper()
    adapter.import_library()
    adapter.select_device("cpu", 3)
    return adapter


def loaded(adapter: FasterWhisper, variant: str = "fp16") -> Any:
    """Load a model with the tokenizer's three tokens; return it."""
    adapter.load(Case("faster-whisper", "tiny", variant))
    model: Any = adapter._model
    model.hf_tokenizer.get_vocab_size.return_value = 3
    return model


def test_table_has_each_model_in_each_compute_type(library: Any) -> None:  # noqa: ARG001
    """faster-whisper's table has each model in each compute type, by its first name alone."""
    assert FasterWhisper().model_table() == {
        "tiny": dict.fromkeys(["fp16", "float32", "int8"], "a/tiny"),
        "large-v3": dict.fromkeys(["fp16", "float32", "int8"], "a/v3"),
    }


@pytest.mark.usefixtures("adapter")
def test_embedded_model_joins_the_librarys_table(library: Any) -> None:
    """The embedded model of faster-whisper joins the library's table of models."""
    assert library.utils._MODELS["micro"] == FasterWhisper.check_map["micro"]["fp16"].repo


def test_progress_bars_lock_is_made_with_the_import(adapter: FasterWhisper) -> None:
    """The lock of faster-whisper's progress bars is made with the import of the library."""
    adapter._library.transcribe.tqdm.get_lock.assert_called_once_with()


@pytest.mark.parametrize(
    ("device", "gpus", "expected"), [("cpu", 0, "cpu"), ("cpu", 1, "cpu"), ("gpu", 1, "cuda")]
)
def test_device_is_what_the_model_is_loaded_on(
    device: Any, gpus: int, expected: str, adapter: FasterWhisper, install: Install
) -> None:
    """faster-whisper loads its model on the device that was selected, a GPU by the name "cuda"."""
    install("ctranslate2", get_cuda_device_count=Mock(return_value=gpus))

    adapter.select_device(device, 3)
    loaded(adapter)

    assert adapter._library.WhisperModel.call_args.kwargs["device"] == expected


@pytest.mark.parametrize(("place", "device"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_device_in_use_is_what_the_loaded_model_tells(
    place: str, device: str, adapter: FasterWhisper
) -> None:
    """The device that faster-whisper uses is the one that its loaded model tells."""
    loaded(adapter).model.device = place

    assert adapter.device_in_use("") == device


def test_gpu_that_is_not_there_is_an_error(adapter: FasterWhisper) -> None:
    """A GPU that faster-whisper does not find is an error, and not replaced by the CPU."""
    with pytest.raises(RuntimeError, match="CPUs and NVIDIA GPUs, and there is none"):
        adapter.select_device("gpu", 3)


@pytest.mark.parametrize(
    ("variant", "compute_type"),
    [("fp16", "default"), ("float32", "float32"), ("int8", "int8")],
)
def test_variant_is_a_compute_type(variant: str, compute_type: str, adapter: FasterWhisper) -> None:
    """A variant of faster-whisper is a compute type that its public class is told."""
    model = loaded(adapter, variant)

    adapter._library.WhisperModel.assert_called_once_with(
        "tiny", device="cpu", compute_type=compute_type, cpu_threads=3
    )
    adapter._library.BatchedInferencePipeline.assert_called_once_with(model)
    assert adapter.threads() == 3


@pytest.mark.parametrize(
    ("variant", "computes_in"),
    [
        ("fp16", "float32"),
        ("fp16", "float16"),
        ("float32", "float32"),
        ("int8", "int8"),
        ("int8", "int8_float32"),
    ],
)
def test_type_that_the_model_computes_in_is_told(
    variant: str, computes_in: str, adapter: FasterWhisper
) -> None:
    """The type in which a loaded faster-whisper model computes is what the model says."""
    model = loaded(adapter, variant)
    model.model.compute_type = computes_in

    assert adapter.verify_load(Case("faster-whisper", "tiny", variant)) == computes_in


@pytest.mark.parametrize(
    ("variant", "asked", "computes_in"),
    [("float32", "float32", "float16"), ("int8", "int8", "float32"), ("int8", "int8", "int16")],
)
def test_other_type_than_was_asked_for_is_an_error(
    variant: str, asked: str, computes_in: str, adapter: FasterWhisper
) -> None:
    """A faster-whisper model that computes in another type than was asked for is an error."""
    loaded(adapter, variant).model.compute_type = computes_in

    with pytest.raises(WeightsError, match=f"^expected compute type {asked}, got {computes_in}$"):
        adapter.verify_load(Case("faster-whisper", "tiny", variant))


def test_dimensions_are_those_of_the_file_but_for_what_the_library_tells(
    adapter: FasterWhisper, library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """faster-whisper's dimensions are those of its file, but for the mels that it tells itself."""
    stored = Mock(return_value=DIMENSIONS["base"])
    monkeypatch.setattr(faster_whisper, "stored_dimensions", stored)
    loaded(adapter).model.n_mels = 128

    got = adapter.dimensions(Case("faster-whisper", "tiny", "int8"))

    assert got == replace(DIMENSIONS["base"], mels=128)
    stored.assert_called_once_with(tmp_path / "model.bin")
    library.utils.download_model.assert_called_once_with("tiny", local_files_only=True)


@pytest.mark.parametrize("tokens", [2, 4])
def test_tokenizer_of_another_size_is_an_error(tokens: int, adapter: FasterWhisper) -> None:
    """A tokenizer of another number of tokens than faster-whisper's model is an error."""
    loaded(adapter).hf_tokenizer.get_vocab_size.return_value = tokens

    with pytest.raises(
        WeightsError, match=f"expected a tokenizer of 3 tokens, got one of {tokens}"
    ):
        adapter.verify_load(Case("faster-whisper", "tiny", "fp16"))


@pytest.mark.parametrize(("native", "device"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_device_in_use_is_asked_of_the_model(
    native: str, device: str, adapter: FasterWhisper
) -> None:
    """The device that faster-whisper uses is asked of its model."""
    loaded(adapter).model.device = native

    assert adapter.device_in_use("") == device


def part(start: float, end: float, text: str, temperature: float | None = 0.0) -> Any:
    """Return a segment as the library has it."""
    return SimpleNamespace(start=start, end=end, text=text, temperature=temperature)


def transcribe(
    adapter: FasterWhisper, settings: DecodeSettings, *parts: Any, of: Any = None
) -> Any:
    """Have the adapter transcribe audio in which the library hears these parts."""
    for model in (adapter._model, adapter._batched):
        model.transcribe.return_value = (iter(parts), None)
    return adapter.transcribe(audio(5.0) if of is None else of, settings)


USUAL: dict[str, Any] = {
    "language": "en",
    "beam_size": 1,
    "temperature": (0.0,),
    "condition_on_previous_text": False,
    "without_timestamps": False,
    "vad_filter": False,
}
"""What the library is told on equal terms."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, {}),
        ({"language": "de"}, {"language": "de"}),
        ({"beam_size": 5}, {"beam_size": 5}),
        ({"temperature": 0.4}, {"temperature": (0.4,)}),
        ({"fallback": True}, {"temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}),
        ({"context": True}, {"condition_on_previous_text": True}),
        ({"timestamps": False}, {"without_timestamps": True}),
        ({"vad": True}, {"vad_filter": True}),
    ],
)
def test_each_setting_is_handed_on(
    change: dict[str, Any], told: dict[str, Any], adapter: FasterWhisper
) -> None:
    """Each setting is handed to faster-whisper by its name there, and changes no other."""
    model, samples = loaded(adapter), audio(5.0)

    transcribe(adapter, replace(EQUAL, **change), of=samples)

    model.transcribe.assert_called_once_with(samples, **{**USUAL, **told})
    adapter._batched.transcribe.assert_not_called()


def test_several_windows_at_once_go_through_the_batched_pipeline(adapter: FasterWhisper) -> None:
    """Several windows at once go through faster-whisper's batched pipeline, with their times."""
    model, samples = loaded(adapter), audio(70.0)

    transcribe(adapter, replace(EQUAL, batch_size=2, beam_size=5), of=samples)

    adapter._batched.transcribe.assert_called_once_with(
        samples,
        batch_size=2,
        clip_timestamps=[
            {"start": 0, "end": 30},
            {"start": 30, "end": 60},
            {"start": 60, "end": 70.0},
        ],
        **{**USUAL, "beam_size": 5},
    )
    model.transcribe.assert_not_called()


def test_with_voice_activity_detection_the_pipeline_finds_the_windows(
    adapter: FasterWhisper,
) -> None:
    """With voice activity detection, faster-whisper's pipeline is told no windows."""
    loaded(adapter)

    transcribe(adapter, replace(EQUAL, batch_size=8, vad=True), of=audio(70.0))

    told = adapter._batched.transcribe.call_args.kwargs
    assert (told["batch_size"], told["clip_timestamps"], told["vad_filter"]) == (8, None, True)


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [
        (0.0, [(0, 0.0)]),
        (0.5, [(0, 0.5)]),
        (29.5, [(0, 29.5)]),
        (30.0, [(0, 30)]),
        (30.5, [(0, 30), (30, 30.5)]),
        (60.0, [(0, 30), (30, 60)]),
        (60.25, [(0, 30), (30, 60), (60, 60.25)]),
    ],
)
def test_windows_cover_the_audio(
    seconds: float, windows: list[tuple[float, float]], adapter: FasterWhisper
) -> None:
    """The windows for faster-whisper's pipeline cover the audio: 30 s each but the last."""
    loaded(adapter)

    transcribe(adapter, replace(EQUAL, batch_size=2), of=audio(seconds))

    told = adapter._batched.transcribe.call_args.kwargs["clip_timestamps"]
    assert [(window["start"], window["end"]) for window in told] == windows


def test_segments_are_in_seconds_as_the_library_has_them(adapter: FasterWhisper) -> None:
    """Segments of faster-whisper are in seconds, and their texts are joined."""
    loaded(adapter)

    transcript = transcribe(adapter, EQUAL, part(0.0, 1.5, " One."), part(1.5, 4.0, " Two."))

    assert transcript.text == "One. Two."
    assert transcript.segments == (Segment(0.0, 1.5, "One."), Segment(1.5, 4.0, "Two."))


@pytest.mark.parametrize(
    ("asked", "temperatures", "fallback"),
    [
        (0.0, (0.0, 0.0), False),
        (0.0, (0.0, 0.2), True),
        (0.0, (0.2, 0.0), True),
        (0.4, (0.4, 0.4), False),
        (0.0, (None, None), False),
        (0.0, (), False),
    ],
)
def test_segment_at_a_higher_temperature_is_a_fallback(
    asked: float, temperatures: tuple[float | None, ...], fallback: bool, adapter: FasterWhisper
) -> None:
    """Any segment of faster-whisper at a higher temperature than asked for is a fallback."""
    loaded(adapter)
    parts = [part(0.0, 1.0, "a", temperature) for temperature in temperatures]

    transcript = transcribe(adapter, replace(EQUAL, temperature=asked), *parts)

    assert transcript.fallback is fallback
