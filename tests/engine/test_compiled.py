"""What a failed engine takes back of what was compiled, and what it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from whisper_speedtest.engine.compiled import Compiled
from whisper_speedtest.engine.environment import COMPILED, COMPILED_BY_MLX, sealed_environment


@pytest.fixture(name="shared")
def _shared(tmp_path: Path) -> Path:
    """A folder of what engines have compiled, with one file, of five bytes."""
    shared = tmp_path / "shared"
    (shared / COMPILED_BY_MLX / "0.32.4" / "cpu").mkdir(parents=True)
    (shared / COMPILED_BY_MLX / "0.32.4" / "cpu" / "whole.so").write_bytes(b"whole")
    return shared


@pytest.fixture(name="engines_folder")
def _engines_folder(tmp_path: Path, shared: Path) -> Path:
    """The folder of an engine that reaches the shared one through its links."""
    (folder := tmp_path / "engine").mkdir()
    sealed_environment(folder, shared)
    return folder


def names_in(shared: Path) -> set[str]:
    """Return the names of the files that are left."""
    return {path.name for path in shared.rglob("*") if path.is_file()}


def test_new_files_are_taken_back_and_others_stay(shared: Path, engines_folder: Path) -> None:
    """A failed engine takes back the files that it compiled, in each folder, however deep."""
    compiled = Compiled(engines_folder, shared)
    compiled.note_whole()
    for number, place in enumerate(COMPILED):
        (engines_folder / place / "deep").mkdir()
        (engines_folder / place / "deep" / f"torn-{number}.so").touch()

    compiled.take_back()

    assert names_in(shared) == {"whole.so"}


def test_what_was_noted_last_stays(shared: Path, engines_folder: Path) -> None:
    """A compiled file that was noted as whole stays when later ones are taken back."""
    compiled = Compiled(engines_folder, shared)
    compiled.note_whole()
    (shared / "numba" / "later").write_bytes(b"whole")
    compiled.note_whole()
    (shared / "numba" / "torn").touch()

    compiled.take_back()

    assert names_in(shared) == {"whole.so", "later"}


@pytest.mark.parametrize("how", ["shortened", "rewritten", "replaced"])
def test_file_that_was_written_again_is_taken_back(
    shared: Path, engines_folder: Path, how: str
) -> None:
    """A compiled file that was written again is taken back, even with its old size and time."""
    compiled = Compiled(engines_folder, shared)
    compiled.note_whole()
    (path,) = shared.rglob("whole.so")
    status = path.stat()
    if how == "shortened":
        os.truncate(path, 4)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "rewritten":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    else:
        other = path.with_name("other")
        other.write_bytes(b"wrong")
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(path)

    compiled.take_back()

    assert names_in(shared) == set()


def test_compiler_that_outlives_its_engine_for_a_moment_writes_nowhere(
    shared: Path, engines_folder: Path
) -> None:
    """A failed engine's links to the shared folder are gone, and its compiler writes nowhere."""
    compiled = Compiled(engines_folder, shared)
    compiled.note_whole()

    compiled.take_back()

    for place in COMPILED:
        with pytest.raises(FileNotFoundError):
            (engines_folder / place / "late.so").touch()
        assert (shared / place).is_dir()


def test_engine_that_was_never_started_takes_nothing_back(
    shared: Path, engines_folder: Path
) -> None:
    """An engine that was never started takes back nothing of what others have compiled."""
    Compiled(engines_folder, shared).take_back()

    assert names_in(shared) == {"whole.so"}
    assert all((engines_folder / place).is_symlink() for place in COMPILED)


def test_engine_that_shares_nothing_keeps_what_it_compiled(tmp_path: Path) -> None:
    """An engine that shares nothing keeps what it compiled in its own folder."""
    sealed_environment(tmp_path)
    (tmp_path / COMPILED_BY_MLX).mkdir()
    (tmp_path / COMPILED_BY_MLX / "own.so").touch()
    compiled = Compiled(tmp_path, None)
    compiled.note_whole()

    compiled.take_back()

    assert names_in(tmp_path) == {"own.so"}
