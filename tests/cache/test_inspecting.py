"""The hub cache without any hub: what lies there, and what of it is believed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.cache.by_hand import FILES, NEW, OLD, THIRD, note, put, sha256
from tests.helpers.harm import flip_bit
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.hashes import Proof, prove
from whisper_speedtest.cache.inspecting import find_content, inspect, inspect_file
from whisper_speedtest.cache.local_evidence import LocalEvidence
from whisper_speedtest.cache.manifests import Manifests

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from whisper_speedtest.cache.folders import RepoFolder


def test_nothing_known_is_missing_with_no_commit(tmp_path: Path) -> None:
    """Where nothing is cached, each file is missing, there is no commit, and no folder is made."""
    found = inspect(tmp_path / "cache", FILES)

    assert (found.commit, found.state) == (None, "missing")
    assert [fault.reason for fault in found.faults] == [
        "a.npz: not in the cache",
        "b.json: not in the cache",
    ]
    assert not (tmp_path / "cache").exists()


def test_harmed_commit_gives_way_to_a_recorded_one_alone(folder: RepoFolder) -> None:
    """A harmed or lost commit gives way only to a commit that a manifest records."""
    cache = folder.root.parent
    for commit in (OLD, NEW):
        put(folder, commit, "a.npz", commit.encode())
        put(folder, commit, "b.json", b"{}")
    note(folder, OLD, 200, a_npz=OLD.encode(), b_json=b"{}")
    (folder.root / "refs" / "main").write_text(NEW, encoding="utf-8")
    assert inspect(cache, FILES).commit == OLD

    flip_bit(folder.pointer(OLD, "a.npz"))
    assert (inspect(cache, FILES).commit, inspect(cache, FILES).state) == (OLD, "corrupt")

    (folder.root / "refs" / "main").unlink()
    manifest = note(folder, NEW, 100, a_npz=NEW.encode(), b_json=b"{}")
    assert list(Manifests(folder).verified_commits("main")) == [OLD, NEW]
    assert (inspect(cache, FILES).commit, inspect(cache, FILES).state) == (NEW, "complete")

    manifest.unlink()
    (folder.root / "refs" / "main").write_text(NEW, encoding="utf-8")
    folder.pointer(OLD, "a.npz").unlink()
    found = inspect(cache, FILES)
    assert (found.commit, found.state) == (OLD, "unknown")
    assert {name: each.state for name, each in found.findings.items()} == {
        "a.npz": "unknown",
        "b.json": "complete",
    }
    assert found.findings["a.npz"].reason == (
        f"expected commit {OLD}, which was verified, got commit {NEW}, which no host has confirmed"
    )


def look(folder: RepoFolder, name: str = "a.npz") -> tuple[str, str]:
    """Return the state of a file of the old commit, and what is wrong with it."""
    found = inspect_file(LocalEvidence(folder), OLD, name)
    return found.state, found.reason


def test_first_manifest_that_is_none_is_told_and_no_other_file_of_the_folder(
    folder: RepoFolder,
) -> None:
    """Of several manifests that cannot be read, the first by name is reported."""
    put(folder, OLD, "a.npz", b"right")
    (folder.own / "notes.json").write_text("{", encoding="utf-8")
    assert look(folder) == ("complete", "")

    for commit in (THIRD, NEW):
        folder.manifest_path("main", commit).write_text("{", encoding="utf-8")

    state, reason = look(folder)
    assert state == "unknown"
    path = folder.manifest_path("main", NEW)
    assert reason.startswith(f"expected the manifest {path} to say what was verified, got ")


def test_linked_file_must_have_the_hash_that_its_blob_is_named_by(folder: RepoFolder) -> None:
    """A linked file with another hash than its blob's name is corrupt, and both are named."""
    link = put(folder, OLD, "a.npz", b"right")
    assert look(folder) == ("complete", "")
    assert inspect_file(LocalEvidence(folder), OLD, "a.npz").etag == sha256(b"right")

    assert inspect_file(LocalEvidence(folder), OLD, "a.npz").unconfirmed

    flip_bit(link)
    got = prove(link)

    assert not inspect_file(LocalEvidence(folder), OLD, "a.npz").unconfirmed
    assert look(folder) == (
        "corrupt",
        f"a.npz: expected sha256 {sha256(b'right')}, got {got.sha256} of 5 bytes at {link}",
    )

    link.resolve().unlink()

    assert look(folder) == ("missing", "a.npz: not in the cache")


