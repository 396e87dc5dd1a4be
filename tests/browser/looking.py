"""Opens a page of HTML in a browser, as different people do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

DESK = {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"}
DARK = {**DESK, "color_scheme": "dark"}
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"}
VIEWS = {"light": DESK, "dark": DARK, "phone": PHONE}
"""How a page is looked at → options of a browser's context."""


class Looker:
    """Opens pages, and keeps what each asked for beyond itself, and complained about."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        """Take the browser, and a folder for the pages."""
        self._browser = browser
        self._folder = folder
        self._contexts: list[BrowserContext] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def __call__(self, source: str, view: dict[str, Any] = DESK, **options: Any) -> Page:
        """Return the page of this source, opened as a file."""
        path = self._folder / "index.html"
        path.write_text(source, encoding="utf-8")
        context = self._browser.new_context(**{**view, **options})
        self._contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: self._asked(request.url, path))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    def _asked(self, url: str, path: Path) -> None:
        if not url.startswith((path.as_uri(), "data:")):
            self.requests.append(url)

    def close(self) -> None:
        """Close every page that was opened."""
        for context in self._contexts:
            context.close()
