"""The one way to a verified model, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import embedded
from hub.model import Unavailable

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from hub.model import VerifiedModel


def prepare(files: ModelFiles) -> VerifiedModel:
    """Return the verified model that a check map names; raise Unavailable with the reason."""
    if files.embedded:
        return embedded.make(files)
    raise Unavailable(f"{files}: not in the hub cache")
