"""What a pre-fetch will do, before the first byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.cache import Inspection, RemoteFile
    from whisper_speedtest.hub.model import ModelError, Proof

Key = tuple[str, str]
"""A repo and an etag: what a download is of, whichever models and names it is for."""


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What is to be done for one model.

    `local` is what the cache held. `commit` and `required`, the files that are needed, are None and
    empty where nobody was asked, as for a complete model; of them `held` are among the blobs
    already, and the others have to come. `problem` says why nothing will be fetched, and is then
    the outcome of `Store.fetch`.
    """

    files: ModelFiles
    local: Inspection
    commit: str | None = None
    required: tuple[RemoteFile, ...] = ()
    held: Mapping[str, Proof] = field(default_factory=dict)
    problem: ModelError | None = None

    @property
    def complete(self) -> bool:
        """Whether the model is there, every byte verified."""
        return self.problem is None and self.local.state == "complete"

    @property
    def download(self) -> tuple[RemoteFile, ...]:
        """The files to download; none where there is a problem."""
        if self.problem:
            return ()
        return tuple(file for file in self.required if file.name not in self.held)

    @property
    def sizes(self) -> dict[Key, int]:
        """Bytes of each download; a file that is needed under two names comes once."""
        return {(self.files.repo, file.etag): file.size for file in self.download}

    @property
    def download_size(self) -> int:
        """Bytes to download."""
        return sum(self.sizes.values())

    @property
    def size(self) -> int | None:
        """Bytes of all required files; None where neither the cache nor the hub or server said."""
        if self.required:
            return sum(file.size for file in self.required)
        if self.local.state == "complete":
            return self.local.verified().size
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pre-fetch will do; `free` is the room on the cache's disk, in bytes."""

    models: tuple[PlannedModel, ...]
    free: int

    @property
    def complete(self) -> tuple[PlannedModel, ...]:
        """The models that are there, every byte verified."""
        return tuple(model for model in self.models if model.complete)

    @property
    def to_fetch(self) -> tuple[PlannedModel, ...]:
        """The models that will be completed, by downloads or by links to what is there."""
        return tuple(model for model in self.models if not model.complete and not model.problem)

    @property
    def unavailable(self) -> tuple[PlannedModel, ...]:
        """The models with a problem."""
        return tuple(model for model in self.models if model.problem)

    @property
    def download_size(self) -> int:
        """Bytes to download; a file that several models share counts once."""
        downloads: dict[Key, int] = {}
        for model in self.models:
            downloads |= model.sizes
        return sum(downloads.values())

    @property
    def size_there(self) -> int:
        """Bytes of the complete models; a file that several share counts once."""
        found = (finding for model in self.complete for finding in model.local.findings.values())
        return sum({each.path: each.proof.size for each in found if each.proof}.values())
