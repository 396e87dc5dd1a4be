"""faster-whisper: Whisper on CTranslate2, for CPUs and NVIDIA GPUs.

It takes a size, downloads the files of that size's repo into the hub cache, and converts the
weights while it loads them. In a repo without tokenizer.json it would use the tokenizer of another
repo, openai/whisper-tiny.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from adapters import base
from adapters.model_bin import stored_dimensions

if TYPE_CHECKING:
    from adapters.sizes import Dimensions

# Source: faster_whisper/utils.py, _MODELS; test_repo_consistency.py holds this to it.
REPOS = {
    "micro": "embedded/micro-ctranslate2-fp16",
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
_COMMON = ("model.bin", "config.json", "tokenizer.json")
FILES = (*_COMMON, "vocabulary.txt")
NEWER_FILES = (*_COMMON, "vocabulary.json", "preprocessor_config.json")
NEWER = frozenset(size for size in REPOS if size.startswith(("micro", "large-v3", "distil")))
"""The sizes whose repos have NEWER_FILES."""

COMPUTE_TYPES = {"fp16": "default", "float32": "float32", "int8": "int8"}
"""variant → compute type. `default` is the weights' own, float16, if the device computes in it."""


class FasterWhisper(base.Adapter):
    """The library's public class, `WhisperModel(size, device, compute_type, cpu_threads)`."""

    packages = ("faster-whisper", "ctranslate2", "tokenizers", "huggingface_hub", "numpy")
    check_map: ClassVar[base.CheckMap] = {
        size: {
            variant: base.ModelFiles(repo, NEWER_FILES if size in NEWER else FILES)
            for variant in COMPUTE_TYPES
        }
        for size, repo in REPOS.items()
    }
    traits = base.Traits(
        has_model_table=True,
        batches=True,
        cuts="in batches",
        timestamps=True,
        converts=True,
        shows_weights=False,
    )
    tuned: ClassVar = {"batch_size": 8, "vad": True}  # the defaults of its batched pipeline

    def model_table(self) -> base.Table:
        from faster_whisper.utils import _MODELS

        return {
            size: dict.fromkeys(COMPUTE_TYPES, repo)
            for size, repo in _MODELS.items()
            if size not in base.ALIASES
        }

    def import_library(self) -> None:
        import faster_whisper

        self._library = faster_whisper
        # Otherwise the load and the first call would import what these lines need.
        import_module("numpy.fft")
        _ = faster_whisper.utils.huggingface_hub.snapshot_download
        faster_whisper.transcribe.tqdm.get_lock()
        # The embedded model joins the library's own table, so that it loads as every other model.
        faster_whisper.utils._MODELS["micro"] = REPOS["micro"]

    def select_device(self, device: base.Device, threads: int) -> None:
        import ctranslate2

        if device == "gpu" and not ctranslate2.get_cuda_device_count():
            raise RuntimeError("CTranslate2 computes on CPUs and NVIDIA GPUs, and there is none")
        self._device = "cuda" if device == "gpu" else "cpu"
        self._threads = threads

    def load(self, case: base.Case) -> None:
        self._model = self._library.WhisperModel(
            case.size,
            device=self._device,
            compute_type=COMPUTE_TYPES[case.variant],
            cpu_threads=self._threads,
        )
        self._batched = self._library.BatchedInferencePipeline(self._model)

    def verify_load(self, case: base.Case) -> str:
        computes_in = str(self._model.model.compute_type)
        asked = COMPUTE_TYPES[case.variant]
        if asked not in {"default", *computes_in.split("_")}:
            raise base.WeightsError(f"expected compute type {asked}, got {computes_in}")
        text = (self._folder(case) / "tokenizer.json").read_text(encoding="utf-8")
        tokenizer = json.loads(text)
        ids = set(tokenizer["model"]["vocab"].values())
        ids |= {token["id"] for token in tokenizer["added_tokens"]}
        size = self._model.hf_tokenizer.get_vocab_size()
        if size != len(ids):
            raise base.WeightsError(f"expected a tokenizer of {len(ids)} tokens, got one of {size}")
        return computes_in

    def dimensions(self, case: base.Case) -> Dimensions:
        stored = stored_dimensions(self._folder(case) / "model.bin")
        return replace(stored, mels=self._model.model.n_mels)  # the only one that it exposes

    def _folder(self, case: base.Case) -> Path:
        """Return where the library has found the files of a loaded model; nothing is fetched."""
        return Path(self._library.utils.download_model(case.size, local_files_only=True))

    def device_in_use(self, log: str) -> base.Device:  # noqa: ARG002
        return "cpu" if self._model.model.device == "cpu" else "gpu"

    def threads(self) -> int:
        return self._threads  # CTranslate2 does not say how many it uses.

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        options = {
            "language": settings.language,
            "beam_size": settings.beam_size,
            "temperature": settings.temperatures,
            "condition_on_previous_text": settings.context,
            "without_timestamps": not settings.timestamps,
            "vad_filter": settings.vad,
        }
        if settings.batch_size > 1:
            windows = None if settings.vad else _windows(len(audio) / 16_000)
            heard, _ = self._batched.transcribe(
                audio, batch_size=settings.batch_size, clip_timestamps=windows, **options
            )
        else:
            heard, _ = self._model.transcribe(audio, **options)
        segments = list(heard)  # a generator, which decodes while it is read
        fallback = any((part.temperature or 0) > settings.temperature for part in segments)
        parts = ((part.start, part.end, part.text) for part in segments)
        return base.Transcript.joined(parts, fallback=fallback)


def _windows(seconds: float) -> list[dict[str, float]]:
    """Return 30 s windows, by start and end in seconds, which the pipeline needs without VAD."""
    starts = range(0, max(1, math.ceil(seconds)), 30)
    return [{"start": start, "end": min(start + 30, seconds)} for start in starts]
