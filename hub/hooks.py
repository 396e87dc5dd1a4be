"""What the hub's plugin asks of later rooms: to load a model, for it has no engines itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.base import Case
    from hub.model import VerifiedModel


@pytest.hookspec(firstresult=True)
def pytest_load_model(
    config: pytest.Config, case: Case, model: VerifiedModel, seconds: float
) -> str | None:
    """Load a model; return "loads", or in a line why it does not within so many seconds."""
