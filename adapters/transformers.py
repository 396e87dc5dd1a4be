"""transformers: Hugging Face's speech recognition pipeline, in chunks, as insanely-fast-whisper.

It takes the id of any repo and reads its files from the hub cache, on PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from adapters import base
from adapters.torch_backend import TorchAdapter, check_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    *("model.safetensors", "config.json", "generation_config.json", "preprocessor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"),
    "normalizer.json",
)
LACKING = {"distil-large-v3.5": "normalizer.json"}
TIED = frozenset({"proj_out.weight"})  # is the token embedding


class Transformers(TorchAdapter):
    """The library's public call, `pipeline("automatic-speech-recognition", model=repo)`."""

    packages = ("transformers", "torch", "tokenizers", "safetensors", "numpy")
    check_map: ClassVar[base.CheckMap] = {
        size: {"fp16": base.ModelFiles(repo, tuple(f for f in FILES if f != LACKING.get(size)))}
        for size, repo in REPOS.items()
    }
    traits = base.Traits(names_all=False, batches=True, cuts="always", timestamps=True)
    tuned: ClassVar = {"batch_size": 24}  # insanely-fast-whisper's default
    fixed: ClassVar = {"fallback": False, "context": False, "vad": False}

    def own_table(self) -> Mapping[str, Mapping[str, str]]:
        return {}

    def import_library(self) -> None:
        from transformers import pipeline

        # What `pipeline` would import late.
        from transformers.models.whisper import modeling_whisper  # noqa: F401

        self._pipeline = pipeline

    def load(self, case: base.Case) -> None:
        self._recognise = self._pipeline(
            "automatic-speech-recognition",
            model=self.check_map[case.size][case.variant].repo,
            device=self._device,
            dtype="float32" if self._device.type == "cpu" else "float16",
            chunk_length_s=30,
            ignore_warning=True,  # of chunks, which are what is measured
        )
        multilingual = self._recognise.model.generation_config.is_multilingual
        self._task = {"task": "transcribe"} if multilingual else {}

    def verify_load(self, case: base.Case) -> str:
        from huggingface_hub import hf_hub_download
        from safetensors.torch import load_file

        repo = self.check_map[case.size][case.variant].repo
        stored = load_file(hf_hub_download(repo, "model.safetensors"))
        model = self._recognise.model
        check_tensors(stored, model.state_dict(), TIED)
        return str(model.dtype).removeprefix("torch.")

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
        segments = []
        for part in heard.get("chunks", ()):
            start, end = part["timestamp"]  # the model may leave the last one open
            end = len(audio) / 16_000 if end is None else end
            segments.append(base.Segment(start, end, part["text"].strip()))
        return base.Transcript(heard["text"].strip(), tuple(segments), fallback=False)
