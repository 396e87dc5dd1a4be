"""The adapter of lightning-whisper-mlx, on doubles of the library; see also the engines' tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import lightning_whisper_mlx, whisper_code
from adapters.base import Case, DecodeSettings, Segment
from adapters.lightning_whisper_mlx import LightningWhisperMLX

if TYPE_CHECKING:
    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()


def case(size: str, variant: str = "fp16") -> Case:
    """Return a case of this adapter."""
    return Case("lightning-whisper-mlx", size, variant)


@pytest.fixture(name="library")
def _library(install: Install, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A double of the library, which knows three models."""
    install("mlx.core", float16="float16", random=SimpleNamespace(seed=Mock()))
    models = {
        "tiny": {"base": "a/tiny", "4bit": "a/tiny-4bit"},
        "large": {"base": "a/large"},
        "distil-small.en": {"base": "a/distil"},
    }
    install("lightning_whisper_mlx.lightning", models=models, LightningWhisperMLX=Mock())
    holder = SimpleNamespace(get_model=Mock())
    install("lightning_whisper_mlx.transcribe", ModelHolder=holder)
    monkeypatch.setattr(whisper_code, "make_tables", Mock())

    def decode(_: object, mel: str, options: Any) -> str:
        return f"{mel} decoded at {options.temperature}"

    model_class = type("Whisper", (), {"update": None, "decode": decode})
    install("lightning_whisper_mlx.whisper", Whisper=model_class)
    return install("lightning_whisper_mlx")


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> LightningWhisperMLX:
    """The adapter, with the library imported and a model that hears nothing."""
    library.lightning.LightningWhisperMLX.return_value.transcribe.return_value = {
        "text": "",
        "segments": [],
    }
    adapter = LightningWhisperMLX()
    adapter.import_library()
    return adapter


def test_table_has_the_check_maps_names(library: Any) -> None:  # noqa: ARG001
    """lightning-whisper-mlx's table has the check map's names of sizes and variants."""
    assert LightningWhisperMLX().model_table() == {
        "tiny": {"fp16": "a/tiny", "4bit": "a/tiny-4bit"},
        "large-v1": {"fp16": "a/large"},
        "distil-small.en": {"fp16": "a/distil", "4bit": "a/distil", "8bit": "a/distil"},
    }


def test_embedded_model_joins_the_librarys_table(
    adapter: LightningWhisperMLX,  # noqa: ARG001 - it has imported the library
    library: Any,
) -> None:
    """The embedded models of lightning-whisper-mlx join the library's table of models."""
    checked = LightningWhisperMLX.check_map["micro"]

    assert library.lightning.models["micro"] == {
        "base": checked["fp16"].repo,
        "4bit": checked["4bit"].repo,
        "8bit": checked["8bit"].repo,
    }


@pytest.mark.parametrize(
    ("size", "variant", "folder"),
    [
        ("micro", "4bit", "mlx_models/micro"),
        ("tiny", "fp16", "mlx_models/tiny"),
        ("tiny", "8bit", "mlx_models/tiny"),
        ("large-v1", "fp16", "mlx_models/large"),
        ("distil-large-v3", "fp16", "mlx_models/distil-large-v3"),
        ("distil-large-v3", "4bit", "mlx_models/distil-large-v3-4-bit"),
        ("distil-small.en", "8bit", "mlx_models/distil-small.en-8-bit"),
    ],
)
def test_files_belong_into_a_folder_of_the_librarys_name(
    size: str, variant: str, folder: str
) -> None:
    """Files for lightning-whisper-mlx belong in a folder of the library's name for the model."""
    places = LightningWhisperMLX.place(case(size, variant))

    assert {*places.values()} == {f"{folder}/{Path(file).name}" for file in places}


@pytest.mark.parametrize(
    ("size", "variant", "name", "quant", "folder"),
    [
        ("tiny", "fp16", "tiny", None, "./mlx_models/tiny"),
        ("tiny", "4bit", "tiny", "4bit", "./mlx_models/tiny"),
        ("large-v1", "8bit", "large", "8bit", "./mlx_models/large"),
        *(
            ("distil-large-v2", variant, "distil-large-v2", quant, f"./mlx_models/{folder}")
            for variant, quant, folder in (
                ("fp16", None, "distil-large-v2"),
                ("4bit", "4bit", "distil-large-v2-4-bit"),
                ("8bit", "8bit", "distil-large-v2-8-bit"),
            )
        ),
    ],
)
def test_load_is_constructor_and_first_read(
    size: str,
    variant: str,
    name: str,
    quant: str | None,
    folder: str,
    adapter: LightningWhisperMLX,
    library: Any,
) -> None:
    """The load of lightning-whisper-mlx is its constructor and what a first call reads, in float16.

    The model's tables are made then, too.
    """
    adapter.load(case(size, variant))

    library.lightning.LightningWhisperMLX.assert_called_once_with(name, batch_size=1, quant=quant)
    read = library.transcribe.ModelHolder.get_model
    read.assert_called_once_with(folder, "float16")
    tables: Any = whisper_code.make_tables
    tables.assert_called_once_with(library.transcribe, read.return_value)


