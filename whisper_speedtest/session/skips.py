"""A skip that says which case it is of, and what it has in common with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.base import Case


class NotMeasured(pytest.skip.Exception):  # type: ignore[misc, name-defined]
    """Skips a test of a case.

    `cause` is what tests of other cases may be skipped for as well: the summary says it once.
    `reason` is the whole of it where that says more.
    """

    def __init__(self, case: Case, cause: str, reason: str = "") -> None:
        super().__init__(f"{case.label}: {reason or cause}")
        self.cause = cause
