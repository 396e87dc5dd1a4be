"""A model's files are taken out of the system's memory, and it is known whether they are out."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.measure import cold_files
from whisper_speedtest.measure.cold_files import (
    FilesInMemoryError,
    evict,
    expect_none_in_memory,
    resident,
)

PAGE = mmap.PAGESIZE
SIZE = 9 * PAGE + 1
"""Bytes of a file of ten pages."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system is looked at, and nothing is shared
"""A file system that lies in memory."""

needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux alone tells which parts of a file are in its memory"
)


def model_of(*paths: Path) -> VerifiedModel:
    """Return a model of these files."""
    files = {path.name: (path, prove(path)) for path in paths}
    return VerifiedModel("embedded/toy", "main", "0" * 40, files)


@pytest.fixture(name="paths")
def _paths(tmp_path: Path) -> list[Path]:
    """Two files of ten pages, which were just written and so are in memory, and an empty one."""
    paths = [tmp_path / name for name in ("a.bin", "b.bin", "empty.bin")]
    for path in paths:
        path.write_bytes(os.urandom(0 if path.stem == "empty" else SIZE))
    if sys.platform == "linux":
        evict_alone(paths[0])
        if resident(paths[0]):
            pytest.skip(f"{tmp_path} is on a file system that keeps its files in memory")
        paths[0].read_bytes()
    return paths


def evict_alone(path: Path) -> None:
    """Write a file to the disk and tell the system to drop it, with nothing of the suite."""
    if sys.platform != "linux":
        raise NotImplementedError(sys.platform)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@needs_linux
def test_bytes_in_memory_are_counted_by_page_and_none_is_read(paths: list[Path]) -> None:
    """A file's bytes in memory are counted by whole pages, and counting them reads none."""
    path, _, empty = paths

    assert resident(path) == 10 * PAGE
    evict_alone(path)
    assert [resident(path), resident(path)] == [0, 0]
    path.read_bytes()
    assert resident(path) == 10 * PAGE
    assert resident(empty) == 0


@needs_linux
def test_a_part_of_a_file_is_counted_as_such(paths: list[Path]) -> None:
    """If three pages of a file are in memory, exactly these three are counted."""
    evict_alone(paths[0])
    with paths[0].open("rb", buffering=0) as file:
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(file.fileno(), 3 * PAGE, 4 * PAGE)

    assert resident(paths[0]) == 3 * PAGE


@needs_linux
def test_all_files_of_a_model_are_taken_out(paths: list[Path]) -> None:
    """Evicting a model takes all of its files out of memory, newly written ones included."""
    model = model_of(*paths)
    paths[1].write_bytes(b"x" * SIZE)

    evict(model)

    assert [resident(path) for path in paths] == [0, 0, 0]
    expect_none_in_memory(model)
    assert paths[1].read_bytes() == b"x" * SIZE


@needs_linux
def test_files_are_on_the_disk_before_they_are_taken_out(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evicting a model syncs each of its files to the disk, as the system keeps unwritten pages."""
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)

    evict(model_of(*paths))

    assert {path.stat().st_ino for path in paths} == {*synced}


@needs_linux
def test_file_behind_a_link_is_taken_out(paths: list[Path], tmp_path: Path) -> None:
    """A file is evicted from memory through a link to a link to it."""
    link = tmp_path / "link.bin"
    link.symlink_to(paths[0])
    further = tmp_path / "further.bin"
    further.symlink_to(link)

    evict(model_of(further))

    assert resident(paths[0]) == 0


@needs_linux
def test_file_that_came_back_into_memory_is_named_with_its_bytes(paths: list[Path]) -> None:
    """A file that came back into memory after its eviction is named with its bytes there."""
    model = model_of(*paths)
    evict(model)
    model.recheck()

    with pytest.raises(FilesInMemoryError) as caught:
        expect_none_in_memory(model)

    size = f"{SIZE / 1000:.1f} kB"
    assert str(caught.value).startswith(
        f"a.bin: expected none of its {size} in memory after the system was told to drop it, got "
        f"{10 * PAGE / 1000:.1f} kB; "
    )


@needs_linux
def test_file_that_another_process_has_mapped_stays(paths: list[Path]) -> None:
    """A file that is mapped into a process's memory cannot be evicted until the mapping ends."""
    with paths[1].open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[::PAGE], "expected to touch the pages"

        with pytest.raises(FilesInMemoryError, match=re.escape("b.bin: expected none of its ")):
            evict(model_of(*paths))

    evict(model_of(*paths))


@needs_linux
def test_file_system_in_memory_keeps_its_files(tmp_path: Path) -> None:
    """A file on a file system in memory cannot be evicted, and the error says why."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip(f"{SHARED_MEMORY} cannot be written")
    path = SHARED_MEMORY / f"whisper-speedtest-{os.getpid()}-{tmp_path.name}.bin"
    try:
        path.write_bytes(os.urandom(SIZE))
        with pytest.raises(FilesInMemoryError, match=r"a file system that lies in memory keeps it"):
            evict(model_of(path))
    finally:
        path.unlink(missing_ok=True)


@needs_linux
def test_system_that_keeps_a_page_for_a_while_is_asked_again(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a page stays in memory for a short while, eviction looks again until it is gone."""
    left = [PAGE] * 20
    monkeypatch.setattr(cold_files, "resident", lambda _: left.pop() if left else 0)

    evict(model_of(paths[0]))

    assert left == []


@needs_linux
def test_system_that_keeps_a_page_is_asked_for_a_second(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a page stays in memory for a second, eviction fails."""
    now = [100.0]
    looks = 0

    def resident(_: Path) -> int:
        nonlocal looks
        looks += 1
        return PAGE

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(cold_files, "resident", resident)
    clock = type("time", (), {"monotonic": lambda: now[0], "sleep": sleep})
    monkeypatch.setattr(cold_files, "time", clock)

    with pytest.raises(FilesInMemoryError):
        evict(model_of(paths[0]))

    assert now[0] == pytest.approx(101.0, abs=0.02)
    assert looks == pytest.approx(103, abs=2)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_than_on_linux_it_is_refused(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """On macOS and Windows, evicting a model is refused; the error says what to leave out."""
    monkeypatch.setattr(cold_files, "sys", type("sys", (), {"platform": platform}))

    with pytest.raises(
        FilesInMemoryError, match=rf"expected Linux, .* got {platform}; leave out --cold"
    ):
        evict(model_of(*paths))


@needs_linux
def test_page_is_in_memory_where_the_lowest_bit_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page counts as in memory if the lowest bit that `mincore` reports for it is set."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * SIZE)

    class Telling:
        """A C library to which two of ten pages are in memory."""

        def mincore(self, _: object, size: ctypes.c_size_t, pages: Any) -> int:
            """Fill in what there is to tell of each page."""
            assert (size.value, len(pages)) == (SIZE, 10)
            pages[0], pages[4], pages[9] = 1, 2, 3
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Telling())

    assert resident(path) == 2 * PAGE


@needs_linux
def test_system_that_does_not_tell_is_an_error(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing `mincore` is an error, and is not taken for a file that is not in memory."""

    class Refusing:
        """A C library whose mincore fails."""

        def mincore(self, *_: object) -> int:
            """Fail as the system does that knows no such call."""
            ctypes.set_errno(errno.ENOSYS)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Refusing())

    with pytest.raises(OSError, match=r"mincore failed for .*a\.bin") as caught:
        resident(paths[0])
    assert caught.value.errno == errno.ENOSYS