def test_file_that_is_no_link_is_compared_with_the_manifest(folder: RepoFolder) -> None:
    """A file that is no link is compared with the manifest; without a manifest it is unknown."""
    link = put(folder, OLD, "a.npz", b"right")
    link.unlink()
    link.write_bytes(b"right")
    assert look(folder) == (
        "unknown",
        (
            "a.npz: expected a hash to compare with, from a link to a blob, a manifest or trees/, "
            f"got none for sha256 {sha256(b'right')} of 5 bytes at {link}"
        ),
    )

    note(folder, OLD, 100, a_npz=b"right")

    assert look(folder) == ("complete", "")
    assert inspect_file(LocalEvidence(folder), OLD, "a.npz").etag == sha256(b"right")

    link.write_bytes(b"wrong, and longer")

    assert f"expected sha256 {sha256(b'right')} of 5 bytes (as when it was" in look(folder)[1]
    assert "of 17 bytes at" in look(folder)[1]


def test_link_to_another_blob_is_found_by_the_manifest(folder: RepoFolder) -> None:
    """A link to another blob than the manifest's is corrupt, even if the right blob is gone."""
    note(folder, OLD, 100, a_npz=b"right")
    put(folder, NEW, "a.npz", b"right")
    link = put(folder, OLD, "a.npz", b"wrong")
    wrong = (
        "corrupt",
        (
            f"a.npz: expected sha256 {sha256(b'right')} of 5 bytes (as when it was verified), "
            f"got {sha256(b'wrong')} of 5 bytes at {link}"
        ),
    )

    assert look(folder) == wrong

    (folder.blobs / sha256(b"right")).unlink()

    assert look(folder) == wrong


def test_file_that_cannot_be_read_is_corrupt(folder: RepoFolder) -> None:
    """A file that cannot be read is corrupt, and the reason is reported."""
    folder.pointer(OLD, "a.npz").mkdir(parents=True)

    state, reason = look(folder)

    assert state == "corrupt"
    assert reason.startswith("a.npz: cannot be read: ")


def test_blob_is_held_if_it_has_the_listed_size_and_hash(folder: RepoFolder) -> None:
    """A blob is held if it has the listed size and hash, whatever links to it."""
    put(folder, OLD, "a.npz", b"right")
    listed = RemoteFile("a.npz", 5, sha256(b"right"))

    blob = folder.blobs / sha256(b"right")
    assert find_content(folder, OLD, listed, ()) == (blob, Proof(5, sha256(b"right")))
    assert find_content(folder, OLD, RemoteFile("a.npz", 6, sha256(b"right")), ()) is None
    assert find_content(folder, OLD, RemoteFile("a.npz", 5, sha256(b"other")), ()) is None

    flip_bit(blob)

    assert find_content(folder, OLD, listed, ()) is None


def test_content_is_found_in_other_places_if_it_is_right(
    folder: RepoFolder, tmp_path: Path
) -> None:
    """Content is taken from the first place that has a file of the right size and hash."""
    listed = RemoteFile("a.npz", 5, sha256(b"right"))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, body in (("wrong", b"wrong"), ("long", b"right!"), ("ok", b"right"), ("2", b"right")):
        (tmp_path / name).write_bytes(body)
    names = ("absent", "folder", "pipe", "wrong", "long", "ok", "2")

    found = find_content(folder, OLD, listed, [tmp_path / name for name in names])

    assert found == (tmp_path / "ok", Proof(5, sha256(b"right")))


def test_content_is_not_read_twice_nor_out_of_a_pipe(
    folder: RepoFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob is hashed once although a link leads to it too, and a pipe is never read."""
    flip_bit(put(folder, OLD, "a.npz", b"right"))
    os.mkfifo(tmp_path / "pipe")
    digested: list[Path] = []

    def digest(path: Path, etag: str) -> tuple[Proof, str]:
        digested.append(path)
        return Proof(0, etag), "another"

    monkeypatch.setattr("whisper_speedtest.cache.inspecting.digest", digest)

    find_content(folder, OLD, RemoteFile("a.npz", 5, sha256(b"right")), ())
    assert digested == [folder.blobs / sha256(b"right")]
    find_content(folder, NEW, RemoteFile("a.npz", 0, sha256(b"")), [tmp_path / "pipe"])
    assert len(digested) == 1


def test_content_is_found_in_snapshots_without_links(folder: RepoFolder) -> None:
    """Content is found unlinked in a snapshot: in the commit's own first, then in others."""
    listed = RemoteFile("deep/a.npz", 5, sha256(b"right"))
    put(folder, OLD, "deep/a.npz", b"wrong")
    for commit in (NEW, THIRD):
        path = folder.pointer(commit, "deep/a.npz")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"right")

    found = find_content(folder, OLD, listed, ())
    own = find_content(folder, THIRD, listed, ())
    linked = find_content(folder, OLD, RemoteFile("deep/a.npz", 5, sha256(b"other")), ())

    assert found is not None
    assert found[0] in {folder.pointer(commit, "deep/a.npz") for commit in (NEW, THIRD)}
    assert own == (folder.pointer(THIRD, "deep/a.npz"), Proof(5, sha256(b"right")))
    assert linked is None
