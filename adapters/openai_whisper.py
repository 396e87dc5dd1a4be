"""openai-whisper: OpenAI's own code, on PyTorch.

It takes a size and downloads one checkpoint into `~/.cache/whisper`, from a URL that holds the
file's sha256. It hashes the whole file at every load.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from adapters import base, whisper_code
from adapters.sizes import Dimensions
from adapters.torch_backend import TorchAdapter, check_tensors

FOLDER = "https://openaipublic.azureedge.net/main/whisper/models"
# Source: whisper/__init__.py, _MODELS; test_repo_consistency.py holds this to it.
HASHES = {
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "large-v1": "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    "large-v3-turbo": "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
}


class OpenAIWhisper(TorchAdapter):
    """The library's public calls, `load_model(size, device)` and `model.transcribe(audio)`."""

    packages = ("openai-whisper", "torch", "numpy", "tiktoken")
    check_map: ClassVar[base.CheckMap] = {
        "micro": {"fp16": base.ModelFiles("embedded/micro-torch-fp16", ("micro.pt",))},
        **{
            size: {"fp16": base.ModelFiles(FOLDER, (f"{size}.pt",), sha256)}
            for size, sha256 in HASHES.items()
        },
    }
    traits = base.Traits(has_model_table=True, batches=False, cuts="never", timestamps=True)
    tuned: ClassVar = {"fallback": True, "context": True}  # its own defaults
    ignored_settings: ClassVar = {"vad": False, "batch_size": 1}

    @classmethod
    def place(cls, case: base.Case) -> base.Places:
        return {f"{case.size}.pt": f"~/.cache/whisper/{case.size}.pt"}

    def model_table(self) -> base.Table:
        models = import_module("whisper")._MODELS
        return {name: {"fp16": models[name]} for name in models.keys() - base.ALIASES}

    def import_library(self) -> None:
        import torch

        self._library = import_module("whisper")
        # This is the module; the package's attribute of that name is a function.
        self._transcribe = import_module("whisper.transcribe")
        # Otherwise the load and the first call would import, or read, what these lines need.
        import_module("regex")
        torch.serialization.get_default_mmap_options()
        torch.manual_seed(0)
        self._transcribe.tqdm.tqdm.get_lock()

    def select_device(self, device: base.Device, threads: int) -> None:
        import torch

        super().select_device(device, threads)
        torch.eye(2).to_sparse().to(self._device)  # every model has a sparse tensor

    def mend(self, case: base.Case) -> tuple[str, ...]:
        if case.size == "micro":  # joins the library's own table, so that it loads as the others
            digest = sha256(self._file(case).read_bytes()).hexdigest()
            self._library._MODELS["micro"] = f"embedded/{digest}/micro.pt"
            self._library._ALIGNMENT_HEADS["micro"] = None
        return ()

    def load(self, case: base.Case) -> None:
        self._model = self._library.load_model(case.size, device=self._device)
        # The first `transcribe` would begin with these calls.
        whisper_code.make_tables(self._transcribe, self._model)

    @property
    def _loaded_model(self) -> Any:
        return self._model

    def verify_load(self, case: base.Case) -> str:
        check_tensors(self._file(case), self._model.state_dict())
        return self._dtype

    def dimensions(self, case: base.Case) -> Dimensions:  # noqa: ARG002
        return Dimensions.told_by(partial(getattr, self._model.dims))

    def _file(self, case: base.Case) -> Path:
        (place,) = self.place(case).values()
        return Path(place).expanduser()

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        import torch

        torch.manual_seed(0)  # a fallback decode samples
        return base.Transcript.of(
            self._model.transcribe(
                audio,
                language=settings.language,
                beam_size=settings.beam_size if settings.beam_size > 1 else None,
                temperature=settings.temperatures,
                condition_on_previous_text=settings.context,
                without_timestamps=not settings.timestamps,
                fp16=self._dtype == "float16",
            ),
            settings,
        )
