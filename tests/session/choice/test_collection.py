"""Collecting the whole matrix imports nothing heavy, and selects what a person expects."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapters import REGISTRY, all_cases, files_of, why_not_installed
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.session.choice.defaults import is_default

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


def test_garbage_collector_walks_through_nothing_that_was_collected() -> None:
    """The garbage collector leaves out the tests, modules and plugins of a collected session."""
    assert gc.get_freeze_count() > 20_000


def selected(expression: str) -> set[str]:
    """Return the cases whose benchmarks `-k expression` selects."""
    listing = collect(ROOT, "benchmarks", "-k", expression)
    ids = re.findall(r"test_transcribe\[(.*)-[a-z]+\]", listing)
    return set(ids)


def test_selections_are_what_a_person_expects() -> None:
    """A keyword selects the size, or the library and variant, that a person expects of it.

    `base` is a size, and never the unquantised variant.
    """
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


def test_session_that_selects_nothing_has_the_default_and_says_how_to_have_more() -> None:
    """A session that selects nothing has the default, and says how to have more.

    With a size to download, nothing is left out and nothing is said of it. A model that several
    libraries share counts once, as it is fetched once.
    """
    cases = [case for case in all_cases() if not why_not_installed(case.adapter)]
    default = {case for case in cases if is_default(case)}
    more = len({files_of(case) for case in cases if case not in default})

    plain = collect(ROOT, "benchmarks", "-v")
    lifted = collect(ROOT, "benchmarks", "-v", "--max-download=1MB")

    for listing, expected in ((plain, default), (lifted, set(cases))):
        loaded = set(re.findall(r"<Function test_load\[(.*)\]>", listing))
        absent = {name for name in REGISTRY if why_not_installed(name)}
        assert loaded - absent == {str(case) for case in expected}
        assert loaded & absent == absent, "tests of absent libraries stay"
    assert (
        "\nnothing was selected, so this has fp16 of micro, tiny, base and small alone\n"
        f"{more} more models: -k medium, -k 8bit and the like, or all that fit into "
        "--max-download=4GB\n"
    ) in plain
    assert f" {more} more models" not in lifted
    assert "nothing was selected" not in lifted
