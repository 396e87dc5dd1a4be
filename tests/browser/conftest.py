"""A browser for the tests here. It is asked for nothing but files that the tests write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import Looker
from tests.helpers.chromium import NoBrowserError, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

ARGUMENTS = (
    "--no-sandbox",  # Chromium has none where root starts it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(name="browser", scope="session")
def _browser() -> Iterator[Browser]:
    """Chromium without a window: $CHROMIUM, or the one on the PATH."""
    try:
        path = chromium(os.environ)
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(name="look")
def _look(browser: Browser, tmp_path: Path) -> Iterator[Looker]:
    """What opens pages in Chromium; fails where a page asks for more than itself or complains."""
    looker = Looker(browser, tmp_path)
    yield looker
    looker.close()
    assert not looker.complaints, f"the page complains: {looker.complaints}"
    assert not looker.requests, f"the page asked for {looker.requests}"
