"""A toy library that fetches or opens other files than it should; its variants say how."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from adapters.base import Adapter, CheckMap, ModelFiles, Traits
from adapters.sizes import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.base import Audio, Case, DecodeSettings, Device, Transcript
    from adapters.sizes import Dimensions

REPO = "org/toy"
FILES = {"config.json": b"{}", "weights.npz": b"weights"}
OTHER_FILES = {"config.json": b"{ }", "weights.npz": b"others"}
"""The same files on the branch `dev`."""

EXTRA_FILE = "vocabulary.txt"
VARIANTS = (
    *("correct", "snapshot", "other-revision", "extra-file", "missing-file"),
    *("unopened", "rewritten", "other-size", "offline", "aborts", "raises"),
)


class FaultyLibrary(Adapter):
    """Fetches its files into the working directory and reads them, with one fault a variant.

    The variants `correct` and `snapshot` have none.
    """

    packages: ClassVar = ("huggingface_hub",)
    check_map: ClassVar[CheckMap] = {
        "tiny": {variant: ModelFiles(REPO, tuple(FILES)) for variant in VARIANTS}
    }
    traits = Traits(has_model_table=True, batches=False, cuts="always", timestamps=False)
    tuned: ClassVar = {"batch_size": 2}

    @classmethod
    def place(cls, case: Case) -> Mapping[str, str]:
        return {file: file for file in cls.files(case).files}

    def model_table(self) -> Mapping[str, Mapping[str, str]]:
        return {"tiny": {"correct": REPO}}

    def import_library(self) -> None:
        import huggingface_hub

        self._hub = huggingface_hub

    def select_device(self, device: Device, threads: int) -> None:
        """Do nothing: the toy computes nothing."""

    def load(self, case: Case) -> None:
        names = set(FILES)
        match case.variant:
            case "offline":
                return
            case "aborts":
                os.abort()
            case "extra-file":
                names.add(EXTRA_FILE)
            case "missing-file":
                names.remove("config.json")
            case "snapshot":
                folder = Path(self._hub.snapshot_download(REPO, allow_patterns=list(FILES)))
                self._read(folder, names)
                return
        revision = "dev" if case.variant == "other-revision" else None
        for name in sorted(names):
            self._hub.hf_hub_download(REPO, name, revision=revision, local_dir=".")
        match case.variant:
            case "raises":
                raise OSError("the toy cannot read its files")
            case "unopened":
                names.remove("config.json")
            case "rewritten":
                Path("config.json").write_text("{}  ", encoding="utf-8")
        self._read(Path(), names)

    def _read(self, folder: Path, names: set[str]) -> None:
        for name in names:
            (folder / name).read_bytes()

    def verify_load(self, case: Case) -> str:  # noqa: ARG002
        return "nothing"

    def dimensions(self, case: Case) -> Dimensions | None:
        return DIMENSIONS["base"] if case.variant == "other-size" else None

    def threads(self) -> None:
        """Return None: the toy computes nothing."""

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        raise NotImplementedError
