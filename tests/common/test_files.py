"""Files that users name are looked at, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisper_speedtest.common.files import existing, look_at, write_whole


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(each.name for each in folder.iterdir())


def test_place_is_looked_at_whether_something_is_there_or_not(tmp_path: Path) -> None:
    """A look at a path raises only where the system cannot look, not where nothing is there."""
    (tmp_path / "file").touch()

    for name in (".", "file", "none", "none/x", "file/x"):
        look_at(tmp_path / name)
    with pytest.raises(OSError, match="File name too long"):
        look_at(tmp_path / ("n" * 300))


def test_nearest_place_that_is_there_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest existing place of a path is the path itself, or what lies above it."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)

    assert existing(Path("file")) == Path("file")
    assert existing(tmp_path / "file" / "a" / "b") == tmp_path / "file"
    assert existing(Path("a/b/c")) == existing(tmp_path / ("n" * 300)) == tmp_path


def test_files_are_written_or_replaced(tmp_path: Path) -> None:
    """Files are written or replaced byte for byte, and nothing is left beside them."""
    (tmp_path / "b").write_bytes(b"an older, longer one")

    write_whole({tmp_path / "a": b"", tmp_path / "b": b"\x00\r\n"})

    assert names(tmp_path) == ["a", "b"]
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"", b"\x00\r\n")


def test_none_is_replaced_unless_all_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is replaced unless all can be written."""
    (tmp_path / "a").write_bytes(b"old")
    write = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        if content == b"new b":
            write(path, b"ne")
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)

    with pytest.raises(OSError, match="No space left on device"):
        write_whole({tmp_path / "a": b"new a", tmp_path / "b": b"new b"})

    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_file_of_another_kind_in_its_place_is_an_error(tmp_path: Path) -> None:
    """A folder in a file's place is an error, and it stays as it is."""
    (tmp_path / "a").mkdir()

    with pytest.raises(IsADirectoryError):
        write_whole({tmp_path / "a": b"new"})

    assert names(tmp_path) == ["a"]
