"""The code of the suite: each change of it is another suite, and nothing else is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.helpers import project
from whisper_speedtest.measure.suite import CODE, ROOT, code_hash

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="suite")
def _suite(tmp_path: Path) -> Path:
    """A suite of a few files."""
    root = tmp_path / "suite"
    for folder in CODE:
        (root / folder / "room").mkdir(parents=True)
        (root / folder / "room" / "a.py").write_text(f"of {folder}", encoding="utf-8")
    return root


def found(root: Path) -> str:
    """Return the hash of a suite as it is now."""
    code_hash.cache_clear()
    return code_hash(root)


def test_code_is_known_by_names_and_contents(suite: Path) -> None:
    """Each change of the name or text of a Python file of the suite changes the hash of its code.

    A file of text, or one outside its folders, does not.
    """
    seen = {found(suite)}
    (suite / "adapters" / "notes.txt").write_text("x", encoding="utf-8")
    (suite / "elsewhere.py").write_text("x", encoding="utf-8")
    assert {found(suite)} == seen

    for folder in CODE:
        file = suite / folder / "room" / "a.py"
        file.write_text("changed", encoding="utf-8")
        seen.add(found(suite))
        file.write_text("CHANGED", encoding="utf-8")
        seen.add(found(suite))
        file.rename(file.with_name("b.py"))
        seen.add(found(suite))
        shutil.copy(file.with_name("b.py"), file)
        seen.add(found(suite))

    assert len(seen) == 1 + 4 * len(CODE)


def test_content_that_moves_to_another_file_is_another_suite(suite: Path) -> None:
    """Content that moves from one file to another changes the hash of the suite's code."""
    first, second = (suite / "adapters" / name for name in ("a.py", "b.py"))
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    before = found(suite)
    for between in (b"adapters/b.py\0\0", b"adapters/b.py\0", b"adapters/b.py"):
        second.unlink(missing_ok=True)
        first.write_bytes(b"one" + between + b"two")

        assert found(suite) != before


def test_code_is_hashed_once(suite: Path) -> None:
    """The code of the suite is hashed once, and not again when a file is added."""
    before = found(suite)
    (suite / "adapters" / "late.py").touch()

    assert code_hash(suite) is before


def test_suite_that_runs_is_this_one() -> None:
    """The hashed code is that of this checkout, and each of its folders has Python files."""
    assert project.ROOT == ROOT
    assert CODE == ("adapters", "benchmarks", "whisper_speedtest")
    assert all(list((ROOT / folder).rglob("*.py")) for folder in CODE)
