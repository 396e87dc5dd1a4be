"""The report as a page, for reading: it stands alone, and needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from whisper_speedtest.results.as_markdown import as_markdown

if TYPE_CHECKING:
    from whisper_speedtest.results.merged import Merged


def html(merged: Merged) -> str:
    """Return the page."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>whisper-speedtest</title>\n<pre>{escape(as_markdown(merged))}</pre>\n</html>\n"
    )
