"""The adapter of whisper.cpp, on doubles of pywhispercpp: what it hands on, and what it makes."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from adapters import sizes
from adapters.base import Case, DecodeSettings, Segment, WeightsError
from adapters.ggml import HEADER, check_header
from adapters.whisper_cpp import WhisperCpp
from tests.adapters.test_sizes import DIMS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.adapters.conftest import Install

EQUAL = DecodeSettings()
TINY = Case("whisper.cpp", "tiny", "fp16")
SYSTEM = "AVX = 1 | NEON = 0"
DIMENSIONS = {
    "n_vocab": 51_865,
    "n_audio_ctx": 1500,
    "n_audio_state": 384,
    "n_audio_head": 6,
    "n_audio_layer": 4,
    "n_text_ctx": 448,
    "n_text_state": 385,
    "n_text_head": 7,
    "n_text_layer": 5,
    "n_mels": 80,
    "ftype": 1,
}
"""In the order in which they stand in a file."""


@pytest.fixture(name="native")
def _native(install: Install) -> Any:
    """A double of the compiled module, whose models have DIMENSIONS."""
    members: dict[str, Any] = {
        f"whisper_model_{name}": Mock(return_value=value) for name, value in DIMENSIONS.items()
    }
    return install("_pywhispercpp", whisper_print_system_info=Mock(return_value=SYSTEM), **members)


@pytest.fixture(name="library")
def _library(install: Install, native: Any) -> Any:  # noqa: ARG001 - it must be there
    """A double of the library, which knows four models."""
    constants = install(
        "pywhispercpp.constants",
        MODELS_BASE_URL="https://huggingface.co/ggerganov/whisper.cpp",
        AVAILABLE_MODELS=["tiny", "tiny-q5_1", "tiny.en-q8_0", "large-v3-turbo-q5_0"],
    )
    return install("pywhispercpp.model", Model=Mock(), constants=constants)


@pytest.fixture(name="adapter")
def _adapter(library: Any) -> WhisperCpp:  # noqa: ARG001 - it must be there
    """The adapter, with the library imported and told to compute on three threads."""
    adapter = WhisperCpp()
    adapter.import_library()
    adapter.select_device("cpu", 3)
    return adapter


def test_table_tells_size_and_variant_from_the_name(library: Any) -> None:  # noqa: ARG001
    """The table of whisper.cpp has size and variant from a model's name, all from one repo."""
    repo = "ggerganov/whisper.cpp"

    assert WhisperCpp().model_table() == {
        "tiny": {"fp16": repo, "q5_1": repo},
        "tiny.en": {"q8_0": repo},
        "large-v3-turbo": {"q5_0": repo},
    }


