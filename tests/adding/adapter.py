"""parrot: repeats what it has heard of before."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from adapters import base
from adapters.sizes import Dimensions

# Source: parrot.py, MODELS; test_repo_consistency.py holds this to it.
REPOS = {"micro": "embedded/micro-mlx-fp16", "tiny": "example/parrot-tiny"}
FILES = ("weights.npz", "config.json")


class ParrotAdapter(base.Adapter):
    """The library's public class, `Parrot(name, threads)`."""

    packages = ("parrot", "huggingface_hub")
    check_map: ClassVar[base.CheckMap] = {
        size: {"fp16": base.ModelFiles(repo, FILES)} for size, repo in REPOS.items()
    }
    traits = base.Traits(has_model_table=True, batches=False, cuts="never", timestamps=False)
    tuned: ClassVar = {"threads": 1}
    # It is told a language, and nothing else.
    ignored_settings: ClassVar = {
        "beam_size": 1,
        "temperature": 0.0,
        "fallback": False,
        "timestamps": False,
        "context": False,
        "vad": False,
        "batch_size": 1,
    }

    def model_table(self) -> base.Table:
        return {size: {"fp16": repo} for size, repo in import_module("parrot").MODELS.items()}

    def import_library(self) -> None:
        self._library = import_module("parrot")
        # The embedded model joins the library's own table, so that it loads as every other model.
        self._library.MODELS["micro"] = REPOS["micro"]

    def select_device(self, device: base.Device, threads: int) -> None:
        if device == "gpu":
            raise RuntimeError("a parrot has no GPU")
        self._threads = threads

    def load(self, case: base.Case) -> None:
        self._parrot: Any = self._library.Parrot(case.size, threads=self._threads)

    def verify_load(self, case: base.Case) -> str:
        from huggingface_hub import snapshot_download

        weights = Path(snapshot_download(self.files(case).repo)) / FILES[0]
        if self._parrot.checksums != (expected := self._library.checksums(weights)):
            raise base.WeightsError(f"expected {expected}, got {self._parrot.checksums}")
        return "float16"

    def dimensions(self, case: base.Case) -> Dimensions:  # noqa: ARG002
        return Dimensions.told_by(self._parrot.config.__getitem__)

    def threads(self) -> int:
        return int(self._parrot.threads)

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        text = self._parrot.listen(audio, settings.language)
        return base.Transcript(text, (), fallback=False)
