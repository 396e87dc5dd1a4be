"""Spies: adapters that tell what a library was told, in place of what it heard.

`tests.helpers.spies:NAME` is the spy of the registered adapter NAME, whichever that is. Registered
in the adapter's place, it runs in an engine as the adapter does. The text of its transcripts is a
JSON object with three keys:

`handed`: every argument that the adapter's code gave to Python code of the library, by call and
name. No adapter needs anything for this.

`decoded`: what arrived where the library decodes, by the names of DecodeSettings; null for a
library without a class in LISTENERS. Such a class is a mixin that fills `seen`, with one entry for
each call of the library's decoder.

`fell_back`: what the adapter's transcript says of a fallback.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adapters
from adapters.base import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from adapters.base import Adapter, Audio, Case, DecodeSettings

REGISTERED = dict(adapters.REGISTRY)
"""The registry as it is before a test puts a spy into it."""

OUR_CODE = str(Path(adapters.__file__).parent)


def __getattr__(name: str) -> type[Adapter]:
    """Return the spy of a registered adapter."""
    if name not in REGISTERED:
        raise AttributeError(f"no adapter {name!r} to spy on")
    adapter = adapters.load_adapter(REGISTERED[name])
    listener = [LISTENERS[name]] if name in LISTENERS else []
    spy: type[Adapter] = type("Spy", (_Spy, *listener, adapter), {})
    return spy


class _Spy:
    """What all spies have in common; an adapter comes after it in the order of classes."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        """What the library decoded with, call by call."""

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        self.seen.clear()
        whole = super().transcribe  # type: ignore[misc]
        heard: list[Transcript] = []
        told = {
            "handed": handed_on(lambda: heard.append(whole(audio, settings))),
            "decoded": together(self.seen) if self.seen else None,
            "fell_back": heard[0].fallback,
        }
        print(told, file=sys.stderr)
        return Transcript(json.dumps(told), (), fallback=False)


def handed_on(run: Callable[[], object]) -> dict[str, Any]:
    """Run adapter code; return each argument that it hands to Python code outside of adapters/.

    The keys are `{number of the call} {function}.{argument}`, with further names and positions
    where an argument is a container. An object counts as the plain values among its attributes, so
    that a setting which the adapter puts into an object is seen as well.
    """
    handed: dict[str, Any] = {}
    calls = 0

    def on_event(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        caller = frame.f_back
        if event != "call" or caller is None or _is_ours(frame) or not _is_ours(caller):
            return
        code = frame.f_code
        calls += 1
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args and **kwargs
        for name in code.co_varnames[:count]:
            _flatten(f"{calls} {code.co_name}.{name}", frame.f_locals.get(name), handed)

    sys.setprofile(on_event)
    try:
        run()
    finally:
        sys.setprofile(None)
    return handed


def _is_ours(frame: FrameType) -> bool:
    """Tell whether a frame runs code of adapters/, or the methods that a dataclass was given."""
    return frame.f_code.co_filename.startswith((OUR_CODE, "<"))


def _flatten(path: str, value: object, into: dict[str, Any]) -> None:
    if isinstance(value, str | int | float | None):
        into[path] = value
    elif isinstance(value, dict):
        for name, part in value.items():
            _flatten(f"{path}.{name}", part, into)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            _flatten(f"{path}.{number}", part, into)
    else:
        for name, part in getattr(value, "__dict__", {}).items():
            if isinstance(part, str | int | float | None):
                into[f"{path}.{name}"] = part


def together(seen: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a whole transcription was decoded with, from its calls.

    The temperature is the lowest, and a second one is a fallback. There was context if any call had
    it, since the first window has no earlier text; the batch size is that of the fullest batch. Of
    everything else the last call counts.
    """
    temperatures = sorted({call["temperature"] for call in seen})
    return {
        **seen[-1],
        "temperature": temperatures[0],
        "fallback": len(temperatures) > 1,
        "context": any(call["context"] for call in seen),
        "batch_size": max(call["batch_size"] for call in seen),
    }


class _DecodeListener:
    """For libraries whose model has openai/whisper's `decode(mel, options)`."""

    module: str
    """Where the model's class `Whisper` is."""

    def import_library(self) -> None:
        super().import_library()  # type: ignore[misc]
        whisper = import_module(self.module).Whisper
        decode = whisper.decode

        def recorded(model: Any, mel: Any, options: Any) -> Any:
            told = {
                "language": options.language,
                "beam_size": options.beam_size or 1,
                "temperature": options.temperature,
                "timestamps": not options.without_timestamps,
                "context": bool(options.prompt),
                "batch_size": mel.shape[0] if mel.ndim == 3 else 1,
            }
            self.seen.append(told | self.more())  # type: ignore[attr-defined]
            return decode(model, mel, options)

        whisper.decode = recorded

    def more(self) -> dict[str, Any]:
        """Return the settings that are no options of a decode."""
        return {}


class _LightningListener(_DecodeListener):
    module = "lightning_whisper_mlx.whisper"


class _MLXListener(_DecodeListener):
    module = "mlx_whisper.whisper"


class _OpenAIListener(_DecodeListener):
    module = "whisper.model"

    def more(self) -> dict[str, Any]:
        import torch

        return {"threads": torch.get_num_threads()}


class _FasterListener:
    """Listens at CTranslate2's model, and at the voice activity detector."""

    def load(self, case: Case) -> None:
        import ctranslate2
        import faster_whisper.transcribe as library

        this: Any = self
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
                token: this._model.hf_tokenizer.token_to_id(token)
                for token in ("<|en|>", "<|de|>", "<|notimestamps|>", "<|startofprev|>")
            }
            prompt = prompts[-1]
            this.seen.append(
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
        super().load(case)  # type: ignore[misc]
        ctranslate2.models.Whisper = native
        real, this._model.model = this._model.model.generate, _Proxy(this._model.model, generate)
        self._vad = vad

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        self._vad.clear()
        transcript: Transcript = super().transcribe(audio, settings)  # type: ignore[misc]
        return transcript


class _Proxy:
    """A native model with another `generate`."""

    def __init__(self, model: Any, generate: Callable[..., Any]) -> None:
        self._model = model
        self.generate = generate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _CppListener:
    """Listens at `whisper_full`, which hides its decodes: only whether it may fall back is told."""

    def load(self, case: Case) -> None:
        super().load(case)  # type: ignore[misc]
        this: Any = self
        native = this._native.whisper_full

        def recorded(context: Any, params: Any, *arguments: Any) -> Any:
            temperatures = [params.temperature]
            if params.temperature_inc > 0:
                temperatures.append(1.0)
            this.seen.extend(
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

        this._native.whisper_full = recorded


class _TransformersListener:
    """Listens at the model's `generate`."""

    def load(self, case: Case) -> None:
        import torch

        super().load(case)  # type: ignore[misc]
        this: Any = self
        generate = this._recognise.model.generate

        def recorded(*arguments: Any, **options: Any) -> Any:
            this.seen.append(
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

        this._recognise.model.generate = recorded


LISTENERS: dict[str, type] = {
    "lightning-whisper-mlx": _LightningListener,
    "mlx-whisper": _MLXListener,
    "faster-whisper": _FasterListener,
    "whisper.cpp": _CppListener,
    "openai-whisper": _OpenAIListener,
    "transformers": _TransformersListener,
}

HIDES_DECODES = "whisper.cpp"
"""The library whose fallbacks its listener does not see."""
