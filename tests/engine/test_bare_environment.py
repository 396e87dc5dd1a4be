"""An engine in an environment with numpy and the library alone: it imports nothing else."""

from __future__ import annotations

import sysconfig
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from packaging.requirements import Requirement

from adapters import REGISTRY, adapter_class, files_of, why_not_installed
from adapters.base import Case, DecodeSettings
from fixtures.audio import clips
from tests.engine.test_checkout import CASE, make_checkout
from tests.helpers.project import ROOT
from tests.helpers.toy_adapter import FILE
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.checkout import OWN, Checkout, look_into
from whisper_speedtest.engine.process import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = frozenset({"msgspec", "psutil", "pytest", "rich", "scipy", "jiwer", "soundfile", "soxr"})
"""Distributions that the suite itself needs, and that no engine may."""


def needed_by(names: tuple[str, ...]) -> Iterator[str]:
    """Yield distributions, and all that they say they need here, as far as that is installed."""
    seen: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # as torch is, which lightning-whisper-mlx asks for and does not import
        yield name
        requirements = map(Requirement, requires)
        left += [
            each.name for each in requirements if each.marker is None or each.marker.evaluate()
        ]


def make_environment(folder: Path, packages: tuple[str, ...]) -> str:
    """Make an environment with the installed files of these packages alone; return its Python."""
    venv.EnvBuilder(symlinks=True).create(folder)
    base = {"base": str(folder), "platbase": str(folder)}
    place = Path(sysconfig.get_path("purelib", "venv", base))
    for name in packages:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            source, link = Path(str(found.locate_file(top))), place / top
            if source.is_dir() and link.exists():  # a namespace that several packages share
                continue
            if not link.exists():
                link.symlink_to(source)
    return str(Path(sysconfig.get_path("scripts", "venv", base)) / "python")


def test_engine_runs_with_numpy_and_the_library_alone(tmp_path: Path) -> None:
    """An engine of a stub library runs in an environment with numpy and that library alone."""
    path = tmp_path / FILE
    path.write_text("{}", encoding="utf-8")
    model = VerifiedModel("embedded/toy", "r1", "0" * 40, {FILE: (path, prove(path))})
    python = make_environment(tmp_path / "venv", ("numpy",))
    checkout = look_into(make_checkout(tmp_path / "checkout"), python, "bare")
    (folder := tmp_path / "engine").mkdir()

    with Engine(CASE, model, folder, "cpu", checkout=checkout) as engine:
        engine.hear("clip", np.zeros(1600, np.float32))
        text = engine.transcribe("clip", DecodeSettings()).text
        engine.memory()

    assert text.startswith("{} 1600 float32 ")
    assert checkout.not_installed.keys() == REGISTRY.keys(), (
        "expected no library in this environment"
    )


@pytest.mark.slow
@pytest.mark.parametrize("library", REGISTRY)
def test_real_library_runs_without_what_the_suite_needs(library: str, tmp_path: Path) -> None:
    """A real library runs with numpy and its own packages alone."""
    if why := why_not_installed(library):
        pytest.skip(why)
    from whisper_speedtest.hub.store import Store
    from whisper_speedtest.speech.audio import read_audio

    packages = tuple(needed_by(("numpy", *adapter_class(library).packages)))
    python = make_environment(tmp_path / "venv", packages)
    case, clip = Case(library, "micro", "fp16"), clips()["short"]
    model = Store.from_environment(offline=True).prepare(files_of(case))
    (folder := tmp_path / "engine").mkdir()

    with Engine(case, model, folder, "cpu", checkout=Checkout(ROOT, python)) as engine:
        engine.hear("short", read_audio(clip.path))
        text = engine.transcribe("short", DecodeSettings()).text
        engine.memory()

    assert text == clip.reference
    assert OWN.root == ROOT
    lacking = OURS - set(packages)
    assert "msgspec" in lacking, f"expected an environment without most of {OURS}, got {packages}"
