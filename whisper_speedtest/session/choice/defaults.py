"""The default selection: which tests run if the user has not said which ones to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import files_of
from whisper_speedtest.session.choice.options import BY_DEFAULT, MAX_DOWNLOAD
from whisper_speedtest.session.choice.selection import case_of

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def is_kept(item: pytest.Item) -> bool:
    """Tell whether a test is in the default selection, as each test over no case is."""
    case = case_of(item)
    return case is None or is_default(case)


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
