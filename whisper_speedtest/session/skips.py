"""A skip that says which case it is of, so that a summary need not repeat the reason for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.base import Case


class LeftOut(pytest.skip.Exception):  # type: ignore[misc, name-defined]
    """Skips a test of a case, for a `cause` that other cases may share.

    `repo` is that of the model, where the model is what lacks.
    """

    def __init__(self, case: Case, cause: str, *, repo: str = "", message: str = "") -> None:
        super().__init__(f"{case.label}: {message or cause}")
        self.case = case
        self.cause = cause
        self.repo = repo
