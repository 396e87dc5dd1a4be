"""The checkout under test, and copies of it in which a test may change things."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_project(tree: Path, *, tests: bool = False) -> None:
    """Copy what a session of benchmarks needs into `tree`; with `tests`, all of the checkout."""
    left_out = [".*", "__pycache__", *([] if tests else ["tests"])]
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*left_out), dirs_exist_ok=True)


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first place of a text in a file, which must have it."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file}: expected {old!r} in it"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
