"""What an adapter is: a check map, and the few calls that an engine makes on a library.

An adapter is imported twice. The pytest process reads its check map, which is pure data, so an
adapter module imports nothing heavy at its top. The engine process calls the methods, in the order
in which they stand here, and imports the library in `import_library`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from adapters.cores import usual_threads

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

Table = Mapping[str, Mapping[str, str]]
"""size → variant → repo, or the URL of a file."""

Places = Mapping[str, str]
"""A required file → where it belongs."""

ALIASES = frozenset({"large", "turbo"})
"""What libraries also call large-v3 and large-v3-turbo."""


TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Where a decode that looks wrong is done anew, each time at the next. Source: openai/whisper."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """What every library is told about decoding; as it stands, the terms they are compared on."""

    language: str = "en"
    beam_size: int = 1
    """1 is greedy."""
    temperature: float = 0.0
    fallback: bool = False
    """Decode anew, at higher temperatures, what looks wrong: takes longer, and is random."""
    timestamps: bool = True
    context: bool = False
    """Earlier text as a prompt for the next window."""
    vad: bool = False
    """Leave out what a voice activity detector takes for silence."""
    batch_size: int = 1
    """30 s windows decoded at once, where the library can."""
    threads: int = field(default_factory=usual_threads)
    """On the CPU."""

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures to decode at, one after another."""
        return TEMPERATURES if self.fallback else (self.temperature,)


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

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Transcript:
        """Return a result in the form of openai/whisper, which mlx-whisper has kept."""
        return cls(
            result["text"].strip(),
            tuple(
                Segment(segment["start"], segment["end"], segment["text"].strip())
                for segment in result["segments"]
            ),
            any(segment["temperature"] > 0 for segment in result["segments"]),
        )

    @classmethod
    def joined(cls, parts: Iterable[tuple[float, float, str]], *, fallback: bool) -> Transcript:
        """Return the transcript that consists of these parts: start and end in seconds, text."""
        segments = tuple(Segment(start, end, text.strip()) for start, end, text in parts)
        return cls(" ".join(s.text for s in segments if s.text), segments, fallback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a library is like, as far as the suite must know."""

    has_model_table: bool
    """It has a table of its models; else it takes the id of any repo."""

    batches: bool
    """It decodes several 30 s windows at once when it is asked to."""

    cuts: Literal["always", "in batches", "never"]
    """When it cuts audio every 30 s, be it in mid-word, and not where the last text ends."""

    timestamps: bool
    """Segments begin and end where the model says; else they are whole windows."""


class WeightsError(Exception):
    """The weights in memory are not those of the verified files."""


class Adapter(ABC):
    """A Whisper library, seen by the suite. Instances live in engine processes only.

    An engine's working directory holds the case's verified files, where `place` says, and nothing
    else.
    """

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions belong to every result; the library's own comes first."""

    check_map: ClassVar[CheckMap]

    traits: ClassVar[Traits]

    tuned: ClassVar[Mapping[str, Any]]
    """What the library's own documentation recommends: fields of DecodeSettings."""

    fixed: ClassVar[Mapping[str, Any]] = {}
    """Fields of DecodeSettings that the library cannot be told, with what it does instead.

    None where that has no meaning, or nobody knows.
    """

    slow_variants: ClassVar[Mapping[Device, frozenset[str]]] = {}
    """Variants that a device runs many times slower, so that only their starts are measured."""

    @classmethod
    def place(cls, case: Case) -> Places | None:  # noqa: ARG003
        """Return where the library looks for each required file; None: in the hub cache.

        A path is relative to the working directory, or begins with `~/`. An engine's home is its
        working directory, and its hub cache holds the one model.
        """
        return None

    def model_table(self) -> Table:
        """Return what the library's own code names, read there, all of it.

        Sizes and variants go by the check map's names, which is held to this. Called on its own,
        before anything below. A library that takes the id of any repo may name nothing.
        """
        return {}

    @abstractmethod
    def import_library(self) -> None:
        """Import the library and whatever it imports late."""

    @abstractmethod
    def select_device(self, device: Device, threads: int) -> None:
        """Make the library compute on `device`; raise RuntimeError where it cannot.

        On the CPU it is to use so many threads, where it can be told.
        """

    def mend(self, case: Case) -> tuple[str, ...]:  # noqa: ARG002
        """Do what must be done for the library to load at all, in the smallest way.

        Return a line for each thing done; nothing when the library runs as released.
        """
        return ()

    @abstractmethod
    def load(self, case: Case) -> None:
        """Load the model through the library's public call, to the last lazy weight: timed."""

    @abstractmethod
    def verify_load(self, case: Case) -> str:
        """Return the type that the model computes in, as `float16`.

        Raise WeightsError unless the model in memory is the files', as far as can be seen.
        """

    @abstractmethod
    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        """Transcribe `audio`: the timed call, so nothing is done here that can be done before."""

    def threads(self) -> int | None:
        """Return how many CPU threads the library computes with; None where it does not say."""
        return None

    def accelerator_memory(self) -> int | None:
        """Return the accelerator's own peak, in bytes; None where there is no such figure."""
        return None
