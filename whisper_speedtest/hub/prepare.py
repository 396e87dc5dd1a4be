"""The one way to a verified model, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisper_speedtest.hub import embedded
from whisper_speedtest.hub.store import Store

if TYPE_CHECKING:
    from adapters.base import ModelFiles
    from whisper_speedtest.hub.model import VerifiedModel


def prepare(files: ModelFiles, store: Store | None = None) -> VerifiedModel:
    """Return the verified model that a check map names; raise what `Store.prepare` raises.

    Keep one `store` for a session, as it remembers a host that cannot be reached; None is the store
    that the environment describes.
    """
    if files.embedded:
        return embedded.make(files)
    return (store or Store.from_environment()).prepare(files)
