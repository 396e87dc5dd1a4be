"""whisper.cpp, through pywhispercpp.

It takes a model's name and downloads one file of one repo, which the name is part of, into a folder
of its own below the home. It takes any file of that name for the model.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from adapters import base
from adapters.cores import fast_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

REPO = "ggerganov/whisper.cpp"
# Source: pywhispercpp/constants.py, AVAILABLE_MODELS; test_repo_consistency.py holds this to it.
VARIANTS = {
    **dict.fromkeys(("tiny", "tiny.en", "base", "base.en"), ("fp16", "q5_1", "q8_0")),
    **dict.fromkeys(("small", "small.en"), ("fp16", "q5_1", "q8_0")),
    **dict.fromkeys(("medium", "medium.en"), ("fp16", "q5_0", "q8_0")),
    **dict.fromkeys(("large-v2", "large-v3-turbo"), ("fp16", "q5_0", "q8_0")),
    "large-v1": ("fp16",),
    "large-v3": ("fp16", "q5_0"),
}
MICRO_VARIANTS = ("fp16", "q5_0", "q5_1", "q8_0")
MODELS = {
    "darwin": "~/Library/Application Support/pywhispercpp/models",
    "linux": "~/.local/share/pywhispercpp/models",
}
"""Where the library looks. Source: platformdirs, user_data_dir."""

HEADER = (
    *("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels", "ftype"),
)
"""What a file begins with, after a magic number. Source: whisper.cpp, whisper_model_load."""

FRAMES_PER_SECOND = 100


def _name(size: str, variant: str) -> str:
    return size if variant == "fp16" else f"{size}-{variant}"


class WhisperCpp(base.Adapter):
    """The binding's public class, `Model(name)`."""

    packages = ("pywhispercpp", "numpy")
    check_map: ClassVar[base.CheckMap] = {
        "micro": {
            variant: base.ModelFiles(f"embedded/micro-ggml-{variant}", ("ggml-micro.bin",))
            for variant in MICRO_VARIANTS
        },
        **{
            size: {v: base.ModelFiles(REPO, (f"ggml-{_name(size, v)}.bin",)) for v in variants}
            for size, variants in VARIANTS.items()
        },
    }
    traits = base.Traits(names_all=True, batches=False, cuts="never", timestamps=True)
    tuned: ClassVar = {"threads": fast_cores()}
    fixed: ClassVar = {"beam_size": 1, "vad": False, "batch_size": 1}

    @classmethod
    def place(cls, case: base.Case) -> Mapping[str, str]:
        (file,) = cls.check_map[case.size][case.variant].files
        return {file: f"{MODELS[sys.platform]}/ggml-{_name(case.size, case.variant)}.bin"}

    def own_table(self) -> Mapping[str, Mapping[str, str]]:
        from pywhispercpp import constants

        repo = constants.MODELS_BASE_URL.removeprefix("https://huggingface.co/")
        table: dict[str, dict[str, str]] = {}
        for name in constants.AVAILABLE_MODELS:
            size, quantised, kind = name.partition("-q")
            table.setdefault(size, {})[f"q{kind}" if quantised else "fp16"] = repo
        return table

    def import_library(self) -> None:
        import _pywhispercpp
        from pywhispercpp import constants, model

        self._library, self._native = model, _pywhispercpp
        # The embedded model joins the library's own table, so that it takes the same road.
        constants.AVAILABLE_MODELS += [_name("micro", variant) for variant in MICRO_VARIANTS]

    def select_device(self, device: base.Device, threads: int) -> None:  # noqa: ARG002 - told each call
        system = self._native.whisper_print_system_info()
        if isinstance(system, bytes):
            system = system.decode()
        if device == "gpu" and not any(name in system for name in ("Metal", "MTL", "CUDA")):
            raise RuntimeError(f"this build of whisper.cpp has no GPU backend: {system}")
        self._on_gpu = device == "gpu"

    def load(self, case: base.Case) -> None:
        self._model = self._library.Model(
            _name(case.size, case.variant),
            print_progress=False,
            context_params={"use_gpu": self._on_gpu},
        )

    def verify_load(self, case: base.Case) -> str:  # noqa: ARG002
        with Path(self._model.model_path).open("rb") as file:
            _, *stored = struct.unpack("<12i", file.read(48))
        context = self._model._ctx
        for name, expected in zip(HEADER, stored, strict=True):
            got = getattr(self._native, f"whisper_model_{name}")(context)
            # Of a quantised file, the library keeps the kind and drops the format's version.
            if got != (expected % 1000 if name == "ftype" else expected):
                raise base.WeightsError(f"expected {name} {expected}, as in the file, got {got}")
        return "float32"

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        heard = self._model.transcribe(
            audio,
            language=settings.language,
            temperature=settings.temperature,
            temperature_inc=0.2 if settings.fallback else 0.0,
            no_context=not settings.context,
            no_timestamps=not settings.timestamps,
            n_threads=settings.threads,
        )
        segments = tuple(
            base.Segment(
                part.t0 / FRAMES_PER_SECOND, part.t1 / FRAMES_PER_SECOND, part.text.strip()
            )
            for part in heard
        )
        return base.Transcript(" ".join(s.text for s in segments).strip(), segments, fallback=False)