@pytest.mark.parametrize(("variant", "bits"), [("fp16", None), ("4bit", 4), ("8bit", 8)])
def test_load_is_verified_by_the_files_in_the_folder(
    variant: str, bits: int | None, adapter: LightningWhisperMLX
) -> None:
    """lightning-whisper-mlx's load is verified by the folder's files and the variant's bits."""
    checked = Mock(return_value="float16")
    adapter._check_weights = checked

    assert adapter.verify_load(case("large-v1", variant)) == "float16"
    weights, config = (Path("mlx_models/large", file) for file in lightning_whisper_mlx.FILES)
    checked.assert_called_once_with(weights, config, bits)


def test_quantised_variants_alone_are_mended(
    adapter: LightningWhisperMLX, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the quantised variants of lightning-whisper-mlx are mended."""
    monkeypatch.setattr(lightning_whisper_mlx, "restore_quantize_module", lambda: ("mended",))

    assert adapter.mend(case("tiny", "fp16")) == ()
    assert adapter.mend(case("tiny", "4bit")) == ("mended",)
    assert adapter.mend(case("tiny", "8bit")) == ("mended",)


def transcribe(adapter: LightningWhisperMLX, settings: DecodeSettings = EQUAL) -> Any:
    """Have the adapter transcribe audio."""
    samples: Any = object()
    return adapter.transcribe(samples, settings)


@pytest.mark.parametrize(
    ("change", "language", "batch_size"),
    [
        ({}, "en", 1),
        ({"language": "de"}, "de", 1),
        ({"batch_size": 12}, "en", 12),
        ({"beam_size": 5, "temperature": 0.4, "timestamps": False, "vad": True}, "en", 1),
    ],
)
def test_language_and_batch_size_are_handed_on(
    change: dict[str, Any], language: str, batch_size: int, adapter: LightningWhisperMLX
) -> None:
    """lightning-whisper-mlx's call takes the language; the batch size is set on its model."""
    adapter.load(case("tiny"))
    samples: Any = object()

    adapter.transcribe(samples, replace(EQUAL, **change))

    model = adapter._model
    model.transcribe.assert_called_once_with(samples, language=language)
    assert model.batch_size == batch_size


def test_segments_are_counted_in_frames_of_10_ms(adapter: LightningWhisperMLX) -> None:
    """Segments of lightning-whisper-mlx, which are counted in frames of 10 ms, become seconds."""
    adapter.load(case("tiny"))
    adapter._model.transcribe.return_value = {
        "text": " One. Two. ",
        "segments": [(0, 250, " One."), (250, 1234, " Two. ")],
    }

    transcript = transcribe(adapter)

    assert transcript.text == "One. Two."
    assert transcript.segments == (Segment(0.0, 2.5, "One."), Segment(2.5, 12.34, "Two."))
    assert not transcript.fallback


def decodes_at(adapter: LightningWhisperMLX, library: Any, *temperatures: float) -> None:
    """Have the library decode a window at each of these temperatures in the next call."""

    def hear(*_: object, **__: object) -> Any:
        whisper = library.whisper.Whisper()
        for temperature in temperatures:
            decoded = whisper.decode("mel", SimpleNamespace(temperature=temperature))
            assert decoded == f"mel decoded at {temperature}"
        return {"text": "", "segments": []}

    adapter._model.transcribe = hear


@pytest.mark.parametrize(
    ("temperatures", "fallback"),
    [((0.0, 0.0), False), ((0.0, 0.2, 0.0), True), ((0.2,), True), ((), False)],
)
def test_decode_at_a_higher_temperature_is_a_fallback(
    temperatures: tuple[float, ...], fallback: bool, adapter: LightningWhisperMLX, library: Any
) -> None:
    """A decode of lightning-whisper-mlx at a higher temperature is reported as a fallback."""
    adapter.load(case("tiny"))
    decodes_at(adapter, library, *temperatures)

    assert transcribe(adapter).fallback is fallback


def test_fallback_of_one_call_is_not_that_of_the_next(
    adapter: LightningWhisperMLX, library: Any
) -> None:
    """A fallback of one call is not that of the next, and each call has the same random seed."""
    import mlx.core as mx

    adapter.load(case("tiny"))
    decodes_at(adapter, library, 0.0, 0.2)
    assert transcribe(adapter).fallback

    decodes_at(adapter, library, 0.0)

    assert not transcribe(adapter).fallback
    assert [call.args for call in mx.random.seed.call_args_list] == [(0,), (0,)]
