"""The hub cache as the store: what lies there, what it must be, and how a file gets in.

    models--org--name/
      blobs/<etag>                      a file's bytes; 64 hex digits: sha256, 40: git's sha1
      snapshots/<commit>/<file>         a link to its blob
      refs/<revision>                   the commit that a branch or tag stood for
      .speedtest/<revision>.json        our manifest of a verified model
      .speedtest/staging-*/             downloads under way

The first three are huggingface_hub's own layout, so that its tools see the files; they look at
nothing else. Source: huggingface_hub 2.4.0, file_download.py and utils/_cache_manager.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from adapters.base import ModelFiles
    from hub.model import Proof, VerifiedModel

State = Literal["complete", "incomplete", "corrupt", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one file found.

    `state` is complete (every byte hashed and right), corrupt or missing. `path` is where the file
    lies or would lie. `proof` is what was found, None for a missing file; `reason` says what is
    wrong, "" for a complete one.
    """

    name: str
    state: State
    path: Path
    proof: Proof | None
    reason: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the cache holds of a model, every byte hashed, without any request.

    `commit` is the one that the revision stood for when it was last fetched; None where nothing in
    the cache says.
    """

    files: ModelFiles
    commit: str | None
    findings: Mapping[str, Finding]

    @property
    def state(self) -> State:
        """corrupt before incomplete; missing where there is no file at all."""
        states = {finding.state for finding in self.findings.values()}
        if states == {"complete"}:
            return "complete"
        if "corrupt" in states:
            return "corrupt"
        return "incomplete" if "complete" in states else "missing"

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The files that are not complete."""
        return tuple(each for each in self.findings.values() if each.state != "complete")

    def verified(self) -> VerifiedModel:
        """Return the model, of a complete inspection."""
        raise NotImplementedError


def inspect(cache: Path, files: ModelFiles) -> Inspection:
    """Find and hash a model's files in the hub cache `cache`; makes no request, changes nothing."""
    raise NotImplementedError
