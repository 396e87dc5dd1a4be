"""Collecting the whole matrix imports nothing heavy, and selects what a person expects."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapters import all_cases, why_not_installed
from tests.helpers.project import ROOT, child_environment

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("mlx", "torch", "numba", "ctranslate2", "numpy", "huggingface_hub", "soundfile", "rich")


def collect(folder: Path, *arguments: str) -> str:
    """Return what pytest prints as it collects in a folder, and the heavy modules it imported."""
    script = (
        "import sys, pytest; status = pytest.main(sys.argv[1:]); "
        f"print('imported:', [name for name in {HEAVY} if name in sys.modules]); sys.exit(status)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, "--collect-only", "-q", *arguments],
        cwd=folder, env=child_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
    return run.stdout


def test_collection_imports_nothing_heavy() -> None:
    """All tests and benchmarks are collected without any library that takes long to import."""
    assert "imported: []" in collect(ROOT)


def selected(expression: str) -> set[str]:
    """Return the cases whose benchmarks `-k expression` selects."""
    listing = collect(ROOT, "benchmarks", "-k", expression)
    ids = re.findall(r"test_transcribe\[(.*)-[a-z]+\]", listing)
    return set(ids)


def test_selections_are_what_a_person_expects() -> None:
    """A size, a library and variant, or `base` (a size, never the unquantised variant)."""
    cases = [case for case in all_cases() if not why_not_installed(case.adapter)]

    for expression, expected in {
        "medium and not .en": {str(c) for c in cases if c.size == "medium"},
        "base": {str(c) for c in cases if c.size in {"base", "base.en"}},
        "tiny and not .en": {str(c) for c in cases if c.size == "tiny"},
        "micro": {str(c) for c in cases if c.size == "micro"},
        "lightning and 4bit": {
            str(c) for c in cases if c.adapter == "lightning-whisper-mlx" and c.variant == "4bit"
        },
    }.items():
        assert selected(expression) == expected, expression
