"""The store: plans, fetches and verifies models in the hub cache.

    store = Store.from_environment()
    plan = store.plan(models, max_download=4_000_000_000)    no byte is fetched yet
    outcomes = store.fetch(plan, progress)                   ModelFiles → VerifiedModel or error
    model = store.prepare(files)                             one model; raises instead

Errors, wherever they come from, are three: Unavailable (no network, no licence, no room: skip),
RepoError (the check map names what the hub has not) and VerificationError (wrong bytes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from adapters.base import ModelFiles
    from hub.cache import Inspection
    from hub.model import VerifiedModel


class Progress(Protocol):
    """Told of downloads as they go on, from several threads at once."""

    def start(self, repo: str, file: str, size: int) -> None:
        """Say that a file of `size` bytes is being downloaded."""

    def advance(self, repo: str, file: str, size: int) -> None:
        """Say that `size` more bytes have come; negative when a try was in vain."""

    def finish(self, repo: str, file: str) -> None:
        """Say that the file is verified and in place, or given up."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is made anew after 408, 429, 5xx, a timeout, a reset or wrong bytes.

    Waits `delay` seconds, then twice as long each time, at most `longest`. A try that brought at
    least `progress` bytes does not count, so that a large file outlives a bad line.
    """

    attempts: int = 5
    delay: float = 0.5
    longest: float = 8.0
    progress: int = 32_000_000


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub lists it: `etag` is its sha256 where `lfs`, else git's sha1."""

    name: str
    size: int
    etag: str
    lfs: bool


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What is to be done for one model.

    `commit` and `listing` (every required file) are what the hub says; None and empty when it was
    not asked, as for a complete model. `download` is what of it has to come. `problem` says why
    nothing will be fetched; it is what `fetch` then gives as the outcome.
    """

    files: ModelFiles
    local: Inspection
    commit: str | None = None
    listing: tuple[RemoteFile, ...] = ()
    download: tuple[RemoteFile, ...] = ()
    problem: Exception | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all required files; None where neither the cache nor the hub said."""
        raise NotImplementedError

    @property
    def download_size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.download)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pre-fetch will do; `free` is the room on the cache's disk, in bytes."""

    models: tuple[PlannedModel, ...]
    free: int

    @property
    def complete(self) -> tuple[PlannedModel, ...]:
        """The models that are there, every byte verified."""
        raise NotImplementedError

    @property
    def to_download(self) -> tuple[PlannedModel, ...]:
        """The models that will be fetched, in part or whole."""
        raise NotImplementedError

    @property
    def unavailable(self) -> tuple[PlannedModel, ...]:
        """The models with a problem."""
        raise NotImplementedError

    @property
    def download_size(self) -> int:
        """Bytes to download; a file shared by several models counts once."""
        raise NotImplementedError


@dataclass(eq=False)
class Store:
    """A hub cache and the hub behind it. Thread-safe; keep one for a whole session.

    Attributes:
        cache: The hub cache, as HF_HUB_CACHE.
        endpoint: The hub's address, as HF_ENDPOINT.
        token: Sent to the endpoint only; never shown.
        offline: Make no request at all.
        memory: The machine's, in bytes; a larger model is not fetched. None: not looked at.
        retry: When to try again.
        timeout: Seconds without a byte, for connecting and for reading.
        workers: Downloads at once.
    """

    cache: Path
    endpoint: str
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    memory: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = 10.0
    workers: int = 8

    @classmethod
    def from_environment(cls, *, offline: bool = False) -> Self:
        """Return the store that huggingface_hub's own variables describe (HF_HUB_CACHE, ...).

        `offline` adds to HF_HUB_OFFLINE. They are read when huggingface_hub is first imported.
        """
        raise NotImplementedError

    def inspect(self, files: ModelFiles) -> Inspection:
        """Return what the cache holds of a model, every byte hashed; makes no request."""
        raise NotImplementedError

    def plan(self, models: Iterable[ModelFiles], *, max_download: int | None = None) -> Plan:
        """Verify what is there, resolve the rest; never raises for a model, see `problem`.

        `max_download`, in bytes, goes to the smallest models first; so does the room on the disk.
        Makes requests only for models that are not complete, one for each.
        """
        raise NotImplementedError

    def fetch(
        self, plan: Plan, progress: Progress | None = None
    ) -> Mapping[ModelFiles, VerifiedModel | Exception]:
        """Download what the plan says; return what became of each model.

        An exception is an Unavailable, a RepoError or a VerificationError; others are raised.
        """
        raise NotImplementedError

    def prepare(self, files: ModelFiles, progress: Progress | None = None) -> VerifiedModel:
        """Return a verified model, fetching what is missing or corrupt.

        Raises:
            Unavailable: It cannot be had here and now.
            RepoError: The hub has no such repo, revision or file.
            VerificationError: Bytes are wrong, and could not be replaced by right ones.
        """
        raise NotImplementedError
