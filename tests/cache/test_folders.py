"""The hub cache without any hub: what lies there, and what of it is believed."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from adapters.base import ModelFiles
from tests.helpers.harm import flip_bit
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.folders import RepoFolder, cached_repos, folder_name, inspect, is_safe
from whisper_speedtest.cache.hashes import Proof, prove

if TYPE_CHECKING:
    from pathlib import Path


REPO = "org/model"
FILES = ModelFiles(REPO, ("a.npz", "b.json"))
OLD, NEW, THIRD = ("1" * 40, "2" * 40, "3" * 40)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> RepoFolder:
    """The folder of a repo, which is empty."""
    folder = RepoFolder(tmp_path, REPO)
    for made in (folder.blobs, folder.own, folder.root / "refs"):
        made.mkdir(parents=True)
    return folder


def sha256(body: bytes) -> str:
    """Return the hash of some bytes."""
    return hashlib.sha256(body).hexdigest()


def put(folder: RepoFolder, commit: str, name: str, body: bytes) -> Path:
    """Put a file into a commit, as a link to its blob; return the link."""
    blob = folder.blobs / sha256(body)
    blob.write_bytes(body)
    link = folder.pointer(commit, name)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


def note(folder: RepoFolder, commit: str, at: int, **bodies: bytes) -> Path:
    """Write a manifest that was last written at a time, in seconds; return its path."""
    files = {
        name.replace("_", "."): {"size": len(b), "sha256": sha256(b), "etag": sha256(b)}
        for name, b in bodies.items()
    }
    path = folder.manifest_path("main", commit)
    manifest = {"repo": REPO, "revision": "main", "commit": commit, "files": files}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    os.utime(path, (at, at))
    return path


# Names


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("org/name", "models--org--name"),
        ("name", "models--name"),
        ("embedded/micro-mlx-fp16", "models--embedded--micro-mlx-fp16"),
        ("https://example.org/a/b", "models--example.org--a--b"),
        ("http://127.0.0.1:80/a", "models--127.0.0.1:80--a"),
        ("an/impossible/id", "models--an--impossible--id"),
    ],
)
def test_folder_is_named_by_its_repo(tmp_path: Path, repo: str, name: str) -> None:
    """The folder of a repo, a URL or an embedded model is named after it by one rule."""
    assert folder_name(repo) == name
    assert RepoFolder(tmp_path, repo).root == tmp_path / name


@pytest.mark.parametrize("repo", ["org/name", "name", "org/name.of-dots_1"])
def test_folder_of_a_repo_on_the_hub_is_huggingface_hubs(repo: str) -> None:
    """The folder of a repo on the hub has the name that huggingface_hub gives it."""
    from huggingface_hub.file_download import repo_folder_name

    assert folder_name(repo) == repo_folder_name(repo_id=repo, repo_type="model")


def test_only_a_repo_on_the_hub_is_named_by_huggingface_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """huggingface_hub's rule names the folders of repos on the hub and no others."""
    from huggingface_hub import file_download

    named = []

    def rule(*, repo_id: str, repo_type: str) -> str:
        named.append((repo_id, repo_type))
        return "its-name"

    monkeypatch.setattr(file_download, "repo_folder_name", rule)

    assert folder_name("org/name") == "its-name"
    assert folder_name("https://example.org/a") == "models--example.org--a"
    assert folder_name("embedded/micro") == "models--embedded--micro"
    assert named == [("org/name", "model")]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a", True),
        ("a/b.c", True),
        ("..a/b..", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("./a", False),
        ("a/..", False),
        ("../a", False),
        ("a\\b", False),
        ("a\0", False),
    ],
)
def test_safe_names_stay_in_their_folder(name: str, safe: bool) -> None:
    """A safe name leads neither up nor to the root, and has no backslash and no NUL."""
    assert is_safe(name) is safe


