"""Fills the folder of a repo in a hub cache by hand, without any hub."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from adapters.base import ModelFiles

if TYPE_CHECKING:
    from pathlib import Path

    from whisper_speedtest.cache.folders import RepoFolder

REPO = "org/model"
FILES = ModelFiles(REPO, ("a.npz", "b.json"))
OLD, NEW, THIRD = ("1" * 40, "2" * 40, "3" * 40)


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
