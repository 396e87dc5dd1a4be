"""parrot: writes what it has heard of before."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from adapters import base

if TYPE_CHECKING:
    from collections.abc import Mapping

# Source: parrot.py, MODELS; test_repo_consistency.py holds this to it.
REPOS = {"micro": "embedded/micro-mlx-fp16", "tiny": "example/parrot-tiny"}
FILES = ("weights.npz", "config.json")


class ParrotAdapter(base.Adapter):
    """The library's public class, `Parrot(name)`."""

    packages = ("huggingface_hub",)
    check_map: ClassVar[base.CheckMap] = {
        size: {"fp16": base.ModelFiles(repo, FILES)} for size, repo in REPOS.items()
    }
    traits = base.Traits(has_model_table=True, batches=False, cuts="never", timestamps=False)
    tuned: ClassVar = {"threads": 1}
    ignored_settings: ClassVar = {"beam_size": 1, "vad": False, "batch_size": 1}

    def model_table(self) -> Mapping[str, Mapping[str, str]]:
        from tests.adding.parrot import MODELS

        return {size: {"fp16": repo} for size, repo in MODELS.items()}

    def import_library(self) -> None:
        from tests.adding import parrot

        self._library = parrot
        parrot.MODELS["micro"] = REPOS["micro"]

    def select_device(self, device: base.Device, threads: int) -> None:  # noqa: ARG002
        if device == "gpu":
            raise RuntimeError("a parrot has no GPU")

    def load(self, case: base.Case) -> None:
        self._parrot = self._library.Parrot(case.size)

    def verify_load(self, case: base.Case) -> str:
        if not (self._parrot.weights and self._parrot.config):
            raise base.WeightsError(f"expected weights and settings of {case.size}, got none")
        return "float16"

    def threads(self) -> int:
        return 1

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        text = self._parrot.listen(audio, settings.language)
        return base.Transcript(text, (), fallback=False)
