"""The folders of a hub cache: their names, and what links and refs in them say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cache.by_hand import NEW, OLD, put, sha256
from whisper_speedtest.cache.folders import RepoFolder, folder_name, is_safe

if TYPE_CHECKING:
    from pathlib import Path


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


def test_commit_is_what_the_ref_says(folder: RepoFolder) -> None:
    """A ref that is missing or holds no commit says nothing; a commit stands for itself."""
    (folder.root / "refs" / "main").write_text(f"{OLD}\n", encoding="utf-8")
    (folder.root / "refs" / "bad").write_text("main", encoding="utf-8")
    (folder.root / "refs" / "worse").write_bytes(b"\xff\xfe")

    assert folder.commit("main") == OLD
    assert folder.commit("bad") is folder.commit("worse") is folder.commit("none") is None
    assert folder.commit(NEW) == NEW


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
