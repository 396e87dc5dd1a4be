"""A skip that names its case, and the cause that skips of other cases may share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.base import Case


class NotMeasured(pytest.skip.Exception):  # type: ignore[misc, name-defined]
    """Skips a test of a case.

    The summary shows each `cause` once, with all tests that were skipped for it. `reason` is a
    longer text for this test.
    """

    def __init__(self, case: Case, cause: str, reason: str = "") -> None:
        super().__init__(f"{case.label}: {reason or cause}")
        self.cause = cause
