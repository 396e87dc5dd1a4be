"""What an adapter is: a check map, and the few calls that an engine makes on a library.

An adapter module is imported twice. The pytest process reads its check map and traits, which are
plain data, so nothing heavy is imported at the top of the module. The engine process creates an
instance and calls its methods in the order in which they stand in `Adapter`; `import_library` is
the first that may import the library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from adapters.cores import usual_threads
from adapters.sizes import DIMENSIONS, Dimensions

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Audio: TypeAlias = NDArray[np.float32]
    """Mono float32, shape (n_samples,), 16 000 Hz, in [-1, 1]."""

Device = Literal["gpu", "cpu"]

Cuts = Literal["always", "in batches", "never"]

EMBEDDED = "embedded/"
"""Prefix of the repo ids of models that the project makes itself, from fixtures/models."""

SIZES = tuple(DIMENSIONS)
"""Every name that a check map may have for a size, in the order in which they are listed."""

ALIASES = frozenset({"large", "turbo"})
"""Second names that libraries have for large-v3 and large-v3-turbo."""


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
    URL of a folder on a plain web server. Such a folder has one subfolder a revision, named by the
    sha256 of the one file in it: `{repo}/{revision}/{file}`.
    """

    repo: str
    files: tuple[str, ...]
    revision: str = "main"

    @property
    def embedded(self) -> bool:
        """Whether the project makes this model itself, without a hub."""
        return self.repo.startswith(EMBEDDED)

    @property
    def by_url(self) -> bool:
        """Whether this is a file on a plain web server, not on a hub."""
        return self.repo.startswith(("https://", "http://"))

    def __str__(self) -> str:
        """Return `repo@revision`."""
        return f"{self.repo}@{self.revision}"


CheckMap = Mapping[str, Mapping[str, ModelFiles]]
"""size → variant → the files to resolve, fetch and verify."""

Table = Mapping[str, Mapping[str, str]]
"""size → variant → repo, or the URL of a file."""

