"""What the hub cache has as evidence: the commit that a revision is believed to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cache.by_hand import FILES, NEW, OLD, THIRD, note, put
from whisper_speedtest.cache.folders import read_small_file
from whisper_speedtest.cache.inspecting import inspect
from whisper_speedtest.cache.manifests import Manifests

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from whisper_speedtest.cache.folders import RepoFolder


def test_last_manifest_that_has_all_files_is_believed(folder: RepoFolder) -> None:
    """Of the commits with a manifest, the one noted last that has all its files is believed."""
    for commit, at in ((OLD, 100), (THIRD, 300), (NEW, 200)):
        put(folder, commit, "a.npz", commit.encode())
        put(folder, commit, "b.json", b"{}")
        note(folder, commit, at, a_npz=commit.encode(), b_json=b"{}")

    assert list(Manifests(folder).verified_commits("main")) == [THIRD, NEW, OLD]
    assert inspect(folder.root.parent, FILES).commit == THIRD

    folder.pointer(THIRD, "b.json").unlink()

    assert inspect(folder.root.parent, FILES).commit == NEW


def test_ref_outranks_manifests_if_its_commit_is_proven_and_has_all_files(
    folder: RepoFolder,
) -> None:
    """A ref outranks newer manifests if its own commit has a manifest and all files."""
    (folder.root / "refs" / "main").write_text(OLD, encoding="utf-8")
    for commit in (OLD, NEW):
        put(folder, commit, "a.npz", commit.encode())
        put(folder, commit, "b.json", b"{}")
    cache = folder.root.parent

    assert inspect(cache, FILES).commit == OLD, "expected the ref's commit, as no other is known"

    note(folder, NEW, 100, a_npz=NEW.encode(), b_json=b"{}")

    assert inspect(cache, FILES).commit == NEW, "expected the only commit that was verified"

    note(folder, OLD, 50, a_npz=OLD.encode())

    assert inspect(cache, FILES).commit == NEW, (
        "expected the commit of which both files were verified"
    )

    note(folder, OLD, 50, a_npz=OLD.encode(), b_json=b"{}")

    assert inspect(cache, FILES).commit == OLD, (
        "expected the ref to decide between two verified commits"
    )

    folder.pointer(OLD, "b.json").unlink()

    assert inspect(cache, FILES).commit == NEW, "expected the verified commit that has b.json"

    folder.pointer(NEW, "b.json").unlink()

    partial = inspect(cache, FILES)
    assert (partial.commit, partial.state) == (OLD, "incomplete")


def test_manifests_are_read_once_for_all_files(
    folder: RepoFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each manifest is read once for all files of a model, however many they are."""
    for commit, at in ((OLD, 100), (NEW, 200)):
        put(folder, commit, "a.npz", commit.encode())
        put(folder, commit, "b.json", b"{}")
        note(folder, commit, at, a_npz=commit.encode(), b_json=b"{}")
    read: list[str] = []

    def counted(path: Path) -> bytes:
        read.append(path.name)
        return read_small_file(path)

    monkeypatch.setattr("whisper_speedtest.cache.manifests.read_small_file", counted)

    assert inspect(folder.root.parent, FILES).state == "complete"
    assert sorted(read) == [f"main@{OLD}.json", f"main@{NEW}.json"]
