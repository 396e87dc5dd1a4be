"""A library that computes nothing, and answers with the transcript of a long clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from adapters.base import Adapter, CheckMap, ModelFiles, Traits, Transcript
from fixtures.audio import clips
from tests.helpers.toy_adapter import FILE

if TYPE_CHECKING:
    from adapters.base import Audio, Case, DecodeSettings, Device, Places

CLIP = "long"


class Stub(Adapter):
    """Answers at once, with a segment for each sentence of the clip `long`."""

    packages: ClassVar = ("numpy",)
    check_map: ClassVar[CheckMap] = {"micro": {"fp16": ModelFiles("embedded/stub", (FILE,))}}
    traits = Traits(has_model_table=True, batches=False, cuts="always", timestamps=True)
    tuned: ClassVar = {"vad": True}

    @classmethod
    def place(cls, case: Case) -> Places:  # noqa: ARG003
        return {FILE: FILE}

    def import_library(self) -> None:
        sentences = clips()[CLIP].sentences
        parts = [(each.start, each.end, each.text) for each in sentences]
        self.transcript = Transcript.joined(parts, fallback=False)

    def select_device(self, device: Device, threads: int) -> None: ...

    def load(self, case: Case) -> None: ...

    def threads(self) -> int | None:
        return None

    def verify_load(self, case: Case) -> str:  # noqa: ARG002
        return "none"

    def dimensions(self, case: Case) -> None: ...

    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:  # noqa: ARG002
        return self.transcript