Places = Mapping[str, str]
"""A file of the check map → the path at which the library looks for it."""

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""A window whose text looks wrong is decoded again at the next of these. Source: openai/whisper."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How a library is asked to decode. The defaults are the equal terms of every comparison."""

    language: str = "en"
    beam_size: int = 1
    """1 is greedy decoding."""
    temperature: float = 0.0
    fallback: bool = False
    """Decode a window whose text looks wrong again at higher temperatures: slower, and random."""
    timestamps: bool = True
    context: bool = False
    """Give the text so far to the next window as its prompt."""
    vad: bool = False
    """Leave out what a voice activity detector takes for silence."""
    batch_size: int = 1
    """30 s windows decoded at once, where the library can."""
    threads: int | None = field(default_factory=usual_threads)
    """Threads on the CPU; None: the library cannot be told."""

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures to try, in order: one, or all of TEMPERATURES with `fallback`."""
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

    `fallback` says whether any window was decoded again at a higher temperature, which takes longer
    and is random.
    """

    text: str
    segments: tuple[Segment, ...]
    fallback: bool

    @classmethod
    def of(cls, result: Mapping[str, Any], settings: DecodeSettings) -> Transcript:
        """Return the transcript in a result of openai/whisper or mlx-whisper, with times in s."""
        found = result["segments"]
        return cls(
            text=result["text"].strip(),
            segments=tuple(
                Segment(segment["start"], segment["end"], segment["text"].strip())
                for segment in found
            ),
            fallback=any(segment["temperature"] > settings.temperature for segment in found),
        )

    @classmethod
    def joined(cls, parts: Iterable[tuple[float, float, str]], *, fallback: bool) -> Transcript:
        """Return the transcript made of these parts, each a start and end in seconds and a text."""
        segments = tuple(Segment(start, end, text.strip()) for start, end, text in parts)
        text = " ".join(segment.text for segment in segments if segment.text)
        return cls(text, segments, fallback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How a library behaves, as far as the suite must know it."""

    has_model_table: bool
    """The library has a table of its models; if not, it takes the id of any repo."""

    batches: bool
    """It decodes several 30 s windows at once when it is asked to."""

    cuts: Cuts
    """When the library cuts audio every 30 s, even in the middle of a word.

    When it does not, each window begins where the text of the one before ended.
    """

    timestamps: bool
    """Segments begin and end where the model says; if not, they are whole windows."""

    converts: bool = False
    """It makes each variant from the weights of fp16 while it loads them, so all share a repo."""

    shows_weights: bool = True
    """The weights of a loaded model can be read, so that `verify_load` compares each with its file.

    Where they cannot, an exchanged file is found by its hash and by the time of its last change.
    """


class AdapterError(Exception):
    """An adapter that is unknown or cannot be used, or a model that an adapter does not have."""


class WeightsError(Exception):
    """The weights in memory are not those of the verified files."""


REFERENCE_SIZE = 2048
"""A power of two, so that products are exact. One takes 17 billion floating-point operations."""


def multiplied(uniform: Any, products: int) -> float:
    """Multiply a matrix by itself again and again; return 1 if all products were right.

    `uniform` is a library's own float32 matrix of REFERENCE_SIZE rows and columns. Its elements are
    all 1 / REFERENCE_SIZE, so those of each product are, too. Returned is REFERENCE_SIZE times the
    largest element of the last of `products` products.
    """
    product = uniform
    for _ in range(products):
        product = uniform @ product
    return float(REFERENCE_SIZE * product.max().item())


class Adapter(ABC):
    """A Whisper library as the suite sees it. Instances live in engine processes only.

    An engine's working directory, which is also its home, holds the case's verified files where
    `place` says, and nothing else.
    """

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions belong to every result; the library's own comes first."""

    check_map: ClassVar[CheckMap]
    """Which repo, revision and files the suite fetches and verifies for each model."""

    traits: ClassVar[Traits]

    tuned: ClassVar[Mapping[str, Any]]
    """Fields of DecodeSettings with the values that the library's own documentation recommends.

    If it recommends none, this is empty, and `test_tuned` is skipped.
    """

    ignored_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings the library ignores, with the value it uses anyway; None: unknown or not applicable.

    The keys are fields of DecodeSettings.
    """

    slow_variants: ClassVar[Mapping[Device, frozenset[str]]] = {}
    """Device → the variants that it runs many times slower, so that only starts are measured."""

    @classmethod
    def files(cls, case: Case) -> ModelFiles:
        """Return the repo, revision and files of a case; raise AdapterError where there is none."""
        variants = cls.check_map.get(case.size)
        if variants is None:
            sizes = ", ".join(cls.check_map)
            raise AdapterError(f"{case.label}: expected one of the sizes {sizes}; got {case.size}")
        if case.variant not in variants:
            known = ", ".join(variants)
            raise AdapterError(f"{case.label}: expected a variant of {known}; got {case.variant}")
        return variants[case.variant]

    @classmethod
    def place(cls, case: Case) -> Places | None:  # noqa: ARG003
        """Return where the library looks for each file of a case; None: in the hub cache.

        A path is relative to the working directory, or begins with `~/`.
        """
        return None

    def model_table(self) -> Table:
        """Return every model that the library's own code names, read from that code.

        Sizes and variants have the check map's names, so that the two can be compared. This is
        called on its own, before any method below. A library that takes the id of any repo may
        name nothing.
        """
        return {}

    @abstractmethod
    def import_library(self) -> None:
        """Import the library, and what it would otherwise import during the first load or call."""

    @abstractmethod
    def select_device(self, device: Device, threads: int) -> None:
        """Make the library compute on `device`; raise RuntimeError where it cannot.

        On the CPU it is to use this number of threads, if it can be told one.
        """

    def mend(self, case: Case) -> tuple[str, ...]:  # noqa: ARG002
        """Change as little as possible so that the library loads this case at all.

        Return one line for each change, or none if the library runs as released.
        """
        return ()

    @abstractmethod
    def load(self, case: Case) -> None:
        """Load the model through the library's public call, and all that is lazy. This is timed."""

    @abstractmethod
    def threads(self) -> int | None:
        """Return how many threads the library computes with on the CPU, after a load.

        If the library does not tell, this is the number that it was given. None: not known.
        """

    def device_in_use(self, log: str) -> Device | None:  # noqa: ARG002
        """Return what the loaded model computes on; None if the library does not tell.

        `log` is what the process has printed so far, native code included.
        """
        return None

    @abstractmethod
    def verify_load(self, case: Case) -> str:
        """Return the type that the model computes in, such as `float16`, as the library tells it.

        Raise WeightsError unless the model in memory is the files', as far as can be seen.
        """

    @abstractmethod
    def dimensions(self, case: Case) -> Dimensions | None:
        """Return the dimensions of the model in memory, as far as possible from the library itself.

        None: the library tells nothing, so that a model of another size is not found here.
        """

    @abstractmethod
    def transcribe(self, audio: Audio, settings: DecodeSettings) -> Transcript:
        """Transcribe `audio`. This is timed, so it does nothing that can be done before.

        Every setting but `ignored_settings` is handed on; `threads` was told to `select_device`.
        """

    def advice(self, said: str) -> str:  # noqa: ARG002
        """Return what to do about an error with the text `said`; "" if that is not known."""
        return ""

    def accelerator_memory(self) -> int | None:
        """Return the peak of the accelerator's memory in bytes; None if there is no such figure."""
        return None

    def reference(self, products: int) -> float | None:  # noqa: ARG002
        """Return `multiplied` of a `uniform` matrix on the selected device, which is 1 if right.

        How long it takes shows how fast the device is. None: the library computes nothing but
        transcripts.
        """
        return None
