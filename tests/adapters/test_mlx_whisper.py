"""The adapter of mlx-whisper, on doubles of the library: what it hands on, and what it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import whisper_code
from adapters.base import Case, DecodeSettings, Segment
from adapters.mlx_whisper import MLXWhisper

if TYPE_CHECKING:
    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()


@pytest.fixture(name="library")
def _library(install: Install, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A double of the library; its package hides the module by the function of its name."""
    install("mlx.core", float16="float16", random=SimpleNamespace(seed=Mock()))

    def transcribe(audio: object, *, path_or_hf_repo: str = "mlx-community/a") -> None:
        """What the table is read from."""

    library = install(
        "mlx_whisper.transcribe",
        transcribe=transcribe,
        ModelHolder=SimpleNamespace(get_model=Mock()),
        tqdm=Mock(),
    )
    monkeypatch.setattr(whisper_code, "make_tables", Mock())
    install("mlx_whisper.whisper", Whisper=type("Whisper", (), {"update": None}))
    install("mlx_whisper", transcribe=transcribe)
    return library


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> MLXWhisper:
    """The adapter, with the library imported."""
    adapter = MLXWhisper()
    adapter.import_library()
    library.transcribe = Mock(return_value={"text": "", "segments": []})
    return adapter


def test_table_is_the_default_of_an_argument(library: Any) -> None:  # noqa: ARG001
    """mlx-whisper's table of models is the default of an argument of its function."""
    assert MLXWhisper().model_table() == {"tiny": {"fp16": "mlx-community/a"}}


def test_english_models_and_turbo_are_not_quantised() -> None:
    """The English models and turbo are not quantised for mlx-whisper; all others are."""
    variants = {size: [*models] for size, models in MLXWhisper.check_map.items()}
    single = [size for size, models in variants.items() if models == ["fp16"]]

    assert single == ["tiny.en", "base.en", "small.en", "medium.en", "large-v3-turbo"]
    assert all(variants[size] == ["fp16", "4bit", "8bit"] for size in variants.keys() - set(single))


def test_load_is_the_one_that_the_first_call_would_begin_with(
    adapter: MLXWhisper, library: Any
) -> None:
    """The load of mlx-whisper reads the repo's model in float16, and makes its tables."""
    adapter.load(Case("mlx-whisper", "tiny", "4bit"))

    repo = MLXWhisper.check_map["tiny"]["4bit"].repo
    read = library.ModelHolder.get_model
    read.assert_called_once_with(repo, "float16")
    tables: Any = whisper_code.make_tables
    tables.assert_called_once_with(library, read.return_value)


def test_progress_bars_lock_is_made_with_the_import(adapter: MLXWhisper) -> None:
    """The lock of mlx-whisper's progress bars is made with the import of the library."""
    adapter._library.tqdm.tqdm.get_lock.assert_called_once_with()


@pytest.mark.parametrize(
    ("size", "variant", "bits"),
    [("tiny", "fp16", None), ("tiny", "8bit", 8), ("large-v3-turbo", "fp16", None)],
)
def test_load_is_verified_by_the_files_of_the_repo(
    size: str, variant: str, bits: int | None, adapter: MLXWhisper, install: Install
) -> None:
    """The load of mlx-whisper is verified by the repo's files and the bits of the variant."""
    install("huggingface_hub", snapshot_download=lambda repo: f"/cache/{repo}")
    checked = Mock(return_value="float16")
    adapter._check_weights = checked
    case = Case("mlx-whisper", size, variant)
    adapter.load(case)

    assert adapter.verify_load(case) == "float16"
    folder = Path("/cache") / adapter.files(case).repo
    weights, config = adapter.files(case).files
    checked.assert_called_once_with(folder / weights, folder / config, bits)


USUAL: dict[str, Any] = {
    "path_or_hf_repo": MLXWhisper.check_map["tiny"]["fp16"].repo,
    "language": "en",
    "temperature": (0.0,),
    "condition_on_previous_text": False,
    "without_timestamps": False,
}
"""What the library is told on equal terms."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, {}),
        ({"language": "de"}, {"language": "de"}),
        ({"temperature": 0.4}, {"temperature": (0.4,)}),
        ({"fallback": True}, {"temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}),
        ({"context": True}, {"condition_on_previous_text": True}),
        ({"timestamps": False}, {"without_timestamps": True}),
        ({"beam_size": 5, "vad": True, "batch_size": 8}, {}),
    ],
)
def test_each_setting_is_handed_on(
    change: dict[str, Any], told: dict[str, Any], adapter: MLXWhisper, library: Any
) -> None:
    """Each setting is handed to mlx-whisper by its name there; ignored ones are not."""
    adapter.load(Case("mlx-whisper", "tiny", "fp16"))
    samples: Any = object()

    adapter.transcribe(samples, replace(EQUAL, **change))

    library.transcribe.assert_called_once_with(samples, **{**USUAL, **told})


def test_result_is_read_and_calls_are_repeatable(adapter: MLXWhisper, library: Any) -> None:
    """A result of mlx-whisper is read, and each of its calls begins from the same random seed."""
    import mlx.core as mx

    adapter.load(Case("mlx-whisper", "tiny", "fp16"))
    segment = {"start": 0.5, "end": 2.25, "text": " One.", "temperature": 0.2}
    library.transcribe.return_value = {"text": " One.", "segments": [segment]}
    samples: Any = object()

    transcript = adapter.transcribe(samples, EQUAL)

    mx.random.seed.assert_called_once_with(0)
    assert transcript.text == "One."
    assert transcript.segments == (Segment(0.5, 2.25, "One."),)
    assert transcript.fallback
