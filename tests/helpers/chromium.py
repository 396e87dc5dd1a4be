"""Where Chromium is: the browser in which a report's page is looked at."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoBrowserError(Exception):
    """What the tests in a browser need is not there; the message says how to get it."""


def chromium(environment: Mapping[str, str]) -> str:
    """Return the program: what the variable CHROMIUM names, or `chromium` on the PATH.

    Raises:
        NoBrowserError: There is none, or no Playwright to drive it.
    """
    if find_spec("playwright") is None:
        raise NoBrowserError("expected Playwright, got none; run these tests with tox -e browser")
    wanted = environment.get("CHROMIUM", "chromium")
    found = shutil.which(wanted, path=environment.get("PATH"))
    if found is None:
        raise NoBrowserError(
            f"expected Chromium, got no program {wanted}; on Debian: apt-get install chromium; "
            "elsewhere, name it in the variable CHROMIUM"
        )
    return found
