"""Chromium is found, or whoever lacks it is told in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers import chromium as module
from tests.helpers.chromium import NoBrowserError, chromium

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="programs")
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program chromium and one other, where there is Playwright."""
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    for name in ("chromium", "other"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_browser_is_the_one_on_the_path(programs: Path) -> None:
    """Chromium is the program of that name on the PATH, unless CHROMIUM names another."""
    path = {"PATH": str(programs)}

    assert chromium(path) == str(programs / "chromium")
    assert chromium({**path, "CHROMIUM": "other"}) == str(programs / "other")
    assert chromium({**path, "CHROMIUM": str(programs / "other")}) == str(programs / "other")


@pytest.mark.parametrize(
    "variables", [{"PATH": "/nowhere"}, {"PATH": "/nowhere", "CHROMIUM": "/nowhere/else"}]
)
def test_missing_browser_is_told_with_the_package(
    programs: Path,  # noqa: ARG001 - there is Playwright
    variables: dict[str, str],
) -> None:
    """A missing browser is reported with the program that was looked for and how to get it."""
    with pytest.raises(NoBrowserError) as refusal:
        chromium(variables)

    wanted = variables.get("CHROMIUM", "chromium")
    assert str(refusal.value) == (
        f"expected Chromium, got no program {wanted}; on Debian: apt-get install chromium; "
        "elsewhere, name it in the variable CHROMIUM"
    )


def test_missing_playwright_is_told_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Playwright is reported with the tox environment that has it."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with pytest.raises(NoBrowserError, match="run these tests with tox -e browser"):
        chromium({})
