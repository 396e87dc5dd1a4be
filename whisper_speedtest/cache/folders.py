"""The layout of the hub cache: how its folders and files are named, and what links to what.

    models--org--name/
      blobs/<etag>                      a file's bytes; 64 hex digits: sha256, 40: git's sha1
      snapshots/<commit>/<file>         a link to its blob
      refs/<revision>                   the commit of a branch or tag
      trees/<commit>.json               the hub's listing of a commit, kept by `snapshot_download`
      .speedtest/<revision>@<commit>.json   our manifest of what was verified
      .speedtest/staging-*/             a run's downloads under way, locked by that run
      .speedtest/part-<etag>/           a download under way or cut off, locked likewise

All but `.speedtest` is huggingface_hub's layout, so that its tools find the files; they ignore
`.speedtest`. On a file system without links, the snapshot has the file itself. A blob may be a link
into a store of blobs that huggingface_hub shares between repos; then the file in the store is
hashed, and only the link is ever replaced.

A file by URL is kept in the same way, in `models--host--path`, but without a ref: its commit and
its revision are both its sha256.
Source: huggingface_hub 2.4.0, file_download.py, _tree_cache.py, utils/_cache_manager.py and
utils/_shared_blobs.py.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from adapters.base import EMBEDDED
from whisper_speedtest.cache.evidence import LONGEST_LISTING
from whisper_speedtest.cache.hashes import is_etag, is_sha1, is_sha256, open_file
from whisper_speedtest.common.files import existing
from whisper_speedtest.common.text import human

if TYPE_CHECKING:
    from whisper_speedtest.cache.evidence import RemoteFile

MODELS = "models--"
"""How the name of each model repo's folder begins."""


def folder_name(repo: str) -> str:
    """Return the name of a repo's folder in a hub cache.

    For a repo on the hub it is the name that huggingface_hub uses. A URL, a model that the project
    makes, and an id that is impossible on the hub get names of the same form.
    """
    if "://" not in repo and not repo.startswith(EMBEDDED):
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.file_download import repo_folder_name

        with suppress(HFValidationError):
            return repo_folder_name(repo_id=repo, repo_type="model")
    return MODELS + repo.rpartition("://")[2].replace("/", "--")


def is_safe(name: str) -> bool:
    """Return whether a file of this name stays inside its folder, so has no `..`, for example."""
    parts = name.split("/")
    return not ({"", ".", ".."} & set(parts) or "\\" in name or "\0" in name)


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return the paths in a folder that match a pattern; none if the folder cannot be read."""
    with suppress(OSError):
        return list(folder.glob(pattern))
    return []


def read_small_file(path: Path) -> bytes:
    """Return the content of a small file; raise ValueError if it is longer than LONGEST_LISTING."""
    with open_file(path) as file:
        text = file.read(LONGEST_LISTING + 1)
    if len(text) > LONGEST_LISTING:
        wrong = f"expected at most {human(LONGEST_LISTING)}"
        raise ValueError(wrong)
    return text


class RepoFolder:
    """The folder of one repo in the hub cache; a repo may be the URL of a folder on a server."""

    def __init__(self, cache: Path, repo: str, name: str = "") -> None:
        """Describe the folder of `repo`, which need not exist; `name` is its name, if known."""
        self.root = cache / (name or folder_name(repo))
        self.blobs = self.root / "blobs"
        self.own = self.root / ".speedtest"
        self.repo = repo
        self.by_url = "://" in repo

    def pointer(self, commit: str, name: str) -> Path:
        """Return the path of a file in a commit's snapshot, whether it exists or not."""
        return self.root / "snapshots" / commit / name

    def ref_path(self, revision: str) -> Path:
        """Return the path of the file with a revision's commit, whether it exists or not."""
        return self.root / "refs" / revision

    def listing_path(self, commit: str) -> Path:
        """Return the path of huggingface_hub's listing of a commit, whether it exists or not."""
        return self.root / "trees" / f"{commit}.json"

    def manifest_path(self, revision: str, commit: str) -> Path:
        """Return the path of the manifest of a revision's commit, whether it exists or not."""
        return self.own / f"{quote(revision, safe='')}@{commit}.json"

    def commit(self, revision: str) -> str | None:
        """Return the commit of a revision, as huggingface_hub noted it; None if it did not."""
        if self.can_mean(revision, revision):
            return revision
        with suppress(OSError, ValueError):
            noted = read_small_file(self.ref_path(revision)).decode().strip()
            return noted if self.can_mean(revision, noted) else None
        return None

    def can_mean(self, revision: str, commit: str) -> bool:
        """Return whether a revision can mean a commit. For a file by URL they must be equal."""
        return is_sha256(commit) and commit == revision if self.by_url else is_sha1(commit)

    def linked_etag(self, path: Path) -> str:
        """Return the etag of this repo's blob to which `path` is a link; "" if it is no such link.

        It is the blob's name, and nobody has compared the blob's content with it.
        """
        with suppress(OSError):  # no link, or one into nowhere
            target = path.parent / path.readlink()
            if is_etag(target.name) and target.parent.samefile(self.blobs):
                return target.name
        return ""

    def is_place_of(self, path: Path, commit: str, file: RemoteFile) -> bool:
        """Return whether `path` is the place in the cache where a commit's file belongs."""
        return path in {self.blobs / file.etag, self.pointer(commit, file.name)}

    def may_link(self, path: Path) -> bool:
        """Return whether a file is on the same disk as the blobs; if not, it has to be copied."""
        return existing(self.blobs).stat().st_dev == path.stat().st_dev
