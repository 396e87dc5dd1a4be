"""What a pre-fetch will do, decided before the first byte is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whisper_speedtest.hub.model import Unavailable
from whisper_speedtest.hub.sizes import flag, human

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from adapters.base import ModelFiles
    from whisper_speedtest.hub.evidence import RemoteFile
    from whisper_speedtest.hub.hashes import Proof
    from whisper_speedtest.hub.inspection import Inspection
    from whisper_speedtest.hub.model import ModelError

MARGIN = 50_000_000
"""Bytes that stay free on the disk: an engine, and other programs, need some while tests run."""

Key = tuple[str, str]
"""A repo and an etag: one download, which may be of several models and under several names."""


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What is to be done for one model.

    Attributes:
        files: What the check map names.
        local: What is there.
        commit: What the revision stands for, as the host says; None where none was asked, as for a
            complete model.
        required: The files that are needed, as the host lists them; empty where none was asked.
        held: Those of them whose content is on this machine, with the path at which it is and its
            proof; the others have to come.
        begun: Bytes of each etag that another run has downloaded; no more than its file has.
        copied: Bytes of each etag that lies on another disk, and will be copied.
        listed_as: The repo that the hub led to; "" where that is the one that was asked for.
        problem: Why nothing will be fetched; then it is the outcome of `Store.fetch`.
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
        """Whether the model is there, every byte verified."""
        return self.problem is None and self.local.state == "complete"

    @property
    def unconfirmed(self) -> bool:
        """Whether nothing but names in the hub cache says that some of the files are right."""
        if self.complete:
            return self.local.unconfirmed
        return self.problem is None and any(file.unconfirmed for file in self.required)

    @property
    def download(self) -> tuple[RemoteFile, ...]:
        """The files to download; none where there is a problem."""
        if self.problem:
            return ()
        return tuple(file for file in self.required if file.name not in self.held)

    @property
    def sizes(self) -> dict[Key, int]:
        """Bytes that each download has to bring; a file needed under two names comes once."""
        return {
            (self.files.repo, file.etag): file.size - self.begun.get(file.etag, 0)
            for file in self.download
        }

    @property
    def room(self) -> dict[Key, int]:
        """Bytes that each of the files needs on the cache's disk that is not there yet."""
        if self.problem:
            return {}
        return self.sizes | {(self.files.repo, etag): size for etag, size in self.copied.items()}

    @property
    def download_size(self) -> int:
        """Bytes to download for this model."""
        return sum(self.sizes.values())

    @property
    def size_begun(self) -> int:
        """Bytes of the downloads that are there from before."""
        return sum(self.begun.get(etag, 0) for _, etag in self.sizes)

    @property
    def size(self) -> int | None:
        """Bytes of all required files; None where neither the cache nor the host said."""
        if self.required:
            return sum(file.size for file in self.required)
        return self.local.size if self.local.state == "complete" else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pre-fetch will do.

    `free` is the room on the hub cache's disk, in bytes; None where that does not say it, or where
    no model has to do with the hub cache, since the project makes them all itself.
    """

    models: tuple[PlannedModel, ...]
    free: int | None

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
        downloads = {key: size for model in self.models for key, size in model.sizes.items()}
        return sum(downloads.values())

    @property
    def size_there(self) -> int:
        """Bytes of the complete models; a file that several share counts once."""
        found = (finding for model in self.complete for finding in model.local.findings.values())
        return sum({each.path: each.proof.size for each in found if each.proof}.values())


def without_room(
    models: Iterable[PlannedModel], max_download: int | None, free: int, cache: Path
) -> dict[ModelFiles, Unavailable]:
    """Return the models whose downloads and copies do not fit, each with the reason.

    The smallest come first, and what does not fit takes no room from the next. There is room for
    `max_download` downloaded bytes, None being any number, and on the disk of `cache` for `free`
    bytes less MARGIN.
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
        size = human(model.download_size)
        if max_download is not None and total > max_download:
            problems[model.files] = Unavailable(
                f"{model.files}: {size} to download do not fit into the {human(max_download)} that "
                f"may be; raise that with --max-download {flag(total)}",
                f"no room in the {human(max_download)} that may be downloaded; "
                f"for all there is with --max-download {flag(for_all)}",
            )
        elif sum(needed.values()) + MARGIN > free:
            disk = (
                f"on the disk of {cache}, which has {human(free)} free, with {human(MARGIN)} to "
                "spare; make room "
                "(hf cache ls, hf cache rm), or set HF_HUB_CACHE to a folder on a larger disk"
            )
            coming = "download or copy from another disk" if model.copied else "download"
            problems[model.files] = Unavailable(
                f"{model.files}: {human(sum(model.room.values()))} to {coming}, "
                f"{human(sum(needed.values()))} with the smaller models, do not fit {disk}",
                f"no room {disk}",
            )
        else:
            downloads |= model.sizes
            taken = needed
    return problems
