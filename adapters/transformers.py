"""transformers: Hugging Face's speech recognition pipeline, in chunks, as insanely-fast-whisper.

It takes the id of any repo and reads its files from the hub cache, on PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from adapters import base
from adapters.sizes import Dimensions
from adapters.torch_backend import TorchAdapter, check_tensors

# Source: the models of openai and distil-whisper, on the hub.
REPOS = {
    "micro": "embedded/micro-transformers-fp16",
    "tiny": "openai/whisper-tiny",
    "tiny.en": "openai/whisper-tiny.en",
    "base": "openai/whisper-base",
    "base.en": "openai/whisper-base.en",
    "small": "openai/whisper-small",
    "small.en": "openai/whisper-small.en",
    "medium": "openai/whisper-medium",
    "medium.en": "openai/whisper-medium.en",
    "large-v1": "openai/whisper-large",
    "large-v2": "openai/whisper-large-v2",
    "large-v3": "openai/whisper-large-v3",
    "large-v3-turbo": "openai/whisper-large-v3-turbo",
    "distil-small.en": "distil-whisper/distil-small.en",
    "distil-medium.en": "distil-whisper/distil-medium.en",
    "distil-large-v2": "distil-whisper/distil-large-v2",
    "distil-large-v3": "distil-whisper/distil-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5",
}
FILES = (
    "model.safetensors",
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "normalizer.json",
)
LATE = (
    "models.whisper.modeling_whisper",
    "models.whisper.feature_extraction_whisper",
    "models.whisper.tokenization_whisper",
    "pipelines.automatic_speech_recognition",
)
"""Modules of the library that its load would otherwise import."""
TIED = frozenset({"proj_out.weight"})  # shares the values of the token embedding


class Transformers(TorchAdapter):
    """The library's public call, `pipeline("automatic-speech-recognition", model=repo)`."""

    packages = ("transformers", "torch", "tokenizers", "safetensors", "numpy")
    check_map: ClassVar[base.CheckMap] = {
        # The repo of distil-large-v3.5 has no normalizer.json.
        size: {"fp16": base.ModelFiles(repo, FILES[:-1] if size.endswith("v3.5") else FILES)}
        for size, repo in REPOS.items()
    }
    traits = base.Traits(has_model_table=False, batches=True, cuts="always", timestamps=True)
    tuned: ClassVar = {"batch_size": 24}  # insanely-fast-whisper's default
    ignored_settings: ClassVar = {"fallback": False, "context": False, "vad": False}

    def import_library(self) -> None:
        import torch

        library = import_module("transformers")
        self._pipeline = library.pipeline
        # Otherwise the load and the first call would import what these lines need.
        for name in LATE:
            import_module(f"transformers.{name}")
        library.AutoModelForCTC._model_mapping.keys()
        with torch.profiler.record_function("a first time"):
            pass

    def load(self, case: base.Case) -> None:
        self._recognise = self._pipeline(
            "automatic-speech-recognition",
            model=self.files(case).repo,
            device=self._device,
            dtype=self._dtype,
            chunk_length_s=30,
            ignore_warning=True,  # it warns that chunks are experimental
        )
        if self._device.type == "cpu":
            for weight in self._loaded_model.state_dict().values():
                weight.sum()  # Reads it: a weight whose type needs no change is still on disk.
        multilingual = self._recognise.model.generation_config.is_multilingual
        self._task = {"task": "transcribe"} if multilingual else {}

    @property
    def _loaded_model(self) -> Any:
        return self._recognise.model

    def verify_load(self, case: base.Case) -> str:
        from huggingface_hub import hf_hub_download

        model = self._loaded_model
        file = Path(hf_hub_download(self.files(case).repo, "model.safetensors"))
        check_tensors(file, model.state_dict(), TIED)
        return str(model.dtype).removeprefix("torch.")

    def dimensions(self, case: base.Case) -> Dimensions:  # noqa: ARG002
        config = self._loaded_model.config
        return Dimensions(
            mels=config.num_mel_bins,
            vocabulary=config.vocab_size,
            heads=config.encoder_attention_heads,
            width=config.d_model,
            audio_layers=config.encoder_layers,
            text_layers=config.decoder_layers,
        )

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        language = {"language": settings.language} if self._task else {}
        heard = self._recognise(
            {"raw": audio, "sampling_rate": 16_000},
            batch_size=settings.batch_size,
            return_timestamps=settings.timestamps,
            generate_kwargs={
                **self._task,
                **language,
                "num_beams": settings.beam_size,
                "do_sample": settings.temperature > 0,
                "temperature": settings.temperature or None,
            },
        )
        end_of_audio = len(audio) / 16_000
        without_timestamps = {"timestamp": (0.0, None), "text": heard["text"]}
        parts = []
        for chunk in heard.get("chunks", [without_timestamps]):
            start, end = chunk["timestamp"]
            # The last chunk may have no end.
            parts.append((start, end_of_audio if end is None else end, chunk["text"]))
        return base.Transcript.joined(parts, fallback=False)