def test_cached_repos_are_the_folders_of_models(tmp_path: Path) -> None:
    """The cached repos are the folders of models, in the order of their names."""
    for name in ("models--b--b", "models--a--a", "datasets--c--c", ".locks", "version.txt"):
        (tmp_path / name).mkdir()

    assert [folder.repo for folder in cached_repos(tmp_path)] == ["a/a", "b/b"]
    assert [folder.root.name for folder in cached_repos(tmp_path)] == [
        "models--a--a",
        "models--b--b",
    ]
    assert cached_repos(tmp_path / "nowhere") == []


# What a revision stands for


def test_commit_is_what_the_ref_says(folder: RepoFolder) -> None:
    """A ref that is missing or holds no commit says nothing; a commit stands for itself."""
    (folder.root / "refs" / "main").write_text(f"{OLD}\n", encoding="utf-8")
    (folder.root / "refs" / "bad").write_text("main", encoding="utf-8")
    (folder.root / "refs" / "worse").write_bytes(b"\xff\xfe")

    assert folder.commit("main") == OLD
    assert folder.commit("bad") is folder.commit("worse") is folder.commit("none") is None
    assert folder.commit(NEW) == NEW


def test_last_manifest_that_has_all_files_is_believed(folder: RepoFolder) -> None:
    """Of the commits with a manifest, the one noted last that has all its files is believed."""
    for commit, at in ((OLD, 100), (THIRD, 300), (NEW, 200)):
        put(folder, commit, "a.npz", commit.encode())
        put(folder, commit, "b.json", b"{}")
        note(folder, commit, at, a_npz=commit.encode(), b_json=b"{}")

    assert list(folder.verified_commits("main")) == [THIRD, NEW, OLD]
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
    assert list(folder.verified_commits("main")) == [OLD, NEW]
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


def test_nothing_known_is_missing_with_no_commit(tmp_path: Path) -> None:
    """Where nothing is cached, each file is missing, there is no commit, and no folder is made."""
    found = inspect(tmp_path / "cache", FILES)

    assert (found.commit, found.state) == (None, "missing")
    assert [fault.reason for fault in found.faults] == [
        "a.npz: not in the cache",
        "b.json: not in the cache",
    ]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"repo": "org/other"},
        {"revision": "v2"},
        {"commit": NEW},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 63, "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64, "etag": "0" * 41}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64 + "\n", "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": "1", "sha256": "0" * 64, "etag": "0" * 64}}},
        {"files": {"a.npz": {"size": 1, "sha256": "0" * 64}}},
        {"files": ["a.npz"]},
    ],
    ids=(
        "repo revision commit short-sha256 odd-etag newline-in-sha256 size-as-text no-etag list"
    ).split(),
)
def test_manifest_of_something_else_counts_as_none(
    folder: RepoFolder, changes: dict[str, Any]
) -> None:
    """A manifest with another repo, revision or commit than its name, or odd hashes, is ignored."""
    path = note(folder, OLD, 100, a_npz=b"a")
    assert list(folder.verified_commits("main")) == [OLD]

    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")

    assert folder.verified_commits("main") == {}


def test_manifest_of_a_revision_with_a_slash_has_a_name_of_its_own(folder: RepoFolder) -> None:
    """The manifest of a revision with a slash is one file, whose name escapes the slash."""
    path = folder.manifest_path("refs/pr/1", OLD)

    assert path.parent == folder.own
    assert path.name == f"refs%2Fpr%2F1@{OLD}.json"
    assert folder.verified_commits("refs/pr/1") == {}


# One file


def look(folder: RepoFolder, name: str = "a.npz") -> tuple[str, str]:
    """Return the state of a file of the old commit, and what is wrong with it."""
    found = folder.inspect_file(OLD, name)
    return found.state, found.reason


def test_linked_file_must_have_the_hash_that_its_blob_is_named_by(folder: RepoFolder) -> None:
    """A linked file with another hash than its blob's name is corrupt, and both are named."""
    link = put(folder, OLD, "a.npz", b"right")
    assert look(folder) == ("complete", "")
    assert folder.inspect_file(OLD, "a.npz").etag == sha256(b"right")

    assert folder.inspect_file(OLD, "a.npz").unconfirmed

    flip_bit(link)
    got = prove(link)

    assert not folder.inspect_file(OLD, "a.npz").unconfirmed
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
    assert folder.inspect_file(OLD, "a.npz").etag == sha256(b"right")

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


