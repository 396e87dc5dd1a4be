"""A link in an engine's folder tells whatever was done to its file meanwhile, also if undone."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.harm import await_next_tick, flip_bit, notes_moves
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.model import VerifiedModel
from whisper_speedtest.engine.links import Link, begin_cache

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = b"the weights of a model"
PLACE = "models/tiny/weights"


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """A verified file, two folders deep; no folder above it is a link."""
    folder = tmp_path.resolve() / "cache" / "blobs"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(TEXT)
    return folder / "file"


@pytest.fixture(name="link")
def _link(file: Path, tmp_path: Path) -> Link:
    """A link to it, in an engine's folder."""
    link = Link(tmp_path / "engine", PLACE, file)
    await_next_tick(tmp_path)
    return link


def test_cache_says_which_commit_the_revision_stands_for(tmp_path: Path) -> None:
    """An engine's hub cache says which commit a revision stands for, and where its files belong."""
    files = {name: (tmp_path / name, Proof(1, "ab")) for name in ("config.json", "deep/weights")}
    model = VerifiedModel("owner/model", "main", "c0ffee", files)

    places = begin_cache(tmp_path, model)

    repo = "huggingface/hub/models--owner--model"
    assert (tmp_path / repo / "refs" / "main").read_text("utf-8") == "c0ffee"
    assert places == {
        "config.json": f"{repo}/snapshots/c0ffee/config.json",
        "deep/weights": f"{repo}/snapshots/c0ffee/deep/weights",
    }


def write_and_undo(file: Path) -> None:
    """Change a bit and change it back, with the times of before."""
    flip_bit(file)
    flip_bit(file)


def rewrite(file: Path) -> None:
    """Write the same bytes once more, as a program does that saves its file."""
    file.write_bytes(TEXT)


def move_and_undo(path: Path) -> None:
    """Move a file, or a folder, away and back."""
    path.rename(path.with_name("away"))
    path.with_name("away").rename(path)


def put_copy(file: Path) -> None:
    """Put a file of the same bytes and times in its place."""
    shutil.copy2(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def put_folder(file: Path) -> None:
    """Put a folder with the same file in the place of its folder: the file is another one."""
    file.parent.rename(file.parent.with_name("away"))
    shutil.copytree(file.parent.with_name("away"), file.parent)


def require_notes_of_moves(folder: Path) -> None:
    """Skip the test where the file system does not note in a file that it was moved."""
    if not notes_moves(folder):
        pytest.skip("this file system does not note in a file that it was moved")


@pytest.mark.parametrize(
    ("change", "depth"),
    [
        (write_and_undo, 0),
        (rewrite, 0),
        (move_and_undo, 0),
        (put_copy, 0),
        (put_folder, 0),
        (lambda file: file.chmod(0o600), 0),
        (lambda file: os.link(file, file.with_name("second name")), 0),
        (lambda file: move_and_undo(file.parent), 1),
        (lambda file: move_and_undo(file.parent.parent), 2),
    ],
    ids="write rewrite move copy copied-folder permissions hard-link folder folder-above".split(),
)
def test_what_is_done_to_the_file_is_told(
    link: Link, file: Path, tmp_path: Path, change: Callable[[Path], object], depth: int
) -> None:
    """A change of a linked file is reported with its path and time, even if it was undone."""
    if change is move_and_undo or depth:
        require_notes_of_moves(tmp_path)
    path = (file, *file.parents)[depth]
    before = path.stat().st_ctime

    change(file)

    assert file.read_bytes() == TEXT
    told = re.fullmatch(
        f"{re.escape(str(path))} was changed during the load: expected no change since (.+), got "
        "one at (.+); let nothing write to it, move it or set its permissions meanwhile",
        link.change(),
    )
    assert told, link.change()
    assert [datetime.fromisoformat(each) for each in told.groups()] == [
        datetime.fromtimestamp(time, UTC) for time in (before, path.stat().st_ctime)
    ]


def test_what_is_done_to_the_link_is_told(link: Link, file: Path, tmp_path: Path) -> None:
    """A link that leads elsewhere, is a file, or was put back is reported as changed."""
    require_notes_of_moves(tmp_path)
    place = tmp_path / "engine" / PLACE
    kept = place.rename(tmp_path / "kept")
    (tmp_path / "other").write_bytes(TEXT)
    place.symlink_to(tmp_path / "other")
    elsewhere = link.change()
    place.unlink()
    place.write_bytes(TEXT)
    no_link = link.change()
    file_there = place.resolve()
    kept.replace(place)

    expected = f"{PLACE} changed during the load: expected a link to the verified {file}, got "
    assert elsewhere == f"{expected}{(tmp_path / 'other').resolve()}"
    assert no_link == f"{expected}{file_there}"
    assert link.change().startswith(f"{place} was changed during the load: expected no change ")


def test_what_is_no_change_of_the_file_is_no_matter(link: Link, file: Path, tmp_path: Path) -> None:
    """Reading a linked file, or making other files beside it, is not reported as a change."""
    assert file.read_bytes() == TEXT
    for folder in (file.parent, file.parent.parent, tmp_path):
        (folder / "another").mkdir()
        (folder / "another").rmdir()

    assert link.change() == ""
    assert (tmp_path / "engine" / PLACE).readlink() == file
