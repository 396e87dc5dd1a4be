"""The adapters, listened to: what arrives at the last Python call before a library decodes.

A spy is the adapter, with that call wrapped. Its transcript is what was seen: JSON, by the names of
DecodeSettings. Registered in place of the adapter, it runs in an engine as that does.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from adapters.base import Transcript
from adapters.faster_whisper import FasterWhisper
from adapters.lightning_whisper_mlx import LightningWhisperMLX
from adapters.mlx_whisper import MLXWhisper
from adapters.openai_whisper import OpenAIWhisper
from adapters.transformers import Transformers
from adapters.whisper_cpp import WhisperCpp

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.base import Audio, Case, DecodeSettings

Seen = list[dict[str, Any]]
"""What each call was told."""

SPIES = {
    "lightning-whisper-mlx": "tests.helpers.spies:LightningSpy",
    "mlx-whisper": "tests.helpers.spies:MLXSpy",
    "faster-whisper": "tests.helpers.spies:FasterSpy",
    "whisper.cpp": "tests.helpers.spies:CppSpy",
    "openai-whisper": "tests.helpers.spies:OpenAISpy",
    "transformers": "tests.helpers.spies:TransformersSpy",
}


def told(transcribe: Callable[[], object], seen: Seen) -> Transcript:
    """Transcribe, and return what was seen, of all calls together.

    Temperatures are all that were tried; of everything else, what the last window was decoded with,
    as the first has no earlier text.
    """
    seen.clear()
    transcribe()
    print(seen, file=sys.stderr)
    temperatures = sorted({call["temperature"] for call in seen})
    together = {**seen[-1], "temperature": temperatures[0], "fallback": len(temperatures) > 1}
    together["context"] = any(call["context"] for call in seen)
    together["batch_size"] = max(call["batch_size"] for call in seen)
    return Transcript(json.dumps(together), (), fallback=False)


def openai_options(options: Any, batch: int) -> dict[str, Any]:
    """Return what the DecodingOptions of openai/whisper, which mlx libraries have, say."""
    return {
        "language": options.language,
        "beam_size": options.beam_size or 1,
        "temperature": options.temperature,
        "timestamps": not options.without_timestamps,
        "context": bool(options.prompt),
        "batch_size": batch,
    }


class _DecodeSpy:
    """Of libraries whose model has openai/whisper's `decode(mel, options)`."""

    def import_library(self) -> None:
        super().import_library()  # type: ignore[misc]
        self.seen: Seen = []
        whisper = import_module(self.module).Whisper  # type: ignore[attr-defined]
        decode = whisper.decode

        def heard(model: Any, mel: Any, options: Any) -> Any:
            batch = mel.shape[0] if mel.ndim == 3 else 1
            self.seen.append(openai_options(options, batch) | self.more())
            return decode(model, mel, options)

        whisper.decode = heard

    def more(self) -> dict[str, Any]:
        """Return what is set elsewhere."""
        return {}

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        whole = super().transcribe  # type: ignore[misc]
        return told(lambda: whole(audio, settings), self.seen)


class LightningSpy(_DecodeSpy, LightningWhisperMLX):
    """lightning-whisper-mlx."""

    module = "lightning_whisper_mlx.whisper"


class MLXSpy(_DecodeSpy, MLXWhisper):
    """mlx-whisper."""

    module = "mlx_whisper.whisper"


class OpenAISpy(_DecodeSpy, OpenAIWhisper):
    """openai-whisper."""

    module = "whisper.model"

    def more(self) -> dict[str, Any]:
        import torch

        return {"threads": torch.get_num_threads()}


class FasterSpy(FasterWhisper):
    """faster-whisper."""

    def load(self, case: Case) -> None:
        import ctranslate2
        import faster_whisper.transcribe as library

        self.seen: Seen = []
        threads: list[int] = []
        vad: list[object] = []
        native, find_speech = ctranslate2.models.Whisper, library.get_speech_timestamps

        def loaded(*arguments: Any, **options: Any) -> Any:
            threads.append(options["intra_threads"])
            return native(*arguments, **options)

        def looked(*arguments: Any, **options: Any) -> Any:
            vad.append(arguments)
            return find_speech(*arguments, **options)

        def generate(features: Any, prompts: Any, **options: Any) -> Any:
            ids = {
                token: self._model.hf_tokenizer.token_to_id(token)
                for token in ("<|en|>", "<|de|>", "<|notimestamps|>", "<|startofprev|>")
            }
            prompt = prompts[-1]
            self.seen.append(
                {
                    "language": "de" if ids["<|de|>"] in prompt else "en",
                    "beam_size": options.get("beam_size", 1),
                    "temperature": options.get("sampling_temperature", 0.0),
                    "timestamps": ids["<|notimestamps|>"] not in prompt,
                    "context": ids["<|startofprev|>"] in prompt,
                    "vad": bool(vad),
                    "batch_size": len(prompts),
                    "threads": threads[-1],
                }
            )
            return real(features, prompts, **options)

        ctranslate2.models.Whisper, library.get_speech_timestamps = loaded, looked
        super().load(case)
        ctranslate2.models.Whisper = native
        real, self._model.model = self._model.model.generate, _Proxy(self._model.model, generate)
        self._vad = vad

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        self._vad.clear()
        whole = super().transcribe
        return told(lambda: whole(audio, settings), self.seen)


class _Proxy:
    """A native model with another `generate`."""

    def __init__(self, model: Any, generate: Callable[..., Any]) -> None:
        self._model = model
        self.generate = generate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class CppSpy(WhisperCpp):
    """whisper.cpp. How often it decodes is not seen, so a fallback is what it is told of one."""

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        native = self._native.whisper_full
        seen: Seen = []

        def heard(context: Any, params: Any, *arguments: Any) -> Any:
            temperatures = [params.temperature]
            if params.temperature_inc > 0:
                temperatures.append(1.0)
            seen.extend(
                {
                    "language": params.language,
                    "temperature": round(temperature, 3),
                    "timestamps": not params.no_timestamps,
                    "context": not params.no_context,
                    "batch_size": 1,
                    "threads": params.n_threads,
                }
                for temperature in temperatures
            )
            return native(context, params, *arguments)

        self._native.whisper_full = heard
        whole = super().transcribe
        try:
            return told(lambda: whole(audio, settings), seen)
        finally:
            self._native.whisper_full = native


class TransformersSpy(Transformers):
    """transformers."""

    def load(self, case: Case) -> None:
        import torch

        super().load(case)
        self.seen: Seen = []
        generate = self._recognise.model.generate

        def heard(*arguments: Any, **options: Any) -> Any:
            self.seen.append(
                {
                    "language": options["language"],
                    "beam_size": options["num_beams"],
                    "temperature": options["temperature"] or 0.0,
                    "timestamps": options.get("return_timestamps", False),
                    "context": False,
                    "batch_size": len(options["input_features"]),
                    "threads": torch.get_num_threads(),
                }
            )
            return generate(*arguments, **options)

        self._recognise.model.generate = heard

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        whole = super().transcribe
        return told(lambda: whole(audio, settings), self.seen)
