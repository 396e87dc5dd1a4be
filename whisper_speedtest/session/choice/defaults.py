"""The default selection: which tests run if the user has not said which ones to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import files_of
from whisper_speedtest.session.choice.options import BY_DEFAULT, MAX_DOWNLOAD
from whisper_speedtest.session.choice.selection import case_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

    from adapters.base import Case

DEFAULT_SIZES = frozenset({"micro", "tiny", "base", "small"})
DEFAULT_VARIANT = "fp16"


def user_selects(config: pytest.Config) -> bool:
    """Tell whether the user has said which tests to run, or how much to download for them.

    A path to a file does not say it, as each file has tests of every model.
    """
    return bool(
        config.getoption("keyword")
        or config.getoption("markexpr")
        or config.getoption("lf", default=False)
        or config.getoption("max_download") is not None
        or any("::" in argument for argument in config.args)
    )


def is_default(case: Case) -> bool:
    """Tell whether a case is in the default selection.

    A session with that selection takes about a quarter of an hour, and downloads less than 1 GB for
    each library.
    """
    return case.variant == DEFAULT_VARIANT and case.size in DEFAULT_SIZES


def split_by_default(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that are in the default selection, and those that are not."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        if case is None or is_default(case):
            kept.append(item)
        else:
            left_out.append(item)
    return kept, left_out


def lines_on_left_out(left_out: Iterable[pytest.Item]) -> list[str]:
    """Return lines that say how many models were left out, and how to select them."""
    models = {files_of(case) for item in left_out if (case := case_of(item))}
    if not models:
        return []
    return [
        f"nothing was selected, so this has {BY_DEFAULT} alone",
        (
            f"{len(models)} more models: -k medium, -k 8bit and the like, or all that fit into "
            f"--max-download={MAX_DOWNLOAD}"
        ),
    ]
