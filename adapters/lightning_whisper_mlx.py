"""lightning-whisper-mlx: batched Whisper on mlx.

The library downloads `weights.npz` and `config.json` into `./mlx_models/<name>`, whatever the
quantisation, and reads them only at the first transcription.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from adapters import base, whisper_code
from adapters.mlx_backend import BITS, MLXAdapter, WeightsCheck, restore_quantize_module

# Source: lightning_whisper_mlx/lightning.py, models; test_repo_consistency.py holds this to it.
REPOS = {
    ("micro", "fp16"): "embedded/micro-mlx-fp16",
    ("micro", "4bit"): "embedded/micro-mlx-4bit",
    ("micro", "8bit"): "embedded/micro-mlx-8bit",
    ("tiny", "fp16"): "mlx-community/whisper-tiny",
    ("tiny", "4bit"): "mlx-community/whisper-tiny-mlx-4bit",
    ("tiny", "8bit"): "mlx-community/whisper-tiny-mlx-8bit",
    ("base", "fp16"): "mlx-community/whisper-base-mlx",
    ("base", "4bit"): "mlx-community/whisper-base-mlx-4bit",
    ("base", "8bit"): "mlx-community/whisper-base-mlx-8bit",
    ("small", "fp16"): "mlx-community/whisper-small-mlx",
    ("small", "4bit"): "mlx-community/whisper-small-mlx-4bit",
    ("small", "8bit"): "mlx-community/whisper-small-mlx-8bit",
    ("medium", "fp16"): "mlx-community/whisper-medium-mlx",
    ("medium", "4bit"): "mlx-community/whisper-medium-mlx-4bit",
    ("medium", "8bit"): "mlx-community/whisper-medium-mlx-8bit",
    ("large-v1", "fp16"): "mlx-community/whisper-large-mlx",
    ("large-v1", "4bit"): "mlx-community/whisper-large-mlx-4bit",
    ("large-v1", "8bit"): "mlx-community/whisper-large-mlx-8bit",
    ("large-v2", "fp16"): "mlx-community/whisper-large-v2-mlx",
    ("large-v2", "4bit"): "mlx-community/whisper-large-v2-mlx-4bit",
    ("large-v2", "8bit"): "mlx-community/whisper-large-v2-mlx-8bit",
    ("large-v3", "fp16"): "mlx-community/whisper-large-v3-mlx",
    ("large-v3", "4bit"): "mlx-community/whisper-large-v3-mlx-4bit",
    ("large-v3", "8bit"): "mlx-community/whisper-large-v3-mlx-8bit",
}
DISTIL_REPO = "mustafaaljadery/distil-whisper-mlx"
DISTIL_SIZES = ("distil-small.en", "distil-medium.en", "distil-large-v2", "distil-large-v3")
DISTIL_SUFFIXES = {"fp16": "", "4bit": "-4-bit", "8bit": "-8-bit"}

FILES = ("weights.npz", "config.json")
FRAMES_PER_SECOND = 100  # lightning_whisper_mlx/audio.py


def _library_name(size: str) -> str:
    """Return the library's name of a size: its "large" is large-v1."""
    return "large" if size == "large-v1" else size


def _model_folder(case: base.Case) -> str:
    """Return the folder where the library looks for a model, below its working directory."""
    suffix = DISTIL_SUFFIXES[case.variant] if case.size in DISTIL_SIZES else ""
    return f"mlx_models/{_library_name(case.size)}{suffix}"


class LightningWhisperMLX(MLXAdapter):
    """The library's public class, `LightningWhisperMLX(model, batch_size, quant)`."""

    packages = ("lightning-whisper-mlx", "mlx", "huggingface_hub", "numpy", "tiktoken")
    check_map: ClassVar[base.CheckMap] = {
        size: {kind: base.ModelFiles(REPOS[size, kind], FILES) for kind in BITS}
        for size, _ in REPOS
    } | {
        # This one repo has a folder for each model, at the path where the library looks for it.
        size: {
            kind: base.ModelFiles(DISTIL_REPO, tuple(f"mlx_models/{size}{end}/{f}" for f in FILES))
            for kind, end in DISTIL_SUFFIXES.items()
        }
        for size in DISTIL_SIZES
    }
    traits = base.Traits(has_model_table=True, batches=True, cuts="always", timestamps=False)
    tuned: ClassVar = {"batch_size": 12}  # the default of its class
    # Its public call takes a language, and nothing else.
    ignored_settings: ClassVar = {
        "beam_size": 1,
        "temperature": 0.0,
        "fallback": True,
        "timestamps": True,
        "context": True,
        "vad": False,
        "threads": None,
    }

    @classmethod
    def place(cls, case: base.Case) -> base.Places:
        return {file: f"{_model_folder(case)}/{Path(file).name}" for file in cls.files(case).files}

    def model_table(self) -> base.Table:
        from lightning_whisper_mlx.lightning import models

        table: dict[str, dict[str, str]] = {}
        for name, repos in models.items():
            if "distil" in name:
                # Its one repo has the quantised models as well, in other folders.
                table[name] = dict.fromkeys(BITS, repos["base"])
                continue
            size = "large-v1" if name == "large" else name
            table[size] = {
                "fp16" if quant == "base" else quant: repo for quant, repo in repos.items()
            }
        return table

    def import_library(self) -> None:
        from lightning_whisper_mlx import lightning, transcribe, whisper

        self._lightning, self._transcribe = lightning, transcribe
        import_module("regex")  # Otherwise the load would import it.
        # The embedded model joins the library's own table, so that it loads as every other model.
        lightning.models["micro"] = {
            "base" if kind == "fp16" else kind: REPOS["micro", kind] for kind in BITS
        }
        self._check_weights = WeightsCheck(whisper.Whisper)
        decode = whisper.Whisper.decode

        def watched_decode(model: Any, mel: Any, options: Any) -> Any:
            self._fallback |= options.temperature > 0
            return decode(model, mel, options)

        whisper.Whisper.decode = watched_decode

    def mend(self, case: base.Case) -> tuple[str, ...]:
        return () if case.variant == "fp16" else restore_quantize_module()

    def load(self, case: base.Case) -> None:
        import mlx.core as mx

        self._model = self._lightning.LightningWhisperMLX(
            _library_name(case.size),
            batch_size=1,
            quant=None if case.variant == "fp16" else case.variant,
        )
        # The constructor only downloads. The first `transcribe` would begin with these calls.
        model = self._transcribe.ModelHolder.get_model(f"./{_model_folder(case)}", mx.float16)
        whisper_code.make_tables(self._transcribe, model)

    def verify_load(self, case: base.Case) -> str:
        weights, config = (Path(_model_folder(case), name) for name in FILES)
        return self._check_weights(weights, config, BITS[case.variant])

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        import mlx.core as mx

        self._fallback = False
        mx.random.seed(0)  # a fallback decode samples
        self._model.batch_size = settings.batch_size
        result = self._model.transcribe(audio, language=settings.language)
        segments = tuple(
            base.Segment(start / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND, text.strip())
            for start, end, text in result["segments"]
        )
        return base.Transcript(result["text"].strip(), segments, self._fallback)
