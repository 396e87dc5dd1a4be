"""What an adapter is: a check map, and the few calls that an engine makes on a library.

An adapter is imported twice. The pytest process reads its check map, which is pure data, so an
adapter module imports nothing heavy at its top. The engine process calls the methods, in the order
in which they stand here, and imports the library in `import_library`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Audio: TypeAlias = NDArray[np.float32]
    """Mono float32, shape (n_samples,), 16 000 Hz, in [-1, 1]."""

Device = Literal["gpu", "cpu"]

EMBEDDED = "embedded/"
"""Prefix of the ids of models that the project makes itself, from fixtures/models."""


@dataclass(frozen=True, slots=True)
class Case:
    """One model of one library: what a row of the results is about."""

    adapter: str
    size: str
    variant: str

    def __str__(self) -> str:
        """Return the part of a test's id that names the case; it is a stored key."""
        return f"{self.adapter}-{self.size}-{self.variant}"

    @property
    def label(self) -> str:
        """The subject of an error message: `lightning-whisper-mlx[medium-fp16]`."""
        return f"{self.adapter}[{self.size}-{self.variant}]"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One entry of a check map: the files of a repo that a case needs.

    `repo` is a Hugging Face id, or one under `embedded/` for a model that the project makes, or the
    URL of a folder on a plain web server. Such a folder holds one file for each revision, which is
    that file's sha256: `{repo}/{revision}/{file}`.
    """

    repo: str
    files: tuple[str, ...]
    revision: str = "main"

    @property
    def embedded(self) -> bool:
        """Whether the project makes this model itself, with no hub involved."""
        return self.repo.startswith(EMBEDDED)

    @property
    def by_url(self) -> bool:
        """Whether this is a file on a plain web server, with no hub involved."""
        return self.repo.startswith(("https://", "http://"))

    def __str__(self) -> str:
        """Return `repo@revision`."""
        return f"{self.repo}@{self.revision}"


CheckMap = Mapping[str, Mapping[str, ModelFiles]]
"""size → variant → the files to resolve, fetch and verify."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """What every library is told about decoding, so that they are compared on equal terms.

    Decoding is greedy, without voice activity detection, and asks for timestamps.
    """

    language: str = "en"
    temperature: float = 0.0
    batch_size: int = 1
    """30 s windows decoded at once, where the library can."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the transcript; `start` and `end` in seconds from the start of the audio."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a library made of the audio.

    `fallback` tells whether the library decoded any window anew at a higher temperature, which
    takes longer and is random.
    """

    text: str
    segments: tuple[Segment, ...]
    fallback: bool


class WeightsError(Exception):
    """The weights in memory are not those of the verified files."""


class Adapter(ABC):
    """A Whisper library, seen by the suite. Instances live in engine processes only.

    An engine's working directory holds the case's verified files, where `place` put them, and
    nothing else.
    """

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions belong to every result; the library's own comes first."""

    check_map: ClassVar[CheckMap]

    batches: ClassVar[bool]
    """Whether the library decodes several 30 s windows at once when it is asked to."""

    fixed_windows: ClassVar[bool]
    """Whether audio is cut every 30 s; other libraries go on from where the last text ends."""

    slow_variants: ClassVar[Mapping[Device, frozenset[str]]]
    """Variants that a device runs many times slower, so that only the shortest clip is measured."""

    @classmethod
    @abstractmethod
    def place(cls, case: Case) -> Mapping[str, str] | None:
        """Return where the library looks for each required file; None: in the hub cache.

        A path is relative to the working directory, or begins with `~/`. An engine's home is its
        working directory, and its hub cache holds the one model.
        """

    @abstractmethod
    def own_table(self) -> Mapping[str, Mapping[str, str]]:
        """Return size → variant → repo as the library's own code has it, read there, all of it.

        Sizes and variants go by the check map's names, which is held to this. Called on its own,
        before anything below.
        """

    @abstractmethod
    def import_library(self) -> None:
        """Import the library and whatever it imports late."""

    @abstractmethod
    def select_device(self, device: Device) -> None:
        """Make the library compute on `device`; raise RuntimeError where it cannot."""

    @abstractmethod
    def mend(self, case: Case) -> tuple[str, ...]:
        """Do what must be done for the library to load at all, in the smallest way.

        Return a line for each thing done; nothing when the library runs as released.
        """

    @abstractmethod
    def load(self, case: Case) -> None:
        """Load the model through the library's public call, to the last lazy weight: timed."""

    @abstractmethod
    def verify_load(self, case: Case) -> None:
        """Raise WeightsError unless the model in memory is the files', name by name and shape."""

    @abstractmethod
    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        """Transcribe `audio`: the timed call, so nothing is done here that can be done before."""

    @abstractmethod
    def accelerator_memory(self) -> int | None:
        """Return the accelerator's own peak, in bytes; None where there is no such figure."""
