"""Models that the project makes itself: exports of a checkpoint in fixtures/models.

They are kept in `.cache/models`, which has the layout of a hub cache, or in a temporary folder if
that is not writable. In place of the commit there is a hash of everything that an export is made
from: the checkpoint, the exporters and the versions of the packages that they use. No hub is used,
and huggingface_hub is not imported.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.base import EMBEDDED
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import CHUNK, prove
from whisper_speedtest.cache.inspecting import inspect
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.model import ModelError, RepoError, Unavailable, VerificationError
from whisper_speedtest.cache.plan import MARGIN, PlannedModel
from whisper_speedtest.cache.staging import staging
from whisper_speedtest.common.files import flock
from whisper_speedtest.common.text import human

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapters.base import ModelFiles
    from whisper_speedtest.cache.staging import Staging

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"

_once = threading.Lock()
"""Lets one thread at a time ask for the temporary folder, so that only one is made."""


def make(files: ModelFiles) -> PlannedModel:
    """Make a model's export unless an intact one exists, and return a plan without downloads.

    The model is complete in the plan, or has a problem. Its commit is the sha256 of the checkpoint.
    If the export cannot be made, its files are corrupt, with the reason.
    """
    try:
        return PlannedModel(files, _make_somewhere(files))
    except ModelError as error:
        problem = error
    except PackageNotFoundError as error:
        problem = Unavailable(
            f"{files}: cannot be made, as {error.name} is not installed; install its extra"
        )
    except OSError as error:
        problem = Unavailable(
            f"{files}: cannot be made in {CACHE}, nor in a temporary folder: {error}; make one of "
            "them writable, or make room there"
        )
    findings = {name: Finding(name, "corrupt", CACHE, reason=str(problem)) for name in files.files}
    return PlannedModel(files, Inspection(files, None, findings), problem=problem)


def _make_somewhere(files: ModelFiles) -> Inspection:
    """Make the export in CACHE or, if nothing can be written there, in a temporary folder."""
    try:
        return _make_in(files, CACHE)
    except OSError:
        with _once:
            folder = _temporary_folder()
        return _make_in(files, folder)


@cache
def _temporary_folder() -> Path:
    """Make this process's temporary folder, which is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="whisper-speedtest-models-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder, "models")


def _make_in(files: ModelFiles, folder: Path) -> Inspection:
    """Make the export in a folder unless an intact one is there, and return its state."""
    try:
        checkpoint, form, variant = files.repo.removeprefix(EMBEDDED).split("-", 2)
        exporter = import_module(f"fixtures.models.{checkpoint}.export")
        packages = exporter.FORMATS[form].packages
    except (ValueError, ImportError, KeyError):
        raise RepoError(
            f"{files}: expected {EMBEDDED}CHECKPOINT-FORMAT-VARIANT, as {EMBEDDED}micro-mlx-fp16; "
            "fix the adapter's check map"
        ) from None
    source = ROOT / "fixtures" / "models" / checkpoint
    kept = replace(files, revision=_key(source, packages))
    found = inspect(folder, kept)
    if not _is_intact(found):
        with _others_waiting(folder):
            # Another process may have made it while this one waited.
            if not _is_intact(inspect(folder, kept)):
                _export(kept, folder, exporter.__name__, form, variant)
        found = inspect(folder, kept)
    if found.state != "complete":
        lacking = ", ".join(fault.name for fault in found.faults) or "file at all"
        raise RepoError(
            f"{files}: expected files that {exporter.__name__} makes, and that is no {lacking}; "
            "fix the adapter's check map"
        )
    return Inspection(files, prove(source / "weights.npz").sha256, found.findings)


def _is_intact(found: Inspection) -> bool:
    """Return whether all files of an export exist and are as they were when it was made."""
    return found.state == "complete" and not found.unconfirmed


@contextmanager
def _others_waiting(folder: Path) -> Iterator[None]:
    """Keep all other threads and processes from making an export while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        flock(lock.fileno(), fcntl.LOCK_EX)  # without locks, both make it, and it is the same
        yield


def _key(source: Path, packages: Iterable[str]) -> str:
    """Return a hash, in the form of a commit, of everything that an export is made from."""
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package}=={version(package)}\n".encode())
    made_from = ("weights.npz", "config.json", "export.py", "formats/*.py")
    for file in (file for name in made_from for file in sorted(source.glob(name))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:40]


def _require_room(folder: Path, stage: Staging) -> None:
    """Raise OSError unless a folder's disk has MARGIN bytes free, enough for any of the exports."""
    free = shutil.disk_usage(folder).free
    if free < MARGIN:
        lacking = f"{os.strerror(errno.ENOSPC)}: expected {human(MARGIN)} free, got {human(free)}"
        raise OSError(errno.ENOSPC, lacking, str(folder))
    # A quota may leave less than the disk has free. Only writing something shows that.
    stage.new().write_bytes(bytes(CHUNK))


def _export(files: ModelFiles, folder: Path, exporter: str, form: str, variant: str) -> None:
    """Export in another process, as that imports much, and move the files into the cache.

    Raises:
        OSError: There is no room, which is checked before the export, and after one that failed.
    """
    with staging(RepoFolder(folder, files.repo)) as stage:
        made = stage.new()
        _require_room(folder, stage)
        run = subprocess.run(
            [sys.executable, "-m", exporter, form, variant, str(made)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            _require_room(folder, stage)
            raise VerificationError(
                f"{files.repo}: expected {exporter} {form} {variant} to make it, "
                f"got exit status {run.returncode}:\n{run.stderr}"
            )
        findings = {}
        for file in sorted(made.iterdir()):
            etag = prove(file).sha256
            proof = stage.publish(file, etag)
            path = stage.link(files.revision, file.name, etag)
            findings[file.name] = Finding(file.name, "complete", path, etag, proof)
        stage.write_manifest(Inspection(files, files.revision, findings))