def test_link_counts_only_into_the_blobs_of_its_own_repo(folder: RepoFolder) -> None:
    """A link counts only if it leads to a hash among the blobs of its own repo."""
    link = put(folder, OLD, "deep/a.npz", b"right")
    assert folder.linked_etag(link) == sha256(b"right")

    other = RepoFolder(folder.root.parent, "org/other")
    other.blobs.mkdir(parents=True)
    (other.blobs / sha256(b"right")).write_bytes(b"right")
    (folder.blobs / "no-hash").write_bytes(b"right")
    for target in (other.blobs / sha256(b"right"), folder.blobs / "no-hash"):
        link.unlink()
        link.symlink_to(target)
        assert folder.linked_etag(link) == "", f"expected a link to {target} not to count"
    link.unlink()
    link.write_bytes(b"right")
    assert folder.linked_etag(link) == ""


def test_blob_is_held_if_it_has_the_listed_size_and_hash(folder: RepoFolder) -> None:
    """A blob is held if it has the listed size and hash, whatever links to it."""
    put(folder, OLD, "a.npz", b"right")
    listed = RemoteFile("a.npz", 5, sha256(b"right"))

    blob = folder.blobs / sha256(b"right")
    assert folder.find_content(OLD, listed, ()) == (blob, Proof(5, sha256(b"right")))
    assert folder.find_content(OLD, RemoteFile("a.npz", 6, sha256(b"right")), ()) is None
    assert folder.find_content(OLD, RemoteFile("a.npz", 5, sha256(b"other")), ()) is None

    flip_bit(blob)

    assert folder.find_content(OLD, listed, ()) is None


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

    found = folder.find_content(OLD, listed, [tmp_path / name for name in names])

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

    monkeypatch.setattr("whisper_speedtest.cache.folders.digest", digest)

    folder.find_content(OLD, RemoteFile("a.npz", 5, sha256(b"right")), ())
    assert digested == [folder.blobs / sha256(b"right")]
    folder.find_content(NEW, RemoteFile("a.npz", 0, sha256(b"")), [tmp_path / "pipe"])
    assert len(digested) == 1


def test_content_is_found_in_snapshots_without_links(folder: RepoFolder) -> None:
    """Content is found unlinked in a snapshot: in the commit's own first, then in others."""
    listed = RemoteFile("deep/a.npz", 5, sha256(b"right"))
    put(folder, OLD, "deep/a.npz", b"wrong")
    for commit in (NEW, THIRD):
        path = folder.pointer(commit, "deep/a.npz")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"right")

    found = folder.find_content(OLD, listed, ())
    own = folder.find_content(THIRD, listed, ())
    linked = folder.find_content(OLD, RemoteFile("deep/a.npz", 5, sha256(b"other")), ())

    assert found is not None
    assert found[0] in {folder.pointer(commit, "deep/a.npz") for commit in (NEW, THIRD)}
    assert own == (folder.pointer(THIRD, "deep/a.npz"), Proof(5, sha256(b"right")))
    assert linked is None


def test_manifest_of_what_a_revision_cannot_mean_does_not_count(
    folder: RepoFolder, tmp_path: Path
) -> None:
    """A commit on the hub is a sha1, and that of a file by URL is its revision itself."""
    note(folder, OLD, 1, a_npz=b"a")
    note(folder, "odd", 2, a_npz=b"b")
    by_url = RepoFolder(tmp_path, "https://example.org/models")
    by_url.own.mkdir(parents=True)
    right, wrong = sha256(b"right"), sha256(b"wrong")
    for commit in (right, wrong):
        manifest = {"repo": by_url.repo, "revision": right, "commit": commit, "files": {}}
        by_url.manifest_path(right, commit).write_text(json.dumps(manifest), encoding="utf-8")

    assert list(folder.verified_commits("main")) == [OLD]
    assert list(by_url.verified_commits(right)) == [right]
