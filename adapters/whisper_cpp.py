"""whisper.cpp, through pywhispercpp.

It takes a model's name and downloads the file of that name, all from one repo, into a folder of
its own below the home. A file that lies there already is loaded unseen, whatever is in it.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any, ClassVar

from adapters import base
from adapters.cores import fast_cores
from adapters.ggml import TYPES, check_header
from adapters.sizes import Dimensions

REPO = "ggerganov/whisper.cpp"
# Source: pywhispercpp/constants.py, AVAILABLE_MODELS; test_repo_consistency.py holds this to it.
VARIANTS = {
    "micro": ("fp16", "q5_0", "q5_1", "q8_0"),
    **dict.fromkeys("tiny tiny.en base base.en small small.en".split(), ("fp16", "q5_1", "q8_0")),
    **dict.fromkeys("medium medium.en large-v2 large-v3-turbo".split(), ("fp16", "q5_0", "q8_0")),
    "large-v1": ("fp16",),
    "large-v3": ("fp16", "q5_0"),
}

GPU_LINE = re.compile(
    r"^whisper_backend_init_gpu: (using .+ backend|no GPU found|failed to initialize .+ backend)$",
    re.MULTILINE,
)
"""What whisper.cpp says of the GPU when it has looked for one."""


def _name(size: str, variant: str) -> str:
    """Return the library's name of a model."""
    return size if variant == "fp16" else f"{size}-{variant}"


def _folder() -> str:
    """Return the library's folder for models. Source: platformdirs, user_data_dir."""
    data = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return f"~/{data}/pywhispercpp/models"


def _files(size: str, variant: str) -> base.ModelFiles:
    repo = f"embedded/micro-ggml-{variant}" if size == "micro" else REPO
    return base.ModelFiles(repo, (f"ggml-{_name(size, variant)}.bin",))


class WhisperCpp(base.Adapter):
    """The binding's public class, `Model(name)`."""

    packages = ("pywhispercpp", "numpy")
    check_map: ClassVar[base.CheckMap] = {
        size: {variant: _files(size, variant) for variant in variants}
        for size, variants in VARIANTS.items()
    }
    traits = base.Traits(
        has_model_table=True, batches=False, cuts="never", timestamps=True, shows_weights=False
    )
    tuned: ClassVar = {"threads": fast_cores()}
    ignored_settings: ClassVar = {"beam_size": 1, "vad": False, "batch_size": 1}

    @classmethod
    def place(cls, case: base.Case) -> base.Places:
        return {file: f"{_folder()}/{file}" for file in cls.files(case).files}

    def model_table(self) -> base.Table:
        constants = import_module("pywhispercpp.constants")
        repo = constants.MODELS_BASE_URL.removeprefix("https://huggingface.co/")
        table: dict[str, dict[str, str]] = {}
        for name in constants.AVAILABLE_MODELS:
            size, quantised, kind = name.partition("-q")
            table.setdefault(size, {})[f"q{kind}" if quantised else "fp16"] = repo
        return table

    def import_library(self) -> None:
        self._library: Any = import_module("pywhispercpp.model")
        self._native: Any = import_module("_pywhispercpp")
        # The embedded model joins the library's own table, so that it loads as every other model.
        self._library.constants.AVAILABLE_MODELS += [_name("micro", v) for v in VARIANTS["micro"]]

    def select_device(self, device: base.Device, threads: int) -> None:
        system = self._native.whisper_print_system_info()
        if device == "gpu" and not any(name in system for name in ("Metal", "MTL", "CUDA")):
            raise RuntimeError(f"this build of whisper.cpp has no GPU backend: {system}")
        self._on_gpu = device == "gpu"
        self._threads = threads

    def load(self, case: base.Case) -> None:
        self._model = self._library.Model(
            _name(case.size, case.variant),
            print_progress=False,
            context_params={"use_gpu": self._on_gpu},
            n_threads=self._threads,
        )

    def verify_load(self, case: base.Case) -> str:
        check_header(self._model.model_path, self._told)
        # ggml converts what it multiplies with a matrix to a type that suits the matrix's own.
        ftype = self._told("ftype")
        asked = "float16" if case.variant == "fp16" else case.variant
        if (got := TYPES.get(ftype, f"ftype {ftype}")) != asked:
            raise base.WeightsError(f"expected a model of type {asked}, got one of type {got}")
        return got

    def dimensions(self, case: base.Case) -> Dimensions:  # noqa: ARG002
        return Dimensions.told_by(self._told)

    def _told(self, name: str) -> int:
        """Return what the library tells of the loaded model by a name of its header."""
        return int(getattr(self._native, f"whisper_model_{name}")(self._model._ctx))

    def device_in_use(self, log: str) -> base.Device | None:
        # It falls back to the CPU without an error, and only a line of its log says so.
        # Source: whisper.cpp, whisper_backend_init_gpu.
        found = GPU_LINE.findall(log)
        if not found:
            return None
        return "gpu" if found[-1].startswith("using ") else "cpu"

    def threads(self) -> int:
        return int(self._model.get_params()["n_threads"])

    def transcribe(self, audio: base.Audio, settings: base.DecodeSettings) -> base.Transcript:
        heard = self._model.transcribe(
            audio,
            language=settings.language,
            temperature=settings.temperature,
            temperature_inc=0.2 if settings.fallback else 0.0,
            no_context=not settings.context,
            no_timestamps=not settings.timestamps,
        )
        parts = ((part.t0 / 100, part.t1 / 100, part.text) for part in heard)
        return base.Transcript.joined(parts, fallback=False)