@pytest.mark.parametrize(
    ("platform", "folder"),
    [("darwin", "~/Library/Application Support"), ("linux", "~/.local/share")],
)
def test_file_belongs_into_the_librarys_folder(
    platform: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """whisper.cpp's file belongs where the system keeps the data of a user's programs."""
    monkeypatch.setattr(sys, "platform", platform)

    ((file, place),) = WhisperCpp.place(TINY).items()

    assert place == f"{folder}/pywhispercpp/models/{file}"


def test_embedded_models_join_the_librarys_table(adapter: WhisperCpp) -> None:
    """The embedded models of whisper.cpp join the library's table of models."""
    assert adapter._library.constants.AVAILABLE_MODELS[4:] == [
        *("micro", "micro-q5_0", "micro-q5_1", "micro-q8_0")
    ]


@pytest.mark.parametrize("system", ["Metal = 1", "MTL : EMBED_LIBRARY = 1", "CUDA : ARCHS = 900"])
def test_gpu_is_used_where_the_build_has_a_backend(
    system: str, adapter: WhisperCpp, native: Any
) -> None:
    """whisper.cpp uses a GPU where the line about its build names a backend."""
    native.whisper_print_system_info.return_value = f"{SYSTEM} | {system}"

    adapter.select_device("gpu", 3)
    adapter.load(Case("whisper.cpp", "tiny", "fp16"))

    assert adapter._library.Model.call_args.kwargs["context_params"] == {"use_gpu": True}


@pytest.mark.parametrize(
    ("lines", "device"),
    [
        (["found GPU device 0: MTL0 (type: 1, cnt: 1)", "using MTL0 backend"], "gpu"),
        (["using CUDA0 backend"], "gpu"),
        (["using CUDA0 backend", "failed to initialize CUDA0 backend"], "cpu"),
        (["device 0: CPU (type: 0)", "no GPU found"], "cpu"),
        (["using CUDA0 backend", "no GPU found"], "cpu"),
        (["no GPU found", "using CUDA0 backend"], "gpu"),
        (["device 0: CPU (type: 0)"], None),
    ],
)
def test_device_in_use_is_what_the_last_line_says(
    lines: list[str], device: str | None, adapter: WhisperCpp
) -> None:
    """The device that whisper.cpp uses is what the last line about it in the log says."""
    said = ["whisper_init_with_params_no_state: use gpu    = 1"]
    said += [f"whisper_backend_init_gpu: {line}" for line in lines]

    assert adapter.device_in_use("\n".join([*said, "whisper_init_state: done", ""])) == device


def test_words_of_others_about_a_backend_are_not_whisper_cpps(adapter: WhisperCpp) -> None:
    """Words about a backend within a line of the log are not whisper.cpp's."""
    assert adapter.device_in_use("it says: whisper_backend_init_gpu: no GPU found\n") is None
    assert adapter.device_in_use("") is None


def test_build_without_a_backend_has_no_gpu(adapter: WhisperCpp) -> None:
    """A build of whisper.cpp without a backend has no GPU; the CPU always works."""
    with pytest.raises(RuntimeError, match=r"no GPU backend: AVX = 1 \| NEON = 0"):
        adapter.select_device("gpu", 3)

    adapter.select_device("cpu", 3)


@pytest.mark.parametrize(
    ("size", "variant", "name"),
    [("tiny", "fp16", "tiny"), ("tiny", "q5_1", "tiny-q5_1"), ("micro", "q8_0", "micro-q8_0")],
)
def test_model_is_loaded_by_its_name(
    size: str, variant: str, name: str, adapter: WhisperCpp
) -> None:
    """whisper.cpp loads a model by its name, with the device and the number of threads."""
    adapter.load(Case("whisper.cpp", size, variant))

    adapter._library.Model.assert_called_once_with(
        name, print_progress=False, context_params={"use_gpu": False}, n_threads=3
    )


def test_threads_are_those_that_the_library_tells(adapter: WhisperCpp) -> None:
    """The threads of whisper.cpp are those that the library says it uses."""
    adapter.load(Case("whisper.cpp", "tiny", "fp16"))
    adapter._model.get_params.return_value = {"n_threads": 7}

    assert adapter.threads() == 7


@pytest.mark.parametrize(
    ("lines", "device"),
    [
        ([], None),
        (["whisper_backend_init_gpu: device 0: CPU (type: 0)"], None),
        (["whisper_backend_init_gpu: no GPU found"], "cpu"),
        (["whisper_backend_init_gpu: using Metal backend"], "gpu"),
        (["whisper_backend_init_gpu: failed to initialize CUDA0 backend"], "cpu"),
        (
            [
                "whisper_backend_init_gpu: using Metal backend",
                "whisper_backend_init_gpu: no GPU found",
            ],
            "cpu",
        ),
        (["somebody says whisper_backend_init_gpu: using Metal backend"], None),
    ],
)
def test_device_in_use_stands_in_the_log(
    lines: list[str], device: str | None, adapter: WhisperCpp
) -> None:
    """The device that whisper.cpp uses stands in its log, and is unknown without such a line."""
    log = "\n".join(["whisper_init_from_file", *lines, "whisper_model_load: loading model", ""])

    assert adapter.device_in_use(log) == device


USUAL: dict[str, Any] = {
    "language": "en",
    "temperature": 0.0,
    "temperature_inc": 0.0,
    "no_context": True,
    "no_timestamps": False,
}
"""What the library is told on equal terms."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, {}),
        ({"language": "de"}, {"language": "de"}),
        ({"temperature": 0.4}, {"temperature": 0.4}),
        ({"fallback": True}, {"temperature_inc": 0.2}),
        ({"context": True}, {"no_context": False}),
        ({"timestamps": False}, {"no_timestamps": True}),
        ({"beam_size": 5, "vad": True, "batch_size": 8}, {}),
    ],
)
def test_each_setting_is_handed_on(
    change: dict[str, Any], told: dict[str, Any], adapter: WhisperCpp
) -> None:
    """Each setting is handed to whisper.cpp by its name there; ignored ones are not."""
    adapter.load(Case("whisper.cpp", "tiny", "fp16"))
    adapter._model.transcribe.return_value = []
    samples: Any = object()

    adapter.transcribe(samples, replace(EQUAL, **change))

    adapter._model.transcribe.assert_called_once_with(samples, **{**USUAL, **told})


def test_times_are_in_ticks_of_10_ms(adapter: WhisperCpp) -> None:
    """Times of whisper.cpp, which are in ticks of 10 ms, become seconds."""
    adapter.load(Case("whisper.cpp", "tiny", "fp16"))
    adapter._model.transcribe.return_value = [
        SimpleNamespace(t0=0, t1=250, text=" One."),
        SimpleNamespace(t0=250, t1=1234, text=" Two."),
    ]
    samples: Any = object()

    transcript = adapter.transcribe(samples, EQUAL)

    assert transcript.segments == (Segment(0.0, 2.5, "One."), Segment(2.5, 12.34, "Two."))
    assert transcript.text == "One. Two."
    assert not transcript.fallback


# The header of its files


def ggml(folder: Path, **changes: int) -> str:
    """Write a file that begins with a magic number and these dimensions; return its path."""
    numbers = {**DIMENSIONS, **changes}
    path = folder / "ggml-tiny.bin"
    path.write_bytes(struct.pack("<12i", 0x67676D6C, *numbers.values()) + b"weights")
    return str(path)


def test_model_with_the_dimensions_of_its_file_is_verified(
    adapter: WhisperCpp, native: Any, tmp_path: Path
) -> None:
    """A whisper.cpp model is verified if it has the dimensions of its file."""
    adapter.load(Case("whisper.cpp", "tiny", "fp16"))
    adapter._model.model_path = ggml(tmp_path)

    assert adapter.verify_load(Case("whisper.cpp", "tiny", "fp16")) == "float16"
    for name in HEADER:
        getattr(native, f"whisper_model_{name}").assert_called_with(adapter._model._ctx)


@pytest.mark.parametrize(
    ("variant", "ftype", "dtype"),
    [("fp16", 1, "float16"), ("q5_0", 8, "q5_0"), ("q5_1", 9, "q5_1"), ("q8_0", 7, "q8_0")],
)
def test_type_is_what_the_library_tells_of_the_loaded_model(
    variant: str, ftype: int, dtype: str, adapter: WhisperCpp, native: Any, tmp_path: Path
) -> None:
    """The type of a whisper.cpp model is what the library says of the loaded model."""
    case = Case("whisper.cpp", "micro", variant)
    native.whisper_model_ftype.return_value = ftype
    adapter.load(case)
    adapter._model.model_path = ggml(tmp_path, ftype=ftype)

    assert adapter.verify_load(case) == dtype


@pytest.mark.parametrize(
    ("variant", "ftype", "asked", "got"),
    [
        ("fp16", 0, "float16", "float32"),
        ("q5_0", 9, "q5_0", "q5_1"),
        ("q8_0", 1, "q8_0", "float16"),
        ("fp16", 24, "float16", "ftype 24"),
    ],
)
def test_model_of_another_type_than_its_variant_is_an_error(
    variant: str,
    ftype: int,
    asked: str,
    got: str,
    adapter: WhisperCpp,
    native: Any,
    tmp_path: Path,
) -> None:
    """A whisper.cpp model of another type than its variant is an error, though its file is such."""
    case = Case("whisper.cpp", "micro", variant)
    native.whisper_model_ftype.return_value = ftype
    adapter.load(case)
    adapter._model.model_path = ggml(tmp_path, ftype=ftype)

    with pytest.raises(WeightsError) as error:
        adapter.verify_load(case)

    assert str(error.value) == f"expected a model of type {asked}, got one of type {got}"


def test_dimensions_are_asked_of_the_model_in_memory(adapter: WhisperCpp, native: Any) -> None:
    """The dimensions of whisper.cpp are asked of the model in memory."""
    adapter.load(TINY)
    for name, value in DIMS.items():
        getattr(native, f"whisper_model_{name}").return_value = value

    assert adapter.dimensions(TINY) == sizes.DIMENSIONS["large-v3-turbo"]
    native.whisper_model_n_mels.assert_called_once_with(adapter._model._ctx)


@pytest.mark.parametrize("name", HEADER)
def test_other_dimension_than_in_the_file_is_named(name: str, tmp_path: Path) -> None:
    """A dimension other than in whisper.cpp's file is named with both values."""
    file = ggml(tmp_path, **{name: DIMENSIONS[name] + 1})

    with pytest.raises(WeightsError) as error:
        check_header(file, DIMENSIONS.__getitem__)

    expected, got = DIMENSIONS[name] + 1, DIMENSIONS[name]
    assert str(error.value) == f"expected {name} {expected}, as in {file}, got {got}"


def test_version_of_the_format_is_no_part_of_the_type(tmp_path: Path) -> None:
    """The version of the format in whisper.cpp's file is no part of the type."""
    check_header(ggml(tmp_path, ftype=2001), DIMENSIONS.__getitem__)

    with pytest.raises(WeightsError, match="expected ftype 2, "):
        check_header(ggml(tmp_path, ftype=1002), DIMENSIONS.__getitem__)
