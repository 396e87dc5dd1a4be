"""Plans what a pre-fetch will do, before the first byte is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whisper_speedtest.cache.model import Unavailable
from whisper_speedtest.common.text import flag, human

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.evidence import RemoteFile
    from whisper_speedtest.cache.hashes import Proof
    from whisper_speedtest.cache.inspection import Inspection
    from whisper_speedtest.cache.model import ModelError

MARGIN = 50_000_000
"""Bytes of the disk that stay free for engines and other programs."""

Key = tuple[str, str]
"""A repo and an etag, which identify a download. Several models and names may share it."""


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """The plan for one model.

    Attributes:
        files: The entry of the check map.
        local: The state of the model in the cache.
        commit: The commit of the revision according to the host; None if no host was asked, as for
            a complete model.
        required: The needed files as the host lists them; empty if no host was asked.
        held: Of these, the files whose content is on this machine, with its path and proof. The
            others have to be downloaded.
        begun: Etag → bytes of the file that an earlier run has already downloaded.
        copied: Etag → bytes that are on another disk and will be copied.
        listed_as: The repo to which the hub redirected; "" if it did not.
        problem: Why nothing will be fetched. It is then the outcome of `Store.fetch`.
    """

    files: ModelFiles
    local: Inspection
    commit: str | None = None
    required: tuple[RemoteFile, ...] = ()
    held: Mapping[str, tuple[Path, Proof]] = field(default_factory=dict)
    begun: Mapping[str, int] = field(default_factory=dict)
    copied: Mapping[str, int] = field(default_factory=dict)
    listed_as: str = ""
    problem: ModelError | None = None

    @property
    def complete(self) -> bool:
        """Whether the model is in the cache, with every byte verified."""
        return self.problem is None and self.local.state == "complete"

    @property
    def unconfirmed(self) -> bool:
        """Whether some of the files were only compared with the names of their own blobs."""
        if self.complete:
            return self.local.unconfirmed
        return self.problem is None and any(file.unconfirmed for file in self.required)

    @property
    def download(self) -> tuple[RemoteFile, ...]:
        """The files to download; none if there is a problem."""
        if self.problem:
            return ()
        return tuple(file for file in self.required if file.name not in self.held)

    @property
    def sizes(self) -> dict[Key, int]:
        """Each file to download → its remaining bytes; a file with two names is there once."""
        return {
            (self.files.repo, file.etag): file.size - self.begun.get(file.etag, 0)
            for file in self.download
        }

    @property
    def room(self) -> dict[Key, int]:
        """Each file to download or copy → the bytes that it will add to the cache's disk."""
        if self.problem:
            return {}
        return self.sizes | {(self.files.repo, etag): size for etag, size in self.copied.items()}

    @property
    def download_size(self) -> int:
        """Bytes to download for this model."""
        return sum(self.sizes.values())

    @property
    def size_begun(self) -> int:
        """Bytes of the downloads that earlier runs have received."""
        return sum(self.begun.get(etag, 0) for _, etag in self.sizes)

    @property
    def size(self) -> int | None:
        """Bytes of all required files; None if neither the cache nor a host has said."""
        if self.required:
            return sum(file.size for file in self.required)
        return self.local.size if self.local.state == "complete" else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a pre-fetch.

    `free` is the number of free bytes on the hub cache's disk; None if it is not known, or if no
    model needs the hub cache, as the project makes all of them itself.
    """

    models: tuple[PlannedModel, ...]
    free: int | None

    @property
    def complete(self) -> tuple[PlannedModel, ...]:
        """The models that are in the cache, with every byte verified."""
        return tuple(model for model in self.models if model.complete)

    @property
    def to_fetch(self) -> tuple[PlannedModel, ...]:
        """The models that will be completed, by downloads or by links to files on this machine."""
        return tuple(model for model in self.models if not model.complete and not model.problem)

    @property
    def unavailable(self) -> tuple[PlannedModel, ...]:
        """The models with a problem."""
        return tuple(model for model in self.models if model.problem)

    @property
    def download_size(self) -> int:
        """Bytes to download. A file that several models share counts once."""
        downloads = {key: size for model in self.models for key, size in model.sizes.items()}
        return sum(downloads.values())

    @property
    def size_complete(self) -> int:
        """Bytes of the complete models. A file that several models share counts once."""
        found = (finding for model in self.complete for finding in model.local.findings.values())
        return sum({each.path: each.proof.size for each in found if each.proof}.values())


def without_room(
    models: Iterable[PlannedModel], max_download: int | None, free: int, cache: Path
) -> dict[ModelFiles, Unavailable]:
    """Return each model whose downloads and copies do not fit → the reason.

    The smallest models come first, and a model that does not fit takes no room from the next. There
    is room for `max_download` downloaded bytes (None: any number), and for `free` bytes less MARGIN
    on the disk of `cache`.
    """
    models = tuple(sorted(models, key=lambda model: sum(model.room.values())))
    for_all = Plan(models, free).download_size
    downloads: dict[Key, int] = {}
    taken: dict[Key, int] = {}
    problems = {}
    for model in models:
        needed = taken | model.room
        if needed == taken:
            continue
        total = sum((downloads | model.sizes).values())
        if max_download is not None and total > max_download:
            problems[model.files] = Unavailable(
                f"{model.files}: {human(model.download_size)} to download do not fit into the "
                f"{human(max_download)} that may be; raise that with --max-download {flag(total)}",
                f"no room in the {human(max_download)} that may be downloaded; "
                f"for all there is with --max-download {flag(for_all)}",
            )
        elif sum(needed.values()) + MARGIN > free:
            problems[model.files] = _too_large(model, sum(needed.values()), free, cache)
        else:
            downloads |= model.sizes
            taken = needed
    return problems


def _too_large(model: PlannedModel, needed: int, free: int, cache: Path) -> Unavailable:
    """Return why a model does not fit on the disk; `needed` are its and smaller models' bytes."""
    disk = (
        f"on the disk of {cache}, which has {human(free)} free, with {human(MARGIN)} to spare; "
        "make room (hf cache ls, hf cache rm), or set HF_HUB_CACHE to a folder on a larger disk"
    )
    coming = "download or copy from another disk" if model.copied else "download"
    return Unavailable(
        f"{model.files}: {human(sum(model.room.values()))} to {coming}, {human(needed)} with the "
        f"smaller models, do not fit {disk}",
        f"no room {disk}",
    )
