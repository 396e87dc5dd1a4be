"""mlx-whisper: the Whisper of Apple's mlx-examples.

It takes the id of any repo, downloads the whole repo into the hub cache, and reads the model only
at the first transcription.
"""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import ClassVar

from adapters import base, whisper_code
from adapters.mlx_backend import BITS, MLXAdapter, WeightsCheck

# Source: the Whisper collection of mlx-community, on the hub.
SIZES = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3")
ENGLISH = ("tiny.en", "base.en", "small.en", "medium.en")
ENDINGS = {"fp16": "-mlx", "4bit": "-mlx-4bit", "8bit": "-mlx-8bit"}
ODD_ONES = {("tiny", "fp16"): "mlx-community/whisper-tiny"}
NPZ, SAFETENSORS = ("weights.npz", "config.json"), ("weights.safetensors", "config.json")


def _files(size: str, variant: str) -> base.ModelFiles:
    name = "large" if size == "large-v1" else size
    usual = f"mlx-community/whisper-{name}{ENDINGS[variant]}"
    return base.ModelFiles(ODD_ONES.get((size, variant), usual), NPZ)


class MLXWhisper(MLXAdapter):
    """The library's one public call, `mlx_whisper.transcribe(audio, path_or_hf_repo=…)`."""

    packages = ("mlx-whisper", "mlx", "huggingface_hub", "numpy", "tiktoken")
    check_map: ClassVar[base.CheckMap] = {
        "micro": {kind: base.ModelFiles(f"embedded/micro-mlx-{kind}", NPZ) for kind in ENDINGS},
        **{size: {kind: _files(size, kind) for kind in ENDINGS} for size in SIZES},
        **{size: {"fp16": _files(size, "fp16")} for size in ENGLISH},
        "large-v3-turbo": {
            "fp16": base.ModelFiles("mlx-community/whisper-large-v3-turbo", SAFETENSORS)
        },
    }
    traits = base.Traits(has_model_table=False, batches=False, cuts="never", timestamps=True)
    tuned: ClassVar = {"fallback": True, "context": True}  # its own defaults
    ignored_settings: ClassVar = {"beam_size": 1, "vad": False, "batch_size": 1, "threads": None}

    def model_table(self) -> base.Table:
        transcribe = import_module("mlx_whisper.transcribe").transcribe
        return {"tiny": {"fp16": signature(transcribe).parameters["path_or_hf_repo"].default}}

    def import_library(self) -> None:
        # This is the module; the package's attribute of that name is a function.
        self._library = import_module("mlx_whisper.transcribe")
        # Otherwise the load and the first call would import what these lines need.
        import_module("regex")
        self._library.tqdm.tqdm.get_lock()
        self._check_weights = WeightsCheck(import_module("mlx_whisper.whisper").Whisper)

    def load(self, case: base.Case) -> None:
        import mlx.core as mx

        self._repo = self.files(case).repo
        # The first `transcribe` would begin with these calls.
        model = self._library.ModelHolder.get_model(self._repo, mx.float16)
        whisper_code.make_tables(self._library, model)

    def verify_load(self, case: base.Case) -> str:
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(self._repo))
        weights, config = self.files(case).files
        return self._check_weights(folder / weights, folder / config, BITS[case.variant])

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        import mlx.core as mx

        mx.random.seed(0)  # a fallback decode samples
        return base.Transcript.of(
            self._library.transcribe(
                audio,
                path_or_hf_repo=self._repo,
                language=settings.language,
                temperature=settings.temperatures,
                condition_on_previous_text=settings.context,
                without_timestamps=not settings.timestamps,
            ),
            settings,
        )
