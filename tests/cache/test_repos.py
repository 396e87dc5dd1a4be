"""The repos that a hub cache has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.repos import cached_repos

if TYPE_CHECKING:
    from pathlib import Path


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


def test_scheme_of_a_url_is_read_from_a_manifest(tmp_path: Path) -> None:
    """A folder of a URL is of the URL in its manifest; without a manifest, the scheme is https."""
    folder = RepoFolder(tmp_path, "http://example.org/a/b")
    folder.own.mkdir(parents=True)
    assert [each.repo for each in cached_repos(tmp_path)] == ["https://example.org/a/b"]

    commit = "a" * 64
    manifest = {"repo": folder.repo, "revision": commit, "commit": commit, "files": {}}
    folder.manifest_path(commit, commit).write_text(json.dumps(manifest), encoding="utf-8")

    (found,) = cached_repos(tmp_path)
    assert (found.repo, found.root, found.by_url) == (folder.repo, folder.root, True)


def test_folder_keeps_its_name_where_its_repo_would_have_another(tmp_path: Path) -> None:
    """The folder of a cached repo is the one found, even if its name is like no repo's."""
    (tmp_path / "models--a:----b").mkdir()

    (found,) = cached_repos(tmp_path)

    assert found.root == tmp_path / "models--a:----b"
